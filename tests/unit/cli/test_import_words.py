"""What an import says: the same verdict of a line once, and what is only in conflict is not called rejected."""

from __future__ import annotations

from pathlib import Path

from gridwright.cli.reading_import import words
from gridwright.domain.verdict import Intake, Reject
from gridwright.jobs.files.ingest_file import Imported
from gridwright.store import SaveSummary


def said(*rejects: Reject, rejected: int = 0, derived: SaveSummary | None = None) -> list[str]:
    intake = Intake("day.csv", "nem12", 96, 48, rejects, rejected)
    made = derived or SaveSummary(0, 0, 0, 0)
    return words(Imported(intake, new=48, rejects_file=Path("r.csv"), derived=made))


def test_a_verdict_that_a_line_has_many_times_is_said_once() -> None:
    """A day of NEM12 that came twice filled the ten lines with one sentence, and hid what else there was."""
    twice = [Reject(3, "conflict: another won", "the later is kept", f"{slot}") for slot in range(48)]
    lines = said(*twice, Reject(4, "no number"))
    assert lines[1:4] == [
        "  line 3: conflict: another won (the later is kept), 48 times",
        "  line 4: no number",
        "Conflicting records: r.csv",
    ]


def test_ten_different_verdicts_are_said_and_the_file_has_them_all() -> None:
    lines = said(*(Reject(line, "no number") for line in range(1, 13)), rejected=12)
    assert len([line for line in lines if "no number" in line]) == 10
    assert "Rejected records: r.csv" in lines


def test_what_was_derived_is_said_apart() -> None:
    assert "Intervals" not in " ".join(said())
    assert said(derived=SaveSummary(47, 0, 1, 48))[-2:] == [
        "Stored: 48 new, 0 changed, 0 as before.",
        "Intervals of energy between the register reads: 47 new, 0 changed, 1 as before.",
    ]


def test_register_reads_and_what_is_not_kept_are_counted() -> None:
    reads = words(Imported(Intake("day.csv", "csv", 48, 48, (), 0), new=47, same=1, registers=48))
    assert reads[-1] == "Stored: 47 new, 0 changed, 1 as before; 48 of them register reads."
    lost = words(Imported(Intake("day.csv", "csv", 40, 40, (), 0), unkept=40))
    assert lost[-1] == "Stored: 0 new, 0 changed, 0 as before; 40 not kept: longer than an hour, or on no grid."

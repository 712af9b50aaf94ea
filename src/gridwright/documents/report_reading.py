"""The first part of the page: what was read, how it was understood, and what could not be taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from gridwright.documents.report_text import counted, shortened
from gridwright.documents.report_views import ReadingView, Row, Rows
from gridwright.domain.verdict import Intake, Reject

REJECTS_SHOWN = 50
EVIDENCE_SHOWN = 100
NOTES_SHOWN = 30
LINES_SHOWN = 12
REASONS_SHOWN = 5
FILES_SHOWN = 500


def reading_view(intakes: Sequence[Intake]) -> ReadingView:
    """Show the verdict on every file; with several files each row names its own."""
    several = len(intakes) > 1
    return ReadingView(
        files=_files(intakes),
        evidence=_evidence(intakes, several=several),
        notes=_notes(intakes, several=several),
        rejects_text=_rejects_text(intakes),
        rejects=_rejects(intakes, several=several),
    )


def refused(intake: Intake) -> list[Reject]:
    """Return what could not be taken of a file, as far as it was kept; conflicts are told apart, in the notes."""
    return [reject for reject in intake.rejects if not reject.conflict]


def _files(intakes: Sequence[Intake]) -> Rows:
    header = ("file", "format", "records", "readings taken", "rejected", "repeated", "conflicting")
    rows = tuple(
        (
            shortened(intake.source),
            intake.format,
            *(
                f"{count:,}"
                for count in (
                    intake.records,
                    intake.accepted,
                    intake.rejected,
                    intake.repeated,
                    intake.conflicting,
                )
            ),
        )
        for intake in intakes[:FILES_SHOWN]
    )
    return Rows(header, rows, numbers=True, note=left_out(len(intakes), FILES_SHOWN, "file"))


def left_out(total: int, shown: int, noun: str) -> str:
    """Say that a table shows only its first rows; nothing when it shows all."""
    return f"The first {shown} of {counted(total, noun)}." if total > shown else ""


def _evidence(intakes: Sequence[Intake], *, several: bool) -> Rows | None:
    rows = [
        _own(intake, several, (item.what, shortened(item.value), shortened(item.because), _option(item.override)))
        for intake in intakes
        for item in intake.evidence
    ]
    if not rows:
        return None
    header = _header(("what", "taken as", "because", "option"), several=several)
    return Rows(header, tuple(rows[:EVIDENCE_SHOWN]), note=left_out(len(rows), EVIDENCE_SHOWN, "row"))


def _option(name: str) -> str:
    return name if name.startswith("--") else f"--{name}" if name else "–"


def _own(intake: Intake, several: bool, row: Row) -> Row:  # noqa: FBT001 - one column more or not
    return (shortened(intake.source, 60), *row) if several else row


def _header(names: Row, *, several: bool) -> Row:
    return ("file", *names) if several else names


def _notes(intakes: Sequence[Intake], *, several: bool) -> tuple[str, ...]:
    notes = [f"{intake.source}: {note}" if several else note for intake in intakes for note in _said(intake)]
    more = len(notes) - NOTES_SHOWN
    return (*notes[:NOTES_SHOWN], *([f"… and {counted(more, 'note')} more."] if more > 0 else []))


def _said(intake: Intake) -> Iterator[str]:
    yield from intake.notes
    if intake.repeated:
        yield f"{counted(intake.repeated, 'record')} repeated a reading with the same value and changed nothing."
    if intake.conflicting:
        yield (
            f"{counted(intake.conflicting, 'record')} gave another value for an interval that already had one; "
            f"the better quality won, then the later record{_lines_of(intake)}."
        )


def _lines_of(intake: Intake) -> str:
    lines = [f"{reject.line:,}" for reject in intake.rejects if reject.conflict and reject.line > 0]
    if not lines:
        return ""
    return f" (lines {', '.join(lines[:LINES_SHOWN])}{' …' if len(lines) > LINES_SHOWN else ''})"


def _rejects_text(intakes: Sequence[Intake]) -> str:
    total = sum(intake.rejected for intake in intakes)
    if not total:
        return "Every record could be taken."
    records = sum(intake.records for intake in intakes)
    shown = min(sum(len(refused(intake)) for intake in intakes), REJECTS_SHOWN)
    verb = "was" if total == 1 else "were"
    text = f"{total:,} of {counted(records, 'record')} {verb} not taken; all others are used."
    text += f" The first {shown} are shown here." if shown < total else ""
    return f"{text} {_by_reason(intakes)}".rstrip()


def _by_reason(intakes: Sequence[Intake]) -> str:
    """Count the reasons that many records share; reasons that name their own value would only repeat the table."""
    counts = Counter(reject.reason for intake in intakes for reject in refused(intake)).most_common(REASONS_SHOWN)
    shared = "; ".join(f"{count:,} × {shortened(reason)}" for reason, count in counts if count > 1)
    return f"Most often: {shared}." if shared else ""


def _rejects(intakes: Sequence[Intake], *, several: bool) -> Rows | None:
    rows = tuple(
        _own(
            intake,
            several,
            (
                f"{reject.line:,}" if reject.line > 0 else "–",
                shortened(reject.value or reject.record, 120),
                shortened(reject.reason),
                shortened(reject.remedy) or "–",
            ),
        )
        for intake, reject in islice(((i, r) for i in intakes for r in refused(i)), REJECTS_SHOWN)
    )
    return Rows(_header(("line", "value", "reason", "what would help"), several=several), rows) if rows else None

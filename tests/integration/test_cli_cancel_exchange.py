"""A wrong exchange on the command line: seen, cancelled, and refused where something stands on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command_line import Run, commands

AT = "2025-03-30T03:30"  # civil time, on the day on which the clock goes forward in Berlin
UNDO = ("usage-point", "cancel-exchange", "A", "--at", AT, "--reason", "B was meant")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    command = commands(monkeypatch, capsys)

    (tmp_path / "day.csv").write_text(
        "meter,start,kWh\n" + "".join(f"A,2025-03-30T{hour:02d}:00:00Z,0.5\n" for hour in range(22))
    )
    assert command("reading", "import", "day.csv", "--zone", "Europe/Berlin")[0] == 0
    for serial, at, reads in (
        ("M-1", "2025-03-01", ("--opening", "10")),
        ("M-2", AT, ("--final", "99", "--opening", "1")),
    ):
        code, _, err = command("usage-point", "exchange", "A", "--serial", serial, "--at", at, *reads)
        assert code == 0, err
    return command


def test_a_wrong_exchange_is_seen_and_cancelled(run: Run) -> None:
    code, out, err = run(*UNDO, "--dry-run")
    told = out + err
    assert code == 0
    assert "the exchange to M-2 at 2025-03-30T03:30:00+02:00 never was, M-1 (x1) goes on." in told
    assert "Counts no more: 99.000 kWh delivered of meter M-1" in told
    code, out, _ = run(*UNDO, "--json")
    answer = json.loads(out)
    assert [(each["meter"], each["to"]) for each in answer["installations"]] == [("M-1", None)]
    assert [(each["meter"], each["kwh"]) for each in answer["withdrawn"]] == [("M-1", 99.0), ("M-2", 1.0)]
    code, out, err = run(*UNDO)
    assert (code, "no meter began at 2025-03-30T01:30:00+00:00" in out + err) == (1, True)
    code, out, err = run(
        "usage-point", "exchange", "A", "--serial", "M-3", "--at", AT, "--final", "98", "--opening", "0"
    )
    assert (code, "M-3 (x1) from 2025-03-30T03:30:00+02:00 until now" in out + err) == (0, True)


def test_new_transformers_are_told_as_such(run: Run) -> None:
    order = ("usage-point", "exchange", "A", "--serial", "M-2", "--at", "2025-03-30T20:00", "--multiplier", "40")
    code, out, err = run(*order, "--final", "5", "--opening", "5")
    assert (code, "M-2 stays, its transformer factor goes from 1 to 40 at 2025-03-30T20:00:00+02:00" in out + err) == (
        0,
        True,
    )
    code, out, err = run(
        "usage-point", "cancel-exchange", "A", "--at", "2025-03-30T20:00", "--reason", "none", "--dry-run"
    )
    assert code == 0
    assert "the change of M-2 to the transformer factor 40 at 2025-03-30T20:00:00+02:00 never was" in out + err
    told = [line for line in (out + err).splitlines() if line.startswith("Counts no more: 5.000 kWh")]
    assert [line.rpartition(", ")[2] for line in told] == ["the final read.", "the opening read."]
    code, out, err = run(*UNDO, "--dry-run")
    assert (code, "the factor of meter M-2 went from 1 to 40 at 2025-03-30T18:00:00+00:00" in out + err) == (1, True)


def test_without_a_reason_nothing_is_cancelled(run: Run) -> None:
    code, out, err = run(*UNDO[:-1], " ")
    assert (code, "needs a reason" in out + err) == (1, True)


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("2024-10-27T02:30", "comes twice in Europe/Berlin"),
        ("2025-03-30T02:30", "comes never in Europe/Berlin"),
        ("2024-10-27T02:30+01:00", "no meter began at 2024-10-27T01:30:00+00:00"),
    ],
)
def test_an_hour_that_comes_twice_or_never_is_not_guessed_at(run: Run, at: str, says: str) -> None:
    for words in (("cancel-exchange", "A", "--reason", "why"), ("exchange", "A", "--serial", "M-9", "--dry-run")):
        code, out, err = run("usage-point", *words, "--at", at)
        # With its offset the hour is certain; what the exchange refuses then is a meter before the first one.
        why = "overlaps meter M-1" if words[0] == "exchange" and "+" in at else says
        assert (code, why in out + err) == (1, True), err

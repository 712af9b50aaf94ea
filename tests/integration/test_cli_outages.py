"""Outages by command: told, listed, taken back, and what is wrong with them said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.command_line import Run, commands


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return commands(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    zones = {"UP-1": "Europe/Berlin", "UP-2": "Europe/Berlin", "UP-3": "Europe/London"}
    with open_store(tmp_path / "gridwright.db") as opened:
        opened.registry.save_points(ME, [UsagePoint(name, zone) for name, zone in zones.items()])
        yield opened


def document(run: Run, *words: str, code: int = 0) -> Any:  # noqa: ANN401 - JSON
    ended, out, err = run(*words, "--json")
    assert ended == code, out + err
    return json.loads(out)


def test_told_listed_and_taken_back(run: Run, store: Store) -> None:
    first = document(run, "outage", "add", "UP-1", "UP-2", "--from", "2025-03-03T08:15", "--text", "a digger")
    told = {"usage_points": ["UP-1", "UP-2"], "from": "2025-03-03T07:15:00+00:00", "to": None, "events": 2}
    assert first == {**told, "accepted": 2, "rejected": 0, "quarantined": 0, "verdicts": []}
    listed = document(run, "outage", "list", "--period", "2025-03-03")
    assert {(each["to"], *each["usage_points"]) for each in listed["outages"]} == {(None, "UP-1"), (None, "UP-2")}
    whole = ["UP-1", "UP-2", "--from", "2025-03-03T08:15", "--to", "2025-03-03T10:15"]
    assert document(run, "outage", "add", *whole)["events"] == 2
    assert "Nothing new" in run("outage", "add", *whole)[2]
    code, out, err = run("outage", "list", "--period", "2025-03-03")
    assert code == 0
    assert "120" in out
    assert "SAIDI 120 minutes" in err
    (off, _) = sorted(store.devices.events(ME, point="UP-1"), key=lambda each: each.at)
    assert (off.at, off.text) == (datetime(2025, 3, 3, 7, 15, tzinfo=UTC), "a digger")
    undone = ["UP-1", "--from", "2025-03-03T08:15"]
    assert document(run, "outage", "cancel", *undone)["events"] == 2
    again = document(run, "outage", "cancel", *undone)
    assert (again["events"], again["already"]) == (0, ["UP-1"])
    assert "UP-1: it was taken back before" in run("outage", "cancel", *undone)[2]
    assert len(document(run, "outage", "list", "--period", "2025-03-03")["outages"]) == 1


def test_nothing_lately_is_said(run: Run) -> None:
    assert "Nobody told of an outage." in run("outage", "list")[2]


@pytest.mark.parametrize(
    ("words", "code", "error", "said"),
    [
        (["add", "UP-1", "--from", "never"], 1, "InputError", "never"),
        (["add", "UP-1", "--from", "2025-03-30T02:30"], 1, "AmbiguousInput", "2025-03-30"),
        (["add", "UP-1", "--from", "2125-03-03T08:15"], 1, "InputError", "in the future"),
        (["add", "UP-1", "--from", "2025-03-03T08:15", "--to", "2025-03-03T08:00"], 1, "InputError", "not after"),
        (["add", "UP-1", "UP-3", "--from", "2025-03-03T08:15"], 2, "UsageError", "Europe/London"),
    ],
)
def test_what_is_wrong_is_said(run: Run, words: list[str], code: int, error: str, said: str) -> None:
    told = document(run, "outage", *words, code=code)
    assert told["error"] == error
    assert said in told["message"]


def test_an_offset_is_one_instant_everywhere(run: Run) -> None:
    asked = ["outage", "add", "UP-1", "UP-3", "--from", "2025-03-03T08:15:00+01:00"]
    assert document(run, *asked)["events"] == 2


def test_one_that_nobody_knows_costs_no_other(run: Run, store: Store) -> None:
    asked = ["outage", "add", "UP-9", "UP-1", " ", "--from", "2025-03-03T08:15"]
    told = document(run, *asked)
    assert [told[name] for name in ("events", "accepted", "rejected", "quarantined")] == [2, 1, 1, 1]
    assert [(each["index"], each["status"], each["value"]) for each in told["verdicts"]] == [
        (0, "quarantined", "UP-9"),
        (2, "rejected", " "),
    ]
    assert document(run, *asked)["events"] == 0
    said = run(*asked)[2]
    assert "UP-9, UP-1: no power from" in said
    assert "UP-9: quarantined" in said
    assert "gridwright quarantine claim UP-9 UP-9" in said
    assert document(run, "outage", "add", "UP-9", "--from", "2025-03-03T08:15")["quarantined"] == 1
    assert store.waiting_events.devices(ME)[0].end_device == "UP-9"
    assert len(store.devices.events(ME, point="UP-1")) == 1
    gone = document(run, "outage", "cancel", "UP-2", "UP-1", "--from", "2025-03-03T08:15")
    assert (gone["events"], gone["accepted"], gone["rejected"]) == (1, 1, 1)
    assert "no outage of UP-2" in gone["verdicts"][0]["reason"]


def test_where_nothing_is_taken_it_ends_with_1(run: Run) -> None:
    told = document(run, "outage", "cancel", "UP-1", "--from", "2025-03-03T08:15", code=1)
    assert "no outage of UP-1" in told["verdicts"][0]["reason"]
    code, _, err = run("outage", "cancel", "UP-1", "--from", "2025-03-03T08:15")
    assert (code, "UP-1: rejected, no outage of UP-1" in err) == (1, True)
    assert "Nothing is kept" in run("outage", "add", " ", "--from", "2025-03-03T08:15")[2]

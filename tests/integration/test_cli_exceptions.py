"""The work list and the quarantine on the command line: listed, decided, claimed, let go, as the console does it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.usage_point import UsagePoint
from gridwright.settings import load_settings
from gridwright.store.quarantine import Quarantine
from tests.integration.command_line import Run, commands

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    fill()

    return commands(monkeypatch, capsys)


def fill() -> None:
    platform = Platform(load_settings(None).settings)
    store = platform.store
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", "Europe/Berlin"), UsagePoint("UP-2", "Europe/Berlin")])
    doubts = [
        Finding("V17_stuck", "UP-1", Interval(NOON, NOON + QUARTER * 8), Severity.WARN, "the same 8 times", slots=8),
        Finding("V17_stuck", "UP-2", Interval(NOON, NOON + QUARTER * 9), Severity.WARN, "the same 9 times", slots=9),
        Finding("V11_gap", "UP-2", Interval(NOON, NOON + QUARTER), Severity.FAIL, "nothing came", slots=1),
    ]
    store.findings.save(LOCAL_OWNER, doubts, known_at=NOON)
    waiting = [QuarantinedReading("9b6c/02", NOON + QUARTER * at, 100.0 + at, 900) for at in range(12)]
    waiting.append(QuarantinedReading("bench", NOON, 7.0))
    store.quarantine.save(LOCAL_OWNER, waiting, received=NOON)
    platform.close()


def told(run: Run, *words: object) -> dict[str, object]:
    code, out, err = run(*words, "--json")
    assert code == 0, err
    found: dict[str, object] = json.loads(out)
    return found


def codes(run: Run, *words: object) -> list[tuple[str, str]]:
    return [(each["code"], each["usage_point"]) for each in told(run, "finding", "list", *words)["findings"]]  # type: ignore[attr-defined]


def test_the_work_list_is_narrowed(run: Run) -> None:
    every = [("V17_stuck", "UP-1"), ("V17_stuck", "UP-2"), ("V11_gap", "UP-2")]
    assert codes(run) == every
    assert codes(run, "--code", "V17_stuck", "--usage-point", "UP-2") == [every[1]]
    assert codes(run, "--severity", "fail") == [every[2]]
    assert codes(run, "--period", "2025-03-11") == []
    assert codes(run, "--period", "2025-03") == every
    first = told(run, "finding", "list", "--limit", 2)
    assert codes(run, "--after", first["next"]) == every[2:]
    assert run("finding", "list", "--unassigned", "--assigned-to", "ann")[0] == 1


def test_what_fits_is_accepted_together_and_opened_again(run: Run) -> None:
    seen = told(run, "finding", "resolve", "--code", "V17_stuck", "--reason", "cold stores", "--dry-run")
    assert seen == {"chosen": 2, "findings": 2, "waiting": 0, "dry_run": True, "effects": []}
    assert len(codes(run)) == 3
    done = told(run, "finding", "resolve", "--code", "V17_stuck", "--reason", "cold stores")
    assert done == {"chosen": 2, "findings": 2, "waiting": 0, "dry_run": False, "effects": []}
    assert codes(run) == [("V11_gap", "UP-2")]
    shown = told(run, "finding", "show", 1)
    assert (shown["resolution"], bool(shown["resolved_by"])) == ("cold stores", True)
    assert told(run, "finding", "reopen", 1, "--reason", "no cold store")["findings"] == 1
    assert codes(run) == [("V17_stuck", "UP-1"), ("V11_gap", "UP-2")]


def test_findings_are_given_to_somebody(run: Run) -> None:
    assert told(run, "finding", "assign", "--severity", "fail", "--to", "ann")["findings"] == 1
    assert codes(run, "--assigned-to", "ann") == [("V11_gap", "UP-2")]
    assert len(codes(run, "--unassigned")) == 2
    code, _, err = run("finding", "assign", 3, "--to", "")
    assert (code, err.strip()) == (0, "1 of 1 findings given to nobody.")
    assert "There are no users here" in run("finding", "assign", 3, "--to", "who")[2]
    run("finding", "assign", 3, "--to", "")
    assert len(codes(run, "--unassigned")) == 3


def test_they_are_given_to_users_who_may_decide(run: Run) -> None:
    for words in (
        ("ann", "--role", "operator"),
        ("bob", "--role", "operator", "--usage-point", "UP-1"),
        ("eve", "--role", "viewer"),
        ("head-end", "--role", "device"),
        ("jim", "--role", "operator"),
    ):
        code, _, err = run("user", "add", *words)
        assert code == 0, err
    assert run("user", "disable", "jim")[0] == 0
    for nobody in ("anne", "eve", "head-end", "jim", "bob"):
        for more in ((), ("--dry-run",)):
            code, _, err = run("finding", "assign", 2, 3, "--to", nobody, *more)
            assert code != 0
            assert f"'{nobody}' is no user who may decide about these findings" in err
            assert "give them to one of ann, local; '' is nobody" in err
    assert codes(run, "--assigned-to", "anne") == []
    assert told(run, "finding", "assign", 1, "--to", "bob")["findings"] == 1
    for somebody in ("ann", "local", ""):
        assert told(run, "finding", "assign", 2, 3, "--to", somebody)["findings"] == 2


def test_all_at_once_or_both_ways_is_refused(run: Run) -> None:
    for words in ([], [1, "--code", "V17_stuck"]):
        code, _, err = run("finding", "resolve", *words, "--reason", "so")
        assert code == 2
        assert "say which findings" in err
    code, _, err = run("finding", "show", 99)
    assert (code, "finding 99 does not exist" in err) == (1, True)
    assert run("finding", "resolve", 1, 99, "--reason", "so")[0] == 1
    assert len(codes(run)) == 3


@pytest.mark.parametrize("verb", [("list",), ("resolve", "--reason", "seen"), ("assign", "--to", "ann")])
def test_a_misspelt_rule_is_told_not_answered_by_nothing(run: Run, verb: tuple[str, ...]) -> None:
    code, _, err = run("finding", *verb, "--code", "V17_stcuk")
    assert code == 1
    assert "no finding has the code 'V17_stcuk'" in err
    assert "did you mean V17_stuck?" in err


def test_people_see_which_they_decide_about(run: Run) -> None:
    code, out, err = run("finding", "resolve", "--usage-point", "UP-2", "--reason", "seen")
    assert code == 0
    assert "nothing came" in out
    assert "2 of 2 findings accepted." in err
    assert "accepted by" in run("finding", "list", "--resolved")[1]
    assert "nothing came" in run("finding", "show", 3)[1]


def test_a_meter_is_claimed_after_a_look(run: Run) -> None:
    waiting = told(run, "quarantine", "list")["meters"]
    assert [(each["meter"], each["readings"]) for each in waiting] == [("9b6c/02", 12), ("bench", 1)]  # type: ignore[attr-defined]
    shown = told(run, "quarantine", "show", "9b6c/02", "--limit", 1)["readings"]
    assert shown[0]["value"] == 100.0  # type: ignore[index]
    words = ("quarantine", "claim", "9b6c/02", "UP-1", "--since", "2025-03-10T14:00")
    seen = told(run, *words, "--dry-run")
    assert (seen["waiting"], seen["intervals"], seen["dry_run"], seen["ends"]) == (12, 0, True, "")
    code, _, out = run(*words)
    assert code == 0
    assert "8 of them move in" in out
    assert "9b6c/02 hangs at UP-1: 8 intervals and 0 register reads moved in." in out
    assert "4 readings from outside" in out
    _, _, out = run("quarantine", "claim", "bench", "UP-1", "--since", "2025-03-10T15:00", "--dry-run")
    assert "It replaces meter 9b6c/02" in out


def test_energy_between_register_reads_that_waited_is_told_and_derived(run: Run) -> None:
    platform = Platform(load_settings(None).settings)
    reads = [QuarantinedReading("M-7", NOON + QUARTER * at, 500.0 * at, 0, DELIVERED_REGISTER) for at in range(3)]
    platform.store.quarantine.save(LOCAL_OWNER, reads, received=NOON)
    platform.close()
    words = ("quarantine", "claim", "M-7", "UP-2", "--multiplier", "2")
    _, _, out = run(*words, "--dry-run")
    derived = "2 intervals of delivered energy since 2025-03-10T13:00:00+01:00 are derived from the register: 2.000 kWh"
    assert derived in out
    assert told(run, *words)["notes"] == [derived]
    platform = Platform(load_settings(None).settings)
    found = platform.store.readings.load(LOCAL_OWNER, "UP-2", Interval(NOON, NOON + QUARTER * 2), interval=QUARTER)
    platform.close()
    assert found.values.tolist() == [[1000.0, 1000.0]]


def test_a_claim_that_cannot_be_is_refused_before_it_is_done(run: Run) -> None:
    for words, why in (
        (("nobody", "UP-1"), "wait"),
        (("bench", "UP-404"), "UP-404"),
        (("bench", "UP-1", "--multiplier", "0"), "factor of 0"),
    ):
        code, _, err = run("quarantine", "claim", *words, "--dry-run")
        assert code in {1, 2}
        assert why in err


def test_what_nobody_will_claim_goes_for_a_reason(run: Run) -> None:
    assert run("quarantine", "drop", "bench", "--reason", " ")[0] == 2
    assert told(run, "quarantine", "drop", "bench", "--reason", "a test bench") == {
        "meter": "bench",
        "dropped": 1,
        "events": 0,
    }
    code, _, err = run("quarantine", "drop", "bench", "--reason", "a test bench")
    assert (code, "no readings of meter 'bench' wait" in err) == (1, True)
    fill()  # the same sent again does not come back
    assert [each["meter"] for each in told(run, "quarantine", "list")["meters"]] == ["9b6c/02"]  # type: ignore[attr-defined]
    acts = told(run, "audit", "list")["records"]
    assert "a test bench" in json.dumps(acts)


def test_who_is_asked_is_told_of_all_that_wait(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Quarantine.readings, "__kwdefaults__", {"limit": 3})
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", lambda text, **_: asked.append(text))
    code, _, err = run("quarantine", "drop", "9b6c/02", "--reason", "a test bench")
    assert (code, asked) == (0, ["Let 12 readings of 9b6c/02 go?"])
    assert "12 readings of 9b6c/02 are gone" in err


@pytest.mark.parametrize("days", [None, 45])
def test_who_looks_at_the_quarantine_is_told_when_it_is_deleted(
    run: Run, monkeypatch: pytest.MonkeyPatch, days: int | None
) -> None:
    if days:
        monkeypatch.setenv("GRIDWRIGHT_RETENTION__QUARANTINE_DAYS", str(days))
    checks = json.loads(run("doctor", "--json")[1])["checks"]
    (remedy,) = (one["remedy"] for one in checks if one["name"] == "quarantine")
    told = "waits for more than 45 days is deleted (retention.quarantine_days)"
    assert ("nothing of it is lost" in remedy, told in remedy) == (not days, bool(days))
    assert (told in run("quarantine", "list")[2]) == bool(days)

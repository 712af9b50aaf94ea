"""Usage points registered by command, and many unknown meters claimed by a list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import StoreFull
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.jobs.meters import claim_list as listing
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.settings import load_settings
from tests.integration.command_line import Run, commands

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LIST = """\
meter;usage_point;since;multiplier;channel
UP-7;UP-7;;;
M-1;UP-8;2025-03-10T13:30;;
M-2;UP-9;;2,5;E1
M-3;UP-9;nonsense;;
M-3;UP-10;;0;

;UP-11;;;
NOBODY;UP-12;;;
M-3;UP-13;;;;;
M-3;UP-15;2025-03-10T13:15;;
"M-3;UP-14;;;
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    platform = Platform(load_settings(None).settings)
    waiting = [
        QuarantinedReading(meter, NOON + QUARTER * at, 100.0 + at, 900)
        for meter in ("UP-7", "M-1", "M-2", "M-3")
        for at in range(4)
    ]
    platform.store.quarantine.save(LOCAL_OWNER, waiting, received=NOON)
    platform.close()
    Path("list.csv").write_text(LIST, encoding="utf-8")
    Path("gridwright.toml").write_text('[site]\nzone = "Europe/Berlin"\n', encoding="utf-8")
    return commands(monkeypatch, capsys)


@pytest.fixture
def platform(run: Run) -> Iterator[Platform]:
    wired = Platform(load_settings(None).settings)
    yield wired
    wired.close()


def told(run: Run, *words: object, code: int = 0) -> dict[str, object]:
    ended, out, err = run(*words, "--json")
    assert ended == code, err
    found: dict[str, object] = json.loads(out)
    return found


def points(run: Run) -> list[str]:
    return [each["id"] for each in told(run, "usage-point", "list")["usage_points"]]  # type: ignore[attr-defined]


def test_a_usage_point_is_registered_with_what_the_settings_say_and_tells_what_waits(run: Run) -> None:
    code, _, err = run("usage-point", "add", "UP-7", "--capacity-kw", 17, "--exports", "--attribute", "vacant=yes")
    assert (code, "Added UP-7, residential, Europe/Berlin." in err) == (0, True)
    assert "4 readings wait under its name: gridwright quarantine claim UP-7 UP-7" in err
    shown = told(run, "usage-point", "show", "UP-7")
    assert (shown["capacity_kw"], shown["exports"], shown["attributes"]) == (17, True, {"vacant": "yes"})
    assert "4 intervals and 0 register reads moved in" in run("quarantine", "claim", "UP-7", "UP-7")[2]
    code, _, err = run("usage-point", "add", "UP-7")
    assert (code, "exists already" in err, "usage-point change UP-7" in err) == (1, True, True)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["UP-1", "--class", "residental"], "--class: 'residental' is no customer class"),
        (["UP-1", "--zone", "Europe/Berlim"], "Europe/Berlim"),
        (["UP-1", "--capacity-kw", "nan"], "--capacity-kw"),
        (["UP-1", "--capacity-kw", "0"], "'0' is no rating"),
        (["UP-1", "--holidays", "XX-NO"], "XX-NO"),
        (["UP-1", "--attribute", "vacant"], "'vacant' is no NAME=VALUE"),
        ([".."], "means a folder"),
        (["x" * 121], "121 characters"),
        (["a\x1bb"], "cannot be printed"),
    ],
)
def test_what_cannot_be_registered_is_refused_and_leaves_nothing(run: Run, words: list[str], why: str) -> None:
    code, _, err = run("usage-point", "add", *words)
    assert code in {1, 2}
    assert why in err
    assert points(run) == []


def test_a_list_claims_what_can_be_and_names_line_and_reason_of_the_rest(run: Run) -> None:
    seen = told(run, "quarantine", "claim-list", "list.csv", "--add-points", "--dry-run")
    assert (seen["claimed"], seen["refused"], seen["nothing_waits"]) == (4, 5, 1)
    assert points(run) == []
    done = told(run, "quarantine", "claim-list", "list.csv", "--add-points")
    assert (done["claimed"], done["refused"], done["nothing_waits"], done["points_added"]) == (4, 5, 1, 4)
    assert done["readings"] == 4 + 2 + 4 + 3
    lines = {each["line"]: each for each in done["lines"]}  # type: ignore[attr-defined]
    reasons = {line: each["reason"] for line, each in lines.items() if each["outcome"] != "claimed"}
    assert reasons == {
        5: "'nonsense' is not a date or time",
        6: "multiplier: a factor of 0 makes every reading 0",
        8: "meter: it is empty",
        9: "no readings of meter 'NOBODY' wait",
        10: "it has 7 fields, the header 5",
        12: "usage_point: it is empty",
    }
    assert all(each["remedy"] for each in lines.values() if each["outcome"] == "refused")
    assert points(run) == ["UP-15", "UP-7", "UP-8", "UP-9"]


def test_a_list_given_again_changes_nothing(run: Run) -> None:
    first = told(run, "quarantine", "claim-list", "list.csv", "--add-points")
    waiting = told(run, "quarantine", "list")
    again = told(run, "quarantine", "claim-list", "list.csv", "--add-points", code=1)
    assert (first["claimed"], again["claimed"], again["readings"], again["points_added"]) == (4, 0, 0, 0)
    assert told(run, "quarantine", "list") == waiting


def test_without_leave_nobody_registers_a_misspelt_usage_point(run: Run) -> None:
    run("usage-point", "add", "UP-7")
    code, _, err = run("quarantine", "claim-list", "list.csv")
    assert code == 0
    assert "line 3, M-1: usage point 'UP-8' is not registered (known: UP-7)" in err
    assert "1 meters claimed, 4 readings moved in" in err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"meter,where\nM-1,UP-1\n", "line 1: column 'where'"),
        (b"meter,meter,usage_point\n", "line 1: column 'meter'"),
        (b"meter\nM-1\n", "line 1: no column usage_point"),
        (b"", "line 1: column ''"),
        (b"meter,usage_point\nM-1,UP-1\nM-2,UP-\xfc\n", "line 3: it is no UTF-8"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(run: Run, text: bytes, why: str) -> None:
    Path("list.csv").write_bytes(text)
    code, _, err = run("quarantine", "claim-list", "list.csv", "--add-points")
    assert code in {1, 2}
    assert why in err
    assert run("quarantine", "claim-list", "nowhere.csv")[0] == 1


def test_a_store_that_fails_ends_the_list_and_the_same_list_goes_on(
    run: Run, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = claim_in_portions

    def full_at_the_second(store: object, access: object, wish: MeterClaim, **more: object) -> object:
        if wish.meter == "M-1":
            raise StoreFull("the disk is full")
        return whole(store, access, wish, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "claim_in_portions", full_at_the_second)
    code, _, err = run("quarantine", "claim-list", "list.csv", "--add-points")
    assert (code, "the disk is full" in err) == (1, True)
    assert platform.store.quarantine.waiting(LOCAL_OWNER, "UP-7") == 0
    monkeypatch.setattr(listing, "claim_in_portions", whole)
    assert told(run, "quarantine", "claim-list", "list.csv", "--add-points")["claimed"] == 3

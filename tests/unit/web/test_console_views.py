"""What the console's pages compute before they show it: days, ribbons, columns, lights, and how things are written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.errors import InputError
from gridwright.domain.panel import Panel
from gridwright.store.readings import Freshness, FreshnessCounts
from gridwright.web.show import day, number, query_of, share, told, when
from gridwright.web.views.control import approval
from gridwright.web.views.event import steps
from gridwright.web.views.point import columns, counts, daily, interval_rows, passed, range_of, runs
from gridwright.web.views.today import freshness, tone_of

QUARTER = timedelta(minutes=15)
START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin, before the day of 25 hours
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def panel(values: np.ndarray, quality: np.ndarray | None = None) -> Panel:
    """Return one row of quarter hours in Wh."""
    row = values[None, :].astype(float)
    bare = Panel(("UP-1",), START, QUARTER, row)
    return bare if quality is None else replace(bare, quality=quality[None, :])


def test_a_day_of_25_hours_is_one_row() -> None:
    rows = daily(panel(np.full(100 + 96, 250.0)), "Europe/Berlin")
    assert [(row["day"], row["intervals"], row["kwh"], row["peak_kw"]) for row in rows] == [
        ("2026-10-25", 100, 25.0, 1.0),
        ("2026-10-26", 96, 24.0, 1.0),
    ]


def test_a_day_without_a_value_has_no_energy() -> None:
    values = np.full(196, 100.0)
    values[:100] = np.nan
    values[150] = np.nan
    first, second = daily(panel(values), "Europe/Berlin")
    assert (first["kwh"], first["peak_kw"], first["missing"]) == (None, None, 100)
    assert (second["kwh"], second["missing"], second["estimated"]) == (9.5, 1, 0)


def test_what_is_to_come_is_not_missing() -> None:
    values = np.full(100, 100.0)
    values[40:] = np.nan
    at = START + timedelta(hours=11, minutes=5)
    assert passed(panel(values), at).slots == 44
    assert counts(passed(panel(values), at))["missing"] == 4
    assert passed(panel(values), START + timedelta(days=9)).slots == 100
    assert passed(panel(np.full(100, np.nan)), START - QUARTER).slots == 0
    assert passed(panel(values), START).slots == 40, "a value of a meter whose clock runs ahead is shown"


def test_the_ribbon_tells_stretches_by_shape() -> None:
    values, quality = np.full(100, 100.0), np.full(100, q.ACTUAL, np.uint8)
    values[10:20], quality[10:20] = np.nan, q.MISSING
    quality[50:] = q.pack(q.Status.EDITED)
    found = runs(panel(values, quality))
    assert [(run["shape"], run["slots"]) for run in found] == [
        ("measured", 10),
        ("missing", 10),
        ("measured", 30),
        ("edited", 50),
    ]
    assert sum(run["width"] for run in found) == 1000
    assert (found[0]["start"], found[-1]["end"]) == (START.isoformat(), (START + 100 * QUARTER).isoformat())


@pytest.mark.parametrize("most", [10, 33, 100])
def test_columns_keep_the_highest_and_the_lowest(most: int) -> None:
    values = np.random.default_rng(3).integers(0, 900, 100).astype(float)
    values[7:30] = np.nan
    found = columns(panel(values), most)
    assert len(found["t"]) == len(found["kw"]) <= most
    assert found["interval_s"] % 900 == 0
    low, high = (found.get("min_kw", found["kw"]), found.get("max_kw", found["kw"]))
    assert max(each for each in high if each is not None) == np.nanmax(values) * 4 / 1000
    assert min(each for each in low if each is not None) == np.nanmin(values) * 4 / 1000


def test_the_csv_twin_names_each_quality() -> None:
    values = np.array([250.0, np.nan])
    assert interval_rows(panel(values)) == [
        ("2026-10-24T22:00:00Z", 0.25, "raw"),
        ("2026-10-24T22:15:00Z", "", "missing"),
    ]


@pytest.mark.parametrize("text", ["", "no day", "2026-13-01"])
def test_without_a_day_the_newest_are_meant(text: str) -> None:
    span = range_of(text, 7, "Europe/Berlin", NOW)
    assert (span.first, span.to_dict()["last"], span.to_dict()["next"]) == (
        date(2026, 11, 19),
        "2026-11-25",
        "2026-11-26",
    )


@pytest.mark.parametrize("text", ["9999-12-30", "0001-01-01", "1900-01-01"])
def test_a_day_outside_of_any_calendar_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no day of readings"):
        range_of(text, 400, "Europe/Berlin", NOW)


def test_lights_turn_with_the_age_of_readings() -> None:
    old = Freshness("UP-1", NOW - timedelta(hours=80), 5)
    slow = Freshness("UP-2", NOW - timedelta(hours=30), 5)
    found = freshness(FreshnessCounts(8, 1, 1, (old, slow), 900, NOW), 10, NOW)
    assert (found["fresh"], found["late"], found["silent"], found["share"]) == (6, 1, 3, 0.6)
    assert [each["tone"] for each in found["oldest"]] == ["bad", "doubt"]
    assert freshness(FreshnessCounts(0, 0, 0, (), 0, None), 0, NOW)["share"] is None


@pytest.mark.parametrize(
    ("known", "light"), [(None, "none"), (1.0, "good"), (0.98, "good"), (0.95, "doubt"), (0.5, "bad")]
)
def test_the_light_of_read_success(known: float | None, light: str) -> None:
    doubts = {"fail": 0, "warn": 1}
    tones = tone_of({"reads": {"share": known}, "exceptions": doubts, "waiting": [], "quarantined": 1})
    assert tones == {"reads": light, "exceptions": "doubt", "waiting": "good", "quarantined": "doubt"}


@pytest.mark.parametrize("command", [Command.DISCONNECT, Command.RECONNECT])
def test_nobody_approves_what_they_asked_for(command: Command) -> None:
    asked = EndDeviceControl("C-1", "M-1", command, "why", "ann", NOW + QUARTER, usage_point="UP-1", requested=NOW)
    own, other = (approval(asked, Access(name, Role.OPERATOR)) for name in ("ann", "ben"))
    assert (own["may_approve"], own["may_reject"], bool(own["why_not"])) == (False, True, True)
    assert (other["may_approve"], other["may_reject"], other["why_not"]) == (True, True, "")
    seen = approval(asked, Access("eve", Role.VIEWER))
    assert (seen["may_approve"], seen["may_reject"], "may not control" in seen["why_not"]) == (False, False, True)
    assert asked.state is ControlState.REQUESTED


def test_an_event_adds_up_who_was_measured_alike() -> None:
    body = {"start": NOW.isoformat(), "interval_s": 900, "baseline_kwh": [1.0, 2.0], "actual_kwh": [0.5, None]}
    other = {**body, "baseline_kwh": [0.5, 1.0], "actual_kwh": [0.25, 0.5]}
    hourly = {**body, "interval_s": 3600}
    assert steps([body, other, hourly]) == [
        {"start": NOW.isoformat(), "baseline_kw": 6.0, "actual_kw": 3.0},
        {"start": (NOW + QUARTER).isoformat(), "baseline_kw": 4.0, "actual_kw": 2.0},
    ]


def test_how_things_are_written() -> None:
    assert when(NOW, "Europe/Berlin") == (
        '<time datetime="2026-11-25T12:00:00+00:00" title="2026-11-25 12:00:00 UTC">'
        "Wed 25 Nov 2026, 13:00 <small>CET</small></time>"
    )
    assert day("2026-11-25") == "Wed 25 Nov 2026"
    assert told("back at 2026-11-25T13:50:36.349202+00:00!", "Europe/Berlin") == "back at 25 Nov 2026, 14:50:36 CET!"
    assert told("2026-11-25T99:99:99Z and 2026-11-25", "UTC") == "2026-11-25T99:99:99Z and 2026-11-25"
    assert (number(-1234.5), number(None), share(0.125)) == ("−1,234.5", "–", "12.5 %")
    assert [number(text, -3) for text in ("31", "31.000", "13.26", "18.42049")] == ["31", "31", "13.26", "18.420"]
    assert query_of({"a": "x&y", "b": None, "c": ""}) == "?a=x%26y"

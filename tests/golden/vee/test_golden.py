"""Each folder holds one worked case: what comes in, what must come out, and where it is from."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, method_of, status_of
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import estimate, validate

HERE = Path(__file__).parent
CASES = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*/case.json"))}
ESTIMATES = {name: case for name, case in CASES.items() if case["act"] == "estimate"}
VALIDATIONS = {name: case for name, case in CASES.items() if case["act"] == "validate"}


def a_panel(case: dict[str, Any]) -> Panel:
    counts = [np.nan if kwh is None else round(kwh * 1000) for kwh in case["kwh"]]
    start = datetime.fromisoformat(case["start"])
    return Panel(("P",), start, timedelta(minutes=case["minutes"]), np.array([counts], np.float64))


def the_registers(case: dict[str, Any]) -> dict[str, list[RegisterReading]]:
    return {"P": [RegisterReading("P", datetime.fromisoformat(at), kwh * 1000) for at, kwh in case.get("reads", [])]}


def the_point(case: dict[str, Any]) -> list[UsagePoint]:
    return [UsagePoint("P", customer_class=case.get("customer_class", "residential"))]


@pytest.mark.parametrize("name", VALIDATIONS)
def test_validation(name: str) -> None:
    case = CASES[name]
    panel = a_panel(case)
    found = validate(panel, the_point(case), registers=the_registers(case)).findings
    places = [
        [f.code, (f.period.start - panel.start) // panel.interval, (f.period.end - panel.start) // panel.interval]
        for f in found
        if f.code.startswith(case.get("only", "V"))
    ]
    assert places == case["codes"]


@pytest.mark.parametrize("name", ESTIMATES)
def test_estimation(name: str) -> None:
    case = CASES[name]
    panel = a_panel(case)
    outage = [Interval(*map(datetime.fromisoformat, case["outage"]))] if "outage" in case else []
    done = estimate(panel, the_point(case), registers=the_registers(case), outages={"P": outage})
    assert done.filled.tolist() == panel.missing.tolist()
    assert done.panel.kwh[done.filled].tolist() == pytest.approx(case["filled"], abs=1e-9)
    assert set(method_of(done.panel.quality[done.filled])) == {Method[case["method"]]}
    assert set(status_of(done.panel.quality[done.filled])) == {Status.ESTIMATED}


@pytest.mark.parametrize("name", CASES)
def test_each_case_names_its_source(name: str) -> None:
    assert "section A5" in (HERE / name / "SOURCE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("zone", "day", "slots"),
    [
        ("Europe/Berlin", "2025-03-30", 92),
        ("Europe/Berlin", "2025-10-26", 100),
        ("America/Los_Angeles", "2025-03-09", 92),
        ("Asia/Shanghai", "2025-03-30", 96),
        ("Australia/Lord_Howe", "2025-04-06", 98),
    ],
)
def test_c07_day_lengths(zone: str, day: str, slots: int) -> None:
    """Meter-to-cash reference A5, case C7: one value less than the clocks ask for is a finding that counts them."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=36)
    values = np.random.default_rng(7).integers(10, 900, (1, 96 * 4)).astype(np.float64)
    panel = Panel(("P",), start, timedelta(minutes=15), values)
    calendar = panel.calendar(zone)
    inside = np.flatnonzero(calendar.dates == np.datetime64(day))
    assert inside.size == slots
    assert validate(panel, [UsagePoint("P", zone)]).findings == ()
    values[0, inside[50]] = np.nan
    found = {f.code: f for f in validate(panel, [UsagePoint("P", zone)]).findings}
    assert found["V05_count"].message.startswith(f"{slots - 1} of {slots} intervals")
    assert found["V05_count"].slots == slots

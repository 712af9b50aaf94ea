"""V18 on quiet days: a spike that stays below the year's peaks, told by the quiet days before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.calendar import day_number
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.vee import DayHistory, RuleSet, validate
from gridwright.vee.rules.spike import Spike

START = datetime(2025, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
DAYS = 120
AWAY = ((10, 15), (90, 110))
SPIKE = 100 * 48 + 21


def home(*, boiler_wh: float = 0) -> np.ndarray:
    """Days with peaks of 1.5 kWh, and two holidays on which nothing runs but a fridge, and a boiler once a day."""
    rng = np.random.default_rng(5)
    values = rng.integers(100, 400, (1, DAYS * 48)).astype(np.float64)
    for slot, wh in ((36, 1500), (37, 1400), (38, 1300)):
        values[0, slot::48] = wh
    for first, last in AWAY:
        values[0, first * 48 : last * 48] = rng.integers(30, 60, (last - first) * 48)
        values[0, first * 48 + 30 : last * 48 : 48] += boiler_wh
    return values


def doubts(values: np.ndarray, rule: Spike | None = None) -> list[tuple[Severity, datetime]]:
    panel = Panel(("P",), START, HALF_HOUR, values)
    return [
        (one.severity, one.period.start)
        for one in validate(panel, [], rules=RuleSet("spike", (rule or Spike(),))).findings
    ]


def test_a_home_as_it_is_has_no_doubt() -> None:
    assert doubts(home()) == []
    assert doubts(home(boiler_wh=1200)) == []


@pytest.mark.parametrize("boiler_wh", [0, 500])
def test_a_spike_on_a_quiet_day_warns_though_the_year_has_higher_peaks(boiler_wh: float) -> None:
    values = home(boiler_wh=boiler_wh)
    values[0, SPIKE] = 1300
    assert doubts(values) == [(Severity.WARN, START + HALF_HOUR * SPIKE)]


def test_what_other_quiet_days_show_too_is_no_spike() -> None:
    values = home(boiler_wh=1200)
    values[0, SPIKE] = 1300
    assert doubts(values) == []


def test_a_peak_with_a_neighbour_or_a_smaller_share_of_its_day_is_no_spike() -> None:
    values = home()
    values[0, SPIKE : SPIKE + 2] = 1300, 600
    assert doubts(values) == []
    values = home()
    values[0, SPIKE] = 600
    assert doubts(values) == []


def test_each_limit_can_be_moved() -> None:
    values = home(boiler_wh=300)
    values[0, SPIKE - 1 : SPIKE + 1] = 150, 1300
    assert len(doubts(values)) == 1
    for rule in (
        Spike(day_share=0),
        Spike(day_share=0.5),
        Spike(alone=9),
        Spike(quiet_above=4),
        Spike(quiet_quantile=1, quiet_rest=20),
        Spike(least_days=121),
    ):
        assert doubts(values, rule) == [], rule


def test_the_first_quiet_day_ever_has_nothing_to_be_compared_with() -> None:
    values = home()[:, 60 * 48 :]
    values = np.concatenate([home()[:, 15 * 48 : 75 * 48], values], axis=1)
    values[0, 90 * 48 + 21] = 1300
    assert doubts(values) == [(Severity.WARN, START + HALF_HOUR * (90 * 48 + 21))]


def test_a_day_alone_is_judged_by_the_stored_days_before_it() -> None:
    values = home()
    values[0, SPIKE] = 1300
    days = values.reshape(1, -1, 48)[:, :100]
    full, none = np.full((1, 100), 48, np.int32), np.zeros((1, 100), np.int32)
    past = DayHistory(("P",), day_number(START.date()), days.sum(axis=2), days.max(axis=2), full, none)
    day = Panel(("P",), START + timedelta(days=100), HALF_HOUR, values[:, 100 * 48 : 101 * 48])
    assert [one.severity for one in validate(day, [], history=past, rules=RuleSet("spike", (Spike(),))).findings] == [
        Severity.WARN
    ]
    assert validate(day, [], rules=RuleSet("spike", (Spike(),))).findings == ()


@pytest.mark.parametrize("slot", [0, 47])
def test_a_spike_at_the_edge_of_the_panel(slot: int) -> None:
    values = home()
    last = values[:, 109 * 48 : 110 * 48].copy()
    last[0, slot] = 1300
    days = values.reshape(1, -1, 48)[:, :109]
    full, none = np.full((1, 109), 48, np.int32), np.zeros((1, 109), np.int32)
    past = DayHistory(("P",), day_number(START.date()), days.sum(axis=2), days.max(axis=2), full, none)
    day = Panel(("P",), START + timedelta(days=109), HALF_HOUR, last)
    assert [one.code for one in validate(day, [], history=past, rules=RuleSet("spike", (Spike(),))).findings] == [
        "V18_spike"
    ]

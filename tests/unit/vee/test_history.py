"""Rules that look back: over the days in the panel, over stored day totals before it, and the same over both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gridwright.domain.calendar import day_number
from gridwright.domain.errors import GridMismatch
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Circumstances, DayHistory, RuleSet, validate
from gridwright.vee.rules.level import HighDemand, HighLow, LoadFactor
from gridwright.vee.rules.mad import SpikeMad
from gridwright.vee.rules.presence import Prolonged
from gridwright.vee.rules.shape import ZeroRun
from gridwright.vee.rules.spike import Spike

START = datetime(2024, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)


def noise(days: int, rows: int = 1, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 400, (rows, days * 48)).astype(np.float64)


def panel_of(values: np.ndarray, first_day: int = 0) -> Panel:
    names = tuple(f"P{row}" for row in range(len(values)))
    return Panel(names, START + DAY * first_day, HALF_HOUR, values)


def history_of(values: np.ndarray) -> DayHistory:
    """Sum up days as the store does."""
    days = values.reshape(len(values), -1, 48)
    lacking = np.isnan(days).sum(axis=2)
    total = np.where(lacking == 48, np.nan, np.nansum(days, axis=2))
    peak = np.nanmax(np.where(np.isnan(days), -np.inf, days), axis=2)
    intervals = np.full(total.shape, 48, np.int32)
    names = tuple(f"P{row}" for row in range(len(values)))
    first = day_number(START.date())
    return DayHistory(names, first, total, np.where(lacking == 48, np.nan, peak), intervals, lacking.astype(np.int32))


RULES = RuleSet(
    "looking back",
    (Spike(), SpikeMad(), HighDemand(), ZeroRun(hours=24), HighLow(), Prolonged()),
)


@example(3691, 2)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_days_before_the_panel_count_like_days_in_it(seed: int, own: int) -> None:
    """A law: what is doubted in the last days does not depend on whether the panel or the store holds the rest."""
    rng = np.random.default_rng(seed)
    values = rng.integers(100, 400, (3, 90 * 48)).astype(np.float64)
    cut = 90 - own
    for row in range(3):
        values[row, int(rng.integers(cut * 48, 90 * 48))] *= 20
        values[row, int(rng.integers(85 * 48, 89 * 48)) :][: int(rng.integers(1, 90))] = 0
    alone = validate(panel_of(values[:, cut * 48 :], cut), [], rules=RULES, history=history_of(values[:, : cut * 48]))
    whole = validate(panel_of(values), [], rules=RULES)
    edge = START + DAY * cut
    seen = [
        {(f.code, f.severity, f.usage_point, f.period.end) for f in done.findings if f.period.end > edge}
        for done in (alone, whole)
    ]
    # A run of zeros that began before the panel is cut at its edge, and may be too short there; beside the first value
    # of a panel nothing is known, so that it stands alone.
    cut_off = {"V16_zero_run", *(f.code for f in alone.findings if f.code == "V18_spike" and f.period.start == edge)}
    assert {row for row in seen[0] if row[0] not in cut_off} == {row for row in seen[1] if row[0] not in cut_off}


def test_a_spike_of_today_against_a_stored_year() -> None:
    past, today = noise(365), noise(1, seed=9)
    today[0, 30] = 2_000
    panel = panel_of(today, 365)
    assert validate(panel, []).findings == ()
    codes = [f.code for f in validate(panel, [], history=history_of(past)).findings]
    assert codes == ["V18_spike"]


def test_days_that_the_panel_holds_are_ignored_in_the_history() -> None:
    values = noise(80)
    values[0, 79 * 48 + 30] = 4_000
    today = panel_of(values[:, 79 * 48 :], 79)
    with_today = validate(today, [], history=history_of(values)).findings
    assert [f.code for f in with_today] == [
        f.code for f in validate(today, [], history=history_of(values[:, : 79 * 48])).findings
    ]
    assert "V18_spike" in {f.code for f in with_today}


def test_another_usage_point_has_no_past() -> None:
    today = Panel(("Q",), START + DAY * 365, HALF_HOUR, noise(1))
    assert validate(today, [], history=history_of(noise(365) * 0.1)).findings == ()
    with pytest.raises(GridMismatch, match="history's peak has shape"):
        DayHistory(
            ("P",), 0, np.zeros((1, 3)), np.zeros((1, 2)), np.zeros((1, 3), np.int32), np.zeros((1, 3), np.int32)
        )


def test_zeros_are_told_from_a_site_that_was_always_empty() -> None:
    zeros = panel_of(np.zeros((1, 48)), 60)
    assert [f.code for f in validate(zeros, [], history=history_of(noise(60))).findings] == ["V16_zero_run"]
    assert validate(zeros, [], history=history_of(np.zeros((1, 60 * 48)))).findings == ()
    empty_since = noise(60)
    empty_since[0, 30 * 48 :] = 0
    assert validate(zeros, [], history=history_of(empty_since)).findings == ()


def test_a_zero_run_is_doubted_for_four_weeks() -> None:
    values = noise(100)
    values[0, 40 * 48 :] = 0
    (found,) = validate(panel_of(values), [], rules=RuleSet("zero", (ZeroRun(hours=24),))).findings
    assert found.slots == 28 * 48
    assert "and longer" in found.message


def test_estimated_for_three_days_wherever_they_lie() -> None:
    past = noise(10)
    past[0, 8 * 48 :] = np.nan
    today = np.full((1, 48), np.nan)
    found = validate(panel_of(today, 10), [], history=history_of(past)).findings
    assert [f.code for f in found] == ["V05_count", "V08_prolonged", "V10_missing"]
    assert "for 3 days up to 2024-01-11" in found[1].message
    past[0, 8 * 48 :] = 200
    assert "V08_prolonged" not in {f.code for f in validate(panel_of(today, 10), [], history=history_of(past)).findings}


@pytest.mark.parametrize(("factor", "doubted"), [(1.0, False), (8.0, True), (0.1, True), (0.0, False)])
def test_a_day_far_from_the_four_weeks_before(factor: float, doubted: bool) -> None:
    values = noise(40)
    values[0, 35 * 48 : 36 * 48] *= factor
    found = validate(panel_of(values), [], rules=RuleSet("level", (HighLow(),))).findings
    assert [f.period.start for f in found] == [START + DAY * 35] * doubted
    assert all("is usual" in f.message for f in found)


@pytest.mark.parametrize(
    ("days", "told"), [(1, "2024-02-05, while"), (2, "and 1 more day, while"), (3, "and 2 more days, while")]
)
def test_days_in_a_row_far_from_what_is_usual_are_one_doubt(days: int, told: str) -> None:
    values = noise(40)
    values[0, 35 * 48 : (35 + days) * 48] *= 8
    (found,) = validate(panel_of(values), [], rules=RuleSet("level", (HighLow(),))).findings
    assert told in found.message


def test_like_days_know_holidays() -> None:
    """A shop closed on Sundays and on a holiday: by ratio the holiday is like a Sunday."""
    values = noise(70)
    days = [START.date() + timedelta(days=day) for day in range(70)]
    closed = [day.weekday() == 6 or day == date(2024, 3, 6) for day in days]
    values.reshape(-1, 48)[closed] *= 0.1
    rules = RuleSet("ratio", (HighLow(form="ratio", ratio=2.0, least_days=7),))
    shop = [UsagePoint("P0", customer_class="commercial", holidays="X")]
    found = validate(panel_of(values), shop, rules=rules).findings
    assert [f.period.start.date() for f in found] == [date(2024, 3, 6)]
    known = Circumstances(holidays={"X": frozenset({date(2024, 3, 6)})})
    assert validate(panel_of(values), shop, rules=rules, circumstances=known).findings == ()


def test_demand_above_the_year() -> None:
    values = noise(80)
    values[0, 70 * 48 + 5 : 70 * 48 + 9] = 700
    (found,) = validate(panel_of(values), [], rules=RuleSet("demand", (HighDemand(),))).findings
    assert (found.period.start, found.slots) == (START + DAY * 70 + HALF_HOUR * 5, 4)
    values[0, 70 * 48 + 5 : 70 * 48 + 9] = 590
    assert validate(panel_of(values), [], rules=RuleSet("demand", (HighDemand(),))).findings == ()


@pytest.mark.parametrize(("peak", "doubted"), [(250.0, True), (2_000.0, False), (100_000.0, True)])
def test_load_factor(peak: float, doubted: bool) -> None:
    """Flat at 250 Wh but for one peak: 1.0, 0.13 and 0.003."""
    values = np.full((1, 30 * 48), 250.0)
    values[0, 900] = peak
    found = validate(panel_of(values), [], rules=RuleSet("factor", (LoadFactor(),))).findings
    assert [(f.code, str(f.severity)) for f in found] == [("V35_load_factor", "info")] * doubted
    assert not validate(panel_of(values[:, : 20 * 48]), [], rules=RuleSet("factor", (LoadFactor(),))).findings

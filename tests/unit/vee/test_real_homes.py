"""On real homes: which estimate is the better one, and how rarely a rule is wrong. Seeded, small."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Ladder, estimate, validate

HALF_HOUR = timedelta(minutes=30)
# Labels are wall-clock times of New South Wales; as a grid of 48 half-hours a day they are laid in UTC.
START = datetime(2012, 10, 10, tzinfo=UTC)
DAYS = 340


@pytest.fixture(scope="module")
def homes(shared_data: Path) -> Panel:
    from pyarrow import parquet

    table = parquet.read_table(
        shared_data / "sgsc_australia" / "sgsc_hh.parquet",
        columns=["customer_id", "reading_datetime", "general_supply_kwh"],
    )
    customer, stamp, kwh = (table[name].to_numpy() for name in table.column_names)
    slot = (stamp.astype("datetime64[s]").astype(np.int64) - int(START.timestamp())) // 1800
    ids, row = np.unique(customer, return_inverse=True)
    inside = (slot >= 0) & (slot < DAYS * 48)
    values = np.full((ids.size, DAYS * 48), np.nan)
    values[row[inside], slot[inside]] = np.rint(kwh[inside].astype(np.float64) * 1000)
    full = np.isnan(values).mean(axis=1) < 0.01
    names = tuple(str(name) for name in ids[full])
    return Panel(names, START, HALF_HOUR, values[full])


def error(homes: Panel, slots: int, ladder: Ladder) -> float:
    """Mean absolute error of estimates of random gaps, relative to each home's mean interval."""
    rng = np.random.default_rng(20)
    values = homes.values.copy()
    gap = np.zeros(values.shape, np.bool_)
    for row in range(len(values)):
        for day in rng.choice(np.arange(100, DAYS - 40, 12), 12, replace=False):
            first = day * 48 + int(rng.integers(0, 48))
            gap[row, first : first + slots] = True
    gap &= ~np.isnan(values)
    values[gap] = np.nan
    quality = np.where(np.isnan(values), q.MISSING, q.ACTUAL).astype(np.uint8)
    done = estimate(homes.with_values(values, quality), [], ladder=ladder).panel
    relative = np.abs(done.values - homes.values) / np.nanmean(homes.values, axis=1, keepdims=True)
    return float(relative[gap].mean())


@pytest.mark.parametrize("slots", [1, 2])
def test_a_line_beats_like_days_up_to_an_hour(homes: Panel, slots: int) -> None:
    assert error(homes, slots, Ladder()) < error(homes, slots, Ladder(linear_first_hours=0))


@pytest.mark.parametrize("slots", [4, 8])
def test_like_days_led_to_the_ends_beat_a_line_and_like_days_alone(homes: Panel, slots: int) -> None:
    led = error(homes, slots, Ladder())
    assert led < error(homes, slots, Ladder(linear_first_hours=4))
    assert led < error(homes, slots, Ladder(memory_hours=0))


def test_the_blend_beats_a_single_like_day_over_a_day(homes: Panel) -> None:
    single = Ladder(linear_first_hours=0, like_days=1, like_days_ahead=0, least_like_days=1, weeks=0)
    assert error(homes, 48, Ladder()) < 0.9 * error(homes, 48, single)


def test_the_blend_beats_ten_like_days_over_a_day(homes: Panel) -> None:
    assert error(homes, 48, Ladder()) < error(homes, 48, Ladder(linear_first_hours=0, weeks=0))


def test_few_clean_days_are_rejected(homes: Panel) -> None:
    """At most 0.05 % of the days of homes as they are carry a finding that rejects a value (gaps apart)."""
    found = validate(homes, []).findings
    wrong = [f for f in found if f.severity is Severity.FAIL and f.code != "V10_missing"]
    assert len(wrong) <= 0.0005 * len(homes.points) * DAYS


def test_most_tenfold_spikes_are_found(homes: Panel) -> None:
    """A peak made ten times as high, once in each home: V18 sees at least four of five."""
    values = homes.values.copy()
    rng = np.random.default_rng(4)
    at = rng.integers(100, DAYS - 10, len(values)) * 48 + 36
    row = np.arange(len(values))
    day = np.array([np.nanmax(values[r, s - 12 : s + 12]) for r, s in zip(row, at, strict=True)])
    values[row, at] = 10 * day
    flagged = validate(homes.with_values(values), []).flags[row, at] != 0
    assert flagged.mean() >= 0.8


def test_registers_close_a_gap_of_55_hours(shared_data: Path) -> None:
    """A German home: registers silent from 2016-04-22 15:00 to 2016-04-24 20:00; 17.14 kWh lie in between."""
    from pyarrow import csv

    name = "DE_KN_residential4_grid_import"
    table = csv.read_csv(shared_data / "opsd_household" / "household_data_60min_singleindex.csv")
    stamps = np.array([str(text)[:19] for text in table["utc_timestamp"].to_pylist()], "datetime64[s]").astype(np.int64)
    kwh = np.array([np.nan if value is None else value for value in table[name].to_pylist()], np.float64)
    counts = np.rint(kwh * 1000)
    start = datetime.fromtimestamp(int(stamps[0]), UTC)
    panel = Panel(("home",), start, timedelta(hours=1), np.diff(counts)[None])
    reads = [
        RegisterReading("home", datetime.fromtimestamp(int(at), UTC), float(value))
        for at, value in zip(stamps, counts, strict=True)
        if not np.isnan(value)
    ]
    home = [UsagePoint("home", "Europe/Berlin")]
    checked = validate(panel, home, registers={"home": reads})
    assert {f.code for f in checked.findings}.isdisjoint({"V30_sum", "V32_register"})
    done = estimate(checked.panel, home, registers={"home": reads})
    first = (datetime(2016, 4, 22, 14, tzinfo=UTC) - start) // timedelta(hours=1)
    gap = slice(first, first + 55)
    assert checked.panel.missing[0, gap].all()
    assert done.panel.values[0, gap].sum() == 17_140
    assert (done.panel.values[0, gap] >= 0).all()
    assert np.ptp(done.panel.values[0, gap]) > 0
    assert done.panel.values[0, np.flatnonzero(~np.isnan(counts))[0] :].sum() == counts[-1] - np.nanmin(counts)

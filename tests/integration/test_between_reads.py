"""What lies between two register reads is closed and checked as a whole, however far apart they are, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.read_spans import ReadSpans
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.store import Store, open_store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
FIRST_DAY = (START - datetime(1970, 1, 1, tzinfo=UTC)) // DAY
NOW = datetime(2027, 1, 1, tzinfo=UTC)
SITE = SiteDefaults()
SHOWN = 5000


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(ME, [UsagePoint("H", "UTC", capacity_kw=17.0)])
        opened.registry.save_meter(ME, Meter("A"))
        opened.registry.save_installation(ME, install("H", "A", START - DAY))
        yield opened


def used(days: int) -> Values:
    hours = np.arange(days * 24)
    noise = np.random.default_rng(1).normal(0, 20, hours.size)
    return np.rint(400 + 200 * np.sin(hours / 24 * 6.28) + noise).clip(10)[None, :]


def save(store: Store, values: Values, first: int, last: int) -> None:
    part = values[:, first * 24 : last * 24]
    if not np.isnan(part).all():
        store.readings.save(ME, Panel(("H",), START + first * DAY, HOUR, part), known_at=NOW)


def read(store: Store, true: Values, day: int, serial: str = "A", off: int = 0) -> None:
    shown = float(SHOWN + true[0, : day * 24].sum() + off)
    reads = in_epochs(store, ME, [RegisterReading("H", START + day * DAY, shown, serial)])
    store.registers.save(ME, reads, known_at=NOW)


def closed(store: Store, days: int) -> float:
    final = store.readings.load(ME, "H", Interval(START, START + days * DAY), image=Image.FINAL)
    return float(np.nansum(final.values))


def codes(store: Store) -> list[str]:
    return [each.code for each in store.findings.load(ME, ["H"])]


@pytest.mark.parametrize(("days", "gap", "changed"), [(91, 80, 88), (91, 5, 60), (200, 60, 120), (365, 180, 100)])
def test_a_gap_that_two_reads_close_stays_closed_whatever_changes_beside_it(
    store: Store, days: int, gap: int, changed: int
) -> None:
    """The sum of all intervals is what the register counted, to the watt-hour, before and after."""
    true = used(days)
    true[:, gap * 24 : gap * 24 + 24] *= 3
    values = true.copy()
    values[:, gap * 24 : gap * 24 + 24] = np.nan
    read(store, true, 0)
    read(store, true, days)
    save(store, values, 0, days)
    correct(store, ME, SITE, now=NOW)
    assert closed(store, days) == true.sum()
    values[0, changed * 24 + 5] += 1
    save(store, values, changed, changed + 1)
    correct(store, ME, SITE, now=NOW)
    assert closed(store, days) == true.sum()


@pytest.mark.parametrize("strays", [(81.4,), (79.3, 82.6, 84.7), (81.4, 90.6), (80.0, 80.0 + 1 / 1440, 81.4)])
def test_reads_that_close_no_interval_leave_a_gap_closed_by_those_around_them(
    store: Store, strays: tuple[float, ...]
) -> None:
    """A technician reads the display within a gap, or twice: between the reads on the grid no watt-hour is missing."""
    days, true = 91, used(91)
    values = true.copy()
    values[:, 80 * 24 : 84 * 24] = np.nan
    true[:, 80 * 24 : 84 * 24] *= 2
    for day in (0, days, *strays):
        hours = day * 24
        shown = SHOWN + np.interp(hours, np.arange(days * 24 + 1), np.r_[0, true[0].cumsum()])
        one = RegisterReading("H", START + round(hours * 60) * timedelta(minutes=1), float(shown // 1), "A")
        store.registers.save(ME, in_epochs(store, ME, [one]), known_at=NOW)
    save(store, values, 0, days)
    correct(store, ME, SITE, now=NOW)
    assert closed(store, days) == true.sum()
    for changed in (85, 90):
        values[0, changed * 24 + 5] += 1
        save(store, values, changed, changed + 1)
        correct(store, ME, SITE, now=NOW)
        assert closed(store, days) == true.sum()
    fixed(store)


@pytest.mark.parametrize("days", [31, 61, 91, 200])
def test_the_sum_check_fails_however_far_apart_reads_lie(store: Store, days: int) -> None:
    """The second read comes last, when the first days of its step have long been judged."""
    true = used(days + 2)
    values = np.rint(true * 1.3)
    read(store, true, 0)
    for first in range(0, days, 20):
        save(store, values, first, min(first + 20, days))
        correct(store, ME, SITE, now=NOW)
    assert "V30_sum" not in codes(store)
    read(store, true, days)
    correct(store, ME, SITE, now=NOW)
    (found,) = (each for each in store.findings.load(ME, ["H"]) if each.code == "V30_sum")
    assert found.period == Interval(START, START + days * DAY)
    save(store, values, days, days + 1)  # of a time behind both reads
    correct(store, ME, SITE, now=NOW)
    assert "V30_sum" in codes(store)


def test_a_late_day_is_taken_from_what_reads_a_quarter_apart_leave_for_the_gap(store: Store) -> None:
    """What a late day brings is no longer estimated elsewhere between the same reads."""
    days, true = 150, used(150)
    values = true.copy()
    for day in (10, 140):
        values[:, day * 24 : day * 24 + 24] = np.nan
    read(store, true, 0)
    read(store, true, days)
    save(store, values, 0, days)
    correct(store, ME, SITE, now=NOW)
    assert closed(store, days) == true.sum()
    save(store, true, 140, 141)
    correct(store, ME, SITE, now=NOW)
    assert closed(store, days) == true.sum()


@pytest.mark.parametrize(
    ("asked", "found"), [((50, 51), (0, 100)), ((0, 100), (0, 100)), ((90, 110), (0, 110)), ((110, 111), (110, 111))]
)
def test_days_grow_to_the_reads_around_them(store: Store, asked: tuple[int, int], found: tuple[int, int]) -> None:
    true = used(100)
    read(store, true, 0)
    read(store, true, 100)
    assert spans(store, asked) == found


def test_a_read_of_another_meter_and_one_that_is_set_aside_end_no_step(store: Store) -> None:
    true = used(100)
    for day in (0, 30, 100):
        read(store, true, day)
    read(store, true, 60, "B")
    assert spans(store, (70, 71)) == (30, 100)
    read(store, true, 50, off=800_000)
    assert spans(store, (40, 41)) == (30, 100)


def test_reads_beside_the_grid_may_be_passed_up_to_those_on_it(store: Store) -> None:
    """What was counted while a read was late is closed with what lies behind it, if another is nearer there."""
    true = used(100)
    for day, late in ((0, 0), (30, 1), (60, 2), (61, 1), (80, 0), (100, 0)):
        shown = 1_000 + float(true[0, : 24 * day].sum()) + late
        read = RegisterReading("H", START + day * DAY + timedelta(minutes=late), shown, "A")
        store.registers.save(ME, [read], known_at=NOW)
    assert spans(store, (40, 41)) == (30, 61)
    assert spans(store, (40, 41), 3600) == (0, 80)
    assert spans(store, (62, 63), 3600) == (0, 80)
    assert spans(store, (90, 91), 3600) == (80, 100)


def spans(store: Store, days: tuple[int, int], *lengths: int) -> tuple[int, int]:
    asked = (FIRST_DAY + days[0], FIRST_DAY + days[1])
    ((first, last),) = ReadSpans(store, ME, lengths={"H": lengths}).each([("H", asked)])
    return first - FIRST_DAY, last - FIRST_DAY


def test_an_exchange_outside_the_intervals_is_told_though_they_came_before_it_was_judged(store: Store) -> None:
    """Registers had nothing beside them when they changed, and had when they were judged."""
    exchange_meter(store, ME, MeterExchange("H", Meter("B"), START + 2 * DAY, Decimal(6), Decimal(1)), now=NOW)
    read(store, used(60), 5)
    save(store, used(60), 30, 40)
    correct(store, ME, SITE, now=NOW)
    assert {"V02_ident", "V32_register"} <= set(codes(store))
    fixed(store)


def test_reads_that_contradict_stay_told_when_intervals_come_far_from_them(store: Store) -> None:
    true = used(60)
    read(store, true, 18, off=-20_000)
    read(store, true, 17)
    correct(store, ME, SITE, now=NOW)
    assert codes(store) == ["V32_register"]
    read(store, true, 10)
    correct(store, ME, SITE, now=NOW)
    save(store, true, 40, 50)
    correct(store, ME, SITE, now=NOW)
    assert codes(store).count("V32_register") == 1
    fixed(store)


def fixed(store: Store) -> None:
    """Judging everything again changes nothing."""
    before = told(store)
    store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START - DAY, START + 70 * DAY))
    again = correct(store, ME, SITE, now=NOW)
    assert (again.readings, again.days, again.new) == (0, 0, 0)
    assert told(store) == before


def told(store: Store) -> list[tuple[str, str, str]]:
    return sorted((each.code, str(each.period), each.message) for each in store.findings.load(ME, ["H"]))

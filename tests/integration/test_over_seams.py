"""A gap across which the interval length changes, for reads or a meter on another grid, agrees with the registers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.tell_outage import OutageTold, tell_outage
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store, open_store
from tests.edited import edit, take_back

DAY_MIN, DAYS = 1440, 40
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
START, NOW = datetime(2025, 1, 6, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
WHOLE = Interval(START, START + DAYS * DAY)


def used() -> Values:
    """Return what was used up to each minute, in Wh."""
    minute = np.arange(DAYS * DAY_MIN)
    noise = np.random.default_rng(1).normal(0, 3, minute.size)
    each = np.rint(np.clip(8 + 6 * np.sin(minute / DAY_MIN * 6.28) + noise, 0, None))
    return np.concatenate([[0.0], np.cumsum(each)])


USED = used()


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(ME, [UsagePoint("H", "UTC", capacity_kw=17.0)])
        opened.registry.save_meter(ME, Meter("A", dials=8, lsb_wh=1))
        opened.registry.save_installation(ME, install("H", "A", START - DAY))
        yield opened


def measure(store: Store, first: int, last: int, length: int, kind: ReadingType = DELIVERED_ENERGY) -> None:
    values = np.diff(USED[first : last + 1 : length])[None, :]
    panel = Panel(("H",), START + first * MINUTE, length * MINUTE, values, reading_type=kind)
    store.readings.save(ME, panel, known_at=NOW)


def read(store: Store, minute: int, *, exchanged: int | None = None) -> None:
    shown = 5000 + USED[minute] if exchanged is None else 7000 + USED[minute] - USED[exchanged]
    one = RegisterReading("H", START + minute * MINUTE, float(shown), "A" if exchanged is None else "B")
    keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)


def judge(store: Store) -> None:
    correct(store, ME, SiteDefaults(), now=NOW)


def finals(store: Store) -> list[Panel]:
    return list(load_stretches(store, ME, ["H"], WHOLE, DELIVERED_ENERGY, image=Image.FINAL))


def closed(store: Store) -> float:
    return sum(float(np.nansum(panel.values)) for panel in finals(store))


def fixed(store: Store, first: int, last: int) -> None:
    """Judging some days again changes nothing."""
    store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START + first * DAY, START + last * DAY))
    again = correct(store, ME, SiteDefaults(), now=NOW)
    assert (again.readings, again.days, again.new) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(6))
def test_reads_on_another_grid_within_a_lost_day_leave_it_closed(store: Store, seed: int) -> None:
    """Two reads some minutes apart give a day without readings their grid: it parts the gap in three."""
    rng = np.random.default_rng(seed)
    length, apart, lost = (int(rng.choice(some)) for some in ([15, 30, 60], [10, 20, 30, 45, 60], [25, 26]))
    first = lost * DAY_MIN - length * int(rng.integers(0, 30))
    last = (lost + 1) * DAY_MIN + length * int(rng.integers(0, 30))
    at = lost * DAY_MIN + apart * int(rng.integers(2, 20))
    steps: list[Callable[[], object]] = [
        lambda: measure(store, 0, first, length),
        lambda: measure(store, last, DAYS * DAY_MIN, length),
        *(lambda minute=minute: read(store, minute) for minute in (0, at, at + apart, at + 63, DAYS * DAY_MIN)),
    ]
    for step in rng.permutation(len(steps)).tolist():
        steps[step]()
        if rng.random() < 0.3:
            judge(store)
    judge(store)
    assert closed(store) == USED[-1]
    assert {panel.interval for panel in finals(store)} == {length * MINUTE}  # as before and behind
    fixed(store, 10, 12)
    fixed(store, 25, 28)


@pytest.mark.parametrize(("before", "after"), [(60, 15), (15, 60), (30, 15)])
@pytest.mark.parametrize("moment", [25 * DAY_MIN, 25 * DAY_MIN + 37, 26 * DAY_MIN - 401])
def test_a_gap_around_an_exchange_for_a_meter_with_other_intervals_is_closed(
    store: Store, before: int, after: int, moment: int
) -> None:
    meter, shown = Meter("B", dials=8, lsb_wh=1), Decimal(round(5000 + USED[moment])) / 1000
    measure(store, 0, 25 * DAY_MIN - 240, before)
    for minute in (0, 25 * DAY_MIN - 600):
        read(store, minute)
    exchange_meter(store, ME, MeterExchange("H", meter, START + moment * MINUTE, shown, Decimal(7)), now=NOW)
    judge(store)
    measure(store, 26 * DAY_MIN + 480, DAYS * DAY_MIN, after)
    read(store, DAYS * DAY_MIN, exchanged=moment)
    judge(store)
    assert closed(store) == USED[-1]
    assert "V30_sum" not in [each.code for each in store.findings.load(ME, ["H"])]
    fixed(store, 24, 25)


def test_an_edit_beside_a_seam_leaves_the_rest_of_the_gap_what_the_registers_tell(store: Store) -> None:
    """And without it, once it is taken back, all is as it was."""
    measure(store, 0, 25 * DAY_MIN - 240, 15)
    measure(store, 25 * DAY_MIN + 300, DAYS * DAY_MIN, 30)
    for minute in (0, DAYS * DAY_MIN):
        read(store, minute)
    judge(store)
    before = finals(store)
    agreed = Interval(START + 25 * DAY, START + 25 * DAY + 60 * MINUTE)
    made = edit(store, "H", agreed, [1.0, 2.0], now=NOW)
    assert closed(store) == USED[-1]
    (late,) = (panel for panel in finals(store) if panel.interval == 30 * MINUTE)
    assert late.between(agreed).values.tolist() == [[1000.0, 2000.0]]
    take_back(store, made, now=NOW)
    for one, other in zip(before, finals(store), strict=True):
        assert (one.values == other.values).all()
        assert (one.quality == other.quality).all()
    assert q.pack(q.Status.ESTIMATED, q.Method.SCALED) in before[0].quality


def test_measured_energy_that_the_registers_deny_across_a_seam_is_doubted(store: Store) -> None:
    measure(store, 0, 25 * DAY_MIN, 15)
    measure(store, 25 * DAY_MIN, DAYS * DAY_MIN, 30)
    read(store, 20 * DAY_MIN)
    read(store, 30 * DAY_MIN)
    judge(store)
    assert "V30_sum" not in [each.code for each in store.findings.load(ME, ["H"])]
    values = np.full((1, 4), 6000.0)
    late = Panel(("H",), START + 26 * DAY, 30 * MINUTE, values)
    store.readings.save(ME, late, known_at=NOW)
    judge(store)
    assert "V30_sum" in [each.code for each in store.findings.load(ME, ["H"])]


@pytest.mark.parametrize(("phase", "apart", "length"), [(45, 60, 15), (15, 30, 5), (30, 60, 10)])
@pytest.mark.parametrize("profile_first", [True, False])
def test_an_interval_that_reads_tell_into_a_measured_day_counts_once(
    store: Store, phase: int, apart: int, length: int, profile_first: bool
) -> None:
    """The hour from 23:45 on was counted whole, and its three quarters of the next day once more."""
    for profile in (profile_first, not profile_first):
        if profile:
            measure(store, 2 * DAY_MIN, DAYS * DAY_MIN, length)
        else:
            for minute in range(phase, 2 * DAY_MIN + 3 * apart, apart):
                read(store, minute)
        judge(store)
    assert closed(store) == USED[-1] - USED[phase]
    assert "V30_sum" not in [each.code for each in store.findings.load(ME, ["H"])]
    fixed(store, 0, 3)


def test_what_was_fed_in_is_closed_over_a_seam_however_long_nothing_was_read(store: Store) -> None:
    """More than a day before a seam stayed empty, and no doubt told it."""
    for first, last, length in ((0, 24 * DAY_MIN, 15), (26 * DAY_MIN + 300, DAYS * DAY_MIN, 30)):
        measure(store, first, last, length)
        measure(store, first, last, length, RECEIVED_ENERGY)
    for minute in (0, DAYS * DAY_MIN):
        read(store, minute)
        shown = float(300 + USED[minute])
        one = RegisterReading("H", START + minute * MINUTE, shown, "A", reading_type=RECEIVED_REGISTER)
        keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)
    judge(store)
    panels = load_stretches(store, ME, ["H"], WHOLE, RECEIVED_ENERGY, image=Image.FINAL)
    assert sum(float(np.nansum(panel.values)) for panel in panels) == USED[-1] == closed(store)
    told = [each for each in store.findings.load(ME, ["H"]) if each.code == "V10_missing"]
    assert {each.reading_type for each in told} == {DELIVERED_ENERGY, RECEIVED_ENERGY}
    fixed(store, 25, 28)


TOLD_LATE = Interval(START + 25 * DAY + 600 * MINUTE, START + 25 * DAY + 620 * MINUTE)


def tell_a_lost_day(store: Store) -> list[Callable[[], None]]:
    """Measure what comes before it, and read it twice; returns what comes behind it."""
    measure(store, 0, 25 * DAY_MIN, 15)
    for minute in (0, 25 * DAY_MIN + 600, 25 * DAY_MIN + 620):
        read(store, minute)
    return [lambda: measure(store, 26 * DAY_MIN, DAYS * DAY_MIN, 15), lambda: read(store, DAYS * DAY_MIN)]


def test_a_lost_day_of_which_little_is_told_is_edited_as_it_counts(store: Store) -> None:
    """It counts on the grid of the days beside it, and an edit was refused as its reads lie on another."""
    for each in tell_a_lost_day(store):
        each()
    judge(store)
    before = finals(store)
    made = edit(store, "H", Interval(TOLD_LATE.start, TOLD_LATE.start + 15 * MINUTE), [0.5], now=NOW)
    assert store.edits.edit(ME, made.id).interval == 15 * MINUTE
    assert closed(store) == USED[-1]
    take_back(store, made, now=NOW)
    assert [panel.values.tolist() for panel in finals(store)] == [panel.values.tolist() for panel in before]


def test_what_people_agreed_of_a_told_day_keeps_its_grid(store: Store) -> None:
    """Once the days behind it were measured it had theirs, on which the edit did not fit: nothing was judged again."""
    late = tell_a_lost_day(store)
    judge(store)
    told = USED[25 * DAY_MIN + 620] - USED[25 * DAY_MIN + 600]
    made = edit(store, "H", TOLD_LATE, [told / 1000], now=NOW)
    for each in late:
        each()
    assert correct(store, ME, SiteDefaults(), now=NOW).failed == 0
    assert closed(store) == USED[-1]
    assert [panel.interval for panel in finals(store)] == [15 * MINUTE, 20 * MINUTE, 15 * MINUTE]
    fixed(store, 24, 26)
    take_back(store, made, now=NOW)
    assert closed(store) == USED[-1]
    assert {panel.interval for panel in finals(store)} == {15 * MINUTE}
    fixed(store, 24, 26)


def test_an_exchange_within_an_outage_loses_nothing(store: Store) -> None:
    """A straight line gave some of it to the outage, in which nothing is estimated: the exchange is off the grid."""
    dark, back = 25 * DAY_MIN + 1141, 26 * DAY_MIN + 60
    moment = 25 * DAY_MIN + 1279
    flowing = np.ones(DAYS * DAY_MIN)
    flowing[dark:back] = 0
    with_outage = np.concatenate([[0.0], np.cumsum(np.diff(USED) * flowing)])
    for first, last in ((0, 24 * DAY_MIN), (back, DAYS * DAY_MIN)):
        values = np.diff(with_outage[first : last + 1 : 15])[None, :]
        store.readings.save(ME, Panel(("H",), START + first * MINUTE, 15 * MINUTE, values), known_at=NOW)
    tell_outage(store, ME, OutageTold(["H"], START + dark * MINUTE, START + back * MINUTE), now=NOW)
    final = Decimal(round(5000 + with_outage[moment])) / 1000
    exchange_meter(
        store,
        ME,
        MeterExchange("H", Meter("B", dials=8, lsb_wh=1), START + moment * MINUTE, final, Decimal(7)),
        now=NOW,
    )
    for minute, serial, base in ((0, "A", 5000.0), (back, "B", 7000.0), (DAYS * DAY_MIN, "B", 7000.0)):
        shown = base + float(with_outage[minute] - (with_outage[moment] if serial == "B" else 0))
        one = RegisterReading("H", START + minute * MINUTE, shown, serial)
        keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)
    judge(store)
    assert closed(store) == with_outage[-1]


def test_reads_at_odd_minutes_of_a_day_lost_before_another_grid_count_nothing_twice(store: Store) -> None:
    """Intervals of 45 minutes from a quarter past lay over both seams: made anew each time, and not closed."""
    measure(store, 0, 24 * DAY_MIN + 180, 60)
    measure(store, 27 * DAY_MIN + 300, DAYS * DAY_MIN, 15)
    for minute in (0, 24 * DAY_MIN + 180, 25 * DAY_MIN + 1320, 25 * DAY_MIN + 1365, 26 * DAY_MIN + 540):
        read(store, minute)
    read(store, DAYS * DAY_MIN)
    judge(store)
    assert closed(store) == USED[-1]
    before, after = finals(store)
    assert (before.interval, after.interval) == (60 * MINUTE, 15 * MINUTE)
    assert before.end == after.start
    fixed(store, 24, 28)


def test_an_exchange_near_measured_intervals_leaves_what_they_hold(store: Store) -> None:
    """A straight line over weeks gave the gap before it less than nothing, and what lies behind it too much."""
    night = np.concatenate([[0.0], np.cumsum(np.where(np.arange(DAYS * DAY_MIN) % DAY_MIN < 1080, np.diff(USED), 0))])
    moment, lost = 25 * DAY_MIN + 1241, (25 * DAY_MIN + 1200, 26 * DAY_MIN + 600)
    for first, last in ((0, lost[0]), (lost[1], DAYS * DAY_MIN)):
        values = np.diff(night[first : last + 1 : 30])[None, :]
        store.readings.save(ME, Panel(("H",), START + first * MINUTE, 30 * MINUTE, values), known_at=NOW)
    exchange = MeterExchange(
        "H",
        Meter("B", dials=8, lsb_wh=1),
        START + moment * MINUTE,
        Decimal(round(5000 + night[moment])) / 1000,
        Decimal(7),
    )
    exchange_meter(store, ME, exchange, now=NOW)
    for minute, serial in ((0, "A"), (26 * DAY_MIN, "B"), (lost[1], "B"), (DAYS * DAY_MIN, "B")):
        shown = 5000 + night[minute] if serial == "A" else 7000 + night[minute] - night[moment]
        one = RegisterReading("H", START + minute * MINUTE, float(shown), serial)
        keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)
    judge(store)
    assert closed(store) == night[-1]
    assert "V30_sum" not in [each.code for each in store.findings.load(ME, ["H"])]

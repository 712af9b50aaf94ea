"""What registers by time of use tell beside all energy is a part of it, whichever of them came first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.load.load_totals import load_totals
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store

START, NOW = datetime(2025, 1, 6, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
DAYS = 60
WHOLE = Interval(START - DAY, START + (DAYS + 2) * DAY)
Act = Callable[[Store], object]


def a_store() -> Store:
    store = open_store("sqlite://", clock=lambda: NOW)
    store.registry.save_points(ME, [UsagePoint("H", "Europe/Berlin", capacity_kw=17.0)])
    store.registry.save_meter(ME, Meter("A", dials=8, lsb_wh=1))
    store.registry.save_installation(ME, install("H", "A", START - DAY))
    return store


def measure(store: Store, first: int, last: int) -> None:
    """Save quarter-hours of days [first, last)."""
    values = np.asarray(100 + np.arange(first * 96, last * 96) % 13, np.float64)
    store.readings.save(ME, Panel(("H",), START + first * DAY, QUARTER, values[None]), known_at=NOW)


def read(store: Store, channel: str, hours: Sequence[int]) -> None:
    """Read a register at some hours, of which each told 250 Wh more."""
    kind = replace(DELIVERED_REGISTER, channel=channel)
    reads = [RegisterReading("H", START + hour * HOUR, 5000.0 + 250 * hour, "A", reading_type=kind) for hour in hours]
    keep_reads(store, ME, in_epochs(store, ME, reads), known_at=NOW, derive=True)


def judge(store: Store) -> None:
    assert correct(store, ME, SiteDefaults(), now=NOW).failed == 0


def outcome(store: Store) -> list[object]:
    """Return what counts of every series: final images, day totals and open findings."""
    told: list[object] = []
    for kind in sorted(store.readings.image_types(ME), key=lambda kind: kind.code):
        found = []
        for panel in load_stretches(store, ME, ["H"], WHOLE, kind, image=Image.FINAL):
            at = np.flatnonzero(~panel.missing[0]).tolist()
            if at:
                found += [(str(panel.start + slot * panel.interval), panel.values[0, slot]) for slot in at]
        if found:
            told.append((kind.code, sorted(found)))
        totals = store.day_totals.load(ME, ["H"], range(day_number(START.date()) - 1, 40_000), reading_type=kind)
        if totals.known.any():
            told.append((kind.code, np.where(totals.known, totals.total, -1.0).tolist()))
    told.append([(each.day, each.kwh) for each in load_totals(store, ME, "H")])
    findings = [each for each in store.findings.load(ME, ["H"]) if each.code != "V03_duplicate"]
    told.append(sorted((each.code, str(each.period), each.message) for each in findings))
    return told


def played(acts: Sequence[Act]) -> list[object]:
    with a_store() as store:
        for act in acts:
            act(store)
            judge(store)
        made = outcome(store)
        store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, WHOLE)
        again = correct(store, ME, SiteDefaults(), now=NOW)
        assert (again.readings, again.days, again.new) == (0, 0, 0)
        assert outcome(store) == made
        assert verify_store(store, ME).ok
        return made


@pytest.mark.parametrize("names", [("HT", "NT"), ("1.8.1", "1.8.2")])
@pytest.mark.parametrize("gap", [0, 3], ids=["measured around it", "in a gap"])
def test_an_hour_of_them_ends_the_same_before_and_after_the_total(names: tuple[str, str], gap: int) -> None:
    hour = 20 * 24 + 9
    around = [partial(measure, first=10, last=20), partial(measure, first=20 + gap, last=40)]
    tariffs = [partial(read, channel=name, hours=(hour, hour + 1)) for name in names]
    total = [partial(read, channel="", hours=(10 * 24, 40 * 24))]
    groups = [around, tariffs, total]
    made = [played([act for group in order for act in group]) for order in permutations(groups)]
    assert all(each == made[0] for each in made[1:])


@pytest.mark.parametrize("seed", range(100) if os.environ.get("GRIDWRIGHT_TEST_LONG") else range(2))
def test_hours_of_them_end_the_same_in_any_order(seed: int) -> None:
    """Some lie before the total was measured for the first time, some weeks behind the last time."""
    rng = np.random.default_rng(seed)
    begin, end = sorted(rng.choice(range(2, 20), 2, replace=False).tolist())
    acts = [partial(measure, first=begin, last=end)]
    if rng.random() < 0.5:
        acts.append(partial(measure, first=end + 2, last=end + 5))
    for name in ("HT", "NT"):
        for day in rng.choice(begin + 42, 4, replace=False).tolist():
            hour = day * 24 + int(rng.integers(0, 20))
            acts.append(partial(read, channel=name, hours=(hour, hour + 1)))
    acts.append(partial(read, channel="", hours=(begin * 24, end * 24)))
    made = [played([acts[at] for at in rng.permutation(len(acts)).tolist()]) for _ in range(2)]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("measured", "hours"),
    [
        (((3, 5), (55, 56)), {"HT": (1122, 1458, 1242)}),  # between two days of the total, far behind the first
        (((4, 6),), {"HT": (745, 243, 1530), "NT": (1624, 66, 1836)}),  # before it, and far behind its only days
    ],
    ids=["in its gap", "around it"],
)
def test_weeks_of_estimates_do_not_hang_on_which_came_first(
    measured: Sequence[tuple[int, int]], hours: dict[str, Sequence[int]]
) -> None:
    acts = [partial(measure, first=first, last=last) for first, last in measured]
    acts += [partial(read, channel=name, hours=(at, at + 1)) for name, some in hours.items() for at in some]
    made = [played([acts[at] for at in order]) for order in _orders(len(acts))]
    assert all(each == made[0] for each in made[1:])


def _orders(size: int) -> list[list[int]]:
    forth = list(range(size))
    return [forth, forth[::-1], *(np.random.default_rng(seed).permutation(size).tolist() for seed in range(2))]


def test_a_gap_of_the_total_is_estimated_though_an_hour_of_a_tariff_lies_in_it() -> None:
    """Fifty days of it were left out of every total, and no finding told it."""
    with a_store() as store:
        for act in (partial(measure, first=3, last=5), partial(measure, first=55, last=56)):
            act(store)
        read(store, "HT", (1242, 1243))
        judge(store)
        known = load_totals(store, ME, "H")
        assert {each.missing for each in known[1:-1]} == {0}
        assert len(known) == 54

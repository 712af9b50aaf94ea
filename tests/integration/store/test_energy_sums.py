"""Energy between register reads adds up to what the register counted, whatever the order and the entrance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store, open_store
from tests.integration.store.test_rollovers import DAY, NOW, SINGLE, START, Place, Read, a_place, json_of

# What reads tell is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)
MINUTE = timedelta(minutes=1)
WHOLE = Interval(START, START + DAY)
METER, FACTOR = Meter("M-1", dials=8, lsb_wh=1), 2
ENTRANCES = (*SINGLE, "file")


def at(*minutes: int) -> list[Read]:
    """Return reads after so many minutes of a register that counts a Wh a second, and a little more as it goes."""
    return [(START + minute * MINUTE, (60 * minute + minute * minute // 64) / 1000) for minute in minutes]


def bring(place: Place, folder: Path, entrance: str, reads: Sequence[Read]) -> None:
    if entrance == "file":
        place.import_file(folder, reads)
    else:
        place.post_each(reads, SINGLE[entrance])


def intervals(store: Store) -> dict[tuple[int, int], float]:
    """Return what is stored of the day in Wh, by the minutes in which it begins and ends."""
    (series,) = store.readings.series(ME, "UP-1")
    panel = store.readings.load(ME, "UP-1", WHOLE, interval=series.interval)
    length = int(series.interval / MINUTE)
    first = int((panel.start - START) / MINUTE)
    there = np.flatnonzero(~panel.missing[0]).tolist()
    return {(first + slot * length, first + (slot + 1) * length): float(panel.values[0, slot]) for slot in there}


def counted(begin: int, end: int) -> float:
    (_, first), (_, last) = at(begin, end)
    return round((last - first) * 1000) * FACTOR


# Minutes of the reads, and of the ends of the intervals that they tell.
CASES = {
    "a read right before another": ((0, 14, 15, 30, 45, 60), (0, 15, 30, 45, 60)),
    "a read half way": ((0, 7, 15, 30, 45), (0, 15, 30, 45)),
    "a shorter interval first": ((0, 5, 15, 30, 45), (0, 15, 30, 45)),
    "eight minutes first": ((0, 8, 15, 30, 45), (0, 15, 30, 45)),
    "minutes among quarter-hours": ((0, *range(15, 31), 45, 60, 75, 90), (0, 15, 30, 45, 60, 75, 90)),
    "half an hour first": ((0, 30, 45, 60, 75, 90, 105, 120), (30, 45, 60, 75, 90, 105, 120)),
    "hours with reads between": ((0, 60, 110, 120, 180, 240), (0, 60, 120, 180, 240)),
}


@pytest.mark.parametrize("entrance", ["json", "lines", "file"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_reads_within_an_interval_leave_no_energy_out(
    store: Store, tmp_path: Path, case: tuple[Sequence[int], Sequence[int]], entrance: str, *, backwards: bool
) -> None:
    reads, ends = at(*case[0]), case[1]
    bring(a_place(store, METER), tmp_path, entrance, reads[::-1] if backwards else reads)
    expected = {(one, other): counted(one, other) for one, other in pairwise(ends)}
    assert intervals(store) == expected


def test_a_file_derives_the_energy_of_each_meter_on_its_own_step(store: Store, tmp_path: Path) -> None:
    """Quarter-hours of many meters do not decide for the one that is read each hour."""
    place = a_place(store, METER)
    rows = [f"UP-{name},{when:%Y-%m-%dT%H:%M:%SZ},{kwh}" for name in (2, 3) for when, kwh in at(*range(0, 241, 15))]
    rows += [f"UP-1,{when:%Y-%m-%dT%H:%M:%SZ},{kwh}" for when, kwh in at(0, 60, 120, 180, 240)]
    place.import_text(tmp_path, ["meter_id,time,meter_reading_kwh", *rows])
    hours = {(begin, begin + 60): counted(begin, begin + 60) for begin in (0, 60, 120, 180)}
    assert intervals(store) == hours


@pytest.mark.parametrize("entrance", ["json", "file"])
@pytest.mark.parametrize("first", ["json", "file"])
def test_more_reads_of_a_day_in_another_step_tell_the_whole_day(
    store: Store, tmp_path: Path, first: str, entrance: str
) -> None:
    """Half hours of one part, quarters of a longer one: these hold three quarters of the time."""
    place = a_place(store, METER)
    bring(place, tmp_path, first, at(0, 30, 60))
    bring(place, tmp_path, entrance, at(*range(75, 360, 15)))
    assert set(intervals(store)) == {(end - 15, end) for end in range(75, 360, 15)}


def test_reads_that_are_posted_together_around_stored_ones_tell_what_lies_between(store: Store) -> None:
    place = a_place(store, METER)
    place.post(json_of(at(120)))
    place.post(json_of(at(60, 180)))
    assert intervals(store) == {(begin, begin + 60): counted(begin, begin + 60) for begin in (60, 120)}


MOMENTS = st.lists(
    st.integers(0, 40).map(lambda quarter: 15 * quarter) | st.integers(0, 600), min_size=2, max_size=14, unique=True
)


@settings(max_examples=200 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 15, deadline=None)
@given(minutes=MOMENTS, data=st.data())
def test_what_is_derived_is_what_the_register_counted(minutes: list[int], data: st.DataObject) -> None:
    """In any order, by any entrance: no interval holds more or less, none lies where no reads are its ends.

    The final image adds up to the watt-hour from its first read to its last one.
    """
    order = data.draw(st.permutations(minutes))
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/store.db") as store:
        place = a_place(store, METER)
        for minute in order:
            bring(place, Path(folder), data.draw(st.sampled_from(ENTRANCES)), at(minute))
        if not store.readings.extents(ME, ["UP-1"]):
            return
        found = intervals(store)
        assert found == {(begin, end): counted(begin, end) for begin, end in found}
        assert {minute for ends in found for minute in ends} <= set(minutes)
        correct(store, ME, SiteDefaults(), now=NOW)
        (series,) = store.readings.series(ME, "UP-1")
        final = store.readings.load(ME, "UP-1", WHOLE, interval=series.interval, image=Image.FINAL)
        begin, end = min(first for first, _ in found), max(last for _, last in found)
        assert round(float(np.nansum(final.values))) == counted(begin, end)

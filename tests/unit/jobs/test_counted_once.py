"""Energy that is there under several names of its channel counts once; channels that are different energy add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.jobs.cascade.trust_readings import summed
from gridwright.jobs.load.counted_once import counted_once

START = datetime(2025, 3, 1, tzinfo=UTC)
HALF = timedelta(minutes=30)
NAN = np.nan


def series(channel: str, values: Sequence[float], *, begin: int = 0, estimated: Sequence[int] = ()) -> Panel:
    """Return a panel of one usage point: Wh of half hours from the `begin`th on, NaN where there is no value."""
    row = np.array([values], float)
    quality = np.where(np.isnan(row), q.MISSING, q.ACTUAL).astype(np.uint8)
    quality[0, list(estimated)] = q.pack(q.Status.ESTIMATED)
    kind = replace(DELIVERED_ENERGY, channel=channel)
    return Panel(("N1",), START + begin * HALF, HALF, row, quality, kind)


def added(*panels: Panel) -> list[float]:
    return [float(each) for each in summed(panels, ("N1",)).values[0]]


def told(*panels: Panel) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(each.own, each.others, each.added) for each in counted_once(panels).doubled]


E1, E2 = [1.0, 2, 3, 4, 5, 6], [10.0, 0, 30, 0, 50, 20]
BOTH = [a + b for a, b in zip(E1, E2, strict=True)]
CASES = {
    "general and controlled load": ([series("E1", E1), series("E2", E2)], BOTH, []),
    "the whole beside its parts": (
        [series("E1", E1), series("E2", E2), series("", BOTH)],
        BOTH,
        [("", ("E1", "E2"), False)],
    ),
    "another whole beside its parts": (
        [series("E1", E1), series("E2", E2), series("", [7.0] * 6)],
        BOTH,
        [("", ("E1", "E2"), False)],
    ),
    "E1 under no name too": ([series("E1", E1), series("", E1)], E1, [("", ("E1",), False)]),
    "no name goes on where E1 ends": ([series("E1", E1[:3]), series("", E1[3:], begin=3)], E1, []),
    "measured before estimated": (
        [series("E1", [1, 9, 9, 4, 5, 6], estimated=[1, 2]), series("", E1)],
        E1,
        [("", ("E1",), False)],
    ),
    "a hole in E1": ([series("E1", [1, NAN, 3, 4, 5, 6]), series("", E1)], E1, [("", ("E1",), False)]),
    "an estimate of E1 beside a measured E2": (
        [series("E1", [1, 9, 3, 4, 5, 6], estimated=[1]), series("E2", E2), series("", [7.0] * 6)],
        [11.0, 9, 33, 4, 55, 26],
        [("", ("E1", "E2"), False)],
    ),
    "one meter under two codes": (
        [series("E1", E1), series("1-0:1.8.0", E1)],
        E1,
        [("1-0:1.8.0", ("E1",), False)],
    ),
    "a constant is no proof": ([series("E1", [2.0] * 6), series("E2", [2.0] * 6)], [4.0] * 6, []),
    "only a second channel": ([series("", E1), series("E2", E2)], BOTH, [("", ("E2",), True)]),
    "a second channel with the same values": ([series("", E2), series("E2", E2)], E2, [("", ("E2",), False)]),
    "E2 alone for a time": (
        [series("", BOTH), series("E1", E1[:3]), series("E2", E2)],
        [*BOTH[:3], *(a + b for a, b in zip(BOTH[3:], E2[3:], strict=True))],
        [("", ("E1", "E2"), False), ("", ("E2",), True)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kwh_counts_once(case: str) -> None:
    panels, sums, doubled = CASES[case]
    for order in permutations(panels):
        assert added(*order) == sums
        assert told(*order) == doubled


def test_it_is_told_in_words_with_the_remedy() -> None:
    (same,) = counted_once([series("E1", E1), series("", E1)]).doubled
    assert str(same) == (
        "energy without a channel is that of channel E1 a second time, and counts only where that is not measured; "
        "to have both count, send it under a channel of its own"
    )
    assert (same.period.start, same.period.end) == (START, START + 6 * HALF)
    (other,) = counted_once([series("", E1), series("E2", E2)]).doubled
    assert str(other) == (
        "energy without a channel is added to that of channel E2; where it is the same, send it under one of these "
        "names only"
    )


def test_finer_counts_are_the_same_energy() -> None:
    coarse = replace(series("E1", E1), reading_type=replace(DELIVERED_ENERGY, channel="E1", exponent=1))
    fine = series("1.8.0", [each * 10 + 4 for each in E1])
    assert added(coarse, fine) == [each * 10 for each in E1]


def test_who_has_one_channel_is_not_touched() -> None:
    plain = replace(series("", E1), points=("N2",))
    panels = (series("E1", E1), plain)
    assert counted_once(panels).panels[0] is panels[0]
    assert counted_once(panels).panels[1] is plain
    values = summed(panels, ("N1", "N2")).values
    assert values.tolist() == [E1, E1]


WH = st.integers(1, 10**6).map(float)
DAYS = st.lists(st.tuples(WH, WH), min_size=2, max_size=24)


@given(DAYS, st.data())
def test_the_order_of_entrances_and_the_mix_of_names_change_no_energy(
    pairs: list[tuple[float, float]], data: st.DataObject
) -> None:
    """Whoever sends the parts and the whole, over any stretch, in any order: each interval has its energy once."""
    first, second = ([pair[at] for pair in pairs] for at in (0, 1))
    whole = [a + b for a, b in pairs]
    begin = data.draw(st.integers(0, len(pairs) - 1))
    end = data.draw(st.integers(begin + 1, len(pairs)))
    parts = [series("E1", first[begin:end], begin=begin), series("E2", second[begin:end], begin=begin)]
    order = data.draw(st.permutations([*parts, series("", whole)]))
    assert added(*order) == whole
    doubled = counted_once(order).doubled
    assert [(each.own, each.added) for each in doubled] == [("", False)]
    assert [each.period.start for each in doubled] == [START + begin * HALF]


@given(st.lists(WH, min_size=4, max_size=24, unique=True), st.data())
def test_a_sum_is_never_more_than_the_names_have_together_nor_less_than_the_most(
    values: list[float], data: st.DataObject
) -> None:
    """Taking one of two loses nothing that only one of them has, and adds nothing that neither has."""
    names = data.draw(st.lists(st.sampled_from(["", "E1", "E2", "1.8.0"]), min_size=1, max_size=4, unique=True))
    panels = []
    for name in names:
        holes = data.draw(st.sets(st.integers(1, len(values) - 2)))
        panels.append(series(name, [NAN if at in holes else each for at, each in enumerate(values)]))
    stacked = np.stack([panel.values[0] for panel in panels])
    found = np.array(added(*panels))
    known = ~np.isnan(found)
    assert (found[known] <= np.nansum(stacked, axis=0)[known]).all()
    assert (found[known] >= np.array(values)[known]).all()

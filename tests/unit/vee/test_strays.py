"""Register reads off the grid: energy between those on it is known, whatever lies between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.vee import Registers, Source, validate
from gridwright.vee.cuts import MOST
from gridwright.vee.estimate import estimate
from gridwright.vee.steps import Steps, steps_of
from gridwright.vee.strays import over_strays

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = {"H": 30.0}


def off(minute: int) -> tuple[int, int]:
    """Return how far a minute is from a half-hour, and the minute."""
    return min(minute % 30, 30 - minute % 30), minute


def panel(length: int = 30, slots: int = 16) -> Panel:
    values = np.full((1, slots), np.nan)
    values[0, [0, -1]] = 500.0
    return Panel(("H",), START, length * MINUTE, values)


def reads(*minutes: int, epoch: int = 0) -> list[RegisterReading]:
    return [RegisterReading("H", START + minute * MINUTE, 30.0 * minute, "M", epoch) for minute in minutes]


def registers(some: Sequence[RegisterReading]) -> Registers:
    return Registers({"H": some}, {"M": Meter("M", dials=8, lsb_wh=1)})


def spans(steps: Steps) -> list[tuple[int, int, float]]:
    begin = START.timestamp() * 1_000_000
    ends = zip(steps.since.tolist(), steps.until.tolist(), steps.energy.tolist(), strict=True)
    return [(round((since - begin) / 6e7), round((until - begin) / 6e7), energy) for since, until, energy in ends]


def merged(*minutes: int) -> list[tuple[int, int, float]]:
    return spans(over_strays(panel(), steps_of(panel(), registers(reads(*minutes)), LIMITS)))


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        ((0, 30, 314, 420), [(0, 30), (30, 420)]),
        ((0, 148, 200, 314, 420, 480), [(0, 148), (148, 420), (420, 480)]),  # two minutes off are on the grid
        ((0, 29, 30, 31, 420), [(0, 30), (30, 420)]),
        ((10, 100, 314), [(10, 100), (100, 314)]),  # none is on it
        ((10, 30, 314), [(10, 30), (30, 314)]),
    ],
)
def test_steps_go_from_the_grid_to_the_grid(minutes: Sequence[int], expected: list[tuple[int, int]]) -> None:
    assert merged(*minutes) == [(one, other, 30.0 * (other - one)) for one, other in expected]


def test_over_a_reset_and_over_more_than_a_step_is_looked_for_nothing_is_added_up() -> None:
    reset = [*reads(30), *reads(100), *reads(200, 420, epoch=1)]
    assert len(over_strays(panel(), steps_of(panel(), registers(reset), LIMITS))) == len(reset) - 1
    few, many = ([30, *(50 + 30 * slot for slot in range(count)), 900] for count in (MOST, MOST + 1))
    assert (len(merged(*few)), len(merged(*many))) == (1, MOST + 2)


def counted(minute: int) -> int:
    """Return what is used up to a minute; what lies within a gap is on no line between its ends."""
    return 30 * minute + round(700 * math.sin(minute / 40))


@pytest.mark.parametrize("others", [(), (217,), (203, 217), (100, 217), (100,), (100, 194, 203, 250, 305, 420)])
@pytest.mark.parametrize("gap", [(1, 15), (6, 7), (6, 9), (3, 7)])
def test_a_read_beside_an_exchange_costs_a_gap_nothing(gap: tuple[int, int], others: tuple[int, ...]) -> None:
    """What the two meters counted lies in it, though the new one was read once more before the next half-hour."""
    old = [(0, "M"), (30, "M"), *((each, "M") for each in others if each < 200), (200, "M")]
    new = [(200, "N"), *((each, "N") for each in others if each > 200), (450, "N"), (480, "N")]
    some = [
        RegisterReading("H", START + minute * MINUTE, counted(minute) - (counted(200) if meter == "N" else 0), meter)
        for minute, meter in (*old, *new)
    ]
    some = [replace(each, epoch=int(each.end_device == "N")) for each in some]
    hung = [install("H", "M", START - MINUTE), install("H", "N", START + 200 * MINUTE)]
    meters = {name: Meter(name, dials=8, lsb_wh=1) for name in "MN"}
    values = np.array([[counted(30 * slot + 30) - counted(30 * slot) for slot in range(16)]], float)
    values[0, slice(*gap)] = np.nan
    closed = Registers({"H": some}, meters, hung)
    (whole,) = estimate(
        replace(panel(), values=values), [UsagePoint("H", "Europe/Berlin")], registers=closed
    ).panel.values
    assert whole.sum() == counted(480)


@given(st.lists(st.integers(31, 449), max_size=MOST, unique=True))
def test_a_gap_holds_what_the_register_counted_whatever_reads_lie_in_it(minutes: list[int]) -> None:
    """0 Wh of error with registers: a technician's read within a gap makes none."""
    some = registers(reads(*sorted({0, 30, 450, 480, *minutes})))
    (whole,) = estimate(panel(), [UsagePoint("H", "Europe/Berlin")], registers=some).panel.values
    assert whole[1:-1].sum() == 30.0 * 420
    edges = {
        round(each / 30): each for each in sorted({30, 450, *minutes}, key=off, reverse=True) if off(each) < (3, 0)
    }
    for (one, since), (other, until) in pairwise(sorted(edges.items())):
        assert whole[one:other].sum() == 30.0 * (until - since)


@pytest.mark.parametrize(("wrong", "told"), [(0, []), (400, ["V30_sum"])])
def test_what_is_estimated_up_to_a_read_in_a_gap_is_no_contradiction(wrong: int, told: list[str]) -> None:
    """It was closed by the reads on the grid; what they do not hold is told as before."""
    shown = {at: counted(at) for at in (0, 30, 200, 450, 480)} | {200: counted(200) + 4000}
    some = registers([RegisterReading("H", START + at * MINUTE, value, "M") for at, value in shown.items()])
    homes, values = [UsagePoint("H", "Europe/Berlin")], panel().values.copy()
    values[0, [0, -1]] = counted(30), counted(480) - counted(450)
    made = estimate(replace(panel(), values=values), homes, registers=some).panel
    changed = made.values.copy()
    changed[0, 5] += wrong
    done = validate(made.with_values(changed, made.quality), homes, registers=some, source=Source.ESTIMATION)
    assert [each.code for each in done.findings] == told


def test_reads_within_what_was_estimated_are_judged_with_those_around_it_however_many_they_are() -> None:
    """Each by itself may be off by an interval, and all of them together were never told."""
    minutes = [13, *range(47, 1000, 30), 1033]
    values = np.full((1, 48), 900.0)
    quality = np.full((1, 48), np.uint8(q.pack(q.Status.ESTIMATED, q.Method.BLEND)))
    quality[0, [0, -14]] = np.uint8(q.pack(q.Status.RAW))
    some = Panel(("H",), START, 30 * MINUTE, values, quality=quality)
    taken = [replace(read, value=read.value * 0.9) for read in reads(*minutes)]
    home = [UsagePoint("H", "UTC", capacity_kw=30.0)]
    done = validate(some, home, registers=registers(taken), source=Source.ESTIMATION)
    (found,) = (each for each in done.findings if each.code == "V30_sum")
    assert (found.period.start, found.period.end) == (START, START + 1020 * MINUTE)
    assert "intervals sum to 30.6 kWh, the registers say 27.54 kWh" in found.message


@given(
    late=st.integers(4, 26),
    every=st.sampled_from([30, 60, 90, 240, 1440]),
    first=st.integers(100, 140),
    length=st.integers(1, 120),
    flow=st.sampled_from(["delivered", "net"]),
)
def test_a_gap_among_reads_that_are_all_beside_the_grid_is_off_by_their_part_of_an_interval_at_most(
    late: int, every: int, first: int, length: int, flow: str
) -> None:
    """Where fewer than thirteen of them lay around it, or more, nothing was closed."""
    slots, kind = 480, replace(DELIVERED_ENERGY, flow=Flow(flow))
    values = np.array([[counted(30 * slot + 30) - counted(30 * slot) for slot in range(slots)]], float)
    lost = values.copy()
    lost[0, first : first + length] = np.nan
    minutes = range(late, 30 * slots, every)
    some = registers(
        [RegisterReading("H", START + at * MINUTE, counted(at), "M", reading_type=kind.register()) for at in minutes]
    )
    homes = [UsagePoint("H", "Europe/Berlin", capacity_kw=30.0)]
    made = estimate(Panel(("H",), START, 30 * MINUTE, lost, reading_type=kind), homes, registers=some).panel
    off = made.values[0, first : first + length].sum() - values[0, first : first + length].sum()
    around = max(at for at in minutes if at <= 30 * first), min(at for at in minutes if at >= 30 * (first + length))
    assert abs(off) <= sum(values[0, at // 30] for at in around) / 2 + 1
    done = validate(made, homes, registers=some, source=Source.ESTIMATION)
    assert [each for each in done.findings if each.code == "V30_sum"] == []

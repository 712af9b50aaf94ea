"""Reads as columns say what reads as objects say: steps, segments, identity, changes and sums by time of use."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.errors import InputError
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.misread import set_aside
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading, RegisterStep, Step, register_steps
from gridwright.domain.usage_point import Installation, Meter
from gridwright.vee import foreign, segments
from gridwright.vee.counters import laid_of
from gridwright.vee.registers import Registers
from gridwright.vee.rules.registers import RegisterChange, TouSum, register_change
from gridwright.vee.segments import Segments, segments_of
from gridwright.vee.steps import Counted, steps_of

START = datetime(2025, 3, 1, tzinfo=UTC)
POINTS = ("A", "B", "C")
SERIALS = ("", "M1", "m1", "M2", "0M2")
KINDS = (
    DELIVERED_REGISTER,
    DELIVERED_REGISTER.finer(3),
    RECEIVED_REGISTER,
    replace(DELIVERED_REGISTER, channel="day"),
    replace(DELIVERED_REGISTER, channel="night"),
)
PANELS = (ReadingType(), ReadingType(exponent=1), ReadingType(channel="day"))
LIMITS = {"A": 10.0, "B": 5000.0, "C": 0.5}

instants = st.builds(
    lambda hour, second: START + timedelta(hours=hour, seconds=second),
    st.integers(-6, 54),
    st.sampled_from([0, 0, 0, 7, 59, 1800]),
)


@st.composite
def reads(draw: st.DrawFn, point: str) -> list[RegisterReading]:
    """Draw reads in any order: values that rise, fall, turn over and repeat, of few meters and kinds."""
    values = st.one_of(st.integers(0, 3000), st.integers(99_000, 100_500), st.sampled_from([1000.0, 10_000, 0, 1e6]))
    one = st.builds(
        RegisterReading,
        usage_point=st.just(point),
        at=instants,
        value=values.map(float),
        end_device=st.sampled_from(SERIALS),
        epoch=st.sampled_from([0, 0, 0, 1, 2]),
        reading_type=st.sampled_from(KINDS),
    )
    found = draw(st.lists(one, max_size=7))
    # Mostly one register that counts up and turns over, as in life: else hardly any step would be known.
    if draw(st.booleans()):
        at = sorted(draw(st.lists(instants, max_size=7, unique=True)))
        rises = draw(st.lists(st.integers(0, 2500), min_size=len(at), max_size=len(at)))
        counted = (draw(st.sampled_from([0, 97_000, 99_500])) + np.cumsum(rises)) % 100_000
        serial = draw(st.sampled_from(("", "M1", "M1", "M1")))
        found = [RegisterReading(point, when, float(value), serial) for when, value in zip(at, counted, strict=True)]
    return found


@st.composite
def installations(draw: st.DrawFn, point: str) -> list[Installation]:
    """Draw what hung there, if anybody recorded it: none, one, or several that follow one another."""
    edges = sorted(draw(st.lists(instants, min_size=0, max_size=3, unique=True)))
    begins = [START - timedelta(days=draw(st.sampled_from([0, 9]))), *edges] if draw(st.booleans()) else edges
    begins = sorted(set(begins))
    if not begins:
        return []
    ends = [*begins[1:], draw(st.sampled_from([START + timedelta(days=1), datetime(9999, 1, 1, tzinfo=UTC)]))]
    serials = draw(st.sampled_from([SERIALS[1:], ("M1",)]))
    return [
        Installation(
            point, draw(st.sampled_from(serials)), Interval(since, until), Decimal(draw(st.sampled_from("14")))
        )
        for since, until in zip(begins, ends, strict=True)
        if since < until
    ]


@st.composite
def registers(draw: st.DrawFn) -> Registers:
    """Draw the registers of three usage points."""
    meter = st.builds(
        Meter, serial=st.just(""), dials=st.sampled_from([5, 5, 6, None]), lsb_wh=st.sampled_from([1, 1, 10, 1000])
    )
    known = {serial: replace(draw(meter), serial=serial) for serial in SERIALS if draw(st.booleans())}
    hung = [each for point in POINTS for each in draw(installations(point))] if draw(st.booleans()) else []
    return Registers({point: draw(reads(point)) for point in POINTS}, known, hung)


def a_panel(kind: ReadingType) -> Panel:
    """Return two days of hours without a value."""
    return Panel(POINTS, START, timedelta(hours=1), np.zeros((3, 48)), reading_type=kind)


def counts_on(known: Registers, before: RegisterReading, after: RegisterReading) -> bool:
    """Tell by V32 itself whether a register may have counted from one read to a later one."""
    factor, (meter,) = known.factor(before, after), known.meters_of([before, after]).values()
    pair = [replace(each, epoch=0) for each in (before, after)]
    limit = LIMITS[before.usage_point]
    if factor is None or before.reading_type != after.reading_type:
        return factor is not None and possible(pair, factor, limit)
    (step,) = register_steps(pair, meter=replace(meter, dials=15), capacity_kw=limit, multiplier=factor)
    return step.step is Step.NORMAL


def possible(pair: list[RegisterReading], factor: float, limit: float) -> bool:
    wh = [read.value * read.reading_type.resolution for read in pair]
    return (wh[1] - wh[0]) * factor <= limit * 1000 * ((pair[1].at - pair[0].at) / timedelta(hours=1))


def steps_as_objects(panel: Panel, known: Registers) -> list[Counted]:
    """Judge each pair of reads by itself: what `steps_of` must say of all at once."""
    found: list[Counted] = []
    for row, point in enumerate(panel.points):
        mine, _ = set_aside(known.of(point, panel), partial(counts_on, known))
        meters = known.meters_of(mine)
        for before, after in pairwise(mine):
            factor = known.factor(before, after)
            meter, limit = meters[before.end_device], LIMITS[point]
            (step,) = register_steps([before, after], meter=meter, capacity_kw=limit, multiplier=factor or 1.0)
            if factor is None:
                step = RegisterStep(before.at, after.at, None, Step.EXCHANGE)
            scale = before.reading_type.resolution / panel.reading_type.resolution
            energy = None if step.energy is None else step.energy * scale
            found.append((row, meter, factor or 1.0, replace(step, energy=energy)))
    return found


def segments_as_objects(panel: Panel, steps: list[Counted]) -> list[tuple[float, ...]]:
    """Lay each step by itself: (row, first, last, energy, tolerance, aligned)."""
    found: list[tuple[float, ...]] = []
    for row, meter, factor, step in steps:
        if step.energy is None:
            continue
        edges = [(epoch_s(at) - epoch_s(panel.start)) / panel.interval_s for at in (step.since, step.until)]
        first, last = (round(edge) for edge in edges)
        off = max(abs(edges[0] - first), abs(edges[1] - last))
        slack = 0.001 * abs(step.energy) if off > 0 else 0.0
        tolerance = meter.lsb_wh * factor / panel.reading_type.resolution + max(last - first, 0) / 2 + slack
        if first >= 0 and last <= panel.slots and last > first:
            found.append((row, first, last, step.energy, tolerance, off <= 0.1))
    return found


def columns(laid: Segments) -> list[tuple[float, ...]]:
    """Return segments line by line."""
    fields = (laid.row, laid.first, laid.last, laid.energy, laid.tolerance, laid.aligned)
    found: list[tuple[float, ...]] = list(zip(*(field.tolist() for field in fields), strict=True))
    return found


@settings(max_examples=60)
@given(registers(), st.sampled_from(PANELS))
def test_steps_and_segments_of_columns_are_those_of_objects(known: Registers, kind: ReadingType) -> None:
    panel = a_panel(kind)
    wanted, steps = steps_as_objects(panel, known), steps_of(panel, known, LIMITS)

    assert list(steps) == wanted
    assert steps.known.tolist() == [step.energy is not None for *_, step in wanted]
    laid = segments_of(panel, steps)
    assert columns(laid) == segments_as_objects(panel, wanted)
    counted = [(row, meter.serial, factor) for row, meter, factor, step in wanted if step.energy is not None]
    numbers = segments._counters(steps, steps.known, (), steps.factor[steps.known]).tolist()
    assert len(set(zip(counted, numbers, strict=True))) == len(set(counted)) == len(set(numbers))


@settings(max_examples=30)
@given(registers(), st.sampled_from(PANELS))
def test_rules_of_columns_find_what_rules_of_objects_find(known: Registers, kind: ReadingType) -> None:
    panel = a_panel(kind)
    laid, tou = laid_of(panel, known), TouSum()

    mine = [finding for point in POINTS for finding in foreign._of_point(panel, point, known)]
    assert foreign.ident_findings(panel, known, laid) == mine
    sums = [one for point in POINTS for one in tou._of(panel, point, known, LIMITS[point])] if not kind.channel else []
    assert tou(panel, known, laid.reads, LIMITS) == sums


@settings(max_examples=30)
@given(registers(), st.sampled_from([0.1, 0.8]))
def test_changes_of_columns_are_those_of_objects(known: Registers, most: float) -> None:
    panel = a_panel(ReadingType())
    steps = steps_as_objects(panel, known)
    wanted: list[tuple[str, Interval]] = []
    for (row, *_, before), (other, *_, now) in pairwise(steps):
        if row == other and before.since < before.until and register_change(before, now) > most:
            wanted.append((panel.points[row], Interval(now.since, now.until)))

    found: list[Finding] = RegisterChange(most)(panel, steps_of(panel, known, LIMITS))
    assert [(one.usage_point, one.period) for one in found] == wanted


def test_a_change_of_factor_an_exchange_and_a_foreign_meter_are_told_as_objects_tell_them() -> None:
    def read(hour: int, value: float, serial: str = "M1", epoch: int = 0) -> RegisterReading:
        return RegisterReading("B", START + timedelta(hours=hour), value, serial, epoch)

    def hung(serial: str, since: int, until: int, factor: str) -> Installation:
        period = Interval(START + timedelta(hours=since), START + timedelta(hours=until))
        return Installation("B", serial, period, Decimal(factor))

    mine = [read(0, 99_990), read(4, 5), read(12, 9), read(15, 11), read(16, 70, "M2", 1), read(18, 20, epoch=2)]
    mine += [
        read(20, 25, epoch=2),
        read(24, 2, "M3", 3),
        read(26, 4, "M3", 3),
        read(28, 1, "M3", 3),
        read(30, 0, "M3", 4),
    ]
    history = [hung("M1", -9, 10, "1"), hung("M1", 10, 24, "4"), hung("M3", 24, 99, "2")]
    known = Registers({"B": mine}, {"M1": Meter("M1", dials=5), "M3": Meter("M3", dials=6)}, history)

    steps = steps_of(a_panel(ReadingType()), known, LIMITS)
    assert list(steps) == steps_as_objects(a_panel(ReadingType()), known)
    assert [(step.step.value, factor, step.energy) for _, _, factor, step in steps] == [
        ("rollover", 1.0, 15.0),
        ("exchange", 1.0, None),
        ("normal", 4.0, 8.0),
        ("normal", 4.0, 36.0),
        ("normal", 4.0, 20.0),
        ("exchange", 4.0, None),
        ("normal", 2.0, 4.0),
        ("decrease", 2.0, None),
        ("reset", 2.0, None),
    ]


def test_two_reads_of_one_instant_tell_of_no_change_a_day() -> None:
    at = [START, START, START + timedelta(hours=1), START + timedelta(hours=2)]
    mine = [RegisterReading("A", when, value) for when, value in zip(at, (5.0, 5.0, 6.0, 9.0), strict=True)]

    found = RegisterChange(0.5)(
        a_panel(ReadingType()), steps_of(a_panel(ReadingType()), Registers({"A": mine}), LIMITS)
    )
    assert [one.period.start for one in found] == [at[2]]


def test_a_read_without_a_zone_is_refused_with_its_place() -> None:
    known = Registers({"B": [RegisterReading("B", datetime(2025, 3, 1), 5.0)]})  # noqa: DTZ001 - that is the fault
    with pytest.raises(InputError, match=r"5\.0 of B at 2025-03-01T00:00:00"):
        steps_of(a_panel(ReadingType()), known, LIMITS)

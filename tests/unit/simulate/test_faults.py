from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.domain.register import Step, register_steps
from gridwright.simulate import Fault, FaultKind, Kind, Town, draw_faults, inject, simulate_homes, with_faults
from gridwright.simulate.town import Floats

BERLIN = zone_of("Europe/Berlin")
HOUR = timedelta(hours=1)
QUARTER = HOUR / 4


@pytest.fixture(scope="module")
def clean() -> Town:
    return simulate_homes(3, parse_period("2025-02-01/2025-05-01", BERLIN), 4, kinds=[Kind.HOME])


def one(town: Town, kind: FaultKind) -> tuple[Town, Fault, int, slice]:
    broken = inject(town, 11, kinds=[kind])
    fault = broken.faults[0]
    first = (fault.period.start - town.panel.start) // town.panel.interval
    last = (fault.period.end - town.panel.start) // town.panel.interval
    return broken, fault, town.panel.index(fault.usage_point), slice(first, last)


def changed(before: Floats, after: Floats) -> set[tuple[int, int]]:
    differs = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    return {(int(row), int(slot)) for row, slot in np.argwhere(differs)}


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_changes_its_own_period_only_and_the_truth_never(clean: Town, kind: FaultKind) -> None:
    broken, _, row, span = one(clean, kind)
    assert {at for at, _ in changed(clean.panel.values, broken.panel.values)} <= {row}
    slots = {slot for _, slot in changed(clean.panel.values, broken.panel.values)}
    assert slots <= set(range(span.start, span.stop))
    assert broken.truth is clean.truth
    assert np.array_equal(clean.truth.panel.values, clean.panel.values)


@pytest.mark.parametrize(
    ("kind", "hours"), [(FaultKind.GAP_SHORT, 2), (FaultKind.GAP_DAY, 24), (FaultKind.GAP_WEEK, 168)]
)
def test_gaps_are_missing(clean: Town, kind: FaultKind, hours: int) -> None:
    broken, fault, row, span = one(clean, kind)
    assert np.isnan(broken.panel.values[row, span]).all()
    assert (broken.panel.quality[row, span] == q.MISSING).all()
    assert fault.period.length <= hours * HOUR


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.SPIKE, lambda true: true * 10),
        (FaultKind.STUCK, lambda true: np.full(true.size, true[0])),
        (FaultKind.ZERO_RUN, np.zeros_like),
        (FaultKind.NEGATIVE, np.negative),
    ],
)
def test_wrong_values(clean: Town, kind: FaultKind, expected: Callable[[Floats], Floats]) -> None:
    broken, _, row, span = one(clean, kind)
    assert np.array_equal(broken.panel.values[row, span], expected(clean.panel.values[row, span]))


def test_duplicates_repeat_late_and_corrected_come_at_the_end(clean: Town) -> None:
    for kind, at_end in ((FaultKind.DUPLICATE, False), (FaultKind.LATE, True), (FaultKind.CORRECTED, True)):
        broken, _, row, span = one(clean, kind)
        assert set(broken.extra.row.tolist()) == {row}
        assert broken.extra.slot.tolist() == list(range(span.start, span.stop))
        assert np.array_equal(broken.extra.value, clean.panel.values[row, span])
        assert (broken.extra.at_end == at_end).all()
        shown = broken.panel.values[row, span]
        if kind is FaultKind.LATE:
            assert np.isnan(shown).all()
        elif kind is FaultKind.CORRECTED:
            assert np.array_equal(shown, np.rint(clean.panel.values[row, span] / 2))


def test_winter_stamps_double_an_hour_and_lose_one(clean: Town) -> None:
    broken, fault, row, span = one(clean, FaultKind.DST_STAMPS)
    assert fault.period == parse_period("2025-03-30T01:00:00+00:00/2025-03-30T22:00:00+00:00", BERLIN)
    true, shown = clean.panel.values[row, span], broken.panel.values[row, span]
    assert np.array_equal(shown[:4], true[:4])
    assert np.array_equal(broken.extra.value, true[4:8])
    assert broken.extra.slot.tolist() == list(range(span.start, span.start + 4))
    assert np.array_equal(shown[4:-4], true[8:])
    assert np.isnan(shown[-4:]).all()


@pytest.mark.parametrize(
    ("kind", "seen"),
    [(FaultKind.RESET, Step.RESET), (FaultKind.EXCHANGE, Step.EXCHANGE), (FaultKind.ROLLOVER, Step.ROLLOVER)],
)
def test_registers_step_once_and_keep_the_energy_they_can(clean: Town, kind: FaultKind, seen: Step) -> None:
    broken, fault, row, _ = one(clean, kind)
    mine = [read for read in broken.registers if read.usage_point == fault.usage_point]
    steps = register_steps(mine, meter=broken.meters[row], capacity_kw=17)
    assert [step.step for step in steps if step.step is not Step.NORMAL] == [seen]
    for step in steps:
        true = clean.panel.rows([row]).between(Interval(step.since, step.until)).values.sum()
        assert step.energy == true or step.step in (Step.RESET, Step.EXCHANGE)
    others = [read for read in broken.registers if read.usage_point != fault.usage_point]
    assert others == [read for read in clean.registers if read.usage_point != fault.usage_point]


def test_an_exchange_has_a_final_and_an_opening_read(clean: Town) -> None:
    broken, fault, row, _ = one(clean, FaultKind.EXCHANGE)
    at = [read for read in broken.registers if read.at == fault.period.start and read.usage_point == fault.usage_point]
    assert [read.end_device for read in at] == [clean.meters[row].serial, f"{clean.meters[row].serial}-B"]
    assert at[1].value == 12


def test_an_exchange_at_the_time_of_an_ordinary_read_has_no_third_one(clean: Town) -> None:
    point = clean.panel.points[0]
    at = sorted(read.at for read in clean.registers if read.usage_point == point)[3]
    broken = with_faults(clean, [Fault(FaultKind.EXCHANGE, point, Interval(at, at + QUARTER), 12)])
    reads = [read for read in broken.registers if read.usage_point == point and read.at == at]
    assert [read.end_device for read in reads] == [clean.meters[0].serial, f"{clean.meters[0].serial}-B"]


def test_all_faults_together_do_not_overlap(clean: Town) -> None:
    faults = draw_faults(clean, 3)
    assert {fault.kind for fault in faults} == set(FaultKind)
    profile = [f for f in faults if f.kind not in (FaultKind.RESET, FaultKind.ROLLOVER, FaultKind.EXCHANGE)]
    for i, one_fault in enumerate(profile):
        for other in profile[i + 1 :]:
            assert one_fault.usage_point != other.usage_point or not one_fault.period.overlaps(other.period)
    assert with_faults(clean, faults).faults == inject(clean, 3).faults


def test_what_does_not_fit_is_refused_when_asked_for_and_left_out_otherwise() -> None:
    short = simulate_homes(1, parse_period("2025-02-01/2025-02-04", BERLIN), 4)
    with pytest.raises(InputError, match="gap-week"):
        inject(short, 1, kinds=[FaultKind.GAP_WEEK])
    left = {fault.kind for fault in inject(short, 1).faults}
    assert FaultKind.GAP_WEEK not in left
    assert FaultKind.DST_STAMPS not in left
    assert FaultKind.SPIKE in left

"""Where the interval length changes, what two reads on both sides of it tell is closed and checked as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.vee import Registers, close_over_seams
from gridwright.vee.chains import chains_of

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ESTIMATED = q.pack(q.Status.ESTIMATED, q.Method.BLEND)
HOURS = 4  # of each part


def used(minute: float) -> float:
    """Return what is used up to a minute; a little more as it goes."""
    return float(10 * minute + minute * minute // 100)


def part(number: int, length: int, gaps: Sequence[int] = (), guess: float = 7.0) -> Panel:
    """Return four hours, the estimates of some slots for which are wrong."""
    first = number * HOURS * 60
    edges = [used(first + length * slot) for slot in range(HOURS * 60 // length + 1)]
    values, quality = np.diff(edges)[None, :], np.full((1, len(edges) - 1), q.Status.ACTUAL, np.uint8)
    values[0, list(gaps)], quality[0, list(gaps)] = guess, ESTIMATED
    return Panel(("H",), START + first * MINUTE, length * MINUTE, values, quality)


def reads(*minutes: float, off: Mapping[float, float] | None = None) -> Registers:
    shown = {minute: 30_000 + used(minute) + (off or {}).get(minute, 0.0) for minute in minutes}
    some = [RegisterReading("H", START + minute * MINUTE, value, "M") for minute, value in shown.items()]
    return Registers({"H": some}, {"M": Meter("M", dials=8, lsb_wh=1)})


def limits(panel: Panel) -> dict[str, float]:
    return dict.fromkeys(panel.points, 30.0)


def energy(panels: Sequence[Panel]) -> float:
    return float(sum(panel.values.sum() for panel in panels))


@pytest.mark.parametrize("lengths", [(15, 60), (60, 15), (30, 20), (15, 20, 15), (10, 40, 30)])
@pytest.mark.parametrize("more", [(), (97,), (233, 251), (237, 243)])
def test_a_gap_over_a_seam_is_closed_to_the_watt_hour(lengths: Sequence[int], more: Sequence[int]) -> None:
    """Reads off either grid, or near to the seam, leave it closed."""
    last = len(lengths) - 1
    panels = [
        part(at, length, range(0 if at else 2, HOURS * 60 // length - (1 if at == last else 0)))
        for at, length in enumerate(lengths)
    ]
    end = len(lengths) * HOURS * 60
    made, doubts = close_over_seams(panels, reads(0, *more, end), limits)
    assert energy(made) == used(end)
    assert not doubts
    measured = [q.status_of(panel.quality) == q.Status.ACTUAL for panel in panels]
    for old, new, kept in zip(panels, made, measured, strict=True):
        assert (old.values[kept] == new.values[kept]).all()
        assert set(new.quality[~kept].tolist()) <= {q.pack(q.Status.ESTIMATED, q.Method.SCALED)}


@given(
    lengths=st.tuples(*[st.sampled_from([5, 10, 15, 20, 30, 60])] * 3),
    gaps=st.tuples(*[st.sets(st.integers(0, 3), min_size=1)] * 3),
    within=st.sets(st.integers(1, 3 * HOURS * 60 - 1), max_size=4),
)
def test_what_is_closed_sums_to_the_registers_and_closing_again_changes_nothing(
    lengths: tuple[int, ...], gaps: tuple[set[int], ...], within: set[int]
) -> None:
    panels = [part(at, length, sorted(some)) for at, (length, some) in enumerate(zip(lengths, gaps, strict=True))]
    end = len(lengths) * HOURS * 60
    read = reads(0, *within, end)
    made, _ = close_over_seams(panels, read, limits)
    again, _ = close_over_seams(made, read, limits)
    for one, other in zip(made, again, strict=True):
        assert (one.values == other.values).all()
        assert (one.quality == other.quality).all()
    if all(min(minute % length, -minute % length) > length / 10 for minute in within for length in lengths):
        assert energy(made) == used(end)


def test_without_a_seam_between_two_reads_nothing_is_touched() -> None:
    panels = [part(0, 15, (3,)), part(1, 30, (2,))]
    made, doubts = close_over_seams(panels, reads(0, 240, 480), limits)
    assert made[0] is panels[0]
    assert made[1] is panels[1]
    assert not doubts
    assert not chains_of([part(0, 15), part(2, 30)])  # a break between them


def test_a_silence_between_two_reads_is_left_as_it_is() -> None:
    panels = [part(0, 15, (3,)), part(1, 30, (2,), np.nan)]
    made, doubts = close_over_seams(panels, reads(0, 480), limits)
    assert made == panels
    assert not doubts


def test_zero_by_an_outage_stays_zero() -> None:
    panels = [part(0, 15, (14, 15)), part(1, 30, (0, 1))]
    panels[0].values[0, 15], panels[0].quality[0, 15] = 0.0, q.pack(q.Status.ESTIMATED, q.Method.ZERO)
    made, _ = close_over_seams(panels, reads(0, 480), limits)
    assert made[0].values[0, 15] == 0
    assert energy(made) == used(480)


def test_measured_sums_that_the_registers_deny_are_doubted() -> None:
    panels = [part(0, 15), part(1, 30)]
    assert close_over_seams(panels, reads(0, 480), limits) == (panels, [])
    made, ((at, doubt),) = close_over_seams(panels, reads(0, 480, off={480: -900}), limits)
    assert made == panels
    assert (at, doubt.code, doubt.severity) == (0, "V30_sum", Severity.FAIL)
    assert (doubt.period.start, doubt.period.end) == (panels[0].start, panels[1].end)
    assert "the registers say 6.204 kWh" in doubt.message


def test_a_gap_is_not_scaled_where_the_registers_tell_less_than_is_known() -> None:
    panels = [part(0, 15, (15,)), part(1, 30)]
    made, ((_, doubt),) = close_over_seams(panels, reads(0, 480, off={480: -900}), limits)
    assert made == panels
    assert doubt.severity is Severity.FAIL
    assert "known intervals exceed the registers by" in doubt.message


def test_an_exchange_on_both_sides_of_which_reads_are_known_is_passed() -> None:
    """The old meter was read each half-hour, the new one each quarter; it was exchanged at 03:37."""
    panels = [part(0, 30, (6, 7)), part(1, 15, (0,))]
    moment = START + 217 * MINUTE
    some = [
        RegisterReading("H", START, 500.0, "A"),
        RegisterReading("H", moment, 500.0 + used(217), "A"),
        RegisterReading("H", moment, 3.0, "B"),
        RegisterReading("H", panels[1].end, 3.0 + used(480) - used(217), "B"),
    ]
    registers = Registers({"H": some}, {name: Meter(name, dials=8, lsb_wh=1) for name in "AB"})
    made, doubts = close_over_seams(panels, registers, limits)
    assert energy(made) == used(480)
    assert not doubts


def test_registers_by_time_of_use_are_closed_over_a_seam_each_by_itself() -> None:
    """The total alone was: what was used by day and by night was divided as it was guessed."""
    panels = [part(0, 15, range(6, 16), 90.0), part(1, 30, range(5), 11.0)]

    def late(panel: Panel) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Count from three o'clock on."""
        minute = (panel.start - START) // MINUTE + np.arange(panel.slots) * (panel.interval_s // 60)
        return np.asarray(minute >= 180)

    def early(panel: Panel) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return ~late(panel)

    def counting(panel: Panel) -> dict[str, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        return {"T1": early(panel), "T2": late(panel)}

    some = [*reads(0, 480).reads["H"]]
    for channel, counted in (("T1", used(180)), ("T2", used(480) - used(180))):
        kind = replace(DELIVERED_REGISTER, channel=channel)
        for at, shown in ((START, 10.0), (panels[1].end, 10.0 + counted)):
            some.append(RegisterReading("H", at, shown, "M", reading_type=kind))
    registers = Registers({"H": some}, {"M": Meter("M", dials=8, lsb_wh=1)})
    made, doubts = close_over_seams(panels, registers, limits, counting)
    assert not doubts
    for counts, expected in ((early, used(180)), (late, used(480) - used(180))):
        assert sum(panel.values[0][counts(panel)].sum() for panel in made) == expected
    alone, _ = close_over_seams(panels, registers, limits)
    assert energy(alone) == used(480)
    assert sum(panel.values[0][early(panel)].sum() for panel in alone) != used(180)


def test_a_read_beside_the_grid_at_a_seam_gives_nothing_to_the_wrong_side() -> None:
    """It came a minute late, where the gap ends: the minute was there twice."""
    panels = [part(0, 15, (14, 15)), part(1, 30)]
    made, doubts = close_over_seams(panels, reads(0, 241, 480), limits)
    assert energy(made) == used(480)
    assert not doubts

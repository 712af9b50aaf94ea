from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.ingest import Gridded, grid_registers
from gridwright.jobs.files.read_file import read_file

START = 1_735_689_600
NAN = float("nan")


def reads(
    value: list[float], *, at: list[int] | None = None, entry: list[int] | None = None, devices: tuple[str, ...] = ()
) -> Readings:
    """Build quarter-hourly reads, NaN where there is none; `entry`: which (point, device) each belongs to."""
    n = len(value)
    entry = entry or [0] * n
    points = (
        ("UP-0",) * len(devices) if devices else tuple(f"UP-{number}" for number in range(max(entry, default=0) + 1))
    )
    return Readings(
        points=points,
        point=np.array(entry, np.int32),
        at=START + np.array(at if at is not None else [900 * slot for slot in range(n)], np.int64),
        value=np.array(value, np.float64),
        quality=np.full(n, q.RAW, np.uint8),
        line=np.arange(2, n + 2, dtype=np.int64),
        reading_type=DELIVERED_REGISTER,
        devices=devices,
    )


def energy(gridded: Gridded) -> list[list[float]]:
    (panel,) = gridded.panels
    rows: list[list[float]] = panel.values.tolist()
    return rows


def epochs(gridded: Gridded) -> list[int]:
    (registers,) = gridded.registers
    numbers: list[int] = registers.epoch.tolist()
    return numbers


def test_differences_become_intervals() -> None:
    gridded = grid_registers(reads([100, 110, 125, 125, 130]))
    assert energy(gridded) == [[10, 15, 0, 5]]
    assert gridded.panels[0].start == from_epoch_s(START)
    assert epochs(gridded) == [0] * 5
    assert gridded.tally.accepted == 5


def test_a_gap_and_its_catch_up_never_become_a_spike() -> None:
    gridded = grid_registers(reads([100, 110, NAN, NAN, NAN, 900, 910, 920]))
    np.testing.assert_array_equal(energy(gridded), [[10, NAN, NAN, NAN, NAN, 10, 10]])
    (registers,) = gridded.registers
    assert registers.readings.value.tolist() == [100, 110, 900, 910, 920]
    assert (gridded.tally.accepted, gridded.tally.missing) == (5, 3)


@pytest.mark.parametrize("after", [[0, 10, 20], [3, 13, 23]])
def test_a_reset_begins_an_epoch_and_makes_no_energy(after: list[float]) -> None:
    gridded = grid_registers(reads([1000, 1010, 1020, *after]))
    np.testing.assert_array_equal(energy(gridded), [[10, 10, NAN, 10, 10]])
    assert epochs(gridded) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "aside"),
    [([100, 190, 120, 200], [1]), ([100, 190, 120, 240, 200, 300], [1, 3])],
)
def test_the_read_behind_a_wrong_one_is_not_set_aside_with_it(values: list[float], aside: list[int]) -> None:
    """120 after a wrong 190 lies below both it and the one behind: it bears out that 190 was wrong."""
    gridded = grid_registers(reads(values))
    assert np.flatnonzero(epochs(gridded)).tolist() == aside


@pytest.mark.parametrize("wrong", [0, 5, 99_999])
def test_one_wrong_read_is_kept_and_tells_no_energy(wrong: float) -> None:
    gridded = grid_registers(reads([1000, 1010, wrong, 1030, 1040]))
    np.testing.assert_array_equal(energy(gridded), [[10, NAN, NAN, 10]])
    assert epochs(gridded) == [0, 0, 1, 0, 0]
    assert (gridded.tally.accepted, gridded.tally.rejected, gridded.tally.listed) == (5, 0, ())
    (note,) = gridded.tally.notes
    assert note.startswith("register falls or jumps and comes back: ")
    assert "(line 4)" in note


def test_a_register_below_zero_is_refused_and_nothing_is_counted_from_it() -> None:
    gridded = grid_registers(reads([117_000, 118_000, -1_000, 119_000, 120_000]))
    (wrong,) = gridded.tally.listed
    assert (gridded.tally.rejected, wrong.reason) == (1, "a register cannot stand below zero")
    (values,) = energy(gridded)
    assert (np.nansum(values), np.isnan(values).sum()) == (2000.0, 2)
    first = grid_registers(reads([-1_000, 119_000]))
    assert (first.tally.rejected, first.panels) == (1, ())


def test_another_meter_at_the_point_begins_an_epoch() -> None:
    both = reads(
        [1000, 1010, 1020, 0, 10, 20],
        entry=[0, 0, 0, 1, 1, 1],
        devices=("OLD", "NEW"),
        at=[0, 900, 1800, 1800, 2700, 3600],
    )
    gridded = grid_registers(both)
    assert [(read.end_device, read.epoch) for read in gridded.registers[0]] == [("OLD", 0)] * 3 + [("NEW", 1)] * 3
    assert energy(gridded) == [[10, 10, 10, 10]]  # one row: the store refuses a usage point that is there twice


def test_reads_a_little_late_still_stand_on_the_grid() -> None:
    gridded = grid_registers(reads([0, 10, 20, 30], at=[0, 905, 1812, 2700]))
    assert energy(gridded) == [[10, 10, 10]]
    (registers,) = gridded.registers
    assert (registers.readings.at - START).tolist() == [0, 905, 1812, 2700]


def test_derived_energy_of_other_years_is_told() -> None:
    """Reads of a clock that fell back by three years: they are kept, and nobody would know where their energy went."""
    back = -3 * 366 * 86_400
    at = [back, back + 900, back + 1800, *range(0, 96 * 900, 900)]
    gridded = grid_registers(reads([float(each) for each in range(99)], at=at))
    (panel,) = gridded.panels
    assert (panel.start, panel.slots, gridded.registers[0].size) == (from_epoch_s(START), 95, 99)
    assert (gridded.tally.accepted, gridded.tally.rejected, gridded.tally.listed) == (99, 0, ())
    assert "; ".join(gridded.tally.notes) == (
        "energy between register reads is left out, the reads are stored: UP-0 2021-12-30T00:00:00+00:00 and 1 more: "
        "stamp lies years away from nearly all others of its usage point (check the device's clock and the date order)"
    )


def test_derived_energy_off_the_grid_of_its_usage_point_is_told() -> None:
    """Two meters of one point: a few reads of the second one at another minute."""
    at, entry = [*range(0, 96 * 900, 900), 200_000, 200_900, 201_800], [*[0] * 96, 1, 1, 1]
    gridded = grid_registers(reads([float(each) for each in range(99)], at=at, entry=entry, devices=("A", "B")))
    (note,) = gridded.tally.notes
    assert "UP-0 2025-01-03T07:33:00+00:00 and 1 more: V04 stamp is off the 15 min grid" in note


def test_reads_without_a_grid_stay_registers() -> None:
    gridded = grid_registers(reads([0, 10, 20, 30], at=[0, 86_400 * 31, 86_400 * 59, 86_400 * 90]))
    assert gridded.panels == ()
    assert gridded.registers[0].size == 4


def known(value: float, slot: int, *, epoch: int = 0) -> RegisterReading:
    return RegisterReading("UP-0", from_epoch_s(START + 900 * slot), value, epoch=epoch)


def test_the_interval_at_a_border_needs_the_read_known_before() -> None:
    later = reads([120, 130, 140], at=[1800, 2700, 3600])
    gridded = grid_registers(later, around=[known(110, 1)])
    assert energy(gridded) == [[10, 10, 10]]
    assert gridded.panels[0].start == from_epoch_s(START + 900)
    assert gridded.registers[0].readings.value.tolist() == [120, 130, 140]
    assert gridded.tally.accepted == 3


def test_epochs_go_on_from_the_read_known_before() -> None:
    gridded = grid_registers(reads([5, 15, 25], at=[1800, 2700, 3600]), around=[known(110, 1, epoch=4)])
    assert epochs(gridded) == [5, 5, 5]
    assert energy(gridded) == [[10, 10]]


def test_a_read_known_after_closes_the_last_interval() -> None:
    gridded = grid_registers(reads([0, 10, 20]), around=[known(35, 3)])
    assert energy(gridded) == [[10, 10, 15]]


increments = st.lists(st.integers(0, 50), min_size=3, max_size=60)


@given(increments, st.data())
def test_pieces_make_the_same_energy_as_the_whole(steps: list[int], data: st.DataObject) -> None:
    value = [float(total) for total in np.cumsum(steps)]
    cut = data.draw(st.integers(1, len(value) - 2))
    whole = grid_registers(reads(value))
    first = grid_registers(reads(value[:cut]), around=[])
    last = [read for registers in first.registers for read in registers][-1]
    second = grid_registers(reads(value[cut:], at=[900 * slot for slot in range(cut, len(value))]), around=[last])
    pieces = [float(np.nansum(panel.values)) for part in (first, second) for panel in part.panels]
    assert sum(pieces) == float(np.nansum(whole.panels[0].values)) == value[-1] - value[0]


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60))
def test_energy_is_never_negative_and_never_more_than_the_rises(value: list[int]) -> None:
    gridded = grid_registers(reads([float(one) for one in value]))
    rises = sum(max(after - before, 0) for before, after in itertools.pairwise(value))
    total = sum(float(np.nansum(panel.values)) for panel in gridded.panels)
    assert 0 <= total <= rises
    assert all((panel.values[~panel.missing] >= 0).all() for panel in gridded.panels)


def test_a_real_catch_up_of_55_hours_is_no_spike(shared_data: Path) -> None:
    """The household's sun meter: 83 kWh come in at once on 2016-04-24 after a hole of 55 hours."""
    collected = read_file(shared_data / "opsd_household" / "household_data_60min_singleindex.csv")
    assert len(collected.registers) >= 5
    deltas = [panel for panel in collected.panels if panel.reading_type.sums]
    holes = 0
    for panel in deltas:
        seconds = panel.times.astype(np.int64)
        inside = (seconds >= 1_461_337_200) & (seconds < 1_461_531_600)  # 2016-04-22T15:00Z to 2016-04-24T21:00Z
        holes += int(np.isnan(panel.values[:, inside]).all(axis=1).any())
        assert float(np.nanmax(panel.kwh)) < 30
    assert holes > 0


def five_dials(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
    """Turn over after 100,000 counts, where that takes at most a tenth of them."""
    del a_day
    return 100_000.0 if (after.value - before.value) % 100_000 <= 10_000 else 0.0


def test_a_register_that_turned_over_counts_on_and_one_that_was_reset_begins_anew() -> None:
    values = [99_900.0, 99_990, 554, 600, 3, 10]
    gridded = grid_registers(reads(values), turned_over=five_dials)
    np.testing.assert_array_equal(energy(gridded), [[90, 564, 46, NAN, 7]])
    assert epochs(gridded) == [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(energy(grid_registers(reads(values))), [[90, NAN, 46, NAN, 7]])


def test_of_several_registers_each_turns_over_by_itself_and_by_its_own_pace() -> None:
    asked: list[tuple[str, float, float | None]] = []

    def told(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
        asked.append((before.usage_point, before.value, a_day))
        return five_dials(before, after, a_day)

    day = 86_400
    values = [99_800.0, 99_900, 99_990, 90, 99_700, 99_900, 50_000, 20]
    which, at = [0, 0, 0, 0, 1, 1, 1, 1], [0, day, 2 * day, 3 * day] * 2
    gridded = grid_registers(reads(values, entry=which, at=at), turned_over=told)
    assert epochs(gridded) == [0, 0, 0, 0, 0, 0, 1, 2]
    assert asked == [("UP-0", 99_990, 95), ("UP-1", 99_900, 200), ("UP-1", 50_000, None)]


@given(
    start=st.integers(0, 99_999),
    steps=st.lists(st.integers(0, 10_000), min_size=2, max_size=200),
)
def test_a_register_that_turns_over_again_and_again_counts_the_sum_of_its_increments(
    start: int, steps: list[int]
) -> None:
    values = [float(total % 100_000) for total in itertools.accumulate(steps, initial=start)]
    gridded = grid_registers(reads(values), turned_over=five_dials)
    assert energy(gridded) == [steps]
    assert set(epochs(gridded)) == {0}


def test_reads_that_come_late_before_a_reset_are_of_an_epoch_before_it() -> None:
    known = [RegisterReading("UP-0", from_epoch_s(START + 1800), 50, "", 3)]
    assert epochs(grid_registers(reads([40, 45]), around=known)) == [3, 3]
    assert epochs(grid_registers(reads([1000, 1010]), around=known)) == [2, 2]

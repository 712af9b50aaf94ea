"""Panels: slicing, re-gridding, units and exact sums."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.block import IntervalBlock
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, concat_points, empty_panel, slot_time
from gridwright.domain.reading_type import DELIVERED_ENERGY, POWER, VOLTAGE, Quantity, from_code, reading_type

START = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def a_panel(slots: int = 8, *points: str) -> Panel:
    names = points or ("UP-1",)
    values = np.arange(float(slots * len(names))).reshape(len(names), slots)
    return Panel(names, START, QUARTER, values)


def test_quality_follows_the_values() -> None:
    panel = Panel(("a",), START, QUARTER, np.array([[1.0, np.nan]]))
    assert q.status_of(panel.quality).tolist() == [[q.Status.RAW, q.Status.MISSING]]


def test_shapes_must_fit() -> None:
    with pytest.raises(GridMismatch, match="do not fit 2 usage points"):
        Panel(("a", "b"), START, QUARTER, np.zeros((1, 4)))
    with pytest.raises(GridMismatch, match="quality of shape"):
        Panel(("a",), START, QUARTER, np.zeros((1, 4)), np.zeros((1, 3), np.uint8))


def test_units_for_people() -> None:
    panel = Panel(("a",), START, QUARTER, np.array([[250.0, 500.0]]))
    assert panel.kwh.tolist() == [[0.25, 0.5]]
    assert panel.kw.tolist() == [[1.0, 2.0]]
    power = Panel(("a",), START, QUARTER, np.array([[1000.0]]), reading_type=POWER)
    assert power.kwh.tolist() == [[0.25]]
    with pytest.raises(GridMismatch, match="voltage"):
        _ = Panel(("a",), START, QUARTER, np.array([[2300.0]]), reading_type=VOLTAGE).kwh


def test_between_is_half_open_and_counts_interval_starts() -> None:
    part = a_panel().between(Interval(START + QUARTER, START + 3 * QUARTER))
    assert part.values.tolist() == [[1.0, 2.0]]
    assert part.start == START + QUARTER
    assert a_panel().between(Interval(START - 9 * QUARTER, START - QUARTER)).slots == 0
    assert a_panel().between(Interval(START + 99 * QUARTER, START + 100 * QUARTER)).slots == 0


@given(st.integers(-20, 20), st.integers(0, 30))
def test_regrid_keeps_every_value_in_its_place(first: int, slots: int) -> None:
    panel = a_panel()
    period = Interval(START + first * QUARTER, START + (first + slots) * QUARTER)
    moved = panel.regrid(period)
    assert moved.period == period
    for slot in range(slots):
        inside = 0 <= first + slot < panel.slots
        expected = panel.values[0, first + slot] if inside else np.nan
        np.testing.assert_equal(moved.values[0, slot], expected)


def test_regrid_refuses_another_phase() -> None:
    with pytest.raises(GridMismatch, match="off the 900 s grid"):
        a_panel().regrid(Interval(START + timedelta(minutes=7), START + timedelta(hours=1)))


def test_rows_by_name() -> None:
    panel = a_panel(4, "a", "b", "c")
    assert panel.row("b").values.tolist() == [[4.0, 5.0, 6.0, 7.0]]
    with pytest.raises(NotFound, match="'d' is not here"):
        panel.row("d")


def test_stacking_covers_both() -> None:
    late = Panel(("b",), START + 4 * QUARTER, QUARTER, np.ones((1, 8)))
    both = concat_points([a_panel(), late])
    assert both.points == ("UP-1", "b")
    assert both.slots == 12
    assert np.isnan(both.values[1, :4]).all()
    with pytest.raises(GridMismatch, match="does not fit"):
        concat_points([a_panel(), Panel(("b",), START, timedelta(hours=1), np.ones((1, 8)))])
    with pytest.raises(GridMismatch, match="no panel"):
        concat_points([])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_a_total_is_the_sum_of_its_parts_to_the_watt_hour(counts: list[int]) -> None:
    panel = Panel(("a",), START, QUARTER, np.array([counts], dtype=np.float64))
    half = panel.slots // 2
    parts = panel.slice(0, half).values.sum() + panel.slice(half, panel.slots).values.sum()
    assert parts == sum(counts)
    assert panel.total_kwh()[0] == sum(counts) / 1000


def test_finer_counts_and_back() -> None:
    fine = a_panel().rescaled(-3)
    assert fine.reading_type.exponent == -3
    np.testing.assert_array_equal(fine.kwh, a_panel().kwh)
    np.testing.assert_array_equal(fine.rescaled(0).values, a_panel().values)


def test_a_block_is_a_view() -> None:
    panel = Panel(("a",), START, QUARTER, np.array([[1.0, np.nan]]))
    block = IntervalBlock(panel)
    first, second = block
    assert (first.value, second.value, second.status) == (1.0, None, q.Status.MISSING)
    assert len(block) == 2
    assert block.usage_point == "a"
    assert np.shares_memory(block.values, panel.values)
    assert second.start == slot_time(panel, 1)


def test_an_empty_panel_has_only_gaps() -> None:
    panel = empty_panel(("a", "b"), Interval(START, START + timedelta(hours=1)), QUARTER, DELIVERED_ENERGY)
    assert panel.count((q.Status.MISSING,)).tolist() == [4, 4]
    assert "2 usage points" in repr(panel)


@pytest.mark.parametrize(
    "kind", [DELIVERED_ENERGY, DELIVERED_ENERGY.finer(-3), POWER, VOLTAGE, reading_type(Quantity.STATE)]
)
def test_reading_type_codes_read_back(kind: object) -> None:
    assert from_code(kind.code) == kind  # type: ignore[attr-defined]


def test_a_bad_code_shows_a_good_one() -> None:
    with pytest.raises(NotFound, match="electricity/delivered/energy/delta/0"):
        from_code("kWh")

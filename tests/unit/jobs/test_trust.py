"""From what was read to what can be trusted: choice of series, sums of channels, split of net energy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, POWER, RECEIVED_ENERGY, Flow, ReadingType
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, summed, trust_readings
from gridwright.jobs.load.main_series import main_groups

START = datetime(2025, 3, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
E1, E2 = (replace(DELIVERED_ENERGY, channel=name) for name in ("E1", "E2"))


def a_panel(values: object, kind: ReadingType = DELIVERED_ENERGY, *points: str, start: datetime = START) -> Panel:
    rows = np.atleast_2d(np.array(values, np.float64))
    return Panel(points or ("UP-1",), start, HALF_HOUR, rows, reading_type=kind)


def two_days(value: float) -> list[float]:
    return [value] * 96


def test_channels_of_a_point_are_added() -> None:
    groups, notes = main_groups([a_panel([1, 2], E1), a_panel([10, 20], E2)], {"UP-1": "UTC"})
    (group,) = groups
    assert [panel.reading_type.channel for panel in group.delivered] == ["E1", "E2"]
    assert summed(group.delivered, group.points).values.tolist() == [[11.0, 22.0]]
    assert notes == []


def test_a_sum_is_as_good_as_its_worst_part() -> None:
    good = a_panel([1, 2, 3], E1)
    worse = a_panel([10, np.nan, 30], E2)
    worse.quality[0, 0] = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    total = summed([good, worse], ("UP-1",))
    assert total.values[0, [0, 2]].tolist() == [11.0, 33.0]
    assert np.isnan(total.values[0, 1])
    assert q.status_of(total.quality)[0].tolist() == [q.Status.ESTIMATED, q.Status.MISSING, q.Status.RAW]


def test_counts_of_different_resolution_add_up_exactly() -> None:
    total = summed([a_panel([1, 2]), a_panel([1500, 250], DELIVERED_ENERGY.finer(-3))], ("UP-1",))
    assert total.reading_type.exponent == -3
    assert total.values.tolist() == [[2500.0, 2250.0]]


def test_power_is_split_into_delivered_and_received() -> None:
    groups, _ = main_groups([a_panel([1000, -400, 0], POWER)], {})
    (group,) = groups
    assert group.delivered[0].values.tolist() == [[500.0, 0.0, 0.0]]
    assert group.received[0].values.tolist() == [[0.0, 200.0, 0.0]]
    assert group.received[0].reading_type.flow is Flow.RECEIVED


@given(st.lists(st.integers(-5000, 5000), min_size=1, max_size=60))
def test_the_split_conserves_energy(watts: list[int]) -> None:
    groups, _ = main_groups([a_panel(np.array(watts) * 2, POWER)], {})
    if not groups:
        return
    (group,) = groups
    delivered = np.nansum(group.delivered[0].values)
    received = sum(np.nansum(panel.values) for panel in group.received)
    assert delivered - received == sum(watts)


def test_delivered_energy_comes_before_net_and_other_energy() -> None:
    other = replace(DELIVERED_ENERGY, flow=Flow.NONE, channel="freezer")
    groups, _ = main_groups([a_panel([9, 9], other), a_panel([1, 2])], {})
    assert groups[0].delivered[0].values.tolist() == [[1.0, 2.0]]
    only, _ = main_groups([a_panel([9, 9], other)], {})
    assert only[0].delivered[0].values.tolist() == [[9.0, 9.0]]


def test_the_longer_series_is_analysed_and_the_other_named() -> None:
    short = Panel(("UP-1",), START, timedelta(minutes=15), np.ones((1, 2)))
    groups, notes = main_groups([short, a_panel([1, 2, 3])], {})
    assert groups[0].delivered[0].interval == HALF_HOUR
    assert "15 min" in notes[0]
    assert "UP-1" in notes[0]


def test_points_that_end_early_are_not_estimated_beyond_their_end() -> None:
    values = np.array([two_days(5), two_days(7)], np.float64)
    values[1, 48:] = np.nan
    material = Material((a_panel(values, DELIVERED_ENERGY, "long", "short"),), {})
    groups, _ = trust_readings(material, SiteDefaults(), now=NOW)
    slots = {group.points[0].id: group.trusted.slots for group in groups}
    assert slots == {"long": 96, "short": 48}
    assert all(not group.trusted.missing.any() for group in groups)


def test_who_feeds_nothing_in_has_received_zero() -> None:
    delivered = a_panel([two_days(5), two_days(7)], DELIVERED_ENERGY, "a", "b")
    received = a_panel([two_days(2)], RECEIVED_ENERGY, "b")
    groups, _ = trust_readings(Material((delivered, received), {}), SiteDefaults(), now=NOW)
    (group,) = groups
    assert group.received is not None
    assert group.received.values[:, 0].tolist() == [0.0, 2.0]
    assert group.feeds_in == {"b"}
    assert [point.exports for point in group.points] == [False, True]


def test_a_gap_is_filled_and_told() -> None:
    values = np.array(two_days(500.0))
    values[10:12] = np.nan
    (group,), _ = trust_readings(Material((a_panel(values),), {}), SiteDefaults(), now=NOW)
    assert group.trusted.values[0, 10:12].tolist() == [500.0, 500.0]
    assert "V10_missing" in {finding.code for finding in group.findings["UP-1"]}
    np.testing.assert_array_equal(group.raw.values[0], values)


@pytest.mark.parametrize("values", [[np.nan, np.nan], []])
def test_a_series_without_any_value_is_no_group(values: list[float]) -> None:
    groups, _ = main_groups([a_panel([values])], {})
    assert groups == []


def test_a_channel_counts_for_its_own_time_only() -> None:
    old = a_panel([4, 4, np.nan, np.nan], E1)
    new = a_panel([np.nan, 10, 10, 10], E2)
    fed_in = a_panel([7], RECEIVED_ENERGY, start=START + 3 * HALF_HOUR)
    (trusted,), _ = trust_readings(Material((old, new, fed_in), {"UP-1": "UTC"}), SiteDefaults(), now=NOW)
    assert trusted.raw.values.tolist() == [[4.0, 14.0, 10.0, 10.0]]
    assert trusted.trusted.values.tolist() == [[4.0, 14.0, 10.0, 10.0]]
    assert trusted.received is not None
    assert trusted.received.values.tolist() == [[0.0, 0.0, 0.0, 7.0]]


def test_pieces_years_apart_leave_the_time_between_unfilled() -> None:
    late = START + timedelta(days=500)
    pieces = (a_panel(two_days(1)), a_panel(two_days(2), start=late))
    (trusted,), _ = trust_readings(Material(pieces, {"UP-1": "UTC"}), SiteDefaults(), now=NOW + timedelta(days=999))
    assert trusted.raw.total_kwh()[0] == pytest.approx(96 * 0.003)
    assert int(trusted.trusted.missing.sum()) == 498 * 48


@pytest.mark.parametrize("minutes", [7, 1439, 1440, 44_640])
def test_intervals_that_make_no_day_are_not_analysed(minutes: int) -> None:
    panel = replace(a_panel([1, 2, 3]), interval=timedelta(minutes=minutes))
    assert main_groups([panel], {"UP-1": "UTC"}) == ([], [])

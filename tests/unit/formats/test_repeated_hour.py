"""The hour that the clock repeats: the order of the rows tells its passes, also where readings are missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats.csv_reading import read

ZONE = ZoneInfo("Europe/Berlin")
FIRST = datetime(2025, 10, 25, 20, tzinfo=UTC)
CHANGE = datetime(2025, 10, 26, 1, tzinfo=UTC)
MOMENTS = [FIRST + timedelta(minutes=15 * slot) for slot in range(48)]


def instants(moments: Sequence[datetime], points: Sequence[str] = ("A",), header: str = "meter,time,kWh") -> list[int]:
    """Read a file of these moments, those of one point behind those of the other, and return when they are."""
    text = "".join(f"{point},{moment.astimezone(ZONE):%Y-%m-%d %H:%M},1\n" for point in points for moment in moments)
    found = read(f"{header}\n{text}", zone="Europe/Berlin", interval_minutes=15)
    by_line = sorted(
        (line, at)
        for piece in found.pieces
        for series in piece.series
        for line, at in zip(series.line.tolist(), series.at.tolist(), strict=True)
    )
    return [at for _, at in by_line]


def true(moments: Sequence[datetime]) -> list[int]:
    return [int(moment.timestamp()) for moment in moments]


@pytest.mark.parametrize("missing", [(30,), (30, 15), (60,), (45,), (60, 45, 30)])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("points", [("A",), ("A", "B")])
def test_what_the_first_pass_lacks_is_not_taken_from_the_second(
    missing: tuple[int, ...], backwards: bool, points: tuple[str, ...]
) -> None:
    gone = {CHANGE - timedelta(minutes=before) for before in missing}
    moments = [moment for moment in MOMENTS if moment not in gone]
    moments = moments[::-1] if backwards else moments
    assert instants(moments, points) == true(moments) * len(points)


@given(st.sets(st.integers(0, 7), max_size=6), st.booleans())
def test_any_hole_is_told_apart_wherever_the_clock_is_seen_to_step_back(missing: set[int], backwards: bool) -> None:
    hour = [CHANGE + timedelta(minutes=15 * (slot - 4)) for slot in range(8) if slot not in missing]
    walls = [moment.astimezone(ZONE).strftime("%H:%M") for moment in hour]
    moments = [moment for moment in MOMENTS if not CHANGE - timedelta(hours=1) <= moment < CHANGE + timedelta(hours=1)]
    moments = sorted([*moments, *hour], reverse=backwards)
    if any(one > other for one, other in pairwise(walls)):
        assert instants(moments) == true(moments)


def test_rows_sorted_by_their_stamp_give_the_later_of_two_to_the_second_pass() -> None:
    moments = sorted(MOMENTS, key=lambda moment: moment.astimezone(ZONE).replace(tzinfo=None))
    assert instants(moments) == true(moments)


def test_a_row_out_of_its_place_is_no_second_pass() -> None:
    moments = [moment for moment in MOMENTS if not CHANGE <= moment < CHANGE + timedelta(hours=1)]
    at = moments.index(CHANGE - timedelta(minutes=30))
    moments[at], moments[at + 1], moments[3], moments[4] = moments[at + 1], moments[at], moments[4], moments[3]
    assert instants(moments) == true(moments)


def test_registers_of_a_usage_point_have_their_own_passes() -> None:
    rows = "".join(
        f"A,{register},{moment.astimezone(ZONE):%Y-%m-%d %H:%M},1\n" for register in ("E1", "B1") for moment in MOMENTS
    )
    found = read(f"meter,register,time,kWh\n{rows}", zone="Europe/Berlin", interval_minutes=15)
    series = [one for piece in found.pieces for one in piece.series]
    assert [one.at.tolist() for one in series] == [true(MOMENTS)] * 2

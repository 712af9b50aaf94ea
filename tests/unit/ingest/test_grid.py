from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, POWER, ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest import Tally, grid_readings, grid_series
from gridwright.ingest.order import take

START = 1_735_689_600  # 2025-01-01T00:00Z
STEP = 900


def readings(
    at: list[int],
    value: list[float] | None = None,
    *,
    point: list[int] | None = None,
    quality: list[int] | None = None,
) -> Readings:
    """Build readings at START + `at`, one a line."""
    n = len(at)
    point = point or [0] * n
    return Readings(
        points=tuple(f"UP-{number}" for number in range(max(point, default=0) + 1)),
        point=np.array(point, np.int32),
        at=START + np.array(at, np.int64),
        value=np.array(value if value is not None else range(1, n + 1), np.float64),
        quality=np.array(quality or [q.RAW] * n, np.uint8),
        line=np.arange(2, n + 2, dtype=np.int64),
        interval_s=STEP,
    )


def counts(tally: Tally) -> tuple[int, int, int, int, int]:
    return tally.accepted, tally.repeated, tally.conflicting, tally.rejected, tally.missing


def only(panels: tuple[Panel, ...]) -> Panel:
    (panel,) = panels
    return panel


def test_a_hole_is_missing() -> None:
    gridded = grid_readings(readings([0, 900, 3600]))
    panel = only(gridded.panels)
    assert panel.start.isoformat() == "2025-01-01T00:00:00+00:00"
    np.testing.assert_array_equal(panel.values, [[1, 2, np.nan, np.nan, 3]])
    assert panel.quality.tolist() == [[q.RAW, q.RAW, q.MISSING, q.MISSING, q.RAW]]
    assert counts(gridded.tally) == (3, 0, 0, 0, 0)


def test_the_panel_covers_the_union_of_all_points() -> None:
    panel = only(grid_readings(readings([900, 0], [7, 5], point=[1, 0])).panels)
    assert panel.points == ("UP-0", "UP-1")
    np.testing.assert_array_equal(panel.values, [[5, np.nan], [np.nan, 7]])


def test_identical_repeats_are_dropped_and_counted() -> None:
    gridded = grid_readings(readings([0, 900, 0, 0], [5, 6, 5, 5]))
    np.testing.assert_array_equal(only(gridded.panels).values, [[5, 6]])
    assert counts(gridded.tally) == (2, 2, 0, 0, 0)
    assert gridded.tally.listed == ()


ESTIMATE = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)


@pytest.mark.parametrize(
    ("value", "quality", "winner"),
    [
        ([5, 6], [q.RAW, q.RAW], 6),
        ([5, 6], [q.ACTUAL, q.RAW], 5),
        ([5, 6], [q.RAW, ESTIMATE], 5),
        ([5, 6], [ESTIMATE, q.ACTUAL], 6),
        ([5, 6], [q.pack(q.Status.EDITED), q.ACTUAL], 5),
        ([5, np.nan], [ESTIMATE, q.MISSING], 5),
        ([np.nan, 5], [q.MISSING, ESTIMATE], 5),
    ],
)
def test_the_better_quality_wins_then_the_later(value: list[float], quality: list[int], winner: float) -> None:
    gridded = grid_readings(readings([0, 0], value, quality=quality))
    assert only(gridded.panels).values.tolist() == [[winner]]
    empty = int(np.isnan(value).any())
    tally = gridded.tally
    assert (tally.repeated, tally.conflicting, tally.missing) == (0, 1 - empty, empty)


def test_a_conflict_is_listed_with_its_line() -> None:
    (conflict,) = grid_readings(readings([0, 900, 0], [5, 6, 7])).tally.listed
    assert (conflict.line, conflict.value, conflict.record) == (2, "5 Wh", "UP-0 2025-01-01T00:00:00+00:00")
    assert "V03" in conflict.reason


def test_off_grid_stamps_are_refused_unless_nearly_on_it() -> None:
    at = [*range(0, 18_000, 900), 18_003, 19_100]
    gridded = grid_readings(readings(at))
    panel = only(gridded.panels)
    assert panel.slots == 21
    assert panel.values[0, 20] == 21
    (reject,) = gridded.tally.listed
    assert (reject.line, reject.reason[:3]) == (23, "V04")
    assert counts(gridded.tally) == (21, 0, 0, 1, 0)


def test_the_grid_keeps_its_phase() -> None:
    panel = only(grid_readings(readings([60, 960, 1860])).panels)
    assert panel.start.isoformat() == "2025-01-01T00:01:00+00:00"
    assert panel.slots == 3


def test_a_lasting_change_of_phase_is_another_panel() -> None:
    at = [*range(0, 36_000, 900), *(36_000 + 450 + 900 * slot for slot in range(20))]
    gridded = grid_readings(readings(at))
    assert [(panel.slots, panel.start.minute % 15) for panel in gridded.panels] == [(40, 0), (20, 7)]
    assert gridded.tally.rejected == 0


def test_future_stamps_are_refused() -> None:
    gridded = grid_readings(readings([0, 900, 1800]), not_after=START + 900)
    assert only(gridded.panels).slots == 2
    (reject,) = gridded.tally.listed
    assert (reject.line, counts(gridded.tally)) == (4, (2, 0, 0, 1, 0))
    assert "future" in reject.reason


YEAR = 366 * 86_400


def test_an_outlying_stamp_does_not_stretch_the_panel() -> None:
    gridded = grid_readings(readings([*range(0, 900 * 200, 900), 31 * YEAR]))
    assert only(gridded.panels).slots == 200
    (reject,) = gridded.tally.listed
    assert (reject.line, gridded.tally.rejected) == (202, 1)
    assert "years away" in reject.reason


DAY = list(range(0, 86_400, STEP))


def test_other_usage_points_make_no_stray() -> None:
    """A fleet of October 2026, and one usage point whose only day was in June 2025."""
    fleet = [number * 86_400 + at for number in range(30) for at in DAY]
    at = [*(2 * YEAR + each for each in fleet * 5), *DAY]
    point = [which for which in range(5) for _ in fleet] + [5] * len(DAY)
    gridded = grid_readings(readings(at, point=point))
    assert counts(gridded.tally) == (len(at), 0, 0, 0, 0)
    assert sum(int(np.count_nonzero(~panel.missing)) for panel in gridded.panels) == len(at)


def test_a_stray_is_found_though_others_have_its_time() -> None:
    """Judged by usage point: that another one has readings of then excuses nothing."""
    at = [*DAY, *(2 * YEAR + each for each in DAY), 2 * YEAR]
    gridded = grid_readings(readings(at, point=[0] * len(DAY) + [1] * len(DAY) + [0]))
    (reject,) = gridded.tally.listed
    assert (reject.line, gridded.tally.rejected) == (len(at) + 1, 1)


@pytest.mark.parametrize(
    ("others", "there", "refused"),
    [(96, [0], 1), (24, [0], 1), (19, [0], 0), (96, [0, 900, 1800, 2700], 4), (960, list(range(0, 10_800, 900)), 0)],
    ids=["lone", "lone in a day of hours", "too few to tell", "an hour", "a run tells its dates"],
)
def test_a_few_beside_a_body_are_strays(others: int, there: list[int], refused: int) -> None:
    gridded = grid_readings(readings([*range(0, 900 * others, 900), *(3 * YEAR + at for at in there)]))
    assert counts(gridded.tally) == (others + len(there) - refused, 0, 0, refused, 0)


def test_a_stray_without_a_value_was_never_taken() -> None:
    """It is counted once, as rejected: 48 such made the counts of a whole file disagree with what is stored."""
    gridded = grid_readings(readings([*DAY, 3 * YEAR, 3 * YEAR + STEP], [*[1.0] * len(DAY), np.nan, 2]))
    assert counts(gridded.tally) == (len(DAY), 0, 0, 2, 0)


@pytest.mark.parametrize("kind", [DELIVERED_ENERGY, DELIVERED_REGISTER, POWER], ids=["grid", "register", "loose"])
def test_stamps_before_there_were_meters_are_refused(kind: ReadingType) -> None:
    """However many of them there are; in every way that readings are laid."""
    old = [-5_364_662_400 - START, 946_684_799 // STEP * STEP - START]  # 1800, 1999
    base = replace(readings([*old, 946_684_800 - START, 0]), reading_type=kind)
    gridded = grid_series([base if kind is DELIVERED_ENERGY else replace(base, interval_s=0)])
    assert counts(gridded.tally) == (2, 0, 0, 2, 0)
    first, second = gridded.tally.listed
    assert (first.line, first.record, first.value) == (2, "UP-0 1800-01-01T00:00:00+00:00", f"1 {kind.unit}")
    assert (second.line, second.record) == (3, "UP-0 1999-12-31T23:45:00+00:00")
    assert first.reason == "stamp lies before the year 2000"
    assert "clock" in first.remedy


def test_two_long_periods_far_apart_are_two_panels_and_noted() -> None:
    at = [*range(0, 900 * 800, 900), *range(4 * YEAR, 4 * YEAR + 900 * 800, 900)]
    gridded = grid_readings(readings(at))
    assert [panel.slots for panel in gridded.panels] == [800, 800]
    assert gridded.tally.rejected == 0
    assert gridded.tally.notes


def test_scattered_stamps_do_not_fill_the_memory() -> None:
    """Points that share no day would need a panel of points × days, nearly all of it empty."""
    n = 2000
    at = [number * 86_400 for number in range(n)]
    gridded = grid_readings(readings(at, point=list(range(n))))
    assert sum(panel.values.size for panel in gridded.panels) < 3_000_000
    assert sum(int(np.count_nonzero(~panel.missing)) for panel in gridded.panels) == n


def test_sparse_readings_of_one_point_do_not_fill_the_memory() -> None:
    gridded = grid_readings(readings([number * 300 * 86_400 for number in range(60)]))
    assert sum(panel.values.size for panel in gridded.panels) == 60


def test_power_stays_power() -> None:
    panel = only(grid_readings(replace(readings([0, 900]), reading_type=POWER)).panels)
    assert panel.reading_type is POWER


def test_nothing_gives_nothing() -> None:
    gridded = grid_series([readings([])])
    assert (gridded.panels, counts(gridded.tally)) == ((), (0, 0, 0, 0, 0))


def test_series_of_two_resolutions_are_joined_in_the_finer() -> None:
    fine = replace(readings([900], [2500]), reading_type=readings([0]).reading_type.finer(-3))
    panel = only(grid_series([readings([0], [1]), fine]).panels)
    assert panel.reading_type.exponent == -3
    assert panel.values.tolist() == [[1000, 2500]]


def test_series_of_two_interval_lengths_stay_apart() -> None:
    half_hours = replace(readings([0]), interval_s=1800)
    assert [panel.interval_s for panel in grid_series([readings([0]), half_hours]).panels] == [900, 1800]


def test_readings_without_a_grid_are_kept_in_order() -> None:
    gridded = grid_series([replace(readings([7, 3]), interval_s=0, reading_type=POWER)])
    (loose,) = gridded.loose
    assert (loose.at - START).tolist() == [3, 7]


cells = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=80, unique=True)


@given(cells, st.randoms(use_true_random=False))
def test_order_does_not_matter(where: list[tuple[int, int]], random: object) -> None:
    base = readings([slot * STEP for _, slot in where], point=[point for point, _ in where])
    shuffled = list(range(len(where)))
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = grid_readings(base), grid_readings(take(base, np.array(shuffled)))
    assert len(one.panels) == len(other.panels) == 1
    np.testing.assert_array_equal(one.panels[0].values, other.panels[0].values)
    assert one.panels[0].points == other.panels[0].points
    assert one.tally == other.tally


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 40_000), st.integers(0, 3)), max_size=60),
    st.one_of(st.none(), st.integers(0, 40_000)),
)
def test_every_reading_is_accounted_for(rows: list[tuple[int, int, int]], limit: int | None) -> None:
    base = readings([at for _, at, _ in rows], [float(v) for *_, v in rows], point=[point for point, *_ in rows])
    gridded = grid_readings(base, not_after=None if limit is None else START + limit)
    assert sum(counts(gridded.tally)) == len(rows)
    filled = sum(int(np.count_nonzero(~panel.missing)) for panel in gridded.panels)
    assert filled == gridded.tally.accepted


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 60), st.sampled_from([1, np.nan]))),
    st.integers(0, 200),
)
def test_what_is_taken_is_what_there_is(rows: list[tuple[int, int, int, float]], body: int) -> None:
    """Over years, with strays and holes: read = taken + refused + repeated + missing, and the panels hold the taken."""
    every = [*rows, *((0, 0, slot, 1) for slot in range(61, 61 + body))]
    at = [years * 2 * YEAR + slot * STEP for _, years, slot, _ in every]
    base = readings(at, [value for *_, value in every], point=[point for point, *_ in every])
    gridded = grid_readings(base, not_after=START + 5 * YEAR)
    assert sum(counts(gridded.tally)) == len(every)
    assert min(counts(gridded.tally)) >= 0
    assert sum(int(np.count_nonzero(~panel.missing)) for panel in gridded.panels) == gridded.tally.accepted


@given(cells)
def test_twice_the_same_gives_the_same(where: list[tuple[int, int]]) -> None:
    base = readings([slot * STEP for _, slot in where], point=[point for point, _ in where])
    once, twice = grid_series([base]), grid_series([base, base])
    np.testing.assert_array_equal(only(once.panels).values, only(twice.panels).values)
    assert (twice.tally.repeated, twice.tally.conflicting) == (len(where), 0)

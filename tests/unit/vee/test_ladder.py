"""The rungs one by one: check meters, registers by time of use, later data, agreed values, and the ladder as data."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.edit import Edit
from gridwright.domain.errors import GridMismatch, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Ladder, Registers, estimate
from gridwright.vee.agreed import AGREED, lay_agreed
from gridwright.vee.check_meter import CheckMeter
from gridwright.vee.ladder import Ladders, ladders_from
from gridwright.vee.tou import Bucket

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_panel(values: np.ndarray, start: datetime = MONDAY, interval: timedelta = HOUR) -> Panel:
    return Panel(tuple(f"P{row}" for row in range(len(values))), start, interval, values)


def weeks(number: int, *, rows: int = 1) -> np.ndarray:
    return np.random.default_rng(11).integers(100, 900, (rows, number * 168)).astype(np.float64)


def methods(panel: Panel) -> set[str]:
    return {Method(int(code)).name for code in np.unique(q.method_of(panel.quality))} - {"NONE"}


def test_a_line_scaled_to_a_real_register() -> None:
    """Case C2: a real CMEP day, hours 7 to 9 lost; 89 kWh are left for the line from 10 to 23."""
    kwh = [8, 9, 6, 8, 7, 10, 27, 35, 27, 23, 25, 20, 22, 12, 8, 20, 16, 28, 23, 31, 53, 28, 20, 13]
    values = np.array([kwh]) * 1000.0
    values[0, 6:9] = np.nan
    reads = [RegisterReading("P0", MONDAY, 2_931_567_000), RegisterReading("P0", MONDAY + 24 * HOUR, 2_932_046_000)]
    point = UsagePoint("P0", "America/Los_Angeles", capacity_kw=100.0)
    done = estimate(a_panel(values), [point], registers={"P0": reads}).panel
    assert done.values[0, 6:9].tolist() == [23_823, 29_667, 35_510]
    assert done.values.sum() == 479_000
    assert methods(done) == {"SCALED"}


@pytest.mark.parametrize(
    ("known", "outage", "expected"),
    [
        ([400, None, None, None, 800], None, [400, 500, 600, 700, 800]),
        ([400, None, None], None, [400, 400, 400]),
        ([None, None, 400], None, [400, 400, 400]),
        ([400, 0, None, None, 700], 1, [400, 0, 500, 600, 700]),
    ],
)
def test_a_line_between_end_points(known: list[float | None], outage: int | None, expected: list[float]) -> None:
    """Case C3: an interval in an outage is no end point, the one before it is."""
    quarter = timedelta(minutes=15)
    panel = a_panel(np.array([known], np.float64), interval=quarter)
    out = {} if outage is None else {"P0": [Interval(MONDAY + quarter * outage, MONDAY + quarter * (outage + 1))]}
    assert estimate(panel, [], outages=out).panel.values[0].tolist() == expected


def test_three_like_days_and_their_scaling() -> None:
    """Case C4: the mean of Tuesday to Thursday on Friday, 15 kWh when the registers say so; no like day on Saturday."""
    days = np.array([[1, 2, 3, 4], [3, 2, 5, 4], [2, 5, 1, 4], [np.nan] * 4]) * 1000.0
    friday = a_panel(days.reshape(1, -1), MONDAY + timedelta(days=1), timedelta(hours=6))
    assert estimate(friday, []).panel.values[0, 12:].tolist() == [2000, 3000, 3000, 4000]
    end = friday.end
    reads = [RegisterReading("P0", end - timedelta(days=1), 0), RegisterReading("P0", end, 15_000)]
    closed = estimate(friday, [], registers={"P0": reads}, ladder=Ladder(methods=("E03",))).panel
    assert closed.values[0, 12:].tolist() == [2500, 3750, 3750, 5000]
    saturday = replace(friday, start=MONDAY + timedelta(days=2))
    done = estimate(saturday, [])
    assert done.by_method == {Method.PROFILE: 4}


def test_a_check_meter_stands_in_where_both_agree() -> None:
    """E01 with the factor of the transformers; a check meter 1.6 % off (V36, case C15) is not believed."""
    values = weeks(3, rows=3)
    panel = a_panel(values)
    gap = slice(240, 270)
    lost = values.copy()
    lost[:, gap] = np.nan
    seen = np.rint(values / np.array([[10], [1], [1]]))
    seen[1] *= 0.984
    check = CheckMeter(replace(panel, values=seen, points=("P0", "P1", "P9")), {"P0": 10.0})
    done = estimate(a_panel(lost), [], check=check).panel
    assert np.abs(done.values[0, gap] - values[0, gap]).max() <= 5
    assert methods(done.rows([0])) == {"CHECK_METER"}
    assert methods(done.rows([1, 2])) == {"BLEND"}
    tolerant = estimate(a_panel(lost), [], check=check, ladder=Ladder(check_tolerance=0.02)).panel
    assert methods(tolerant.rows([1])) == {"CHECK_METER"}


def test_a_check_meter_on_another_interval_is_refused() -> None:
    values = weeks(1)
    values[0, 5] = np.nan
    other = a_panel(values, interval=timedelta(minutes=30))
    with pytest.raises(GridMismatch, match="1800 s do not fit main readings of 3600 s"):
        estimate(a_panel(values), [], check=CheckMeter(other))


def test_every_time_of_use_register_is_closed_by_itself() -> None:
    """E08 with two registers: the day's lost energy goes where it was counted, by day or by night."""
    values = weeks(4)
    panel = a_panel(values)
    day = Bucket("T1", workday=((420, 1320),), saturday=(), sunday=())
    night = Bucket("T2", workday=((0, 420), (1320, 1440)))
    lost = values.copy()
    at = slice(340, 400)
    lost[0, at] = np.nan
    hours = panel.calendar("UTC")
    by_day = (hours.minute >= 420) & (hours.minute < 1320) & (hours.weekday < 5)
    reads = []
    for bucket, mask in ((day, by_day), (night, ~by_day)):
        kind = replace(DELIVERED_REGISTER, channel=bucket.channel)
        stand = np.r_[0, np.cumsum(np.where(mask, values[0], 0.0))]
        reads += [
            RegisterReading("P0", MONDAY + HOUR * slot, stand[slot], reading_type=kind) for slot in (0, 336, 504, 672)
        ]
    done = estimate(a_panel(lost), [], registers=Registers({"P0": reads}), buckets={"P0": (day, night)}).panel
    for mask in (by_day, ~by_day):
        assert done.values[0, mask].sum() == values[0, mask].sum()
    assert methods(done) == {"SCALED"}


def test_later_data_makes_a_better_estimate() -> None:
    """Prospective first, retrospective when the weeks behind the gap have come; final and edited values stay."""
    values = weeks(9)
    gap = slice(4 * 168 + 24, 4 * 168 + 48)
    early = values[:, : 5 * 168].copy()
    early[0, gap] = np.nan
    first = estimate(a_panel(early), []).panel
    later = np.c_[first.values, values[:, 5 * 168 :]]
    quality = np.c_[first.quality, np.full((1, 4 * 168), q.ACTUAL, np.uint8)]
    quality[0, 10] = q.pack(q.Status.ESTIMATED_FINAL, Method.LINEAR)
    quality[0, 11] = AGREED
    panel = a_panel(later)
    panel = panel.with_values(panel.values, quality)
    kept = estimate(panel, []).panel
    assert np.array_equal(kept.values, later)
    once = estimate(panel, [], again=True)
    assert np.flatnonzero(once.filled).tolist() == list(range(gap.start, gap.stop))
    assert not np.array_equal(once.panel.values[0, gap], first.values[0, gap])
    whole = values.copy()
    whole[0, gap] = np.nan
    assert np.array_equal(once.panel.values, estimate(a_panel(whole), []).panel.values)
    twice = estimate(once.panel, [], again=True).panel
    assert np.array_equal(twice.values, once.panel.values)
    assert np.array_equal(twice.quality, once.panel.quality)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=20)
def test_the_order_of_usage_points_does_not_matter(seed: int, closed: bool) -> None:
    rng = np.random.default_rng(seed)
    values = weeks(5, rows=6)
    lost = values.copy()
    for row in range(6):
        first = int(rng.integers(0, 600))
        lost[row, first : first + int(rng.integers(1, 200))] = np.nan
    panel = a_panel(lost)
    stand = values.sum(axis=1)
    reads = {
        point: [RegisterReading(point, MONDAY, 7.0), RegisterReading(point, panel.end, 7.0 + stand[row])]
        for row, point in enumerate(panel.points)
    }
    registers = reads if closed else {}
    order = rng.permutation(6)
    straight, mixed = (estimate(one, [], registers=registers).panel for one in (panel, panel.rows(order)))
    assert np.array_equal(straight.rows(order).values, mixed.values)
    assert np.array_equal(straight.rows(order).quality, mixed.quality)
    if closed:
        assert np.array_equal(straight.values.sum(axis=1), stand)


def an_edit(first: int, *values: float, interval: timedelta = HOUR) -> Edit:
    period = Interval(MONDAY + HOUR * first, MONDAY + HOUR * first + interval * len(values))
    return Edit("E-1", "P0", period, interval, values, (None,) * len(values), "ann", "letter of 6 May", MONDAY)


def test_agreed_values_lie_over_everything_else() -> None:
    panel = a_panel(weeks(1, rows=2))
    done = lay_agreed(panel, [an_edit(3, 1, 2, 3), an_edit(4, 9), an_edit(-1, 7, 8), an_edit(167, 5, 6)])
    assert done.values[0, 3:6].tolist() == [1, 9, 3]
    assert (done.values[0, 0], done.values[0, -1]) == (8, 5)
    assert np.flatnonzero(done.quality[0] == AGREED).tolist() == [0, 3, 4, 5, 167]
    assert np.array_equal(done.values[1], panel.values[1])
    assert not (panel.quality == AGREED).any()
    assert np.array_equal(lay_agreed(done, [an_edit(3, 1, 2, 3), an_edit(4, 9)]).values, done.values)


def test_an_edit_on_another_grid_is_refused() -> None:
    with pytest.raises(GridMismatch, match="edit E-1 of P0 is on another grid than readings of 60 min"):
        lay_agreed(a_panel(weeks(1)), [an_edit(3, 1, 2, interval=timedelta(minutes=30))])


def test_the_ladder_is_data() -> None:
    text = """
    [estimation]
    linear_hours = 1
    methods = ["E07", "E02", "E03", "E06", "E08"]
    [estimation.class.commercial]
    like_days = 3
    """
    ladders = ladders_from(tomllib.loads(text)["estimation"])
    assert ladders.default == Ladder(linear_hours=1.0, methods=("E02", "E03", "E06"))
    assert ladders.of("commercial") == replace(ladders.default, like_days=3)
    assert ladders.of("residential") == ladders.default
    assert ladders_from({}) == Ladders()
    values = weeks(6, rows=2)
    values[:, 400:424] = np.nan
    points = [UsagePoint("P0"), UsagePoint("P1", customer_class="commercial")]
    done = estimate(a_panel(values), points, ladder=ladders).panel
    assert methods(done) == {"LIKE_DAY"}
    same = weeks(6)
    same[:, 400:424] = np.nan
    assert not np.array_equal(done.values[1], estimate(a_panel(same), [], ladder=ladders).panel.values[0])


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"linear_hour": 2}, "'linear_hour' is no limit of an estimate"),
        ({"linear_hours": "2"}, "linear_hours is '2'"),
        ({"like_days": 2.5}, "like_days is 2.5"),
        ({"weeks": -1}, "weeks is -1"),
        ({"weeks": True}, "weeks is True"),
        ({"linear_hours": float("nan")}, "linear_hours is nan"),
        ({"methods": ["E99"]}, "'E99' is no method of the ladder"),
        ({"class": {"home": 3}}, "home is 3"),
        ({"class": 3}, "class is 3"),
        ({"class": {"home": {"x": 1}}}, "'x' is no limit of an estimate"),
    ],
)
def test_a_wrong_ladder_is_told(table: dict[str, object], told: str) -> None:
    with pytest.raises(InputError) as raised:
        ladders_from(table)
    assert told in str(raised.value)
    assert "[estimation" in str(raised.value)


def test_a_bucket_outside_the_day_is_refused() -> None:
    with pytest.raises(InputError, match="register T2 counts from minute 1320 to 420"):
        Bucket("T2", workday=((1320, 420),))

"""Charts: pixels follow the data, gaps are never bridged, pictures are valid PNG, every chart has its sentence."""

import base64
import re
import struct
import zlib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.documents.charts.battery import battery_chart
from gridwright.documents.charts.chart import Frame
from gridwright.documents.charts.daily import daily_chart
from gridwright.documents.charts.duration import duration_chart
from gridwright.documents.charts.fan import fan_chart
from gridwright.documents.charts.heat_map import heat_map_chart
from gridwright.documents.charts.image import matrix_uri, ramp
from gridwright.documents.charts.months import months_chart
from gridwright.documents.charts.profile import DayShape, profile_chart
from gridwright.documents.charts.scale import bars_path, date_ticks, fixed, line_path, number, round_ticks, x_scale
from gridwright.domain.interval import zone_of


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_enclose_the_data_and_are_few(low: float, span: float) -> None:
    ticks = round_ticks(low, low + span)
    slack = span * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 12


def test_a_gap_breaks_the_line() -> None:
    path = line_path(np.arange(5.0), np.array([1.0, 2.0, np.nan, 4.0, 5.0]))
    assert path == "M0.0 1.0L1.0 2.0M3.0 4.0L4.0 5.0"
    assert line_path(np.arange(2.0), np.full(2, np.nan)) == ""


def test_a_bar_without_value_is_left_out() -> None:
    edges = np.arange(2.0)
    path = bars_path(edges, edges + 1, np.zeros(2), np.array([5.0, np.nan]))
    assert path == "M0.0 0.0h1.0v5.0h-1.0z"


@pytest.mark.parametrize(("value", "text"), [(1234.6, "1,235"), (0.12345, "0.123"), (2.0, "2"), (np.nan, "–")])
def test_numbers_for_people(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("days", [1, 7, 14, 31, 62, 90, 365, 900])
def test_dates_fit_on_the_axis(days: int) -> None:
    ticks = date_ticks(x_scale(Frame(), 0, days), date(2025, 1, 15), days)
    assert 1 <= len(ticks) <= 16
    assert all(Frame().x0 <= tick.at <= Frame().x1 for tick in ticks)


def unfilter(uri: str) -> tuple[int, int, bytes]:
    raw = base64.b64decode(uri.partition(",")[2])
    assert raw.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", raw[16:24])
    at = raw.index(b"IDAT")
    (size,) = struct.unpack(">I", raw[at - 4 : at])
    return width, height, zlib.decompress(raw[at + 4 : at + 4 + size])


def test_the_picture_holds_the_matrix() -> None:
    width, height, pixels = unfilter(matrix_uri(np.array([[0.0, 1.0, np.nan]]), 0, 1))
    assert (width, height) == (3, 1)
    first, last, hole = pixels[1:5], pixels[5:9], pixels[9:13]
    assert first == bytes([*ramp()[0], 255])
    assert last == bytes([*ramp()[-1], 255])
    assert hole[3] == 0


def test_the_ramp_brightens() -> None:
    luminance = ramp() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) >= -0.5).all()


def test_the_daily_ribbon_tells_by_shape() -> None:
    chart = daily_chart(date(2025, 3, 1), np.array([5.0, np.nan, 7.0]), {"measured": np.array([1, 0, 0.5])})
    assert [mark.css for mark in chart.marks] == ["bar delivered", "ribbon measured", "outline"]
    assert "Mon 03 Mar 2025" in chart.summary
    assert chart.table is not None
    assert chart.table.rows[1][:2] == ("2025-03-02", "–")


def test_charts_without_any_value_say_so() -> None:
    nothing = np.full(4, np.nan)
    shape = DayShape(nothing, nothing, nothing)
    assert "No day" in daily_chart(date(2025, 3, 1), nothing, {}).summary
    assert "No interval" in heat_map_chart(date(2025, 3, 1), nothing.reshape(1, 4)).summary
    assert "no complete weekday" in profile_chart(shape, shape).summary
    assert "no complete month" in months_chart(["Mar"], np.array([1.0]), np.array([np.nan]), [False]).summary
    assert duration_chart(np.array([]), 0.0).marks


def test_the_heat_map_knows_its_busiest_time() -> None:
    kw = np.zeros((3, 24))
    kw[:, 18] = 2.0
    assert "around 18:00" in heat_map_chart(date(2025, 3, 1), kw).summary


def test_the_fan_starts_where_the_measured_ends() -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    quantiles = np.linspace(1, 2, 9)[None, :] * np.ones((48, 1))
    chart = fan_chart(start, timedelta(hours=1), np.ones(72), quantiles, zone_of("UTC"))
    assert chart.title == "Forecast for the next 48 hours"
    assert [tick.label for tick in chart.x_ticks] == [
        "Wed 26 Feb",
        "Thu 27 Feb",
        "Fri 28 Feb",
        "Sat 01 Mar",
        "Sun 02 Mar",
    ]
    assert chart.table is not None
    assert len(chart.table.rows) == 48


def test_months_are_compared_with_the_year_before() -> None:
    chart = months_chart(["Mar 2025"], np.array([110.0]), np.array([100.0]), [True])
    assert "+10.0%" in chart.summary
    assert [mark.css for mark in chart.marks] == ["bar before", "bar delivered"]


def test_a_month_without_a_year_before_fills_its_place() -> None:
    chart = months_chart(["Feb", "Mar"], np.array([90.0, 110.0]), np.array([np.nan, 100.0]), [True, True])
    widths = [float(part.partition("v")[0]) for part in chart.marks[1].path.split("h")[1::2]]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)


def test_thin_bars_touch() -> None:
    edges = np.arange(401) * 1.7123
    path = bars_path(edges[:-1], edges[1:], np.zeros(400), np.ones(400))
    bars = [(float(at), float(width)) for at, width in re.findall(r"M([\d.]+) 0.0h([\d.]+)v", path)]
    assert len(bars) == 400
    assert all(at + width == pytest.approx(after) for (at, width), (after, _) in pairwise(bars))


def test_minutes_are_thinned_in_tables() -> None:
    minute = np.ones(1440)
    shape = DayShape(minute, minute, minute)
    profile = profile_chart(shape, shape)
    battery = battery_chart("day", minute, minute, minute, minute)
    fan = fan_chart(datetime(2025, 3, 1, tzinfo=UTC), timedelta(minutes=1), minute, np.ones((2880, 9)), zone_of("UTC"))
    for chart, rows in ((profile, 96), (battery, 96), (fan, 192)):
        assert chart.table is not None
        assert len(chart.table.rows) == rows


def test_an_unknown_base_load_draws_no_line() -> None:
    chart = duration_chart(np.array([2.0, 1.0]), np.nan)
    assert "base load" not in chart.summary
    assert [bool(mark.path) for mark in chart.marks] == [True, False]
    assert not any("nan" in mark.title for mark in chart.marks)


def test_a_dash_stands_for_an_unknown_number() -> None:
    assert (fixed(np.nan), fixed(1.23456), fixed(2, 0)) == ("–", "1.235", "2")


@pytest.mark.parametrize(("count", "step"), [(1, 1), (13, 1), (17, 2), (25, 2), (60, 5)])
def test_month_names_have_room(count: int, step: int) -> None:
    nothing = np.full(count, np.nan)
    chart = months_chart([f"m{k}" for k in range(count)], np.ones(count), nothing, [True] * count)
    assert [tick.label for tick in chart.x_ticks] == [f"m{k}" for k in range(0, count, step)]


def test_an_estimated_past_is_drawn_thin_and_called_so() -> None:
    start, nothing = datetime(2025, 3, 1, tzinfo=UTC), np.full(24, np.nan)
    chart = fan_chart(
        start, timedelta(hours=1), nothing, np.ones((24, 9)), zone_of("UTC"), estimated_kw=np.full(24, 2.0)
    )
    assert "line thin" in [mark.css for mark in chart.marks]
    assert [label.text for label in chart.labels] == ["estimated", "forecast"]
    assert chart.note.endswith("Thin: estimated.")


def test_a_day_without_a_weekend_names_no_weekend() -> None:
    shape, nothing = np.ones(24), np.full(24, np.nan)
    chart = profile_chart(DayShape(shape, shape, shape), DayShape(nothing, nothing, nothing))
    assert [label.text for label in chart.labels] == ["weekday"]


def test_a_picture_has_at_most_a_row_a_quarter_hour() -> None:
    minutes = np.ones((2, 1440))
    minutes[0, :15], minutes[1, :14] = np.nan, np.nan
    chart = heat_map_chart(date(2025, 3, 1), minutes)
    width, height, pixels = unfilter(chart.images[0].uri)
    assert (width, height) == (2, 96)
    first_row = pixels[1:9]
    assert (first_row[3], first_row[7]) == (0, 255)

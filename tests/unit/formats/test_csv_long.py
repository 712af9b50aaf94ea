"""Long CSV: one row a reading. Each case is a few lines of a file and what must come out of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridwright.domain.errors import AmbiguousInput, GridwrightError, UnreadableFile
from gridwright.domain.quality import MISSING, Method, Status, nem12_code, pack
from gridwright.domain.reading_type import Accumulation, Flow, Quantity
from gridwright.domain.readings import Readings
from gridwright.formats.csv_split import cut
from gridwright.formats.roles import unit_of
from gridwright.formats.source import ReadOptions
from tests.unit.formats.csv_reading import READER, read


def stamps(first: str, count: int, *, minutes: int = 30, zone: str = "UTC") -> list[datetime]:
    start = datetime.fromisoformat(first).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [(start + timedelta(minutes=minutes * step)).astimezone(ZoneInfo(zone)) for step in range(count)]


def rows(moments: list[datetime], form: str, value: Callable[[int], str] = lambda step: f"0.{step % 7}") -> str:
    return "".join(f"{moment.strftime(form)},{value(step)}\n" for step, moment in enumerate(moments))


@pytest.mark.parametrize("name", ["metering_point_id", "MeteringPointId", "Målepunkts-ID"])
def test_metering_points_of_the_nordic_markets_are_usage_points(name: str) -> None:
    """Their ids are numbers of 18 digits, as a value may be."""
    found = read(
        f"{name};quantity;quality;observation_time\n"
        "571313180000000005;30.333;measured;2023-10-10T06:00:00Z\n"
        "571313180000000005;31.5;measured;2023-10-10T07:00:00Z\n"
    )
    assert (found.only.points, found.only.value.tolist()) == (("571313180000000005",), [30_333.0, 31_500.0])


def test_the_published_london_form() -> None:
    found = read(
        "LCLid,tstp,energy(kWh/hh)\n"
        "MAC000002,2013-01-01 00:00:00, 0.219 \n"
        "MAC000002,2013-01-01 00:30:00, 1.9220001 \n"
        "MAC000002,2013-01-01 01:00:00,Null\n"
        "MAC000002,2013-01-01 01:37:27,Null\n"
    )
    assert found.only.points == ("MAC000002",)
    np.testing.assert_array_equal(found.only.value, [219, 1922, np.nan])
    assert found.only.quality.tolist() == [0, 0, MISSING]
    assert found.only.line.tolist() == [2, 3, 4]
    assert found.only.interval_s == 1800
    assert found.rejects == [(5, "2013-01-01 01:37:27")]
    assert any("single-precision" in note for note in found.pieces[0].notes)


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("time,kWh\n2021-03-01T00:00Z,1\n2021-03-01T01:00Z,2\n", ["2021-03-01T00:00:00", "2021-03-01T01:00:00"]),
        (
            "time,kWh\n2021-03-01T01:00+0100,1\n2021-03-01T02:00+01:00,2\n",
            ["2021-03-01T00:00:00", "2021-03-01T01:00:00"],
        ),
        ("time;kWh\n31.12.2020 23:00;1,5\n01.01.2021 00:00;2\n", ["2020-12-31T23:00:00", "2021-01-01T00:00:00"]),
        ("ts,kWh\n1614556800,1\n1614560400,2\n", ["2021-03-01T00:00:00", "2021-03-01T01:00:00"]),
        ("ts,kWh\n1614556800000,1\n1614560400000,2\n", ["2021-03-01T00:00:00", "2021-03-01T01:00:00"]),
        ("time,kWh\n12/31/2020 11:00 PM,1\n1/1/2021 12:00 AM,2\n", ["2020-12-31T23:00:00", "2021-01-01T00:00:00"]),
        ("time,kWh\n31-Dec-20 23:00,1\n01-Jan-21 00:00,2\n", ["2020-12-31T23:00:00", "2021-01-01T00:00:00"]),
        ("time,kWh\n202012312300,1\n202101010000,2\n", ["2020-12-31T23:00:00", "2021-01-01T00:00:00"]),
        (
            "time,kWh\n2021-01-01 00:59:59.997,1\n2021-01-01 01:59:59.997,2\n",
            ["2021-01-01T01:00:00", "2021-01-01T02:00:00"],
        ),
        ("day,hour,kWh\n2021-01-01,23,1\n2021-01-01,24,2\n", ["2021-01-01T22:00:00", "2021-01-01T23:00:00"]),
        ("Date,Time,kWh\n2021-01-01,23:30,1\n2021-01-01,24:00,2\n", ["2021-01-01T23:00:00", "2021-01-01T23:30:00"]),
        ("2021-01-01 00:00,1.5\n2021-01-01 00:30,2\n", ["2021-01-01T00:00:00", "2021-01-01T00:30:00"]),
        ("2.5,2021-01-01 00:00,2021-01-01 01:00\n", ["2021-01-01T00:00:00"]),
        ("2021年1月1日 00:00,1.5\n2021年1月1日 00:30,2\n", ["2021-01-01T00:00:00", "2021-01-01T00:30:00"]),
    ],
)
def test_dates_of_many_shapes(text: str, starts: list[str]) -> None:
    assert read(text).starts == starts


@pytest.mark.parametrize(("default", "zone"), [("Europe/Berlin", "Europe/Berlin"), ("UTC", "UTC")])
def test_stamps_in_utc_do_not_tell_where_the_meter_is(default: str, zone: str) -> None:
    """An export of July in UTC: its civil days are those of the site."""
    found = read("time,kWh\n2021-07-01T00:00Z,1\n2021-07-01T01:00Z,2\n", default_zone=default)
    assert found.starts == ["2021-07-01T00:00:00", "2021-07-01T01:00:00"]
    assert found.pieces[0].zones == {"meter": zone}


@pytest.mark.parametrize(
    ("header", "written", "exponent", "counts"),
    [
        ("kWh", "0.2195", -3, 219_500),
        ("kWh", "0.219", 0, 219),
        ("Wh", "219", 0, 219),
        ("MWh", "0.000219", 0, 219),
        ("kWh", "0.30000000000000004", 0, 300),
        ("kWh", "7.126666667", -6, 7_126_666_667),
        ("kWh", "1.5e-1", 0, 150),
        ("kWh", "-0", 0, 0),
    ],
)
def test_values_are_whole_counts(header: str, written: str, exponent: int, counts: float) -> None:
    found = read(f"time,{header}\n2021-01-01 00:00,{written}\n2021-01-01 00:30,1\n")
    assert found.only.reading_type.exponent == exponent
    assert found.only.value[0] == counts
    assert not np.signbit(found.only.value[0])


def test_digits_beyond_a_millionth_are_rounded_and_told() -> None:
    found = read("time,kWh\n2021-01-01 00:00,0.12345678912\n2021-01-01 00:30,1\n")
    assert found.only.value[0] == 123_456_789
    assert "1 values are finer than the resolution" in found.pieces[0].notes[0]


@pytest.mark.parametrize(
    ("zone", "first"),
    [("Europe/Berlin", "2021-10-30"), ("Europe/London", "2021-10-30"), ("America/New_York", "2021-11-06")],
)
def test_a_repeated_hour_tells_the_zone_and_its_passes(zone: str, first: str) -> None:
    moments = stamps(first, 200, zone=zone)
    found = read("time,kWh\n" + rows(moments, "%Y-%m-%d %H:%M"))
    assert found.told("zone") == zone
    assert found.only.at.tolist() == [int(moment.timestamp()) for moment in moments]
    assert found.pieces[0].zones == {"meter": zone}


def test_rows_that_run_backwards_list_the_second_pass_first() -> None:
    moments = stamps("2021-10-30", 200, zone="Europe/Berlin")[::-1]
    found = read("time,kWh\n" + rows(moments, "%Y-%m-%d %H:%M"))
    assert found.only.at.tolist() == [int(moment.timestamp()) for moment in moments]


def test_a_dst_suffix_tells_the_passes() -> None:
    texts = ["2021-10-31 02:00", "2021-10-31 02:30", "2021-10-31 02:00 DST", "2021-10-31 02:30 DST"]
    found = read("time,kWh\n" + "".join(f"{text},1\n" for text in texts), zone="Europe/Berlin")
    assert found.starts == [f"2021-10-31T{clock}:00" for clock in ("01:00", "01:30", "00:00", "00:30")]


def test_a_clock_without_changes_is_told() -> None:
    moments = stamps("2021-03-27", 150)
    found = read("time,kWh\n" + rows(moments, "%Y-%m-%d %H:%M"))
    assert found.told("zone") == "UTC all year"
    assert found.only.at.tolist() == [int(moment.timestamp()) for moment in moments]


def test_a_default_zone_keeps_its_winter_time_where_stamps_never_change() -> None:
    found = read("time,kWh\n" + rows(stamps("2021-03-27", 150), "%Y-%m-%d %H:%M"), default_zone="Europe/Berlin")
    assert found.told("zone") == "+01:00 all year"
    assert found.starts[0] == "2021-03-26T23:00:00"
    assert found.pieces[0].zones == {"meter": "Europe/Berlin"}


def test_a_stamp_that_the_clock_skips_is_refused() -> None:
    # sgsc_australia, 2012-10-07: a meter on standard time, stamped as if it followed the clock.
    texts = ["01:00", "01:30", "01:00", "01:30", "02:00", "03:00"]
    found = read("time,kWh\n" + "".join(f"2012-10-07 {text},1\n" for text in texts), zone="Australia/Sydney")
    assert found.rejects == [(6, "2012-10-07 02:00")]
    assert "skips it" in found.pieces[0].rejects[0].reason
    # Duplicates are for the next stage to judge: nothing is dropped here.
    assert found.only.size == 5


def test_a_repeated_hour_cut_by_a_chunk_keeps_its_passes() -> None:
    moments = stamps("2021-10-30", 120, zone="Europe/Berlin")
    data = memoryview(("time,kWh\n" + rows(moments, "%Y-%m-%d %H:%M")).encode())
    dialect = READER.inspect(data, "m.csv", ReadOptions())
    for size in (200, 333, 1000, 1260):
        pieces = [READER.decode(data, chunk, dialect) for chunk in cut(data, dialect.framing, size=size)]
        assert [at for piece in pieces for at in piece.series[0].at.tolist()] == [int(at.timestamp()) for at in moments]
        assert [line for piece in pieces for line in piece.series[0].line.tolist()] == list(range(2, 122))
        assert sum(piece.records for piece in pieces) == 120


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (["13/01/2021", "14/01/2021"], "dmy"),
        (["01/13/2021", "01/14/2021"], "mdy"),
        (["2021-01-02", "2021-01-03"], "ymd"),
    ],
)
def test_impossible_dates_decide_the_order(dates: list[str], order: str) -> None:
    found = read("time,kWh\n" + "".join(f"{day} 00:00,1\n" for day in dates))
    assert found.told("date order") == order


def test_following_days_decide_the_order() -> None:
    found = read("time,kWh\n" + rows(stamps("2021-02-03", 200), "%m/%d/%Y %H:%M"))
    assert found.told("date order") == "mdy"


def test_several_dialects_in_one_file() -> None:
    # oed_csv_pipeline/pipe28Input.csv
    found = read(
        "24,2021-06-01 00:00:00,2021-06-02 00:00:00\n48,2021/06/02 00:00:00,2021/06/03 00:00:00\n"
        "72,06-03-2021 00:00:00,06-04-2021 00:00:00\n96,6/4/2021 00:00:00,06/05/2021 00:00:00\n"
    )
    assert found.starts == [f"2021-06-0{day}T00:00:00" for day in (1, 2, 3, 4)]
    assert found.only.interval_s == 86_400


@pytest.mark.parametrize("text", ["time,kWh\n01/02/2021,1\n01/03/2021,2\n", "time,kWh\n01/02/2021 00:00,1\n"])
def test_dates_that_nothing_decides_are_refused(text: str) -> None:
    with pytest.raises(AmbiguousInput, match="--date-order"):
        read(text)
    assert read(text, date_order="mdy", interval_minutes=1440).starts[0] == "2021-01-02T00:00:00"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_encodings(encoding: str) -> None:
    text = "Zähler;Zeit;Verbrauch kWh\r\nKüche;2021-01-01 00:00;1,5\r\nKüche;2021-01-01 00:15;2,5\r\n"
    found = read(text.encode(encoding))
    assert found.only.points == ("Küche",)
    assert found.only.value.tolist() == [1500, 2500]
    assert found.only.line.tolist() == [2, 3]


def test_gbk() -> None:
    text = "户号,时间,电量(kWh)\n张三,2021-01-01 00:00,1.5\n李四,2021-01-01 00:15,2\n张三,2021-01-01 00:15,3\n"
    found = read(text.encode("gbk"))
    assert found.told("encoding") == "gb18030"
    assert found.only.points == ("张三", "李四")


DAY = [f"2025-03-01T{slot // 4:02d}:{15 * (slot % 4):02d}:00+01:00;0,{slot % 10}5" for slot in range(96)]


def lettered(*names: str) -> bytes:
    """Write a row for each slot, whose meters take turns, in UTF-8."""
    return "\n".join(["meter;start;kwh", *(f"{names[i % len(names)]};{row}" for i, row in enumerate(DAY)), ""]).encode()


def named(readings: Readings) -> set[str]:
    return {readings.points[place] for place in readings.point.tolist()}


def test_a_stray_line_of_another_encoding_costs_itself() -> None:
    stray = f"Zähler 9;{DAY[0]}\n".encode("latin-1")
    found = read(lettered("Zähler 0", "Zähler 1") + stray)
    assert found.told("encoding") == "utf-8"
    assert named(found.only) == {"Zähler 0", "Zähler 1"}
    assert found.rejects == [(98, "Z\ufffdhler 9")]
    assert "no text in the encoding of the file" in found.pieces[0].rejects[0].reason
    late = lettered("Zähler 0").replace(b"Z\xc3\xa4hler 0;2025-03-01T00", b"Z\xe4hler 0;2025-03-01T00")
    assert [line for line, _ in read(late).rejects] == [2, 3, 4, 5]


def test_a_stray_line_of_utf_8_is_not_guessed_either() -> None:
    rows_of_all = lettered("Zähler 0", "Zähler 1").decode().encode("cp1252")
    found = read(rows_of_all + f"Zähler 9;{DAY[0]}\n".encode())
    assert found.told("encoding") == "cp1252"
    assert named(found.only) == {"Zähler 0", "Zähler 1"}
    assert found.rejects == [(98, "Z\ufffdhler 9")]


@pytest.mark.parametrize("name", ["Größe", "Süßöl", "Müller & Söhne", "Düßel"])
def test_two_accented_letters_in_a_row_are_no_chinese(name: str) -> None:
    found = read(lettered(name).decode().encode("cp1252"))
    assert (found.told("encoding"), found.only.points) == ("cp1252", (name,))


@pytest.mark.parametrize("name", ["户", "张三", "3号表"])
def test_chinese_letters_stay_chinese(name: str) -> None:
    found = read(lettered(name).decode().encode("gb18030"))
    assert (found.told("encoding"), found.only.points) == ("gb18030", (name,))


def test_a_register_only_rises() -> None:
    found = read(
        "time,reading\n" + rows(stamps("2021-01-01", 100), "%Y-%m-%dT%H:%MZ", lambda step: f"{100 + step * 0.25}")
    )
    assert found.only.reading_type.accumulation is Accumulation.CUMULATIVE
    assert found.only.interval_s == 0
    assert found.starts[0] == "2021-01-01T00:00:00"
    forced = read("time,reading\n" + rows(stamps("2021-01-01", 100), "%Y-%m-%dT%H:%MZ", str), kind="interval")
    assert forced.only.reading_type.accumulation is Accumulation.DELTA


def test_power_is_power() -> None:
    found = read("time,load_kW\n2021-01-01 00:00,1.5\n2021-01-01 00:15,2.5\n")
    assert found.only.reading_type.quantity is Quantity.POWER
    assert found.only.value.tolist() == [1500, 2500]
    assert found.only.interval_s == 900


def test_several_value_columns_are_several_series() -> None:
    found = read("time,grid_import_kWh,grid_export_kWh,pv_kWh\n2021-01-01 00:00,1,2,3\n2021-01-01 00:15,4,,6\n")
    kinds = [(series.reading_type.flow, series.reading_type.channel) for series in found.pieces[0].series]
    assert kinds == [(Flow.DELIVERED, ""), (Flow.RECEIVED, ""), (Flow.NONE, "pv_kwh")]


def test_register_and_unit_columns_split_the_rows() -> None:
    found = read(
        "meter,time,register,unit,value\n"
        "A,2021-01-01 00:00,1.8.0,kWh,1\nA,2021-01-01 00:00,2.8.0,Wh,7\n"
        "A,2021-01-01 00:30,1.8.0,kWh,2\nA,2021-01-01 00:30,2.8.0,furlong,8\n"
    )
    series = {one.reading_type.flow: one.value.tolist() for one in found.pieces[0].series}
    assert series == {Flow.DELIVERED: [1000, 2000], Flow.RECEIVED: [7]}
    assert found.rejects == [(5, "furlong")]


@pytest.mark.parametrize(
    ("unit", "watt_hours"), [("mWh", 0.25), ("mwh", 250e6), ("MWh", 250e6), ("KWH", 250e3), ("Wh", 250.0)]
)
@pytest.mark.parametrize("where", ["column", "name", "option"])
def test_milli_is_told_from_mega_by_its_letters(unit: str, watt_hours: float, where: str) -> None:
    name = f"energy_{unit}" if where == "name" else "value"
    rows = [f"A,2021-01-01T00:{minute}Z,250,{unit}\n" for minute in ("00", "15", "30")]
    text = f"usage_point,start,{name},{'unit' if where == 'column' else 'note'}\n" + "".join(rows)
    found = read(text, unit=unit if where == "option" else "").only
    assert found.reading_type.quantity is Quantity.ENERGY
    assert found.value[0] * 10.0**found.reading_type.exponent == pytest.approx(watt_hours)


@pytest.mark.parametrize("unit", ["kWh", "MWh", "mWh", "Wh", "kW", "W"])
def test_a_unit_behind_a_word_keeps_its_prefix(unit: str) -> None:
    assert unit_of(f"Energy{unit}") == unit_of(f"usedEnergy{unit}") == unit_of(f"energy [{unit}]") == unit


def test_a_number_that_no_store_holds_is_refused_with_its_record() -> None:
    found = read("usage_point,start,kwh\nUP-1,2021-01-01T00:00Z,9e15\nUP-1,2021-01-01T00:30Z,1\n")
    (reject,) = found.pieces[0].rejects
    assert (reject.line, reject.value, reject.record) == (2, "9e+15", "UP-1,2021-01-01T00:00Z,9e15")
    assert found.only.size == 1


@pytest.mark.parametrize("word", ["estimated_final", "Estimated-Final", "estimated final"])
def test_a_status_is_known_however_its_words_are_joined(word: str) -> None:
    found = read(f"time,kWh,quality\n2021-01-01 00:00,1,{word}\n2021-01-01 00:30,2,A\n")
    assert found.only.quality.tolist() == [Status.ESTIMATED_FINAL, Status.ACTUAL]


@pytest.mark.parametrize(
    ("word", "code"), [("E62", "S62"), ("s62", "S62"), ("F14", "F15"), ("S19", "S19"), ("S99", "S16")]
)
def test_a_code_of_nem12_keeps_its_method_where_we_know_it(word: str, code: str) -> None:
    """As NEM12 itself is read: 14 and 15 are like days, and a number that nobody knows is what the sender decided."""
    found = read(f"time,kWh,quality\n2021-01-01 00:00,1,{word}\n2021-01-01 00:30,2,A\n")
    assert nem12_code(int(found.only.quality[0])) == code


def test_quality_letters() -> None:
    found = read(
        "time,kWh,quality\n2021-01-01 00:00,1,A\n2021-01-01 00:30,2,E\n2021-01-01 01:00,3,F16\n"
        "2021-01-01 01:30,4,N\n2021-01-01 02:00,5,\n2021-01-01 02:30,6,odd\n"
    )
    agreed = pack(Status.ESTIMATED_FINAL, Method.AGREED)
    expected = [Status.ACTUAL, Status.ESTIMATED, agreed, Status.MISSING, Status.RAW, Status.RAW]
    assert found.only.quality.tolist() == expected
    assert np.isnan(found.only.value[3])
    assert "'odd'" in found.pieces[0].notes[0]


def test_bad_rows_are_refused_and_the_rest_is_kept() -> None:
    good = rows(stamps("2021-01-01", 9), "%Y-%m-%dT%H:%MZ")
    found = read(
        f"time,kWh\n{good}2021-01-01T09:00Z,240.x\n2021-01-01T10:00Z,1e400\n2021-01-01T11:00Z,NaN\n\n"
        "x,1,2\n2021-13-01T12:00Z,4\n2021-01-01T12:00Z,inf\n2021-01-01T\0:00Z,3\n2021-01-02T0"
    )
    assert [line for line, _ in found.rejects] == [11, 12, 15, 16, 17, 18, 19]
    assert found.only.size == 10
    reject = found.pieces[0].rejects[0]
    assert (reject.value, reject.record) == ("240.x", "2021-01-01T09:00Z,240.x")
    assert "240.x" in reject.reason
    assert reject.remedy


def test_a_stray_quote_damages_its_own_row_only() -> None:
    good = rows(stamps("2021-01-01", 9), "%Y-%m-%dT%H:%MZ")
    found = read(f'time,kWh\n{good}"2021-01-01T09:00Z,1\n2021-01-01T10:00Z,2\n')
    assert found.only.line.tolist() == [*range(2, 11), 12]
    assert [line for line, _ in found.rejects] == [11]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("behind", ["", "2021-01-01T10:00Z,2\n"])
def test_a_value_whose_quote_is_not_closed_is_no_value(behind: str, end: str) -> None:
    good = rows(stamps("2021-01-01", 9), "%Y-%m-%dT%H:%MZ")
    found = read(f'time,kWh\n{good}{behind}2021-01-01T11:00Z,"1{end}')
    last = 12 if behind else 11
    assert found.only.line.tolist() == list(range(2, last))
    (reject,) = found.pieces[0].rejects
    assert (reject.line, reject.reason) == (last, "a quote is opened and not closed")
    assert reject.record.strip() == '2021-01-01T11:00Z,"1'


def test_quoted_separators_and_newlines_keep_line_numbers() -> None:
    rows_of_three = ['2021-01-01 00:00,1,"two\nlines"', '2021-01-01 00:30,2,""', "2021-01-01 01:00,x,"]
    found = read("meter,time,kWh,note\n" + "".join(f'"A,1",{row}\n' for row in rows_of_three))
    assert found.only.points == ("A,1",)
    assert found.only.line.tolist() == [2, 4]
    assert found.rejects == [(5, "x")]


def test_far_dates_are_read_for_the_next_stage_to_judge() -> None:
    found = read("time,kWh\n1899-12-31 00:00,1\n2021-01-01 00:00,1\n2021-01-01 01:00,1\n2199-01-01 00:00,1\n")
    assert found.starts[0] == "1899-12-31T00:00:00"
    assert found.starts[-1] == "2199-01-01T00:00:00"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"time,kWh\n", "header and no readings"),
        (bytes(range(256)) * 8, "no text"),
        (b"month,hour,load\n7,24,2.2\n8,1,0.8\n8,2,0.9\n", "no column tells the date"),
        (b"time,colour\n2021-01-01 00:00,red\n2021-01-01 01:00,blue\n", "no column holds readings"),
        (b"just words\nand more\n", "no separator"),
    ],
)
def test_unreadable_files_say_why(text: bytes, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says) as caught:
        read(text)
    assert caught.value.where == "meter.csv"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"zone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"unit": "furlong"}, "furlong"),
        ({"kind": "sometimes"}, "sometimes"),
        ({"columns": {"value": "kwhh"}}, "kwhh"),
        ({"columns": {"colour": "kWh"}}, "colour"),
        ({"encoding": "klingon"}, "klingon"),
        ({"separator": "abc"}, "abc"),
        ({"decimal": "x"}, "decimal"),
        ({"interval_minutes": 0}, "0 minutes"),
        ({"kind": "power", "unit": "kWh"}, "power"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(GridwrightError, match=says):
        read("time,kWh\n2021-01-01 00:00,1\n2021-01-01 01:00,2\n", **options)


def test_options_override_detection() -> None:
    text = "a,b,c\n2021-01-01 00:00,1,9\n2021-01-01 01:00,2,8\n"
    with pytest.raises(AmbiguousInput, match="several columns"):
        read(text)
    found = read(text, columns={"value": "c"}, unit="Wh", zone="Europe/Berlin", stamp="end", point="P")
    assert found.only.value.tolist() == [9, 8]
    assert found.only.points == ("P",)
    assert found.starts == ["2020-12-31T22:00:00", "2020-12-31T23:00:00"]


@pytest.mark.parametrize(
    ("numbers", "decimal", "counts"),
    [
        (["1.234,5", "2,5"], ",", [1_234_500, 2_500]),
        (["1,234.5", "2.5"], ".", [1_234_500, 2_500]),
        (["0,219", "0,5"], ",", [219, 500]),
    ],
)
def test_decimal_marks(numbers: list[str], decimal: str, counts: list[int]) -> None:
    found = read("time;kWh\n" + "".join(f"2021-01-01 0{hour}:00;{text}\n" for hour, text in enumerate(numbers)))
    assert found.told("decimal mark") == decimal
    assert found.only.value.tolist() == counts


def test_a_number_that_may_be_a_thousand_is_refused() -> None:
    with pytest.raises(AmbiguousInput, match="--decimal"):
        read("time;kWh\n2021-01-01 00:00;1,234\n2021-01-01 01:00;2,345\n")


def test_columns_left_out_are_told() -> None:
    found = read("time,load_kwh,price_eur,temp\n2021-01-01 00:00,1,2,3\n2021-01-01 01:00,1,2,3\n")
    assert found.told("columns ignored") == "price_eur, temp"


def test_a_preamble_is_passed_over() -> None:
    found = read("Report of readings\nfrom,2021\n\nmeter,time,kWh\nA,2021-01-01 00:00,1\nA,2021-01-01 01:00,2\n")
    assert found.only.line.tolist() == [5, 6]


@pytest.mark.parametrize(
    ("head", "name", "sure"),
    [(b"time,kWh\n2021-01-01 00:00,1\n", "a.csv", 0.7), (b"PAR1\0\0", "a.csv", 0.0), (b"hello", "a.txt", 0.2)],
)
def test_recognition(head: bytes, name: str, sure: float) -> None:
    assert READER.recognises(head, name) == sure


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("id,start,kwh,price_eur_mwh", ["kwh"]),
        ("id,start,load,wind_speed,temperature", ["load"]),
        ("id,start,wind_generation_kwh,windBearing", ["wind_generation_kwh"]),
        ("id,start,raw_demand_mw,cleaned_demand_mw", ["raw_demand_mw"]),
    ],
)
def test_what_was_never_metered_is_no_reading(header: str, values: list[str]) -> None:
    width = header.count(",") - 1
    lines = [f"A,2025-01-01 0{hour}:00," + ",".join(f"{hour + 1}.5" for _ in range(width)) for hour in range(9)]
    found = read("\n".join([header, *lines, ""]))
    assert [column.name for column in found.dialect.layout.values] == values


@pytest.mark.parametrize("header", ["start,tempF", "start,price_eur_mwh", ",start,tempC"])
def test_a_table_of_weather_or_prices_holds_no_readings(header: str) -> None:
    lead = header.startswith(",")
    lines = [f"{f'{hour},' if lead else ''}2025-01-01 0{hour}:00,{hour + 0.5}" for hour in range(9)]
    with pytest.raises(UnreadableFile, match="no column holds readings"):
        read("\n".join([header, *lines, ""]))


def test_a_column_of_both_signs_is_net_unless_its_name_tells() -> None:
    lines = [f"A,2025-01-01 0{hour}:00,{-hour if hour % 3 else hour + 1}" for hour in range(9)]
    assert read("\n".join(["id,start,kwh", *lines, ""])).only.reading_type.flow is Flow.NET
    assert read("\n".join(["id,start,import_kwh", *lines, ""])).only.reading_type.flow is Flow.DELIVERED
    assert "6 of 9 values" in next(
        each.because
        for each in read("\n".join(["id,start,kwh", *lines, ""])).dialect.evidence
        if "direction" in each.what
    )


def test_a_wrong_value_below_zero_in_a_small_file_turns_no_column_into_net() -> None:
    values = [0.1 + 0.01 * (slot % 7) for slot in range(96)]
    values[88] = -0.2
    lines = [
        f"A,{moment:%Y-%m-%d %H:%M},{value}"
        for moment, value in zip(stamps("2025-01-01", 96, minutes=15), values, strict=True)
    ]
    found = read("\n".join(["id,start,kwh", *lines, ""]))
    assert found.only.reading_type.flow is Flow.DELIVERED


def test_registers_of_both_directions_rise_each_for_itself() -> None:
    lines = [
        f"A,2025-{month:02d}-01 00:00,{flow},{start + 100 * month}"
        for month in range(1, 9)
        for flow, start in (("delivered", 5000), ("received", 10))
    ]
    found = read("\n".join(["id,at,flow,cumulative_kwh", *lines, ""]))
    kinds = [series.reading_type for piece in found.pieces for series in piece.series]
    assert [(kind.flow, kind.accumulation) for kind in kinds] == [
        (Flow.DELIVERED, Accumulation.CUMULATIVE),
        (Flow.RECEIVED, Accumulation.CUMULATIVE),
    ]


def test_options_that_override_are_written_as_on_the_command_line() -> None:
    lines = [f"A,2025-01-01 0{hour}:00,{hour + 0.5}" for hour in range(9)]
    told = {one.override for one in read("\n".join(["id,start,kwh", *lines, ""])).dialect.evidence if one.override}
    assert {"--column point=NAME", "--zone", "--interval", "--decimal", "--unit", "--kind", "--stamp"} <= told
    assert all(option.startswith("--") for option in told)

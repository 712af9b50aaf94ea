"""Data lines, stamps and record groups: what meters write, and what is refused."""

# ruff: noqa: DTZ001 - a meter shows a wall clock without zone
from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.protocols.iec62056_21 import (
    BadStamp,
    Channel,
    DataSet,
    MalformedTelegram,
    ProtocolError,
    RecordGroup,
    Season,
    Stamp,
    format_group,
    format_lines,
    format_stamp,
    parse_groups,
    parse_lines,
    parse_stamp,
    refusal,
    short,
)

PLAIN = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="()*!"), min_size=1, max_size=9
)
SETS = st.builds(DataSet, PLAIN, PLAIN, st.one_of(st.just(""), PLAIN))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda one: one.replace(microsecond=0))


@given(st.lists(st.lists(SETS, min_size=1, max_size=4), max_size=5), st.booleans())
def test_lines_go_out_and_come_back(lines: list[list[DataSet]], readout: bool) -> None:
    assert parse_lines(format_lines(lines, readout=readout)) == tuple(map(tuple, lines))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.8.0(0001.5*kWh)", [DataSet("1.8.0", "0001.5", "kWh")]),
        ("1.8.0( 0001.5 * kWh )", [DataSet("1.8.0", " 0001.5 ", "kWh")]),
        ("(0001.5)", [DataSet("", "0001.5")]),
        ("1.6.1(00.1*kW)(2011241215)", [DataSet("1.6.1", "00.1", "kW"), DataSet("", "2011241215")]),
        ("0.0.0()", [DataSet("0.0.0", "")]),
        ("  1.8.0*01(1)  2.8.0&02(3)  ", [DataSet("1.8.0*01", "1"), DataSet("2.8.0&02", "3")]),
        ("0.2.1(a*b*c)", [DataSet("0.2.1", "a*b", "c")]),
    ],
)
def test_lines_as_meters_write_them(text: str, expected: list[DataSet]) -> None:
    assert parse_lines(text) == (tuple(expected),)


@pytest.mark.parametrize("text", ["1.8.0(1", "1.8.0 1)", "1.8.0((1))", "nothing", "1(2)rest"])
def test_what_is_no_data_line_is_refused(text: str) -> None:
    with pytest.raises(MalformedTelegram, match="offset"):
        parse_lines(text)


@pytest.mark.parametrize("text", [" " * 250_000, "x" * 250_000, "((" * 100_000, "1(" * 100_000, "(" + "*" * 250_000])
def test_a_hostile_line_takes_no_time_that_grows_with_its_square(text: str) -> None:
    refusal(text)
    refusal(f"{text})")
    with suppress(ProtocolError):
        parse_lines(f"{text}\r\n{text})")


def test_the_offset_counts_lines_before_it() -> None:
    with pytest.raises(MalformedTelegram) as caught:
        parse_lines("1(2)\r\n3(4)oops\r\n")
    assert caught.value.offset == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(ERR)", "ERR"),
        ("(ER01)", "ER01"),
        ("(ERROR)", "ERROR"),
        ("P.01(ERROR)", "ERROR"),
        ("(error 4)", "error 4"),
        ("(ER: no such register)", "ER: no such register"),
        ("1.8.0(000123)", None),
        ("C.1.0(ERNA1234)", None),
        ("(0001)", None),
        ("1(ERROR)2(3)", None),
    ],
)
def test_refusals_are_told_from_data(text: str, said: str | None) -> None:
    assert refusal(text) == said


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("1-0:1.8.0*255", "1.8.0"),
        ("0-0:C.1.0", "C.1.0"),
        (" c.1.0 ", "C.1.0"),
        ("1.8.0*01", "1.8.0*01"),
        ("1-1:1.8.0*01", "1.8.0*01"),
        ("P.01", "P.01"),
        ("", ""),
    ],
)
def test_addresses_are_compared_in_their_short_form(address: str, expected: str) -> None:
    assert short(address) == expected


@pytest.mark.parametrize(
    ("text", "moment", "season"),
    [
        ("0261125120000", datetime(2026, 11, 25, 12), Season.NORMAL),
        ("12607011215", datetime(2026, 7, 1, 12, 15), Season.SUMMER),
        ("22607011215", datetime(2026, 7, 1, 12, 15), Season.UTC),
        ("2607011215", datetime(2026, 7, 1, 12, 15), None),
        ("260701121530", datetime(2026, 7, 1, 12, 15, 30), None),
        ("260701121530S", datetime(2026, 7, 1, 12, 15, 30), Season.SUMMER),
        ("261125121530w", datetime(2026, 11, 25, 12, 15, 30), Season.NORMAL),
        ("26-11-25 12:15:30", datetime(2026, 11, 25, 12, 15, 30), None),
        ("02612312400", datetime(2027, 1, 1), Season.NORMAL),
    ],
)
def test_stamps_as_meters_write_them(text: str, moment: datetime, season: Season | None) -> None:
    assert parse_stamp(text) == Stamp(moment, season)


@pytest.mark.parametrize(
    "text",
    ["", "26", "02613011215", "0260230121500", "32611251215", "0261125121500S", "26112512153x", "9" * 40, "٣" * 10],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadStamp):
        parse_stamp(text)


@given(MOMENTS, st.sampled_from([Season.NORMAL, Season.SUMMER, Season.UTC]))
def test_stamps_with_season_go_out_and_come_back(moment: datetime, season: Season) -> None:
    assert parse_stamp(format_stamp(Stamp(moment, season), "sYYMMDDhhmmss")) == Stamp(moment, season)


def group(rows: int, columns: int, minutes: int | None = 15) -> RecordGroup:
    channels = tuple(Channel(f"1.{29 + column}.0", "kWh") for column in range(columns))
    values = tuple(tuple(f"{row:03d}.{column:03d}" for column in range(columns)) for row in range(rows))
    return RecordGroup(Stamp(datetime(2026, 11, 25, 12), Season.NORMAL), 0xA0, minutes, channels, values)


def written(one: RecordGroup, address: str = "P.01") -> str:
    stamp = format_stamp(one.stamp, "sYYMMDDhhmm")
    minutes = "" if one.minutes is None else str(one.minutes)
    return format_lines(format_group(address, stamp, f"{one.status:04X}", minutes, one))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=4))
def test_groups_go_out_and_come_back(sizes: list[tuple[int, int]]) -> None:
    groups = [group(rows, columns) for rows, columns in sizes]
    assert parse_groups(parse_lines("".join(map(written, groups))), "P.01") == tuple(groups)


def test_a_log_entry_may_hold_no_element() -> None:
    text = "P.98(0261125120000)(0080)()(0)()()\r\nP.98(0261125120500)(0040)()()\r\n"
    assert [(one.status, one.minutes, one.rows) for one in parse_groups(parse_lines(text), "P.98")] == [
        (0x80, None, ()),
        (0x40, None, ()),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(1)\r\n",
        "P.02(02611251200)(00)(15)(1)(1.5.0)(kW)",
        "P.01(02611251200)(00)(15)",
        "P.01(02611251200)(00)(15)(2)(1.5.0)(kW)",
        "P.01(02611251200)(00)(15)(2)(1.5.0)(kW)(2.5.0)(kW)\r\n(1)\r\n",
        "P.01(02611251200)(00)(15)(99)(1.5.0)(kW)",
        "P.01(02611251200)(00)(15)(-1)(1.5.0)(kW)",
        "P.01(02611251200)(00)(1.5)(1)(1.5.0)(kW)",
        "P.01(02611251200)(XY)(15)(1)(1.5.0)(kW)",
        "P.01(02611251200)(11112222333344445)(15)(1)(1.5.0)(kW)",
        "P.01(0261125120)(00)(15)(1)(1.5.0)(kW)(1)(2",
        "P.01(02613251200)(00)(15)(1)(1.5.0)(kW)",
        "P.98(02611251200)(00)()(0)(7)",
    ],
)
def test_broken_records_are_refused(text: str) -> None:
    with pytest.raises((MalformedTelegram, BadStamp)):
        parse_groups(parse_lines(text), text[:4] if text.startswith("P.98") else "P.01")


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("()*;\r\nP.01"), max_size=200))
def test_random_text_is_data_or_a_protocol_error(text: str) -> None:
    refusal(text)
    with suppress(ProtocolError):
        parse_stamp(text)
    with suppress(ProtocolError):
        parse_groups(parse_lines(text), "P.01")


@given(
    st.lists(st.sampled_from(["P.01", "(", ")", "02611251200", "00", "15", "1", "2", "kW", "1.5.0", "\r\n"])).map(
        "".join
    )
)
def test_nearly_right_text_is_data_or_a_protocol_error(text: str) -> None:
    with suppress(ProtocolError):
        parse_groups(parse_lines(text), "P.01")

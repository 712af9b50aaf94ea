"""Laws of the CSV reader: what is written in any dialect is read back, and damage never raises anything unexpected."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.errors import GridwrightError
from gridwright.formats.registry import find_reader
from gridwright.formats.source import ReadOptions
from tests.unit.formats.csv_reading import READER, read

EXAMPLES = 300 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 60

FORMS = {
    "ymd": ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M", "%Y-%m-%dT%H:%M:%S.000"),
    "dmy": ("%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d-%b-%Y %H:%M"),
    "mdy": ("%m/%d/%Y %I:%M %p", "%m/%d/%y %H:%M"),
}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")


@st.composite
def files(draw: st.DrawFn) -> tuple[str, ReadOptions, list[int], list[int]]:
    """Draw a file, the options that tell its zone and order, and the counts and instants in it."""
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = draw(st.sampled_from([".", ","] if separator != "," else ["."]))
    order = draw(st.sampled_from(list(FORMS)))
    form = draw(st.sampled_from(FORMS[order]))
    zone = draw(st.sampled_from(ZONES))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    counts = draw(st.lists(st.integers(-99_999, 999_999), min_size=3, max_size=120))
    first = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 9000)))
    moments = [first + timedelta(minutes=30 * step) for step in range(len(counts))]
    lines = [
        separator.join(
            ["A", moment.astimezone(ZoneInfo(zone)).strftime(form), f"{count / 1000:.3f}".replace(".", decimal)]
        )
        for moment, count in zip(moments, counts, strict=True)
    ]
    text = newline.join([separator.join(["meter", "time", "kWh"]), *lines, ""])
    options = ReadOptions(zone=zone, date_order=order, decimal=decimal, kind="interval", stamp="start")
    return text, options, counts, [int(moment.timestamp()) for moment in moments]


@given(files())
@settings(max_examples=EXAMPLES)
def test_what_is_written_is_read_back(file: tuple[str, ReadOptions, list[int], list[int]]) -> None:
    text, options, counts, instants = file
    data = memoryview(text.encode())
    dialect = READER.inspect(data, "m.csv", options)
    (chunk,) = READER.chunks(data, dialect)
    decoded = READER.decode(data, chunk, dialect)
    assert decoded.rejected == 0
    (series,) = decoded.series
    assert series.value.tolist() == counts
    assert series.at.tolist() == instants
    assert series.line.tolist() == list(range(2, len(counts) + 2))


GOOD = (
    "meter,time,kWh,quality\r\n"
    + "".join(
        f'A,2021-03-0{day} {hour:02d}:00,0.{hour:03d},A\r\n"B",2021-03-0{day} {hour:02d}:00,1.5,E\r\n'
        for day in (1, 2)
        for hour in range(24)
    )
).encode()


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
@settings(max_examples=EXAMPLES)
def test_a_damaged_byte_costs_few_rows_and_no_traceback(place: int, byte: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] = byte
    data = memoryview(bytes(damaged))
    try:
        dialect = READER.inspect(data, "m.csv", ReadOptions())
        decoded = [READER.decode(data, chunk, dialect) for chunk in READER.chunks(data, dialect)]
    except GridwrightError:
        assert place < GOOD.index(b"\n")
        return
    kept = sum(series.size for piece in decoded for series in piece.series)
    assert kept >= 93


@given(st.binary(max_size=400))
@settings(max_examples=EXAMPLES)
def test_any_bytes_are_read_or_refused_clearly(data: bytes) -> None:
    view = memoryview(data)
    try:
        reader = find_reader(data, "a.csv", ReadOptions())
        dialect = reader.inspect(view, "a.csv", ReadOptions())
        for chunk in reader.chunks(view, dialect):
            reader.decode(view, chunk, dialect)
    except GridwrightError:
        return


@given(st.text(alphabet='0123456789-:/,.; "\nAZkWh', max_size=300))
@settings(max_examples=EXAMPLES)
def test_texts_that_look_like_readings_are_read_or_refused_clearly(body: str) -> None:
    try:
        found = read(f"time,kWh\n2021-01-01 00:00,1\n2021-01-01 01:00,2\n{body}")
    except GridwrightError:
        return
    assert all(np.isfinite(piece.series[0].at).all() for piece in found.pieces if piece.series)

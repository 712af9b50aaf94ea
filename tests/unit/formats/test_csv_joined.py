"""CSV files whose first rows mislead: fields longer than the head, and headers that change the order of the columns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gridwright.formats import csv_stretches
from gridwright.formats.source import ReadOptions
from tests.unit.formats.csv_reading import READER, Read, read

HEADER = "usage_point,start,kwh"
STAMPS = [f"2025-03-{1 + slot // 96:02d}T{slot % 96 // 4:02d}:{15 * (slot % 4):02d}:00Z" for slot in range(192)]
ROWS = [f"H-{slot % 3},{stamp},0.{slot % 10}5" for slot, stamp in enumerate(STAMPS)]
TURNED = [f"0.{slot % 10}5,H-{slot % 3},{stamp}" for slot, stamp in enumerate(STAMPS)]
GIANT = 100_000
OTHERS = ["usage_point,start,Wh", "usage_point,start,received_kwh", "usage_point,start,voltage", "meter,energy_wh,ts"]


@pytest.mark.parametrize("at", [0, 50, 96])
@pytest.mark.parametrize(
    "row", [f"H-0,{STAMPS[150]},{'9' * GIANT}x", f"H-0,{'2' * GIANT},1", f"H-0,{STAMPS[150]},1,{'9' * GIANT}"]
)
def test_a_giant_field_costs_its_row_wherever_it_stands(row: str, at: int) -> None:
    found = read("\n".join([HEADER, *ROWS[:at], row, *ROWS[at:96]]))
    assert found.only.size == 96
    assert [line for line, _ in found.rejects] == [at + 2]


@pytest.mark.parametrize("first", [90, 48, 6])
def test_rows_behind_a_header_of_another_order_are_read_by_it(first: int) -> None:
    whole = read("\n".join([HEADER, *ROWS]))
    found = read("\n".join([HEADER, *ROWS[:first], "kwh,usage_point,start", *TURNED[first:]]))
    series = [series for piece in found.pieces for series in piece.series]
    assert found.rejects == []
    assert [value for part in series for value in part.value.tolist()] == whole.only.value.tolist()
    assert [at for part in series for at in part.at.tolist()] == whole.only.at.tolist()
    assert series[-1].line.tolist() == list(range(first + 3, 195))
    assert found.told("columns") == f"in another order behind line {first + 2}"


def test_the_order_may_change_back_and_an_import_goes_on_in_the_middle() -> None:
    text = "\n".join([HEADER, *ROWS[:50], '"kwh", usage_point,start', *TURNED[50:100], HEADER, *ROWS[100:]]).encode()
    data = memoryview(text)
    dialect = READER.inspect(data, "a.csv", ReadOptions())
    chunks = list(READER.chunks(data, dialect))
    pieces = [READER.decode(data, chunk, dialect) for chunk in chunks]
    assert [(piece.records, piece.rejected) for piece in pieces] == [(50, 0), (50, 0), (92, 0)]
    assert list(READER.chunks(data, dialect, chunks[1].start)) == chunks[1:]
    assert list(READER.chunks(data, dialect, chunks[1].end))[-1] == chunks[2]


def test_wide_rows_and_damaged_rows_behind_another_header() -> None:
    hours = [f"{hour:02d}:00" for hour in range(24)]
    head = ["meter", "date", *hours]
    rows = [["M-1", f"2025-03-{day:02d}", *(str(day + hour) for hour in range(24))] for day in range(1, 11)]
    turned = [[*row[2:], row[1], row[0]] for row in rows]
    turned[7][3] = '"1'
    text = [head, *rows[:5], [*head[2:], "date", "meter"], *turned[5:]]
    found = read("\n".join(",".join(row) for row in text))
    assert sum(series.size for piece in found.pieces for series in piece.series) >= 9 * 24
    assert {line for line, _ in found.rejects} <= {10}


def test_a_name_of_the_header_among_the_values_is_no_header() -> None:
    rows = [f"kwh,{stamp},1" for stamp in STAMPS[:96]]
    assert read("\n".join([HEADER, *rows])).only.size == 96


def lines(found: Read) -> list[int]:
    return [line for piece in found.pieces for series in piece.series for line in series.line.tolist()]


@pytest.mark.parametrize("other", [*OTHERS, "kwh,usage_point,start,extra", '"usage_point","start","kvarh"\r'])
@pytest.mark.parametrize("first", [96, 20, 5])
def test_rows_behind_a_header_of_other_columns_are_refused_up_to_the_first_one_again(other: str, first: int) -> None:
    found = read("\n".join([HEADER, *ROWS[:first], other, *ROWS[first:150], HEADER, *ROWS[150:]]))
    assert sorted(lines(found)) == [*range(2, first + 2), *range(154, 196)]
    rejects = [reject for piece in found.pieces for reject in piece.rejects]
    assert [reject.line for reject in rejects] == list(range(first + 3, 153))
    assert f"line {first + 2}" in rejects[0].reason
    assert other.replace('"', "").strip() in rejects[0].reason
    assert HEADER in rejects[0].reason
    assert sum(piece.records for piece in found.pieces) == 192
    assert found.told("columns") == f"not read behind line {first + 2}"


def utf16(text: str) -> bytes:
    return text.encode("utf-16")


def noted(text: str) -> str:
    """Give each row a field with a newline in it."""
    head, *rows = text.split("\n")
    return "\n".join(
        [f"{head},note", *(f"{row},note" if "kwh" in row or "Wh" in row else f'{row},"a\nb"' for row in rows)]
    )


@pytest.mark.parametrize("form", [str, utf16, noted])
@pytest.mark.parametrize(("other", "kept"), [("kwh,usage_point,start", 192), ("usage_point,start,Wh", 96)])
def test_every_kind_of_file_heeds_the_header_between_its_rows(
    form: Callable[[str], str], other: str, kept: int
) -> None:
    behind = TURNED if kept == 192 else ROWS
    found = read(form("\n".join([HEADER, *ROWS[:96], other, *behind[96:]])))
    assert sum(series.size for piece in found.pieces for series in piece.series) == kept
    assert sum(piece.rejected for piece in found.pieces) == 192 - kept
    total = sum(float(series.value.sum()) for piece in found.pieces for series in piece.series)
    whole = read("\n".join([HEADER, *ROWS[: 192 if kept == 192 else 96]]))
    assert total == sum(float(series.value.sum()) for piece in whole.pieces for series in piece.series)


def test_a_long_file_is_searched_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_stretches, "WINDOW_BYTES", 100)
    found = read("\n".join([HEADER, *ROWS[:100], "kwh,usage_point,start", *TURNED[100:150], OTHERS[0], *ROWS[150:]]))
    assert len(lines(found)) == 150
    assert sum(piece.rejected for piece in found.pieces) == 42


@pytest.mark.parametrize("row", ["Meter,Date,Value", "point,NULL,", "Total,,", "note,H-1,", "kwh,kwh,kwh"])
def test_words_in_one_row_cost_that_row_alone(row: str) -> None:
    at = 40 if row != "Meter,Date,Value" else 0  # a header in two languages is one header
    found = read("\n".join([HEADER, *ROWS[:at], row, *ROWS[at:]]))
    assert len(lines(found)) == 192
    assert [line for line, _ in found.rejects] == [at + 2]


def test_a_header_that_begins_and_ends_with_digits_is_found() -> None:
    """Most rows of readings do so: by that they are told from headers without a look at them."""
    rows = [f"H-{slot % 3},{stamp},0.{slot % 10}5" for slot, stamp in enumerate(STAMPS)]
    turned = [f"0.{slot % 10}5,{stamp},H-{slot % 3}" for slot, stamp in enumerate(STAMPS)]
    text = ["meter_01,start,15min_kwh", *rows[:96], "15min_kwh,start,meter_01", *turned[96:]]
    found = read("\n".join(text), columns={"point": "meter_01"})
    assert (found.rejects, sum(piece.records for piece in found.pieces)) == ([], 192)
    assert found.told("columns") == "in another order behind line 98"


@pytest.mark.parametrize("other", ["start,temperature", "start,note", "start,kwh_2,note", "note,start"])
def test_a_row_that_names_the_column_of_the_times_is_a_header(other: str) -> None:
    """Degrees behind a header of their own were read as kWh, because one name of two was known."""
    rows = [f"{stamp},0.{slot % 10}5" for slot, stamp in enumerate(STAMPS)]
    found = read("\n".join(["start,kwh", *rows[:96], other, *rows[96:]]))
    assert found.only.size == 96
    assert [line for line, _ in found.rejects] == list(range(99, 195))


def test_half_a_character_behind_a_whole_window_is_no_row() -> None:
    row = "A,2024-01-01 00:00,1.25\n"
    units = csv_stretches.WINDOW_BYTES // 2
    body = row * (units // len(row) - 1)
    text = "\ufeffid,time,kwh\n" + body + row.replace("A", "A" * (1 + units - len(body) - len(row)))
    data = memoryview(text.encode("utf-16-le") + b"\0")
    dialect = READER.inspect(data, "cut.csv", ReadOptions(interval_minutes=30))
    assert len(data) - dialect.framing.start == csv_stretches.WINDOW_BYTES + 1
    assert dialect.later == ()

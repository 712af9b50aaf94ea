"""CSV files whose first rows mislead: fields longer than the head, and headers that change the order of the columns."""

from __future__ import annotations

import pytest

from gridwright.formats.source import ReadOptions
from tests.unit.formats.csv_reading import READER, read

HEADER = "usage_point,start,kwh"
STAMPS = [f"2025-03-{1 + slot // 96:02d}T{slot % 96 // 4:02d}:{15 * (slot % 4):02d}:00Z" for slot in range(192)]
ROWS = [f"H-{slot % 3},{stamp},0.{slot % 10}5" for slot, stamp in enumerate(STAMPS)]
TURNED = [f"0.{slot % 10}5,H-{slot % 3},{stamp}" for slot, stamp in enumerate(STAMPS)]
GIANT = 100_000


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

"""A stamp among others is read as it is alone: whatever length, shape and blanks its neighbours have."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.formats.csv_split import rows_in
from gridwright.formats.shapes import shaped_blocks
from gridwright.formats.stamps import Stamps, read_stamps

WRITTEN = (
    "%Y-%m-%d %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%Y%m%d%H%M",
    "%y.%m.%d",
    "%d %b %Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%Y-%m-%dT%H:%M:%S+01:00",
    " %Y-%m-%d %H:%M ",
)
DATES = st.datetimes().filter(lambda at: at.year > 1000)
STAMPS = st.one_of(
    st.tuples(DATES, st.sampled_from(WRITTEN)).map(lambda drawn: f"{drawn[0]:{drawn[1]}}"),
    st.sampled_from(("", " ", "2024-02-30 00:00:00", "2024-02-29 24:00:00", "1700000000", "1700000000500", "x" * 19)),
    st.text("0123456789-: ", max_size=19),
)


def columns_of(stamps: Stamps) -> list[list[object]]:
    """Return what is told of each stamp; the wall clock of one that cannot be read tells nothing."""
    wall = np.where(stamps.good, stamps.wall, 0)
    rest = (stamps.offset, stamps.season, stamps.good, stamps.rounded, stamps.dated, stamps.midnight24)
    return [list(row) for row in zip(*(part.tolist() for part in (wall, *rest)), strict=True)]


@given(
    st.lists(st.tuples(STAMPS, st.integers(1, 90)), min_size=1, max_size=8),
    st.sampled_from(("ymd", "dmy", "mdy")),
    st.integers(0, 3),
)
def test_a_stamp_is_read_alike_alone_and_among_others(runs: list[tuple[str, int]], order: str, skipped: int) -> None:
    texts = [text.encode() for text, count in runs for _ in range(count)]
    column = pa.array(texts, pa.binary())[skipped:]
    alone = {text: columns_of(read_stamps(pa.array([text], pa.binary()), order))[0] for text in set(texts)}
    assert columns_of(read_stamps(column, order)) == [alone[text] for text in texts[skipped:]]


def test_texts_of_one_length_are_taken_as_they_stand() -> None:
    column = pa.array([b"2024-01-01", b"2024-01-02"] * 100, pa.binary())
    ((rows, block, shape),) = shaped_blocks(column)
    assert (rows, shape) == (slice(None), b"0000-00-00")
    assert np.shares_memory(block, np.frombuffer(column.buffers()[2], np.uint8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b"a\nb", [("a", 5), ("b", 6)]),
        (b"a\nb\n", [("a", 5), ("b", 6)]),
        (b"a\r\n\r\n\nb\r\n", [("a", 5), ("b", 8)]),
        (b"\na\r", [("a", 6)]),
    ],
)
def test_rows_are_what_stands_between_line_ends(text: bytes, expected: list[tuple[str, int]]) -> None:
    for multiline in (False, True):
        rows = rows_in(text, 5, multiline=multiline)
        assert [(rows.record(row), int(line)) for row, line in enumerate(rows.line)] == expected

"""Which reader takes a file, and what is said when none does."""

from __future__ import annotations

import pytest

from gridwright.domain.errors import UnknownFormat, UnreadableFile, UsageError
from gridwright.formats.registry import find_reader
from gridwright.formats.source import ReadOptions


@pytest.mark.parametrize(
    ("head", "name", "format_name"),
    [
        (b"time,kWh\n2021-01-01 00:00,1\n2021-01-01 00:30,2\n", "a.csv", "csv"),
        (b"100,NEM12,200506081149,UNITEDDP,NEMMCO\r\n", "a.csv", "nem12"),
        (b"PAR1\x15\x04", "a.bin", "parquet"),
    ],
)
def test_the_surest_reader_wins(head: bytes, name: str, format_name: str) -> None:
    assert find_reader(head, name, ReadOptions()).name == format_name


def test_the_caller_may_say_the_format() -> None:
    assert find_reader(b"", "a", ReadOptions(format="CSV")).name == "csv"
    with pytest.raises(UsageError, match="no format 'xml'"):
        find_reader(b"", "a", ReadOptions(format="xml"))


def test_unknown_and_empty_files() -> None:
    with pytest.raises(UnknownFormat, match="csv, parquet") as caught:
        find_reader(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.png", ReadOptions())
    assert "--format" in caught.value.remedy
    with pytest.raises(UnreadableFile, match="empty"):
        find_reader(b"", "a.csv", ReadOptions())

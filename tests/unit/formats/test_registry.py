"""Which reader takes a file, and what is said when none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwright.domain.errors import UnknownFormat, UnreadableFile, UsageError
from gridwright.formats.catalogue import FORMATS, reference, titles
from gridwright.formats.registry import READERS, WRITERS, find_reader
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


def test_the_catalogue_names_every_format_and_the_reference_shows_it() -> None:
    assert set(FORMATS) == {reader.name for reader in READERS}
    written = [word for each in FORMATS.values() for word in each.written]
    assert sorted(written) == sorted(writer.name for writer in WRITERS)
    page = Path(__file__).parents[3] / "docs" / "reference" / "formats.md"
    assert "\n".join(reference()) in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("head", [b"%PDF-1.7\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"<html>"])
def test_what_helps_names_every_format(head: bytes) -> None:
    with pytest.raises(UnknownFormat) as caught:
        find_reader(head, "a.bin", ReadOptions())
    assert titles() in caught.value.remedy
    assert all(each.title in titles() for each in FORMATS.values())

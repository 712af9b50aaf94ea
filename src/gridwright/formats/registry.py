"""The file formats we read and write, and which of them a file is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridwright.domain.errors import UnknownFormat, UnreadableFile, UsageError
from gridwright.formats.catalogue import titles
from gridwright.formats.cim_xml import CIM_XML, CIM_XML_WRITER
from gridwright.formats.cmep import CMEP, CMEP_WRITER
from gridwright.formats.csv_reader import CsvReader
from gridwright.formats.csv_writer import CSV_WRITER, WIDE_CSV_WRITER
from gridwright.formats.dk_datahub import DK_DATAHUB
from gridwright.formats.green_button import GREEN_BUTTON, GREEN_BUTTON_WRITER
from gridwright.formats.mscons import MSCONS, MSCONS_WRITER
from gridwright.formats.nem12 import NEM12, NEM12_WRITER, NEM13_WRITER
from gridwright.formats.parquet import ParquetReader
from gridwright.formats.parquet_writer import PARQUET_WRITER
from gridwright.formats.source import Reader, ReadOptions
from gridwright.formats.writer import Writer

# A reader knows its own dialect alone; whoever holds several of them cannot name one type.
AnyReader = Reader[Any]

READERS: tuple[AnyReader, ...] = (
    NEM12,
    CMEP,
    MSCONS,
    GREEN_BUTTON,
    CIM_XML,
    DK_DATAHUB,
    CsvReader(),
    ParquetReader(),
)
WRITERS: tuple[Writer, ...] = (
    NEM12_WRITER,
    NEM13_WRITER,
    CSV_WRITER,
    WIDE_CSV_WRITER,
    PARQUET_WRITER,
    CMEP_WRITER,
    MSCONS_WRITER,
    GREEN_BUTTON_WRITER,
    CIM_XML_WRITER,
)
# What begins like this is something we know and do not read.
BLANKS = b"\xef\xbb\xbf \r\n\t"
FOREIGN = (
    (b"<", "XML of another kind"),
    (b"{", "JSON of another kind"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)
# Less than this is no recognition, only a name that fits.
SURE_ENOUGH = 0.15


def find_reader(head: bytes, file_name: str, options: ReadOptions) -> AnyReader:
    """Return the reader that is surest of a file, by its first 64 kB and its name.

    An empty file is UnreadableFile; one that nobody recognises is UnknownFormat, which names what was tried.
    """
    if options.format:
        return reader_named(options.format)
    if not head:
        raise UnreadableFile("the file is empty", where=file_name, remedy="export it again, or give another file")
    best, reader = _surest(head, file_name)
    foreign = next((name for start, name in FOREIGN if head.lstrip(BLANKS).startswith(start)), "")
    if best < SURE_ENOUGH or (foreign and isinstance(reader, CsvReader)):
        tried = ", ".join(reader.name for reader in READERS)
        raise UnknownFormat(
            f"it is {foreign}; we read {tried}" if foreign else f"none of the formats we read fits: {tried}",
            where=file_name,
            remedy=f"{'' if foreign else 'say which with --format, or '}export the readings as {titles()}",
        )
    return reader


def _surest(head: bytes, file_name: str) -> tuple[float, AnyReader]:
    """Return the surest reader; a certain one spares the others, of which a table of many columns costs most."""
    best, surest = 0.0, READERS[0]
    for reader in READERS:
        sureness = reader.recognises(head, file_name)
        if sureness > best:
            best, surest = sureness, reader
        if best >= 1:
            break
    return best, surest


def reader_named(name: str) -> AnyReader:
    """Return the reader of a format; an unknown one is UsageError."""
    for reader in READERS:
        if reader.name == name.lower():
            return reader
    known = ", ".join(reader.name for reader in READERS)
    raise UsageError(f"there is no format {name!r}", remedy=f"use one of {known}")


def writers() -> Mapping[str, Writer]:
    """Return the writer of each format that readings can be exported in, by its name."""
    return {writer.name: writer for writer in WRITERS}


def writer_named(name: str) -> Writer:
    """Return the writer of a format; an unknown one is UsageError."""
    known = writers()
    try:
        return known[name.lower()]
    except KeyError:
        raise UsageError(f"nothing can be exported as {name!r}", remedy=f"use one of {', '.join(known)}") from None

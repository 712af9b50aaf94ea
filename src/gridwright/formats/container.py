"""Files within files: zip and gzip are opened in memory, with a limit on what comes out; of UTF-16 XML it is UTF-8."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from gridwright.domain.errors import UnreadableFile
from gridwright.formats.text import utf16_of
from gridwright.formats.unpacking import PIECE, Budget, View, most_from, too_much, unpack
from gridwright.formats.wide_markup import HEAD_BYTES, encoding_of_markup, to_utf8

ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
EMPTY_ZIP = b"PK\x05\x06"
MAX_BYTES = 4 << 30  # of all files unpacked from one container
MAX_FILES = 10_000
MAX_DEPTH = 2
FEED, RETURN = 10, 13
LINES_BYTES = 1 << 16
IGNORED = ("__macosx/", ".ds_store", "thumbs.db")


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """One plain file: its name (`archive.zip!inner.csv`) and its bytes."""

    name: str
    data: memoryview


def is_container(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a zip or gzip; the suffix, in whatever case, does not matter."""
    return head[:4] in {ZIP, EMPTY_ZIP} or head[:2] == GZIP


def unwrap(data: memoryview, name: str, *, max_bytes: int = MAX_BYTES) -> list[Content]:
    """Return the plain files in `data`: itself, or what a zip or gzip holds, in the archive's order.

    Raises UnreadableFile for a damaged, encrypted or empty container, for one that unpacks to more than `max_bytes`,
    and for one that unpacks to more than readings would: that takes no more memory than a file of readings of its size.
    """
    return _unwrap(data, name, Budget(min(max_bytes, most_from(len(data))), len(data)), 0)


def _unwrap(data: memoryview, name: str, budget: Budget, depth: int) -> list[Content]:
    head = bytes(data[:4])
    if not is_container(head):
        return [Content(name, _bytewise(data))]
    if depth >= MAX_DEPTH:
        raise UnreadableFile("containers nested too deeply", where=name, remedy="unpack it first")
    try:
        if head[:2] == GZIP:
            packed = View(data)
            inner = unpack(gzip.GzipFile(fileobj=packed), packed, name, budget)
            return _unwrap(inner, f"{name}!{_without_gz(name)}", budget, depth + 1)
        return _unzip(data, name, budget, depth)
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, NotImplementedError, RuntimeError) as error:
        raise UnreadableFile(
            f"the container is damaged or encrypted: {error}", where=name, remedy="fetch it again, or unpack it first"
        ) from error
    except (OSError, ValueError, LookupError) as error:
        raise UnreadableFile(f"the container is damaged: {error}", where=name, remedy="fetch it again") from error


def _bytewise(data: memoryview) -> memoryview:
    """Return XML in UTF-16 as UTF-8, in which it is searched and guarded byte by byte, and lines with line feeds."""
    encoding = encoding_of_markup(bytes(data[:HEAD_BYTES]))
    return to_utf8(data, encoding) if encoding else _with_line_feeds(data)


def _with_line_feeds(data: memoryview) -> memoryview:
    """Return a text whose lines end in carriage returns alone, as once on the Mac, with line feeds for them."""
    head = bytes(data[:LINES_BYTES])
    if b"\r" in head and b"\0" in head:
        return _wide_with_line_feeds(data, head)
    if b"\r" not in head or b"\n" in head:
        return data
    if any(b"\n" in bytes(data[at : at + PIECE]) for at in range(0, len(data), PIECE)):
        return data
    turned = bytearray(data)
    for at in range(0, len(turned), PIECE):
        turned[at : at + PIECE] = turned[at : at + PIECE].replace(b"\r", b"\n")
    return memoryview(turned).toreadonly()


def _wide_with_line_feeds(data: memoryview, head: bytes) -> memoryview:
    """Return the same of a text in UTF-16, whose line feeds are no single bytes; anything else stays as it is."""
    encoding = utf16_of(head)
    if not encoding:
        return data
    order = "<u2" if encoding.endswith("le") else ">u2"
    units = np.frombuffer(data[: len(data) // 2 * 2], order)
    if (units[:LINES_BYTES] == FEED).any() or (units == FEED).any():
        return data
    turned = np.where(units == RETURN, np.array(FEED, order), units).astype(order).tobytes()
    return memoryview(turned + bytes(data[len(turned) :]))


def _unzip(data: memoryview, name: str, budget: Budget, depth: int) -> list[Content]:
    contents: list[Content] = []
    packed = View(data)
    with zipfile.ZipFile(packed) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and not _is_ignored(info.filename)]
        if len(members) > MAX_FILES:
            raise UnreadableFile(f"{len(members)} files in one archive, at most {MAX_FILES} are read", where=name)
        _require_room(members, name, budget)
        for info in members:
            with archive.open(info) as stream:
                inner = unpack(stream, packed, f"{name}!{info.filename}", budget)
            contents += _unwrap(inner, f"{name}!{info.filename}", budget, depth + 1)
    if not contents:
        raise UnreadableFile("the archive holds no file", where=name)
    return contents


def _require_room(members: list[zipfile.ZipInfo], name: str, budget: Budget) -> None:
    """Refuse an archive that says itself that it unpacks to too much; no member ever unpacks to more than it says."""
    told = sum(info.file_size for info in members)
    if told > budget.left:
        largest = max(members, key=lambda info: info.file_size)
        where = f"{name}!{largest.filename}" if largest.file_size > budget.left else name
        raise too_much(told - 1, budget.packed, where)


def _without_gz(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[: -len(".gz")] if base.lower().endswith(".gz") else base


def _is_ignored(name: str) -> bool:
    return name.lower().startswith(IGNORED[0]) or name.lower().rpartition("/")[2] in IGNORED[1:]

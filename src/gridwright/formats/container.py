"""Files within files: zip and gzip are opened in memory, with a limit on what comes out; of UTF-16 XML it is UTF-8."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO

import numpy as np

from gridwright.domain.errors import UnreadableFile
from gridwright.formats.text import utf16_of
from gridwright.formats.wide_markup import HEAD_BYTES, encoding_of_markup, to_utf8

ZIP, GZIP = b"PK\x03\x04", b"\x1f\x8b"
EMPTY_ZIP = b"PK\x05\x06"
MAX_BYTES = 4 << 30  # of all files unpacked from one container
MAX_RATIO = 300  # a text of meter readings packs to a tenth; a bomb to a thousandth
RATIO_FREE = 16 << 20  # below this size the ratio does not matter
MAX_FILES = 10_000
MAX_DEPTH = 2
PIECE = 1 << 20
FEED, RETURN = 10, 13
LINES_BYTES = 1 << 16
IGNORED = ("__macosx/", ".ds_store", "thumbs.db")


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """One plain file: its name (`archive.zip!inner.csv`) and its bytes."""

    name: str
    data: memoryview


@dataclass(slots=True)
class _Budget:
    """How many bytes may still be unpacked."""

    left: int


def is_container(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a zip or gzip; the suffix, in whatever case, does not matter."""
    return head[:4] in {ZIP, EMPTY_ZIP} or head[:2] == GZIP


def unwrap(data: memoryview, name: str, *, max_bytes: int = MAX_BYTES) -> list[Content]:
    """Return the plain files in `data`: itself, or what a zip or gzip holds, in the archive's order.

    Raises UnreadableFile for a damaged, encrypted or empty container and for one that unpacks to more than `max_bytes`.
    """
    return _unwrap(data, name, _Budget(max_bytes), 0)


def _unwrap(data: memoryview, name: str, budget: _Budget, depth: int) -> list[Content]:
    head = bytes(data[:4])
    if not is_container(head):
        return [Content(name, _bytewise(data))]
    if depth >= MAX_DEPTH:
        raise UnreadableFile("containers nested too deeply", where=name, remedy="unpack it first")
    try:
        if head[:2] == GZIP:
            inner = _read(gzip.GzipFile(fileobj=io.BytesIO(data)), len(data), name, budget)
            return _unwrap(memoryview(inner), f"{name}!{_without_gz(name)}", budget, depth + 1)
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
    return memoryview(to_utf8(data, encoding)) if encoding else _with_line_feeds(data)


def _with_line_feeds(data: memoryview) -> memoryview:
    """Return a text whose lines end in carriage returns alone, as once on the Mac, with line feeds for them."""
    head = bytes(data[:LINES_BYTES])
    if b"\r" in head and b"\0" in head:
        return _wide_with_line_feeds(data, head)
    if b"\r" not in head or b"\n" in head:
        return data
    if any(b"\n" in bytes(data[at : at + PIECE]) for at in range(0, len(data), PIECE)):
        return data
    return memoryview(bytes(data).replace(b"\r", b"\n"))


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


def _unzip(data: memoryview, name: str, budget: _Budget, depth: int) -> list[Content]:
    contents: list[Content] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and not _is_ignored(info.filename)]
        if len(members) > MAX_FILES:
            raise UnreadableFile(f"{len(members)} files in one archive, at most {MAX_FILES} are read", where=name)
        for info in members:
            with archive.open(info) as stream:
                inner = _read(stream, info.compress_size, f"{name}!{info.filename}", budget)
            contents += _unwrap(memoryview(inner), f"{name}!{info.filename}", budget, depth + 1)
    if not contents:
        raise UnreadableFile("the archive holds no file", where=name)
    return contents


def _read(stream: IO[bytes] | gzip.GzipFile, packed: int, name: str, budget: _Budget) -> bytes:
    """Unpack piece by piece, so that a bomb is noticed before it fills the memory."""
    pieces: list[bytes] = []
    size = 0
    while piece := stream.read(PIECE):
        pieces.append(piece)
        size += len(piece)
        budget.left -= len(piece)
        if budget.left < 0 or (size > RATIO_FREE and size > MAX_RATIO * max(packed, 1)):
            raise UnreadableFile(
                f"unpacks to more than {size:,} bytes from {packed:,}",
                where=name,
                remedy="unpack it first if you trust it",
            )
    return b"".join(pieces)


def _without_gz(name: str) -> str:
    base = name.rpartition("/")[2]
    return base[: -len(".gz")] if base.lower().endswith(".gz") else base


def _is_ignored(name: str) -> bool:
    return name.lower().startswith(IGNORED[0]) or name.lower().rpartition("/")[2] in IGNORED[1:]

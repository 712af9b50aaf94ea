"""The NEM12 reader: recognise, inspect, cut into pieces, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np

from gridwright.domain.errors import UnknownFormat, UnreadableFile
from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.nem12.decode import decode_text
from gridwright.formats.nem12.elsewhere import Seen, settle
from gridwright.formats.nem12.ending import CUT, HEADLESS, is_whole, untorn_length, without_torn_day
from gridwright.formats.nem12.piece import Meaning
from gridwright.formats.nem12.precision import finer_exponents
from gridwright.formats.nem12.settled import NOTHING, Settled
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.text import encoding_notes

HEADER = re.compile(rb"^(?:\xef\xbb\xbf)?\s*\"?100\"?,\s*\"?(NEM1[23])", re.IGNORECASE)
CHANNEL = re.compile(rb"^\"?2[05]0\"?,[^,\n]+,", re.MULTILINE)
DAY = re.compile(rb"^\"?300\"?,\"?\d{8}\"?,|^\"?250\"?,(?:[^,\n]*,){7}", re.MULTILINE)
ANY_HEADER = re.compile(rb"^(?:\xef\xbb\xbf)?\s*100,([^,\r\n]{0,20})")
HEAD_BYTES = 1 << 16
CHUNK_BYTES = 4 << 20
EASTERN = ("Australia/Brisbane", 36_000)
WESTERN = ("Australia/Perth", 28_800)


@dataclass(frozen=True, slots=True)
class Nem12Dialect:
    """What was found out about one file."""

    version: str
    meaning: Meaning
    evidence: tuple[Evidence, ...]
    settled: Settled = NOTHING


@dataclass(frozen=True, slots=True)
class Nem12Reader:
    """Reads AEMO MDFF files, NEM12 (intervals) and NEM13 (register reads); `chunk_bytes` is the size of a piece."""

    name: str = "nem12"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for a 100 record of NEM12 or NEM13, 0.95 for 200 and 300 records without one."""
        if HEADER.match(head):
            return 1.0
        if CHANNEL.search(head) and DAY.search(head):
            return 0.95
        return 0.3 if "nem12" in file_name.lower() and head.lstrip()[:3] in {b"100", b"200"} else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> Nem12Dialect:
        """Find version, zone and resolution; UnreadableFile for a file without data, UnknownFormat for another MDFF."""
        head = bytes(data[:HEAD_BYTES])
        _refuse_unreadable(head, file_name)
        version = _version(head, file_name)
        if _next_head(data, 0) is None:
            raise UnreadableFile(
                "no 200 or 250 record: the file holds no meter data", where=file_name, remedy="ask the sender for it"
            )
        zone, offset_s, because = _clock(head, options)
        seen = Seen() if len(data) > self.chunk_bytes else None
        exponents, finer = finer_exponents(data, options, seen.see if seen is not None else None)
        evidence = (
            Evidence("format", version, "record indicators 100, 200, 300 of AEMO MDFF", "--format"),
            Evidence("stamps", f"UTC+{offset_s // 3600:02d}, no daylight saving", because, "--zone"),
            Evidence("zone", zone, "local days; given" if options.zone else "local days follow market time", "--zone"),
            *finer,
        )
        meaning, settled = Meaning(options, exponents, zone, offset_s), NOTHING
        if seen is not None:
            settled = settle(data[: untorn_length(data)], seen, lambda: np.array(list(self._starts(data, 0))), meaning)
        return Nem12Dialect(version, meaning, evidence, settled)

    def chunks(self, data: memoryview, dialect: Nem12Dialect, after: int = 0) -> Iterator[Chunk]:
        """Cut before 200 (NEM13: 250) records, so that each piece knows its channels."""
        del dialect
        line = 1 + count_lines(data, 0, after)
        for start, end in pairwise(chain(self._starts(data, after), (len(data),))):
            yield Chunk(start, end, line)
            line += count_lines(data, start, end)

    def _starts(self, data: memoryview, after: int) -> Iterator[int]:
        """Yield where each piece begins, from byte `after` on."""
        start: int | None = after
        while start is not None and start < len(data):
            yield start
            start = _next_head(data, start + self.chunk_bytes)

    def decode(self, data: memoryview, chunk: Chunk, dialect: Nem12Dialect) -> Decoded:
        """Decode one piece; bad records become rejects, the rest is kept."""
        text = bytes(data[chunk.start : chunk.end])
        notes = (*(() if chunk.start or HEADER.match(text) else (HEADLESS,)), *encoding_notes(text))
        if chunk.end < len(data) or is_whole(data):
            decoded = decode_text(text, chunk.first_line, dialect.meaning, dialect.settled)
            return replace(decoded, notes=(*notes, *decoded.notes))
        text, torn, values = without_torn_day(text, chunk.first_line)
        decoded = decode_text(text, chunk.first_line, dialect.meaning, dialect.settled)
        rejects = (*decoded.rejects, torn) if torn is not None else decoded.rejects
        return replace(
            decoded, rejects=rejects, rejected=decoded.rejected + values, notes=(*notes, *decoded.notes, CUT)
        )


NEM12 = Nem12Reader()


def count_lines(data: memoryview, start: int, end: int) -> int:
    """Count the line feeds in bytes [start, end), a window at a time."""
    window = 1 << 22
    return sum(bytes(data[at : min(at + window, end)]).count(b"\n") for at in range(start, end, window))


def _next_head(data: memoryview, after: int) -> int | None:
    """Return the offset of the first 200 or 250 record at or behind `after`, None when there is none."""
    window, pattern = 1 << 18, re.compile(rb"(?:^|(?<=\n))(?:\xef\xbb\xbf)?\"?2[05]0\"?,")
    start = max(after - 1, 0)
    while start < len(data):
        text = bytes(data[start : start + window])
        for match in pattern.finditer(text):
            if start + match.start() >= after and (match.start() > 0 or start == 0):
                return start + match.start()
        start += max(len(text) - 16, 1) if start + window < len(data) else len(text)
    return None


def _refuse_unreadable(head: bytes, file_name: str) -> None:
    if not head.strip():
        raise UnreadableFile("the file is empty", where=file_name)
    if b"\0" in head:
        raise UnreadableFile(
            "binary or UTF-16, not text", where=file_name, remedy="save it as plain text (ASCII, UTF-8)"
        )
    if b"\n" not in head and b"\r" in head:
        raise UnreadableFile("lines end in carriage returns only", where=file_name, remedy="save it with line feeds")


def _version(head: bytes, file_name: str) -> str:
    match = ANY_HEADER.match(head.replace(b'"', b""))
    if match is None:
        return "NEM13" if re.search(rb"^250,", head, re.MULTILINE) else "NEM12"
    version = match.group(1).decode("latin-1").strip().upper()
    if version not in {"NEM12", "NEM13"}:
        raise UnknownFormat(
            f"the 100 record says {version!r}", where=f"{file_name} line 1", remedy="NEM12 and NEM13 are read"
        )
    return version


def _clock(head: bytes, options: ReadOptions) -> tuple[str, int, str]:
    """Return zone of the points, market offset and why: Western Australia's market runs at UTC+8."""
    first = next((line for line in head.splitlines() if line.strip()), b"").upper().split(b",")
    western = first[0].endswith(b"100") and len(first) > 3 and first[3].startswith(b"WPN")  # noqa: PLR2004 - sender
    if western or options.zone == WESTERN[0]:
        zone, offset_s = WESTERN
        because = "sender Western Power" if western else "zone given"
    else:
        zone, offset_s = EASTERN
        because = "NEM12 is in market time (AEMO MDFF 3.3)"
    if options.zone:
        zone_of(options.zone)
    return options.zone or zone, offset_s, because

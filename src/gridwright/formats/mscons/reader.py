"""The MSCONS reader: recognise, inspect, cut before messages, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gridwright.domain.errors import UnknownFormat, UnreadableFile
from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence, Reject
from gridwright.formats.decimals import deepest_decimal
from gridwright.formats.mscons.decode import Rules, decode_text
from gridwright.formats.mscons.segments import Marks, marks_of
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.zones import zone_evidence

HEAD_BYTES = 1 << 16
CHUNK_BYTES = 2 << 20
MOST_SEGMENTS = 4_000_000  # of one message: more than a million readings
WINDOW = 1 << 22
LONGEST = 256  # bytes of a segment that are looked at
LEAD = 16  # bytes before a segment that tell whether it begins one
START = re.compile(rb"^(?:\xef\xbb\xbf)?\s*UN[ABH]")


@dataclass(frozen=True, slots=True)
class MsconsDialect:
    """What was found out about one interchange; `messages`: how many there are, `told`: how many UNZ says."""

    rules: Rules
    messages: int
    told: str | None
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class MsconsReader:
    """Reads MSCONS messages of any directory (D.99A to D.04B and later); a place is the number of a segment."""

    name: str = "mscons"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for an interchange that names MSCONS, a little less for any EDIFACT."""
        del file_name
        if not START.match(head):
            return 0.0
        return 1.0 if b"MSCONS" in head else 0.9

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> MsconsDialect:
        """Find service characters, clock and resolution; another message is UnknownFormat, none UnreadableFile."""
        head = bytes(data[:HEAD_BYTES])
        if b"\0" in head:
            raise UnreadableFile("binary or UTF-16, not text", where=file_name, remedy="save it as ISO 8859-1")
        marks = marks_of(head)
        messages, kinds = _messages(data, marks)
        if not messages:
            raise UnreadableFile("no UNH: the interchange holds no message", where=file_name, remedy="ask the sender")
        if "MSCONS" not in kinds:
            raise UnknownFormat(
                f"the message is {', '.join(sorted(kinds)) or 'nameless'}", where=file_name, remedy="MSCONS is read"
            )
        for zone in filter(None, (options.zone, options.default_zone)):
            zone_of(zone)
        clock = options.zone or "UTC"
        decimals = deepest_decimal(data)
        evidence = (
            Evidence("format", "MSCONS", f"{messages} messages (UNH)", "--format"),
            Evidence("stamps", f"as their offset says, else {clock}", "DTM format 303 carries an offset", "--zone"),
            Evidence("places", "numbers of segments", "EDIFACT has no lines", ""),
            zone_evidence(options),
        )
        rules = Rules(options, marks, decimals, options.zone or options.default_zone, clock)
        return MsconsDialect(rules, messages, _told(data, marks), evidence)

    def chunks(self, data: memoryview, dialect: MsconsDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut before UNH, so that each piece holds whole messages."""
        marks = dialect.rules.marks
        start = after or _past_una(data, marks)
        number = 1 + _segments(data, _past_una(data, marks), start, marks)
        while start < len(data):
            end = _next_message(data, start + self.chunk_bytes, marks)
            yield Chunk(start, end, number)
            number += _segments(data, start, end, marks)
            start = end

    def decode(self, data: memoryview, chunk: Chunk, dialect: MsconsDialect) -> Decoded:
        """Decode one piece; a bad value costs itself. Counts at the ends of messages that do not fit are notes."""
        text = bytes(data[chunk.start : chunk.end])
        decoded = _oversized(text, chunk, dialect.rules.marks) or decode_text(text, chunk.first_line, dialect.rules)
        if chunk.end < len(data):
            return decoded
        return replace(decoded, notes=(*decoded.notes, *_closing(dialect)))


MSCONS = MsconsReader()


def _oversized(text: bytes, chunk: Chunk, marks: Marks) -> Decoded | None:
    """Refuse a message of more segments than the memory is meant for; None for any other piece."""
    if len(text) < MOST_SEGMENTS or text.count(marks.terminator) <= MOST_SEGMENTS:
        return None
    lost = max(text.count(b"QTY" + marks.element), 1)
    reason = f"a message of more than {MOST_SEGMENTS:,} segments"
    reject = Reject(chunk.first_line, reason, "ask the sender for smaller messages", "", f"{lost} readings")
    return Decoded(lost, rejects=(reject,), rejected=lost)


def _closing(dialect: MsconsDialect) -> tuple[str, ...]:
    """Compare UNZ with the number of messages."""
    if dialect.told is None:
        return ("no UNZ at the end: the interchange may be cut short",)
    if dialect.told != str(dialect.messages):
        return (f"UNZ tells {dialect.told} messages, there are {dialect.messages}",)
    return ()


def _past_una(data: memoryview, marks: Marks) -> int:
    head = bytes(data[:64])
    at = head.find(b"UNA")
    return at + 9 if 0 <= at < 8 and marks_of(head) == marks else 0  # noqa: PLR2004 - behind a mark and blanks


def _heads(data: memoryview, marks: Marks, tag: bytes, after: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield offset and content of the segments with a tag at or behind `after`."""
    head = tag + marks.element
    for start in range(after, len(data), WINDOW):
        lead = min(start, LEAD)
        piece = bytes(data[start - lead : start + WINDOW + LONGEST])
        at = piece.find(head, lead)
        while 0 <= at < lead + WINDOW:
            if _begins(piece[max(at - LEAD, 0) : at], marks):
                content = piece[at + len(head) : at + LONGEST].partition(marks.terminator)[0]
                yield start - lead + at, content
            at = piece.find(head, at + 1)


def _begins(before: bytes, marks: Marks) -> bool:
    """Tell whether a segment may begin behind these bytes: a terminator that is not released, or nothing."""
    bare = before.rstrip(b" \r\n").removeprefix(b"\xef\xbb\xbf")
    return not bare or (bare.endswith(marks.terminator) and not bare.endswith(marks.release + marks.terminator))


def _messages(data: memoryview, marks: Marks) -> tuple[int, set[str]]:
    """Count the messages and name their types."""
    count, kinds = 0, set()
    for _, content in _heads(data, marks, b"UNH"):
        count += 1
        parts = content.split(marks.element)
        kinds.add(parts[1].split(marks.component)[0].decode("latin-1") if len(parts) > 1 else "?")
    return count, kinds


def _told(data: memoryview, marks: Marks) -> str | None:
    """Return the number of messages that UNZ tells; None without UNZ."""
    found = [content for _, content in _heads(data, marks, b"UNZ", max(len(data) - 4096, 0))]
    return found[-1].split(marks.element)[0].decode("latin-1").strip() if found else None


def _segments(data: memoryview, start: int, end: int, marks: Marks) -> int:
    """Count the segments in bytes [start, end)."""
    total = 0
    for at in range(start, end, WINDOW):
        piece = bytes(data[at : min(at + WINDOW, end)])
        total += piece.count(marks.terminator)
        total -= piece.count(marks.release + marks.terminator) if marks.release.strip() else 0
    return total


def _next_message(data: memoryview, after: int, marks: Marks) -> int:
    """Return where the first UNH at or behind `after` begins, the end of the data when there is none."""
    return next((offset for offset, _ in _heads(data, marks, b"UNH", after)), len(data))

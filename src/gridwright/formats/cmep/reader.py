"""The CMEP reader: recognise, inspect, cut at line ends, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.cmep.decode import decode_text
from gridwright.formats.cmep.records import Decimals, Rules
from gridwright.formats.cmep.units import SAMPLED
from gridwright.formats.decimals import deepest_decimal
from gridwright.formats.nem12.reader import count_lines
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.zones import zone_evidence

RECORD = re.compile(rb'^(?:\xef\xbb\xbf)?"?(?:MEP[A-Z]{2}0[0-9]|MLA01)"?,', re.MULTILINE)
INTERVALS = re.compile(rb'^(?:\xef\xbb\xbf)?"?MEPMD01"?,', re.MULTILINE | re.IGNORECASE)
HEAD_BYTES = 1 << 16
CHUNK_BYTES = 4 << 20
UNIT = 10  # fields before the unit
USUAL_HEAD = 160  # bytes


@dataclass(frozen=True, slots=True)
class CmepDialect:
    """What was found out about one file."""

    rules: Rules
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class CmepReader:
    """Reads MEPMD01 records, intervals and registers; other record types are refused one by one."""

    name: str = "cmep"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 where a line begins with a CMEP record type."""
        del file_name
        return 1.0 if RECORD.search(head) else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> CmepDialect:
        """Find zone and resolution; a binary file, or one without a MEPMD01 record, is UnreadableFile."""
        head = bytes(data[:HEAD_BYTES])
        if b"\0" in head:
            raise UnreadableFile("binary or UTF-16, not text", where=file_name, remedy="save it as plain text")
        if not _has_intervals(data):
            raise UnreadableFile(
                "no MEPMD01 record: the file holds no interval readings", where=file_name, remedy="ask the sender"
            )
        for zone in filter(None, (options.zone, options.default_zone)):
            zone_of(zone)
        stamps = options.zone or "UTC"
        because = "given" if options.zone else "CMEP stamps are UTC; some systems write local time"
        decimals = _decimals(data)
        evidence = (
            Evidence("format", "CMEP", "lines begin with MEPMD01", "--format"),
            Evidence("stamps", f"{stamps}, interval end", because, "--zone"),
            Evidence("resolution", f"{decimals.deepest} decimals", "the deepest one of the file", ""),
            zone_evidence(options),
        )
        rules = Rules(options, decimals, options.zone or options.default_zone, stamps)
        return CmepDialect(rules, evidence)

    def chunks(self, data: memoryview, dialect: CmepDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut at line ends."""
        del dialect
        line, start = 1 + count_lines(data, 0, after), after
        while start < len(data):
            end = _line_end(data, start + self.chunk_bytes)
            yield Chunk(start, end, line)
            line += count_lines(data, start, end)
            start = end

    def decode(self, data: memoryview, chunk: Chunk, dialect: CmepDialect) -> Decoded:
        """Decode one piece; a bad reading costs itself, a bad header its record."""
        return decode_text(bytes(data[chunk.start : chunk.end]), chunk.first_line, dialect.rules)


CMEP = CmepReader()


def _decimals(data: memoryview) -> Decimals:
    """Return how many decimals the file has, and the samples in it: voltage is not finer because energy is."""
    deepest = deepest_decimal(data)
    sampled: dict[str, int] = {}
    start = 0
    while deepest and start < len(data):
        end = _line_end(data, start + CHUNK_BYTES)
        for unit, lines in _samples(bytes(data[start:end])).items():
            sampled[unit] = max(sampled.get(unit, 0), deepest_decimal(memoryview(b"\n".join(lines))))
        start = end
    return Decimals(deepest, tuple(sorted(sampled.items())))


def _samples(text: bytes) -> dict[str, list[bytes]]:
    """Return the lines of a text whose unit is one of samples, by that unit."""
    lines: dict[str, list[bytes]] = {}
    for line in text.split(b"\n"):
        fields = line[:USUAL_HEAD].split(b",", UNIT + 1)
        if len(fields) <= UNIT + 1:  # its unit may end behind that
            fields = line.split(b",", UNIT + 1)
        unit = _sampled(fields[UNIT]) if len(fields) > UNIT else ""
        if unit:
            lines.setdefault(unit, []).append(line)
    return lines


@lru_cache(maxsize=256)
def _sampled(field: bytes) -> str:
    """Return the unit of a field where it is one of samples."""
    unit = field.strip(b' "').upper().decode("latin-1")
    return unit if unit in SAMPLED else ""


def _has_intervals(data: memoryview) -> bool:
    window, overlap = 1 << 22, 16
    return any(INTERVALS.search(bytes(data[at : at + window + overlap])) for at in range(0, len(data), window))


def _line_end(data: memoryview, after: int) -> int:
    """Return the offset behind the first line feed at or behind `after`."""
    window = 1 << 18
    for start in range(after, len(data), window):
        found = bytes(data[start : start + window]).find(b"\n")
        if found >= 0:
            return start + found + 1
    return len(data)

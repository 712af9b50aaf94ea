"""Writing CMEP: a MEPMD01 record a usage point, series and UTC day, and records of register reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise

import numpy as np

from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.cmep.units import COMMODITIES, LETTER_OF, LETTERS, meaning_of, unit_of
from gridwright.formats.compact import compact_stamps
from gridwright.formats.keeps import Keeps, always
from gridwright.formats.writer import pattern_of, phase_of, plain_id, require, written_values

VERSION, SENDER = "20080501", "GRIDWRIGHT"
COMMODITY = {name: letter for letter, name in COMMODITIES.items()}
CODES = [f"{LETTER_OF.get(Status(byte & 0x0F), 'N') if byte & 0x0F <= max(Status) else 'N'}0" for byte in range(256)]
READS_A_RECORD = 96


def kept_quality(quality: int) -> int:
    """Return the quality that a letter is read as."""
    return LETTERS[CODES[quality][0]]


def kept_kind(kind: ReadingType) -> ReadingType:
    """Return what a unit is read as."""
    known = meaning_of(unit_of(kind), COMMODITY.get(kind.commodity, ""), 0)
    return kind if known is None else known.reading_type


KEEPS = Keeps(
    kind=kept_kind,
    quality=kept_quality,
    zone=always("UTC"),
    zone_given="its stamps are UTC, so read it without --zone, where the setting site.zone is {zone}",
    seconds=False,
)


@dataclass(frozen=True, slots=True)
class CmepWriter:
    """Writes CMEP with UTC stamps at the end of each interval, each one written out."""

    name: str = "cmep"
    suffix: str = ".cmep"
    keeps: Keeps = KEEPS

    def written_channel(self, kind: ReadingType) -> str:
        """Return nothing: a unit such as KWHREG tells no channel."""
        del kind
        return ""

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Refuse quantities without a unit in CMEP, and intervals that are no whole minutes."""
        unit = unit_of(kind)
        known = meaning_of(unit, COMMODITY.get(kind.commodity, ""), 0) if unit else None
        if known is None or kind.commodity not in COMMODITY:
            return f"CMEP has no unit for {kind}"
        if known.reading_type.accumulation is not kind.accumulation or known.reading_type.flow is not kind.flow:
            return f"CMEP cannot tell that {kind} is {kind.accumulation}"
        if interval_s % 60 or phase_s % 60 or interval_s > DAY_S:
            return f"CMEP has no stamp for intervals of {interval_s} s that begin at second {phase_s}"
        return ""

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield records: the readings of a usage point and UTC day, then register reads."""
        del points
        for panel in panels:
            require(self.why_not(panel.reading_type, panel.interval_s, phase_of(panel)))
            ends = compact_stamps(epoch_s(panel.start) + panel.interval_s * np.arange(1, panel.slots + 1))
            for row in range(len(panel.points)):
                yield b"".join(_days(panel, row, ends))
        for (point, kind), reads in groupby(registers, key=lambda read: (read.usage_point, read.reading_type)):
            require(self.why_not(kind, 0, 0))
            while batch := list(islice(reads, READS_A_RECORD)):
                yield _reads(point, kind, batch)


CMEP_WRITER = CmepWriter()


def _days(panel: Panel, row: int, ends: Sequence[str]) -> Iterator[bytes]:
    """Yield the record of each UTC day that has a value."""
    first = epoch_s(panel.start)
    cuts = np.unique(np.r_[0, np.arange((-first) % DAY_S or DAY_S, panel.slots * panel.interval_s, DAY_S)])
    bounds = [*(-(-cuts // panel.interval_s)).tolist(), panel.slots]
    pattern, kind = pattern_of(panel.reading_type), panel.reading_type
    for start, end in pairwise(bounds):
        values = panel.values[row, start:end]
        missing = np.isnan(values)
        if missing.all():
            continue
        texts = [pattern % value for value in written_values(kind, values).tolist()]
        codes = [CODES[byte] for byte in panel.quality[row, start:end].tolist()]
        for gap in np.flatnonzero(missing).tolist():
            texts[gap], codes[gap] = "", "N0"
        yield _record(panel.points[row], kind, panel.interval_s, list(zip(ends[start:end], codes, texts, strict=True)))


def _reads(point: str, kind: ReadingType, reads: Sequence[RegisterReading]) -> bytes:
    pattern = pattern_of(kind)
    values = written_values(kind, np.array([read.value for read in reads])).tolist()
    stamps = compact_stamps(np.array([epoch_s(read.at) for read in reads]))
    codes = [CODES[read.quality] for read in reads]
    texts = [pattern % value for value in values]
    return _record(point, kind, 0, list(zip(stamps, codes, texts, strict=True)))


def _record(point: str, kind: ReadingType, interval_s: int, triplets: Sequence[tuple[str, str, str]]) -> bytes:
    days, rest = divmod(interval_s // 60, 1440)
    length = f"00{days:02d}{rest // 60:02d}{rest % 60:02d}"
    plain = plain_id(point, ',"', "CMEP")
    head = f"MEPMD01,{VERSION},{SENDER},,,{plain},{triplets[-1][0]},{plain},OK,{COMMODITY[kind.commodity]}"
    unit = unit_of(kind)
    body = ",".join([f"{stamp},{code},{text}" for stamp, code, text in triplets])
    return f"{head},{unit},1,{length},{len(triplets)},{body}\n".encode()


__all__ = ["CMEP_WRITER", "CmepWriter"]

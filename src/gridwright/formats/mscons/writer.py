"""Writing MSCONS D.04B: one message a usage point, series and run of readings, UTC stamps, register reads by DTM+9."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.compact import compact_stamps
from gridwright.formats.keeps import Keeps, always
from gridwright.formats.mscons.codes import QUALIFIER_OF, QUALIFIERS, meaning_of, obis_of
from gridwright.formats.writer import pattern_of, phase_of, plain_id, require, written_values

SENDER, RECEIVER, REFERENCE = "GRIDWRIGHT", "RECEIVER", "1"
SHORT_GAP = 8  # intervals without a value that a message tells as such; more take more room than another message
RELEASED = str.maketrans({mark: f"?{mark}" for mark in "?+:'"})
CODES = [QUALIFIER_OF[Status(byte & 0x0F)] if byte & 0x0F <= max(Status) else "20" for byte in range(256)]


def kept_quality(quality: int) -> int:
    """Return the quality that a qualifier is read as."""
    return QUALIFIERS[CODES[quality]]


def kept_kind(kind: ReadingType) -> ReadingType:
    """Return what an OBIS code is read as."""
    known = meaning_of(obis_of(kind), 0)
    return kind if known is None else known.reading_type


KEEPS = Keeps(kind=kept_kind, quality=kept_quality, zone=always("UTC"), seconds=False)


@dataclass(frozen=True, slots=True)
class MsconsWriter:
    """Writes an interchange of UNOC text; its header names no real market partner: whoever sends it fills that in."""

    name: str = "mscons"
    suffix: str = ".edi"
    keeps: Keeps = KEEPS

    def written_channel(self, kind: ReadingType) -> str:
        """Return the OBIS code, which tells the counter of a tariff from the total."""
        return obis_of(kind)

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Refuse what has no OBIS code of energy, and intervals that are no whole minutes."""
        if not obis_of(kind):
            return f"MSCONS has no OBIS code for {kind}"
        if interval_s % 60 or phase_s % 60:
            return f"MSCONS has no stamp for intervals of {interval_s} s that begin at second {phase_s}"
        return ""

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield UNA and UNB, a message for each usage point, series and run of readings, and UNZ with their number."""
        del points
        count = 0
        for panel in panels:
            require(self.why_not(panel.reading_type, panel.interval_s, phase_of(panel)))
            stamps = compact_stamps(epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots + 1))
            for row, first, last in _runs(panel):
                if count == 0:
                    yield _opening(stamps[first])
                count += 1
                span, body = stamps[first : last + 1], _intervals(panel, (row, first, last), stamps)
                yield _message(count, panel.points[row], panel.reading_type, span, body)
        for (point, kind), group in groupby(registers, key=lambda read: (read.usage_point, read.reading_type)):
            require(self.why_not(kind, 0, 0))
            reads = list(group)
            stamps = compact_stamps(np.array([epoch_s(read.at) for read in reads]))
            if count == 0:
                yield _opening(stamps[0])
            count += 1
            yield _message(count, point, kind, stamps, _registers(kind, reads, stamps))
        if count == 0:
            yield _opening("197001010000")
        yield f"UNZ+{count}+{REFERENCE}'".encode()


MSCONS_WRITER = MsconsWriter()


def _opening(stamp: str) -> bytes:
    return f"UNA:+.? 'UNB+UNOC:3+{SENDER}:ZZ+{RECEIVER}:ZZ+{stamp[2:8]}:{stamp[8:]}+{REFERENCE}'".encode()


def _message(number: int, point: str, kind: ReadingType, stamps: Sequence[str], body: Sequence[str]) -> bytes:
    """Return a message; `stamps`: the first and the last tell its period."""
    place = plain_id(point, _foreign(point), "MSCONS (ISO 8859-1)").translate(RELEASED)
    obis = obis_of(kind).translate(RELEASED)
    head = (
        f"UNH+{number}+MSCONS:D:04B:UN:2.4c",
        f"BGM+7+{number}+9",
        f"DTM+137:{stamps[-1]}?+00:303",
        f"NAD+MS+{SENDER}",
        f"NAD+MR+{RECEIVER}",
        "UNS+D",
        "NAD+DP",
        f"LOC+172+{place}",
        f"DTM+163:{stamps[0]}?+00:303",
        f"DTM+164:{stamps[-1]}?+00:303",
        "LIN+1",
        f"PIA+5+{obis}:SRW",
    )
    count = len(head) + sum(part.count("'") + 1 for part in body) + 1
    text = "'".join((*head, *body, f"UNT+{count}+{number}", ""))
    return text.encode("latin-1")


def _foreign(point: str) -> str:
    """Return the characters of an id that ISO 8859-1 does not have."""
    return "".join(mark for mark in point if ord(mark) > 255)  # noqa: PLR2004 - the last character of Latin-1


def _runs(panel: Panel) -> Iterator[tuple[int, int, int]]:
    """Yield (row, first slot, slot behind the last) of each run of readings; short gaps lie within a run."""
    for row in range(len(panel.points)):
        filled = np.flatnonzero(~np.isnan(panel.values[row]))
        cuts = np.flatnonzero(np.diff(filled) > SHORT_GAP + 1) + 1
        for run in np.split(filled, cuts) if filled.size else ():
            yield row, int(run[0]), int(run[-1]) + 1


def _intervals(panel: Panel, run: tuple[int, int, int], stamps: Sequence[str]) -> list[str]:
    row, first, last = run
    counts, quality = panel.values[row, first:last], panel.quality[row, first:last]
    values = written_values(panel.reading_type, np.nan_to_num(counts)).tolist()
    codes = [CODES[byte] for byte in np.where(np.isnan(counts), Status.MISSING, quality).tolist()]
    pattern = f"QTY+%s:{pattern_of(panel.reading_type)}'DTM+163:%s?+00:303'DTM+164:%s?+00:303"
    return [
        pattern % part for part in zip(codes, values, stamps[first:last], stamps[first + 1 : last + 1], strict=True)
    ]


def _registers(kind: ReadingType, reads: Sequence[RegisterReading], stamps: Sequence[str]) -> list[str]:
    values = written_values(kind, np.array([read.value for read in reads])).tolist()
    pattern = f"QTY+%s:{pattern_of(kind)}'DTM+9:%s?+00:303"
    return [
        pattern % (CODES[read.quality], value, stamp) for read, value, stamp in zip(reads, values, stamps, strict=True)
    ]

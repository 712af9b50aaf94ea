"""The writer of IEC 61968-9 MeterReadings: panels as IntervalBlocks, register reads as Readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from xml.sax.saxutils import escape

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import GAPS, Status, has_status
from gridwright.domain.reading_type import LARGEST_EXACT, Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats import cim_codes
from gridwright.formats.cim_xml.qualities import codes_of, kept_quality
from gridwright.formats.cim_xml.reading_types import MULTIPLIERS, PERIOD_CODES, code_of
from gridwright.formats.keeps import Keeps, always

BY_ACCUMULATION = {accumulation: name for name, accumulation in cim_codes.BY_KIND.items()}
OPENING = '<?xml version="1.0" encoding="UTF-8"?>\n<MeterReadings xmlns="http://iec.ch/TC57/2011/MeterReadings#">\n'
READINGS_A_PIECE = 3000
QUALITY = '<ReadingQualities><ReadingQualityType ref="{}"/></ReadingQualities>'
INTERVAL = "<IntervalReadings><timeStamp>%s</timeStamp><value>%d</value>{}</IntervalReadings>\n"
REGISTER = '<Readings><timeStamp>%s</timeStamp><value>%d</value>{}<ReadingType ref="{}"/></Readings>\n'


def kept_kind(kind: ReadingType) -> ReadingType:
    """Return what a code is read as."""
    found = cim_codes.meaning_of(cim_codes.codes_of(kind), kind=BY_ACCUMULATION.get(kind.accumulation, ""))
    return kind if isinstance(found, str) else found.reading_type


KEEPS = Keeps(kind=kept_kind, quality=kept_quality, zone=always("UTC"), meters=True)


@dataclass(frozen=True, slots=True)
class CimXmlWriter:
    """Writes MeterReadings: stamps are UTC and end their interval, values are counts of the code's multiplier.

    Intervals without a value, and refused values, are left out.
    """

    name: str = "cim-xml"
    suffix: str = ".xml"
    keeps: Keeps = KEEPS

    def written_channel(self, kind: ReadingType) -> str:
        """Return the part that the code has a place for: quadrant, phase, tariff and tier."""
        marks = cim_codes.marks_of(kind)
        return marks[0] if marks else ""

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Say why a message cannot hold a series; empty when it can."""
        del phase_s
        if kind.exponent not in MULTIPLIERS:
            return f"no code for a resolution of 10^{kind.exponent}"
        if interval_s and interval_s not in PERIOD_CODES:
            return f"no code for intervals of {interval_s} s"
        return cim_codes.why_not(kind)

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the message piece by piece; a value that is no whole count is a UsageError."""
        del points
        yield OPENING.encode()
        for panel in panels:
            for row in range(len(panel.points)):
                yield from _intervals(panel, row)
        for (point, device), reads in groupby(registers, key=lambda read: (read.usage_point, read.end_device)):
            yield _registers(point, device, [*reads]).encode()
        yield b"</MeterReadings>\n"


CIM_XML_WRITER = CimXmlWriter()


def _intervals(panel: Panel, row: int) -> Iterator[bytes]:
    """Yield one usage point's intervals, some thousand a MeterReading."""
    values, quality = panel.values[row], panel.quality[row]
    slots = np.flatnonzero(~np.isnan(values) & ~has_status(quality, GAPS))
    _check(values[slots], panel.points[row])
    ends = epoch_s(panel.start) + panel.interval_s * (slots.astype(np.int64) + 1)
    templates = {byte: INTERVAL.format(_qualities(byte)) for byte in np.unique(quality[slots]).tolist()}
    code = code_of(panel.reading_type, panel.interval_s)
    for first in range(0, slots.size, READINGS_A_PIECE):
        some = slots[first : first + READINGS_A_PIECE]
        stamps = np.datetime_as_string(ends[first : first + READINGS_A_PIECE].astype("datetime64[s]"))
        rows = "".join(map(templates.__getitem__, quality[some].tolist()))
        pairs = zip((f"{stamp}Z" for stamp in stamps.tolist()), values[some].astype(np.int64).tolist(), strict=True)
        rows %= tuple(one for pair in pairs for one in pair)
        block = f'<IntervalBlocks>\n{rows}<ReadingType ref="{code}"/>\n</IntervalBlocks>\n'
        yield f"<MeterReading>\n{block}{_usage_point(panel.points[row])}</MeterReading>\n".encode()


def _registers(point: str, device: str, reads: Sequence[RegisterReading]) -> str:
    """Return one MeterReading of register reads."""
    kept = [read for read in reads if Status(read.quality & 0x0F) not in GAPS]
    _check(np.array([read.value for read in kept]), point)
    rows = []
    for read in kept:
        code = code_of(replace(read.reading_type, accumulation=Accumulation.CUMULATIVE), 0)
        stamp = read.at.strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append(REGISTER.format(_qualities(read.quality), code) % (stamp, int(read.value)))
    meter = f"<Meter><mRID>{escape(device)}</mRID></Meter>\n" if device else ""
    return f"<MeterReading>\n{meter}{''.join(rows)}{_usage_point(point)}</MeterReading>\n" if rows else ""


def _usage_point(point: str) -> str:
    return f"<UsagePoint><mRID>{escape(point)}</mRID></UsagePoint>\n"


def _qualities(quality: int) -> str:
    return "".join(map(QUALITY.format, codes_of(quality)))


def _check(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], point: str) -> None:
    wrong = (values != np.rint(values)) | (np.abs(values) > LARGEST_EXACT)
    if wrong.any():
        raise UsageError(
            f"{values[wrong][0]!r} is no whole count", where=f"usage point {point}", remedy="export it as parquet"
        )

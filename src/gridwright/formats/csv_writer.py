"""Writing CSV: a row a reading with its zone's offset, or a row a civil day with a column for each passed interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar, local_to_utc, utc_offsets
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import MISSING
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.keeps import Keeps, always, hours_of
from gridwright.formats.layout import LONG_DAY_COLUMNS
from gridwright.formats.writer import (
    QUALITY_WORDS,
    WRITTEN_UNIT,
    every_channel,
    holds_everything,
    pattern_of,
    phase_of,
    require,
    written_values,
)
from gridwright.formats.zones import zone_from_offsets

Index = npt.NDArray[np.int64]
LONG = ("usage_point", "reading_type", "start", "end", "value", "unit", "quality")
WIDE = ("usage_point", "reading_type", "date", "unit", "quality")
COLUMNS_OF = {minutes: columns for columns, minutes in LONG_DAY_COLUMNS.items()}
READS_A_PIECE = 10_000
SLOTS_A_PIECE = 1 << 16


def zone_by_offsets(zone: str, span: tuple[int, int]) -> str:
    """Return the zone that a reader takes local stamps of a time to be of."""
    at = hours_of(span)
    return zone_from_offsets(at, utc_offsets(at, zone).astype(np.int64), "UTC")[0].zone


KEEPS = Keeps(zone=zone_by_offsets)


@dataclass(frozen=True, slots=True)
class CsvWriter:
    """Writes long CSV: every reading, its type in full, the local time with its offset, quality and method in words."""

    name: str = "csv"
    suffix: str = ".csv"
    keeps: Keeps = KEEPS

    written_channel = every_channel
    why_not = holds_everything

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the header, a row for each interval that has a value, and a row for each register read."""
        yield (",".join(LONG) + "\n").encode()
        for panel in panels:
            stamps: dict[str, list[str]] = {}
            for row, point in enumerate(panel.points):
                zone = _zone(points, point)
                if zone not in stamps:
                    stamps[zone] = local_stamps(_edges(panel), zone)
                yield from _intervals(panel, row, stamps[zone])
        for (point, kind), group in groupby(registers, key=lambda read: (read.usage_point, read.reading_type)):
            yield _reads(point, kind, list(group), _zone(points, point))


WIDE_KEEPS = Keeps(zone=always("UTC"))


@dataclass(frozen=True, slots=True)
class WideCsvWriter:
    """Writes wide CSV: a row a civil day, columns 1 to 25, 50, 100 ... for the intervals passed since midnight.

    The long day of autumn fills all columns, the short one of spring leaves more of them empty. A day whose readings
    differ in quality takes a row for each. The zone is not written: the reader needs `--zone`.
    """

    name: str = "wide-csv"
    suffix: str = ".csv"
    keeps: Keeps = WIDE_KEEPS

    written_channel = every_channel

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Refuse registers, and intervals other than 5, 10, 15, 30 and 60 minutes."""
        del kind, phase_s
        if not interval_s:
            return "a row a day holds no register reads"
        return "" if COLUMNS_OF.get(interval_s // 60) and not interval_s % 60 else f"no row a day of {interval_s} s"

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the header and the days of each usage point; two zones or two interval lengths are a UsageError."""
        zones: set[str] = set()
        interval_s = 0
        for panel in panels:
            require(self.why_not(panel.reading_type, panel.interval_s, phase_of(panel)))
            zones.update(_zone(points, point) for point in panel.points)
            if len(zones) > 1 or interval_s not in {0, panel.interval_s}:
                raise _no_two(zones, (interval_s, panel.interval_s), panel)
            if not interval_s:
                interval_s = panel.interval_s
                names = [*WIDE, *map(str, range(1, COLUMNS_OF[interval_s // 60] + 1))]
                yield (",".join(names) + "\n").encode()
            for row in range(len(panel.points)):
                yield _days(panel, row, next(iter(zones)))
        for read in registers:
            require(self.why_not(read.reading_type, 0, 0))
        if not interval_s:
            yield (",".join(WIDE) + "\n").encode()


def _no_two(zones: set[str], intervals_s: tuple[int, int], panel: Panel) -> UsageError:
    """Return the refusal of a second zone or interval length; it names both, and whose the second is."""
    what, both = "interval lengths", " and ".join(f"{each // 60} min" for each in intervals_s)
    if len(zones) > 1:
        what, both = "zones", " and ".join(sorted(zones)[:2])
    remedy = "export the usage points of each by themselves (name them), or all of them as csv"
    return UsageError(f"a wide file holds no two {what}, such as {both} (up to {panel.points[-1]})", remedy=remedy)


CSV_WRITER, WIDE_CSV_WRITER = CsvWriter(), WideCsvWriter()


def _zone(points: Mapping[str, UsagePoint], point: str) -> str:
    return points[point].zone if point in points else "UTC"


def _edges(panel: Panel) -> Index:
    return epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots + 1, dtype=np.int64)


def local_stamps(at: Index, zone: str) -> list[str]:
    """Write instants on the clock of a zone with its offset, such as 2025-03-30T03:00:00+02:00."""
    offsets = utc_offsets(at, zone).astype(np.int64)
    texts = np.datetime_as_string((at + offsets).astype("datetime64[s]")).tolist()
    ends = {int(offset): _offset(int(offset)) for offset in np.unique(offsets)}
    return [text + ends[offset] for text, offset in zip(texts, offsets.tolist(), strict=True)]


def _offset(seconds: int) -> str:
    # Local mean time of the 19th century has seconds; a stamp has none, and UTC says the same instant.
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def cell(text: str) -> str:
    """Return a text as a CSV cell, quoted where it must be."""
    if text.isascii() and text.replace("_", "").replace("-", "").isalnum():
        return text
    sink = io.StringIO()
    csv.writer(sink, lineterminator="").writerow([text])
    return sink.getvalue()


def _intervals(panel: Panel, row: int, stamps: Sequence[str]) -> Iterator[bytes]:
    kind = panel.reading_type
    head, unit = f"{cell(panel.points[row])},{cell(kind.code)}", WRITTEN_UNIT[kind.quantity]
    pattern = f"{head.replace('%', '%%')},%s,%s,{pattern_of(kind)},{unit},%s\n"
    for first in range(0, panel.slots, SLOTS_A_PIECE):
        which = np.flatnonzero(~np.isnan(panel.values[row, first : first + SLOTS_A_PIECE])) + first
        values = written_values(kind, panel.values[row, which]).tolist()
        words = [QUALITY_WORDS[byte] for byte in panel.quality[row, which].tolist()]
        places = which.tolist()
        lines = [
            pattern % (stamps[place], stamps[place + 1], value, word)
            for place, value, word in zip(places, values, words, strict=True)
        ]
        yield "".join(lines).encode()


def _reads(point: str, kind: ReadingType, reads: Sequence[RegisterReading], zone: str) -> bytes:
    values = written_values(kind, np.array([read.value for read in reads])).tolist()
    stamps = local_stamps(np.array([epoch_s(read.at) for read in reads], np.int64), zone)
    head, unit, pattern = f"{cell(point)},{cell(kind.code)}", WRITTEN_UNIT[kind.quantity], pattern_of(kind)
    return "".join(
        f"{head},{stamp},{stamp},{pattern % value},{unit},{QUALITY_WORDS[read.quality]}\n"
        for read, stamp, value in zip(reads, stamps, values, strict=True)
    ).encode()


def _days(panel: Panel, row: int, zone: str) -> bytes:
    """Return the civil days of a usage point that have a value."""
    missing = np.isnan(panel.values[row])
    filled = np.flatnonzero(~missing)
    if not filled.size:
        return b""
    calendar = panel.calendar(zone)
    starts = [*calendar.day_starts.tolist(), panel.slots]
    kind, columns = panel.reading_type, COLUMNS_OF[panel.interval_s // 60]
    head, unit = f"{cell(panel.points[row])},{cell(kind.code)}", WRITTEN_UNIT[kind.quantity]
    values = written_values(kind, np.nan_to_num(panel.values[row])).tolist()
    texts = [pattern_of(kind) % value for value in values]
    quality = np.where(missing, MISSING, panel.quality[row])
    dates = np.datetime_as_string(calendar.dates).tolist()
    leads = _leads(panel, calendar)
    lines = []
    for first, last in pairwise(starts):
        lead = leads[first]
        for one in np.unique(quality[first:last][~missing[first:last]]).tolist():
            cells = [""] * columns
            for slot in np.flatnonzero((quality[first:last] == one) & ~missing[first:last]).tolist():
                cells[lead + slot] = texts[first + slot]
            lines.append(f"{head},{dates[first]},{unit},{QUALITY_WORDS[one]},{','.join(cells)}\n")
    return "".join(lines).encode()


def _leads(panel: Panel, calendar: LocalCalendar) -> dict[int, int]:
    """Return, for the first slot of each civil day, how many intervals of the day have passed by then."""
    first = calendar.day_starts
    midnight, _, _ = local_to_utc(calendar.day[first].astype(np.int64) * DAY_S, calendar.zone)
    passed, off = np.divmod(calendar.start_s[first] - midnight, panel.interval_s)
    if off.any():
        raise UsageError(
            f"the civil days of {calendar.zone} do not begin with an interval of {panel.interval_s // 60} min",
            remedy="export it as csv or parquet",
        )
    return dict(zip(first.tolist(), passed.tolist(), strict=True))

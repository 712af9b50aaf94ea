"""The Green Button writer: panels and register reads as an ESPI feed that reads back as the same readings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, pairwise
from xml.sax.saxutils import escape

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import GAPS, Status, has_status
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats import cim_codes
from gridwright.formats.green_button.clock import local_time
from gridwright.formats.green_button.entries import quoted
from gridwright.formats.green_button.qualities import codes_of, kept_quality
from gridwright.formats.keeps import Keeps
from gridwright.formats.writer import every_channel

ROOT = "/espi/1_1/resource/"
NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 9562: names that are addresses
LARGEST = 2**47 - 1  # Int48 of the ESPI schema
READS_A_BLOCK = 1000
COMMODITY_KINDS = {"electricity": 0, "gas": 1, "water": 2, "heat": 4}
READING = (
    "<IntervalReading>{qualities}<timePeriod><duration>{duration}</duration><start>%d</start></timePeriod>"
    "<value>%d</value></IntervalReading>\n"
)
QUALITY = "<ReadingQuality><quality>{}</quality></ReadingQuality>"


@dataclass(slots=True)
class _Feed:
    """A feed on its way: when it was last updated, and which entries have been written already."""

    points: Mapping[str, UsagePoint]
    updated: str
    written: set[str] = field(default_factory=set)

    def once(self, address: str) -> bool:
        """Tell whether an entry is still to be written, and take note of it."""
        new = address not in self.written
        self.written.add(address)
        return new

    def zone(self, point: str) -> str:
        """Return the zone of a usage point."""
        return self.points[point].zone if point in self.points else "UTC"

    def entry(self, address: str, title: str, content: str, links: Sequence[tuple[str, str]] = ()) -> str:
        """Return one entry; `links`: (rel, address) besides its own."""
        hrefs = [("self", address), ("up", address.rpartition("/")[0]), *links]
        shown = "".join(f'<link rel="{rel}" href="{ROOT}{href}"/>\n' for rel, href in hrefs)
        return (
            f"<entry>\n<id>urn:uuid:{uuid.uuid5(NAMES, ROOT + address)}</id>\n{shown}<title>{escape(title)}</title>\n"
            f"<content>{content}</content>\n<published>{self.updated}</published>\n<updated>{self.updated}</updated>\n"
            "</entry>\n"
        )


@dataclass(frozen=True, slots=True)
class _Series:
    """What an IntervalBlock belongs to, with the addresses of its entries; `interval_s` is 0 for registers."""

    point: str
    kind: ReadingType
    interval_s: int = 0
    device: str = ""

    @property
    def place(self) -> str:
        """Address of the usage point."""
        return f"UsagePoint/{quoted(self.point)}"

    @property
    def kind_at(self) -> str:
        """Address of the reading type."""
        return f"ReadingType/{quoted(f'{self.kind.code}/{self.interval_s}')}"

    @property
    def reading(self) -> str:
        """Address of the meter reading."""
        name = f"{self.kind.code}/{self.interval_s}" + (f"/{self.device}" if self.device else "")
        return f"{self.place}/MeterReading/{quoted(name)}"


KEEPS = Keeps(quality=kept_quality, meters=True)


@dataclass(frozen=True, slots=True)
class GreenButtonWriter:
    """Writes Green Button feeds: an IntervalBlock a local day, zones as LocalTimeParameters, one quality a reading.

    Intervals without a value, and refused values, are left out: a feed has no word for them.
    """

    name: str = "green-button"
    suffix: str = ".xml"
    keeps: Keeps = KEEPS

    written_channel = every_channel

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Say why a feed cannot hold a series; empty when it can."""
        del interval_s, phase_s
        return cim_codes.why_not(kind)

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the feed piece by piece; a value beyond 48 bits or no whole count is a UsageError."""
        feed: _Feed | None = None
        for panel in panels:
            if feed is None:
                feed = _Feed(points, _stamp(panel.end))
                yield _opening(feed).encode()
            for row in range(len(panel.points)):
                yield "".join(_panel_entries(feed, panel, row)).encode()
        for series, reads in groupby(registers, key=_register):
            some = list(reads)
            if feed is None:
                feed = _Feed(points, _stamp(some[-1].at))
                yield _opening(feed).encode()
            yield "".join(_register_entries(feed, series, some)).encode()
        if feed is None:
            feed = _Feed(points, "1970-01-01T00:00:00Z")
            yield _opening(feed).encode()
        yield b"</feed>\n"


GREEN_BUTTON_WRITER = GreenButtonWriter()


def _opening(feed: _Feed) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<id>urn:uuid:{uuid.uuid5(NAMES, ROOT)}</id>\n<title>Green Button Usage Feed</title>\n"
        f"<updated>{feed.updated}</updated>\n"
        f'<link rel="self" href="{ROOT}Subscription/1"/>\n'
    )


def _register(read: RegisterReading) -> _Series:
    kind = replace(read.reading_type, accumulation=Accumulation.CUMULATIVE)
    return _Series(read.usage_point, kind, device=read.end_device)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _espi(name: str, fields: str) -> str:
    return f'<{name} xmlns="http://naesb.org/espi">{fields}</{name}>'


def _fields(pairs: Sequence[tuple[str, object]]) -> str:
    return "".join(f"<{name}>{number}</{name}>" for name, number in pairs)


def _head(feed: _Feed, series: _Series, moment: datetime) -> Iterator[str]:
    """Yield what must be known before the readings of a series, each once: usage point, clock, meter reading, type."""
    kind, clock = series.kind, f"LocalTimeParameters/{quoted(feed.zone(series.point))}"
    if feed.once(series.place):
        service = f"<ServiceCategory><kind>{COMMODITY_KINDS[kind.commodity]}</kind></ServiceCategory>"
        links = [("related", f"{series.place}/MeterReading"), ("related", clock)]
        yield feed.entry(series.place, series.point, _espi("UsagePoint", service), links)
    if feed.once(clock):
        zone = feed.zone(series.point)
        yield feed.entry(clock, zone, _espi("LocalTimeParameters", _clock_fields(zone, moment.year)))
    if feed.once(series.reading):
        title = f"meter {series.device}" if series.device else str(kind)
        links = [("related", f"{series.reading}/IntervalBlock"), ("related", series.kind_at)]
        yield feed.entry(series.reading, title, _espi("MeterReading", ""), links)
    if feed.once(series.kind_at):
        yield feed.entry(series.kind_at, kind.code, _espi("ReadingType", _kind_fields(kind, series.interval_s)))


def _clock_fields(zone: str, year: int) -> str:
    clock = local_time(zone, year)
    return _fields(
        [
            ("dstEndRule", f"{clock.dst_end:08X}"),
            ("dstOffset", clock.dst_offset),
            ("dstStartRule", f"{clock.dst_start:08X}"),
            ("tzOffset", clock.tz_offset),
        ]
    )


def _kind_fields(kind: ReadingType, interval_s: int) -> str:
    codes = cim_codes.codes_of(kind)
    pairs: list[tuple[str, object]] = [
        ("accumulationBehaviour", codes.accumulation),
        ("commodity", codes.commodity),
        ("dataQualifier", 12),
        ("flowDirection", codes.flow),
        ("intervalLength", interval_s),
        ("kind", cim_codes.KINDS[kind.quantity]),
        ("powerOfTenMultiplier", codes.multiplier),
        ("uom", codes.uom),
    ]
    return _fields([pair for pair in pairs if pair[0] != "intervalLength" or interval_s])


def _panel_entries(feed: _Feed, panel: Panel, row: int) -> Iterator[str]:
    """Yield the entries of one usage point's row, an IntervalBlock a local day."""
    point, values, quality = panel.points[row], panel.values[row], panel.quality[row]
    keep = ~np.isnan(values) & ~has_status(quality, GAPS)
    if not keep.any():
        return
    _check(values[keep], point)
    series = _Series(point, panel.reading_type, panel.interval_s)
    yield from _head(feed, series, panel.start)
    starts = epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots, dtype=np.int64)
    templates = _templates(quality[keep], panel.interval_s)
    days = [*panel.calendar(feed.zone(point)).day_starts.tolist(), panel.slots]
    for first, last in pairwise(days):
        slots = np.flatnonzero(keep[first:last]) + first
        if slots.size:
            span = (int(starts[first]), (last - first) * panel.interval_s)
            rows = "".join(map(templates.__getitem__, quality[slots].tolist()))
            columns = np.column_stack([starts[slots], values[slots].astype(np.int64)])
            yield _block(feed, series.reading, span, rows % tuple(columns.ravel().tolist()))


def _templates(quality: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], duration: int) -> dict[int, str]:
    """Return the text of a reading for each quality byte, with places for start and value."""
    return {
        byte: READING.format(qualities="".join(map(QUALITY.format, codes_of(byte))), duration=duration)
        for byte in np.unique(quality).tolist()
    }


def _block(feed: _Feed, reading: str, span: tuple[int, int], readings: str) -> str:
    start, duration = span
    interval = f"<interval><duration>{duration}</duration><start>{start}</start></interval>\n"
    return feed.entry(f"{reading}/IntervalBlock/{start}", "", _espi("IntervalBlock", interval + readings))


def _register_entries(feed: _Feed, series: _Series, reads: Sequence[RegisterReading]) -> Iterator[str]:
    """Yield the entries of one register's reads, which are instants: their durations are zero."""
    kept = [read for read in reads if Status(read.quality & 0x0F) not in GAPS]
    if not kept:
        return
    _check(np.array([read.value for read in kept]), series.point)
    yield from _head(feed, series, kept[0].at)
    templates = _templates(np.array([read.quality for read in kept], np.uint8), 0)
    for first in range(0, len(kept), READS_A_BLOCK):
        some = kept[first : first + READS_A_BLOCK]
        rows = "".join(templates[read.quality] % (epoch_s(read.at), int(read.value)) for read in some)
        span = (epoch_s(some[0].at), epoch_s(some[-1].at) - epoch_s(some[0].at))
        yield _block(feed, series.reading, span, rows)


def _check(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], point: str) -> None:
    wrong = (values != np.rint(values)) | (np.abs(values) > LARGEST)
    if wrong.any():
        raise UsageError(
            f"{values[wrong][0]!r} is no whole count of at most 48 bits, as Green Button needs",
            where=f"usage point {point}",
            remedy="export it in another format, such as parquet",
        )

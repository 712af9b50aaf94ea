"""The Green Button reader: recognise, inspect, cut into pieces, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gridwright.domain.interval import from_epoch_s, zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.cim_codes import Meaning
from gridwright.formats.green_button.clock import zone_for
from gridwright.formats.green_button.decode import decode_piece
from gridwright.formats.green_button.entries import entries
from gridwright.formats.green_button.feed import Feed
from gridwright.formats.markup import Prolog, cut, cut_off, fault, head_holds, oversized, read_prolog
from gridwright.formats.source import Chunk, Decoded, ReadOptions

NAMESPACE = b"http://naesb.org/espi"
ATOM = b"http://www.w3.org/2005/Atom"
CHUNK_BYTES = 2 << 20
SAMPLE_BYTES = 4 << 20
MILLI = re.compile(rb"powerOfTenMultiplier>\s*-")
# A value whose last three digits are not all zero: of milliunits, it is no whole number of units.
FINE = re.compile(rb"value>\s*-?\d*?[1-9]\d{0,2}\s*<")
FIRST_START = re.compile(rb"IntervalReading[\s>].{0,400}?start>\s*(\d{1,10})\s*<", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GreenButtonDialect:
    """What was found out about one feed; `zones`: usage point → IANA zone."""

    prolog: Prolog
    feed: Feed
    zones: Mapping[str, str]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class GreenButtonReader:
    """Reads Green Button feeds (ESPI, NAESB REQ.21), whole or a single entry; `chunk_bytes` is the size of a piece."""

    name: str = "green-button"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for markup in the ESPI namespace, a little for other Atom feeds."""
        del file_name
        if head_holds(head, NAMESPACE):
            return 1.0
        return 0.6 if head_holds(head, ATOM) else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> GreenButtonDialect:
        """Find usage points, reading types and zones; UnreadableFile where there is no IntervalBlock."""
        prolog = read_prolog(data, file_name)
        if options.zone:
            zone_of(options.zone)
        feed = Feed(options)
        fine = MILLI.search(data) is not None and FINE.search(data) is not None
        for entry in entries(data, prolog):
            feed.add(entry, fine=fine)
        if prolog.root == "schema" or (not feed.blocks and b"IntervalBlock" not in bytes(data)):
            held = ", ".join(name for name in (*feed.others, *_found(feed)) if name) or prolog.root
            raise fault(
                f"no IntervalBlock: it holds {held}, and no readings",
                file_name,
                remedy="ask for the usage feed (Green Button download)",
            )
        zones, told = _zones(feed, data, options)
        return GreenButtonDialect(prolog, feed, zones, (_format(feed), *_kinds(feed), *told, *prolog.evidence))

    def chunks(self, data: memoryview, dialect: GreenButtonDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut before entries."""
        return cut(data, b"<" + dialect.prolog.tag("entry"), self.chunk_bytes, after)

    def decode(self, data: memoryview, chunk: Chunk, dialect: GreenButtonDialect) -> Decoded:
        """Decode one piece; bad readings become rejects, the rest is kept."""
        text = bytes(data[chunk.start : chunk.end])
        decoded = oversized(text, chunk.first_line, dialect.prolog.tag("IntervalReading")) or decode_piece(
            text, chunk.start, chunk.first_line, dialect.feed, dialect.prolog
        )
        points = dict.fromkeys(point for series in decoded.series for point in series.points)
        default = next(iter(dialect.zones.values()), "")
        decoded = replace(
            decoded, zones={point: dialect.zones.get(point, default) for point in points}, notes=_notes(dialect)
        )
        end = cut_off(data, dialect.prolog.tag(dialect.prolog.root)) if chunk.end >= len(data) else None
        return (
            decoded if end is None else replace(decoded, rejects=(*decoded.rejects, end), rejected=decoded.rejected + 1)
        )


GREEN_BUTTON = GreenButtonReader()


def _found(feed: Feed) -> Iterator[str]:
    """Name the resources that a feed without readings holds."""
    for name, held in (("UsagePoint", feed.points), ("ReadingType", feed.kinds), ("MeterReading", feed.readings)):
        if held:
            yield name


def _format(feed: Feed) -> Evidence:
    counts = (
        (len(set(feed.points.values())), "usage point"),
        (len(feed.kinds), "reading type"),
        (feed.blocks, "IntervalBlock entry"),
    )
    shown = ", ".join(f"{count} × {name}" for count, name in counts if count)
    return Evidence("format", "Green Button (ESPI)", shown or "an IntervalBlock without a feed", "--format")


def _kinds(feed: Feed) -> Iterator[Evidence]:
    for kind in dict.fromkeys(feed.kinds.values()):
        if isinstance(kind.meaning, Meaning):
            length = f", {kind.interval_s} s" if kind.interval_s else ""
            yield Evidence("reading type", f"{kind.meaning.reading_type}{length}", "its ReadingType says so", "--kind")


def _notes(dialect: GreenButtonDialect) -> tuple[str, ...]:
    summaries = sum(count for name, count in dialect.feed.others.items() if name.endswith("Summary"))
    return (
        (f"{summaries} summaries of the sender are left out: totals are computed from the readings",)
        if summaries
        else ()
    )


def _zones(feed: Feed, data: memoryview, options: ReadOptions) -> tuple[dict[str, str], list[Evidence]]:
    """Return the zone of each usage point, and what tells it."""
    named = list(dict.fromkeys(feed.points.values())) or [options.point]
    points = [options.point] if options.point else named
    if options.zone:
        return dict.fromkeys(points, options.zone), [Evidence("zone", options.zone, "given", "--zone")]
    first = FIRST_START.search(data[:SAMPLE_BYTES])
    year = from_epoch_s(int(first.group(1))).year if first else datetime(2020, 1, 1, tzinfo=UTC).year
    zones: dict[str, str] = {}
    told: dict[Evidence, None] = {}
    for point, own in zip(points, named if not options.point else points, strict=True):
        clock = feed.clock(own) or (next(iter(feed.clocks.values())) if options.point and feed.clocks else None)
        if clock is None:
            zones[point] = options.default_zone
            because = "assumed: no LocalTimeParameters in the feed"
            told[Evidence("zone", options.default_zone, because, "--zone")] = None
        else:
            zones[point], because_of = zone_for(clock, year, options.default_zone)
            told[because_of] = None
    return zones, list(told)

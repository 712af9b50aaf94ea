"""The reader of IEC 61968-9 MeterReadings: recognise, inspect, cut into pieces, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.cim_codes import deepest_decimals
from gridwright.formats.cim_xml.decode import Meaning, decode_both
from gridwright.formats.cim_xml.end_device_events import EVENT, Wanted, decode_events
from gridwright.formats.markup import Prolog, cut, cut_off, fault, head_holds, oversized, read_prolog
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.stamps import read_stamps
from gridwright.formats.zones import zone_from_offsets

NAMESPACE = b"http://iec.ch/TC57/"
CHUNK_BYTES = 2 << 20
ELEMENT = re.compile(rb"<(?:([\w.\-]+):)?MeterReading[\s>]")
EVENTS = re.compile(rb"<(?:([\w.\-]+):)?EndDeviceEvent[\s>]")
STAMP = re.compile(rb"(?:timeStamp|createdDateTime)>\s*([0-9][0-9T:.Z+\-]{9,34})\s*<")
NOUN = re.compile(rb"Noun>\s*([A-Za-z]{1,40})\s*<")
SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class CimXmlDialect:
    """What was found out about one file: `mark` is how a MeterReading, or with `events` an EndDeviceEvent, begins."""

    prolog: Prolog
    mark: bytes
    meaning: Meaning
    evidence: tuple[Evidence, ...]
    events: bool = False


@dataclass(frozen=True, slots=True)
class CimXmlReader:
    """Reads MeterReadings and EndDeviceEvents of IEC 61968-9 (CIM); `chunk_bytes` is the size of a piece."""

    name: str = "cim-xml"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for markup in a namespace of IEC TC 57."""
        del file_name
        return 1.0 if head_holds(head, NAMESPACE) else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> CimXmlDialect:
        """Find resolution and zone; UnreadableFile where there is no MeterReading and no event."""
        prolog = read_prolog(data, file_name)
        element = ELEMENT.search(data)
        if element is None and (event := EVENTS.search(data)) is not None:
            return _events(data, prolog, event.group(1), options)
        if element is None:
            noun = NOUN.search(bytes(data[:SAMPLE_BYTES]))
            held = noun.group(1).decode() if noun else prolog.root
            reason = f"no MeterReading: it is a message about {held}, not measured data"
            raise fault(reason, file_name, remedy="ask for a message of MeterReadings or EndDeviceEvents")
        zone, told = _zone(data, options)
        decimals = deepest_decimals(data, b"value>")
        end = "start" if options.stamp == "start" else "end"
        because = "given" if options.stamp else "IEC 61968-9: the time stamp of an interval is its end"
        evidence = (
            Evidence("format", "IEC 61968-9 MeterReadings", f"root {prolog.root}", "--format"),
            Evidence("stamps", f"{end} of the interval", because, "--stamp"),
            told,
            *prolog.evidence,
        )
        mark = _mark(element.group(1), b"MeterReading")
        return CimXmlDialect(prolog, mark, Meaning(options, decimals, zone), evidence)

    def chunks(self, data: memoryview, dialect: CimXmlDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut before MeterReading elements, or before events where there are no others."""
        return cut(data, dialect.mark, self.chunk_bytes, after)

    def decode(self, data: memoryview, chunk: Chunk, dialect: CimXmlDialect) -> Decoded:
        """Decode one piece; bad readings become rejects, the rest is kept."""
        text = bytes(data[chunk.start : chunk.end])
        decoded = oversized(text, chunk.first_line, dialect.mark.removeprefix(b"<")) or _decode(
            text, chunk.first_line, dialect
        )
        points = dict.fromkeys(point for series in decoded.series for point in series.points)
        decoded = replace(decoded, zones=dict.fromkeys(points, dialect.meaning.zone))
        end = cut_off(data, dialect.prolog.tag(dialect.prolog.root)) if chunk.end >= len(data) else None
        return (
            decoded if end is None else replace(decoded, rejects=(*decoded.rejects, end), rejected=decoded.rejected + 1)
        )


CIM_XML = CimXmlReader()


def _decode(text: bytes, first_line: int, dialect: CimXmlDialect) -> Decoded:
    if not dialect.events:
        return decode_both(text, first_line, dialect.meaning, dialect.prolog)
    wanted = Wanted(dialect.meaning.options.point, dialect.meaning.zone)
    return decode_events(text, first_line, wanted, dialect.prolog)


def _mark(prefix: bytes | None, name: bytes) -> bytes:
    return b"<" + prefix + b":" + name if prefix else b"<" + name


def _events(data: memoryview, prolog: Prolog, prefix: bytes | None, options: ReadOptions) -> CimXmlDialect:
    """Return how a message is read that holds events and no readings."""
    zone, told = _zone(data, options)
    evidence = (
        Evidence("format", "IEC 61968-9 EndDeviceEvents", f"root {prolog.root}", "--format"),
        told,
        *prolog.evidence,
    )
    return CimXmlDialect(prolog, _mark(prefix, EVENT), Meaning(options, 0, zone), evidence, events=True)


def _zone(data: memoryview, options: ReadOptions) -> tuple[str, Evidence]:
    """Return the zone whose offsets the stamps carry."""
    import pyarrow as pa

    if options.zone:
        zone_of(options.zone)
        return options.zone, Evidence("zone", options.zone, "given", "--zone")
    stamps = read_stamps(pa.array(STAMP.findall(bytes(data[:SAMPLE_BYTES])), pa.binary()), "ymd")
    aware = stamps.good & stamps.has_offset
    if not aware.any():
        return options.default_zone, Evidence("zone", options.default_zone, "assumed: stamps carry no offset", "--zone")
    clock, told = zone_from_offsets(
        stamps.wall[aware] - stamps.offset[aware], stamps.offset[aware], options.default_zone
    )
    return clock.zone, told

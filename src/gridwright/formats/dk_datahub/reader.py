"""The reader of DataHub messages: recognise the three dialects, refuse what is no measured data, cut, decode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.cim_codes import deepest_decimals
from gridwright.formats.dk_datahub.codes import ZONE
from gridwright.formats.dk_datahub.columns import Context
from gridwright.formats.dk_datahub.series_json import decode_text
from gridwright.formats.dk_datahub.series_xml import CIM, EBIX, Shape, decode_piece
from gridwright.formats.markup import Prolog, cut, cut_off, fault, head_holds, oversized, read_prolog
from gridwright.formats.source import Chunk, Decoded, ReadOptions

CIM_NAMESPACE, EBIX_NAMESPACE = b"urn:ediel.org:", b"un:unece:260:data:"
MEASURED = {"NotifyValidatedMeasureData_MarketDocument": CIM, "DK_MeteredDataTimeSeries": EBIX}
VERSIONS = {
    "NotifyValidatedMeasureData_MarketDocument": re.compile(
        r"urn:ediel\.org:measure:notifyvalidatedmeasuredata:\d+:\d+"
    ),
    "DK_MeteredDataTimeSeries": re.compile(r"un:unece:260:data:EEM-DK_MeteredDataTimeSeries:v\d+"),
}
DOCUMENT = re.compile(rb'^\s*\{\s*"(\w{1,80}_MarketDocument)"\s*:')
BOM = b"\xef\xbb\xbf"
CHUNK_BYTES = 2 << 20
QUANTITIES = {"CIM": b"quantity>", "ebIX": b"EnergyQuantity>", "JSON": b'"quantity":'}


@dataclass(frozen=True, slots=True)
class DataHubDialect:
    """What was found out about one message: markup has a prolog and a shape, JSON has neither."""

    context: Context
    evidence: tuple[Evidence, ...]
    prolog: Prolog | None = None
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class DataHubReader:
    """Reads measured data of the Danish DataHub in CIM XML, CIM JSON and ebIX; `chunk_bytes` is the size of a piece."""

    name: str = "dk-datahub"
    chunk_bytes: int = CHUNK_BYTES

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for a market document as JSON, or markup in the namespaces of ediel.org or ebIX."""
        del file_name
        if DOCUMENT.match(head.removeprefix(BOM)):
            return 1.0
        return 1.0 if head_holds(head, CIM_NAMESPACE, EBIX_NAMESPACE) else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> DataHubDialect:
        """Find dialect and resolution; UnreadableFile for what is no measured data, and for unknown versions."""
        zone = options.zone or ZONE
        zone_of(zone)
        document = DOCUMENT.match(bytes(data[:1024]).removeprefix(BOM))
        prolog = None if document else read_prolog(data, file_name)
        root = document.group(1).decode() if document else prolog.root if prolog else ""
        _refuse_others(root, file_name)
        dialect = "JSON" if document else "CIM" if MEASURED[root] is CIM else "ebIX"
        if prolog is not None and not VERSIONS[root].fullmatch(prolog.namespace):
            raise fault(
                f"version {prolog.namespace!r} of {root} is not known",
                file_name,
                remedy="ask for a message of the published schema",
            )
        context = Context(options, deepest_decimals(data, QUANTITIES[dialect]), zone)
        because = "given" if options.zone else "local days follow the Danish clock"
        evidence = (
            Evidence("format", f"DataHub {dialect}", f"{root}", "--format"),
            Evidence("stamps", "UTC, start of the period", "DataHub: positions count from its start"),
            Evidence("zone", zone, because, "--zone"),
            *(prolog.evidence if prolog else ()),
        )
        return DataHubDialect(context, evidence, prolog, MEASURED[root] if prolog else None)

    def chunks(self, data: memoryview, dialect: DataHubDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut before series; JSON is one piece."""
        if dialect.prolog is not None and dialect.shape is not None:
            yield from cut(data, b"<" + dialect.prolog.tag(dialect.shape.series), self.chunk_bytes, after)
        elif after < len(data):
            yield Chunk(0, len(data), 1)

    def decode(self, data: memoryview, chunk: Chunk, dialect: DataHubDialect) -> Decoded:
        """Decode one piece; bad points become rejects, the rest is kept."""
        raw = bytes(data[chunk.start : chunk.end])
        if dialect.prolog is None or dialect.shape is None:
            return _with_zones(decode_text(raw.removeprefix(BOM).decode("utf-8", "replace"), dialect.context), dialect)
        decoded = oversized(raw, chunk.first_line, dialect.prolog.tag(dialect.shape.point)) or decode_piece(
            raw, chunk.first_line, dialect.shape, dialect.context, dialect.prolog
        )
        end = cut_off(data, dialect.prolog.tag(dialect.prolog.root)) if chunk.end >= len(data) else None
        if end is not None:
            decoded = replace(decoded, rejects=(*decoded.rejects, end), rejected=decoded.rejected + 1)
        return _with_zones(decoded, dialect)


DK_DATAHUB = DataHubReader()


def _with_zones(decoded: Decoded, dialect: DataHubDialect) -> Decoded:
    points = dict.fromkeys(point for series in decoded.series for point in series.points)
    return replace(decoded, zones=dict.fromkeys(points, dialect.context.zone))


def _refuse_others(root: str, file_name: str) -> None:
    if root in MEASURED:
        return
    plain = root.removeprefix("DK_").removesuffix("_MarketDocument")
    what = "a request" if plain.startswith("Request") else "aggregated data" if "Aggregated" in plain else "a message"
    raise UnreadableFile(
        f"{root} is {what}, not measured data of a metering point",
        where=file_name,
        remedy="ask for NotifyValidatedMeasureData or DK_MeteredDataTimeSeries",
    )

"""MeterReading elements to columns of readings: whose they are, what they mean, when, how much, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.readings import Readings
from gridwright.domain.told import ToldConfiguration
from gridwright.domain.usage_point import SHOWN, id_fault
from gridwright.formats.cim_xml.end_device_events import EVENT, Wanted, decode_events
from gridwright.formats.cim_xml.moments import moments
from gridwright.formats.cim_xml.names import named, references
from gridwright.formats.cim_xml.qualities import marks_of, quality_of
from gridwright.formats.cim_xml.reading_types import Series, needs_interval, read_code
from gridwright.formats.marked import Marks, Spans, events_of
from gridwright.formats.markup import Kept, Prolog, Records, Refusals, Tags, enclosing, read_records, records
from gridwright.formats.markup.numbers import decimal_numbers
from gridwright.formats.markup.tags import CLOSE, EMPTY, OPEN, Index
from gridwright.formats.source import KEPT_REJECTS, Decoded, ReadOptions
from gridwright.formats.spans import spans_of
from gridwright.formats.text import shortened

Mask = npt.NDArray[np.bool_]

NAMES = (
    "MeterReading",
    "IntervalBlocks",
    "IntervalReadings",
    "Readings",
    "timeStamp",
    "value",
    "timePeriod",
    "PendingCalculation",
    "end",
    "ReadingQualities",
    "ReadingQualityType",
    "ReadingType",
    "Meter",
    "UsagePoint",
    "mRID",
    "Names",
    "name",
)
INTERVALS = Kept(
    "IntervalReadings",
    ("IntervalBlocks", "MeterReading"),
    frozenset({"timeStamp", "value", "timePeriod", "end", "ReadingQualities", "ReadingQualityType"}),
)
NOBODY = "no UsagePoint and no Meter is named, or their tags are damaged"
TOLD_BY = "told by a quality code of its readings"
NO_TYPE = "no ReadingType is named"
PENDING = "a PendingCalculation is still due on these values, and is not made here"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What decoding needs of the dialect: options, decimals to keep, zone of stamps that carry no offset."""

    options: ReadOptions
    decimals: int
    zone: str

    def series(self, code: str) -> Series | str:
        """Return what a reading type code means, or why it is not read."""
        interval_s = (self.options.interval_minutes or 0) * 60
        return read_code(code, decimals=self.decimals, kind=self.options.kind, interval_s=interval_s)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The tags of some MeterReading elements, the (point, meter) of each, and what is refused."""

    tags: Tags
    prolog: Prolog
    meaning: Meaning
    begins: Index
    ends: Index
    names: Sequence[tuple[str, str]]
    refusals: Refusals
    told: dict[ToldConfiguration, None] = field(default_factory=dict)
    events: dict[EndDeviceEvent, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """For each record its instant, quality, marks of its device, and place in `pairs` of (usage point, meter)."""

    at: Index
    quality: npt.NDArray[np.uint8]
    marks: Marks
    point: Index
    pairs: list[tuple[str, str]]


def decode_piece(data: bytes, first_line: int, meaning: Meaning, prolog: Prolog) -> Decoded:
    """Decode a piece that holds whole MeterReading elements; what damage costs becomes rejects."""
    tags, intervals = read_records(data, first_line, NAMES, INTERVALS)
    begins, ends = (tags.start[tags.which("MeterReading", kind)] for kind in (OPEN, CLOSE))
    piece = Piece(tags, prolog, meaning, begins, ends, _names(tags, (begins, ends), meaning, prolog), Refusals(tags))
    series: list[Readings] = []
    seen = 0
    for name in (INTERVALS.name, "Readings"):
        found = intervals if name == INTERVALS.name else records(tags, name)
        piece.refusals.torn(found, name)
        seen += found.size + int(found.torn.size)
        if found.size:
            series += _series(piece, found, _types(piece, found, blocks=name == "IntervalReadings"))
    refused = piece.refusals.sorted(), piece.refusals.verdicts.count
    return Decoded(seen, tuple(series), *refused, events=tuple(piece.events), told=tuple(piece.told))


def decode_both(data: bytes, first_line: int, meaning: Meaning, prolog: Prolog) -> Decoded:
    """Decode a piece of a message of readings, with the events that it may hold beside them."""
    decoded = decode_piece(data, first_line, meaning, prolog)
    if EVENT not in data:
        return decoded
    told = decode_events(data, first_line, Wanted(meaning.options.point, meaning.zone, alone=False), prolog)
    rejects = tuple(sorted((*decoded.rejects, *told.rejects), key=lambda one: one.line))[:KEPT_REJECTS]
    return replace(
        decoded,
        records=decoded.records + told.records,
        rejects=rejects,
        rejected=decoded.rejected + told.rejected,
        reports=told.reports,
        notes=told.notes,
    )


def _names(tags: Tags, spans: tuple[Index, Index], meaning: Meaning, prolog: Prolog) -> list[tuple[str, str]]:
    """Return the (usage point, meter) of each MeterReading; a meter without a usage point is its own.

    Where damage has torn one of the two elements, nobody can say whose the readings are.
    """
    found = [records(tags, name) for name in ("Meter", "UsagePoint")]
    meters, points = (named(each, spans, prolog) for each in found)
    torn = {number for each in found for number in enclosing(*spans, tags.start[each.torn]).tolist()}
    return [
        (
            meaning.options.point or ("" if number in torn else points.get(number, "") or meters.get(number, "")),
            meters.get(number, ""),
        )
        for number in range(spans[0].size)
    ]


def _types(piece: Piece, found: Records, *, blocks: bool) -> tuple[list[str], Index]:
    """Return the different reading type codes, and which of them each record has (-1 = none)."""
    tags = piece.tags
    if not blocks:
        record, *told = found.inside("ReadingType", 1)
        codes, which = references(tags, *told)
        number = np.full(found.size, -1, np.int64)
        number[record] = which
        return codes, number
    begins, ends = (tags.start[tags.which("IntervalBlocks", kind)] for kind in (OPEN, CLOSE))
    at = np.sort(np.concatenate([tags.which("ReadingType", OPEN), tags.which("ReadingType", EMPTY)]))
    codes, which = references(tags, tags.name_end[at], tags.end[at])
    of_block = np.full(begins.size + 1, -1, np.int64)
    owner = enclosing(begins, ends, tags.start[at])
    inside = np.flatnonzero(owner >= 0)[::-1]  # the first type of a block is its own, should its end be lost
    of_block[owner[inside]] = which[inside]
    pending = np.concatenate([tags.which("PendingCalculation", kind) for kind in (OPEN, EMPTY)])
    due = enclosing(begins, ends, tags.start[np.sort(pending)])
    of_block[due[due >= 0]] = len(codes)
    return [*codes, PENDING], of_block[enclosing(begins, ends, found.places)]


def _series(piece: Piece, found: Records, types: tuple[list[str], Index]) -> list[Readings]:
    """Lay the records out, a series for each code."""
    codes, number = types
    meanings = [PENDING if code == PENDING else piece.meaning.series(code) for code in codes]
    owner = enclosing(piece.begins, piece.ends, found.places)
    faults = np.array([*(_fault(point) for point, _ in piece.names), NOBODY])
    keep = np.ones(found.size, np.bool_)
    for fault in np.unique(faults[faults != ""]).tolist():
        advice = (fault, "give --point ID if all are of one usage point")
        keep &= ~_refused(piece, found, (faults == fault)[owner], advice)
    keep &= ~_refused(piece, found, keep & (number < 0), (NO_TYPE, "ask the sender for whole messages"))
    for code, meaning in enumerate(meanings):
        if isinstance(meaning, str):
            remedy = "ask for computed values" if meaning == PENDING else "give --kind where that is the doubt"
            keep &= ~_refused(piece, found, keep & (number == code), (meaning, remedy))
    at, keep = _stamps(piece, found, keep)
    pairs = {pair: place for place, pair in enumerate(dict.fromkeys(piece.names))}
    point = np.array([*(pairs[pair] for pair in piece.names), -1], np.int64)[owner]
    columns = _Columns(at, *_qualities(piece, found), point, list(pairs))
    series: list[Readings] = []
    for code, meaning in enumerate(meanings):
        rows = np.flatnonzero(keep & (number == code))
        if rows.size and isinstance(meaning, Series):
            series += _one_series(piece, found, meaning, (rows, columns))
    return series


def _fault(point: str) -> str:
    """Return why a MeterReading is of no usage point; empty where it names one."""
    fault = id_fault(point)
    return (f"usage point {shortened(point, SHOWN)!r} {fault}" if point else NOBODY) if fault else ""


def _refused(piece: Piece, found: Records, which: Mask, advice: tuple[str, str]) -> Mask:
    piece.refusals.group(found, which, advice)
    return which


def _one_series(piece: Piece, found: Records, series: Series, chosen: tuple[Index, _Columns]) -> list[Readings]:
    """Read the values of one code's records; a value that is no number costs only itself."""
    rows, columns = chosen
    kind = series.meaning.reading_type
    if needs_interval(kind) and not series.interval_s:
        which = np.zeros(found.size, np.bool_)
        which[rows] = True
        piece.refusals.group(found, which, ("the reading type tells no interval length", "give --interval MINUTES"))
        return []
    start, end, twice = found.leaf("value", 1).of(found.size)
    first, last = np.maximum(start[rows], 0), np.maximum(end[rows], 0)
    value, none = decimal_numbers(piece.tags.text, first, last, np.full(rows.size, series.meaning.places))
    wrong = np.zeros(found.size, np.bool_)
    wrong[rows[none | twice[rows]]] = True
    piece.refusals.some(found, wrong, ("value is no number", "correct it"), (start, end))
    keep = ~wrong[rows]
    rows, value = rows[keep], value[keep]
    marks = columns.quality[rows]
    value[marks == q.MISSING] = np.nan
    used, number = np.unique(columns.point[rows], return_inverse=True)
    ended = 0 if piece.meaning.options.stamp == "start" else series.interval_s
    readings = Readings(
        points=tuple(columns.pairs[place][0] for place in used.tolist()),
        point=number.astype(np.int32),
        at=columns.at[rows] - ended,
        value=value,
        quality=marks,
        line=piece.tags.lines(found.places[rows]) if rows.size else rows,
        interval_s=series.interval_s,
        reading_type=kind,
        devices=tuple(columns.pairs[place][1] for place in used.tolist()),
    )
    if not rows.size:
        return []
    spans = Spans(readings.points, readings.point, readings.at, readings.at + readings.interval_s, readings.devices)
    piece.events.update(dict.fromkeys(events_of(columns.marks, rows, spans, TOLD_BY)))
    if series.is_register:
        return [readings]
    _note_meters(piece, readings)
    return [readings.of_points()]


def _note_meters(piece: Piece, readings: Readings) -> None:
    """Keep which meter measured the intervals of a usage point, where the file names both."""
    for number, first, last in spans_of(readings.point, readings.at, readings.at + readings.interval_s):
        name, device = readings.points[number], readings.devices[number]
        if device and device != name:
            piece.told[ToldConfiguration(name, first, last, device)] = None


def _stamps(piece: Piece, found: Records, keep: Mask) -> tuple[Index, Mask]:
    """Return the instant of each record, from its stamp or the end of its period; what has none is refused."""
    start, end, twice = found.leaf("timeStamp", 1).of(found.size)
    absent = start < 0
    if absent.any():
        other_start, other_end, _ = found.leaf("end", 2).of(found.size)
        start, end = np.where(absent, other_start, start), np.where(absent, other_end, end)
    told = piece.refusals, piece.meaning.zone
    return moments(found, "timeStamp", (start, end, twice), told, keep)


def _qualities(piece: Piece, found: Records) -> tuple[npt.NDArray[np.uint8], Marks]:
    """Return the quality byte of each record from all codes that it carries, and what they say of its device."""
    record, *written = found.inside("ReadingQualityType", 2)
    codes, which = references(piece.tags, *written)
    bits = min(len(codes), 63)
    masks = np.zeros(found.size, np.int64)
    np.bitwise_or.at(masks, record, np.left_shift(1, np.minimum(which, bits - 1)) if bits else which)
    known, place = np.unique(masks, return_inverse=True)
    carried = [[codes[bit] for bit in range(bits) if mask >> bit & 1] for mask in known.tolist()]
    told = np.array([quality_of(each) for each in carried], np.uint8)
    return told[place], Marks(tuple(map(marks_of, carried)), place)

"""EndDeviceEvents of IEC 61968-9: what devices report, each with its instant, its code and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.domain.event import LET_GO, NAMED, UNTIL, EndDeviceEvent, Reported
from gridwright.domain.interval import from_epoch_s, parse_instant, zone_of
from gridwright.domain.printable import printable
from gridwright.formats.cim_xml.event_types import CODE, LONGEST_CODE, duration_of, event_types
from gridwright.formats.cim_xml.moments import Mask, moments
from gridwright.formats.cim_xml.names import named, references
from gridwright.formats.markup import Prolog, Records, Refusals, Tags, enclosing, records
from gridwright.formats.markup.tags import CLOSE, OPEN, Index, read_tags
from gridwright.formats.source import Decoded
from gridwright.formats.text import shortened

EVENT = b"EndDeviceEvent"
RECORD, INSIDE = "EndDeviceEvent", "EndDeviceEvents"  # a MeterReading holds records of the name of the other's list
DEVICES = ("Assets", "EndDevice", "Meter")
PARTS = ("type", "domain", "subDomain", "eventOrAction")
SAID = ("severity", "issuerID", "issuerTrackingID", "userID")
NAMES = (
    *(RECORD, INSIDE, "MeterReading", *DEVICES, "UsagePoint", "mRID", "Names", "name", "createdDateTime", "reason"),
    *("EndDeviceEventType", "EndDeviceEventDetails", "value", *PARTS, *SAID),
)
NOBODY = "no Assets, EndDevice, Meter or UsagePoint is named, or their tags are damaged", "ask the sender for the names"
NO_CODE = "no EndDeviceEventType is told", "write its code, such as 3.26.0.85, as the attribute ref"
LONG_CODE = f"the EndDeviceEventType is longer than {LONGEST_CODE} characters", NO_CODE[1]
BACKWARDS = "the event ends before it begins", "correct its end or its duration"
UNREAD = "details of events say no time that we read, and are kept as they are"
MOST_DETAILS, LONGEST = 50, 200
OURS = frozenset({UNTIL, NAMED, LET_GO, "told_by", "code", "more"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says: the usage point of all, the zone of naive stamps; `alone`: no readings are beside them."""

    point: str
    zone: str
    alone: bool = True


@dataclass(frozen=True, slots=True)
class _Whose:
    """Of some elements by their number: the device and the usage point that they name."""

    devices: Mapping[int, str]
    points: Mapping[int, str]

    def of(self, row: int, outer: _Whose, holder: int) -> tuple[str, str]:
        """Return the device and the usage point of an element, else those of the one around it."""
        device = self.devices.get(row, "") or outer.devices.get(holder, "")
        return device, self.points.get(row, "") or outer.points.get(holder, "")


@dataclass(frozen=True, slots=True)
class _Texts:
    """Of each event its code, its reason and what else is said of it."""

    codes: Mapping[int, str]
    reasons: Mapping[int, str]
    details: Mapping[int, Mapping[str, str]]


@dataclass(slots=True)
class _Piece:
    tags: Tags
    prolog: Prolog
    wanted: Wanted
    refusals: Refusals
    reports: list[Reported] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def text(self, start: int, end: int, most: int = LONGEST) -> str:
        """Return a text of the message as it may be kept."""
        raw = self.tags.text[start : min(end, start + 4 * most)].tobytes()
        return shortened(printable(self.prolog.text(raw)), most)


def decode_events(data: bytes, first_line: int, wanted: Wanted, prolog: Prolog) -> Decoded:
    """Decode the events of a piece that holds whole elements; what damage costs becomes rejects."""
    tags = read_tags(data, first_line, NAMES)
    piece = _Piece(tags, prolog, wanted, Refusals(tags))
    alone = records(tags, RECORD)
    if wanted.alone or alone.torn.size:
        piece.refusals.torn(alone, RECORD)
    seen = alone.size + int(alone.torn.size)
    _take(piece, alone, np.ones(alone.size, np.bool_), _Whose({}, {}), np.full(alone.size, -1))
    begins, ends = (tags.start[tags.which("MeterReading", kind)] for kind in (OPEN, CLOSE))
    if begins.size:
        inside = records(tags, INSIDE)
        holder = enclosing(begins, ends, inside.places)
        torn = inside.torn[enclosing(begins, ends, tags.start[inside.torn]) >= 0]
        for at in tags.start[torn].tolist():
            piece.refusals.damaged(at, f"this {RECORD} is damaged: its tags do not fit each other")
        seen += int(np.count_nonzero(holder >= 0)) + int(torn.size)
        _take(piece, inside, holder >= 0, _whose(tags, (begins, ends), prolog), holder)
    verdicts = piece.refusals.verdicts
    return Decoded(
        seen,
        rejects=piece.refusals.sorted(),
        rejected=verdicts.count,
        reports=tuple(piece.reports),
        notes=tuple(piece.notes),
    )


def _whose(tags: Tags, spans: tuple[Index, Index], prolog: Prolog) -> _Whose:
    devices: dict[int, str] = {}
    for name in DEVICES:
        devices = {**named(records(tags, name), spans, prolog), **devices}
    return _Whose(devices, named(records(tags, "UsagePoint"), spans, prolog))


def _take(piece: _Piece, found: Records, keep: Mask, outer: _Whose, holder: Index) -> None:
    """Take the events of some records; `outer`: whose they are that name nobody, by the number of their `holder`."""
    if not found.size:
        return
    start, end, twice = found.leaf("createdDateTime", 1).of(found.size)
    told = piece.refusals, piece.wanted.zone
    at, keep = moments(found, "createdDateTime", (start, end, twice), told, keep)
    mine = _whose(piece.tags, (found.places, found.stops), piece.prolog)
    texts = _Texts(_codes(piece, found), _texts(piece, found, "reason"), _details(piece, found))
    lines = piece.tags.lines(found.places)
    faults: dict[tuple[str, str], list[int]] = {}
    for row in np.flatnonzero(keep).tolist():
        names = mine.of(row, outer, int(holder[row]))
        event = _event(piece, row, from_epoch_s(int(at[row])), names, texts)
        if isinstance(event, EndDeviceEvent):
            shown = piece.tags.shown(int(found.places[row]), int(found.stops[row]) + 1)
            piece.reports.append(Reported(int(lines[row]), event, shown))
        else:
            faults.setdefault(event, []).append(row)
    for advice, rows in faults.items():
        which = np.zeros(found.size, np.bool_)
        which[rows] = True
        piece.refusals.some(found, which, advice, (start, end) if advice is BACKWARDS else None)


def _event(
    piece: _Piece, row: int, at: datetime, names: tuple[str, str], texts: _Texts
) -> EndDeviceEvent | tuple[str, str]:
    """Return the event of one record, or why it cannot be kept and what helps."""
    device, point = names[0], piece.wanted.point or names[1]
    code, details = texts.codes.get(row, ""), texts.details.get(row, {})
    fault = _fault(device or point, code)
    if fault is not None:
        return fault
    until = _until(piece, at, details)
    if until is not None and until <= at:
        return BACKWARDS
    said = _kept(details, code, until)
    return EndDeviceEvent(device or point, event_types().type_of(code), at, at, point, texts.reasons.get(row, ""), said)


def _fault(name: str, code: str) -> tuple[str, str] | None:
    """Return why an event cannot be kept, and what helps; None for one that can."""
    if not name:
        return NOBODY
    if not code:
        return NO_CODE
    return LONG_CODE if len(code) > LONGEST_CODE else None


def _codes(piece: _Piece, found: Records) -> dict[int, str]:
    """Return the code of each event: the reference of its type, else its parts, else an mRID that is one."""
    record, *told = found.inside("EndDeviceEventType", 1)
    written, which = references(piece.tags, *told)
    codes = {
        row: printable(written[at]) for row, at in zip(record.tolist(), which.tolist(), strict=True) if written[at]
    }
    parts = [_texts(piece, found, name, 2) for name in PARTS]
    for row in parts[0]:
        if all(row in each for each in parts):
            codes.setdefault(row, ".".join(each[row] for each in parts))
    for row, text in _texts(piece, found, "mRID").items():
        if CODE.fullmatch(text):  # as head-ends write it that leave the type empty
            codes.setdefault(row, text)
    return codes


def _texts(piece: _Piece, found: Records, name: str, level: int = 1) -> dict[int, str]:
    """Return the first text of a leaf by record, where it has one."""
    leaf = found.leaf(name, level)
    texts: dict[int, str] = {}
    for row, start, end in zip(leaf.record.tolist(), leaf.start.tolist(), leaf.end.tolist(), strict=True):
        if row not in texts and end > start:
            texts[row] = piece.text(start, end)
    return texts


def _details(piece: _Piece, found: Records) -> dict[int, dict[str, str]]:
    """Return what is said of each event beside its code, in the order of the message."""
    told: dict[int, dict[str, str]] = {}
    for name in SAID:
        for row, text in _texts(piece, found, name).items():
            told.setdefault(row, {})[name] = text
    listed = records(piece.tags, "EndDeviceEventDetails")
    owner = enclosing(found.places, found.stops, listed.places)
    names, values = (_texts(piece, listed, name) for name in ("name", "value"))
    for number, row in enumerate(owner.tolist()):
        if row >= 0 and number in names:
            told.setdefault(row, {}).setdefault(names[number], values.get(number, ""))
    return told


def _kept(details: Mapping[str, str], code: str, until: datetime | None) -> dict[str, str]:
    """Return the details that are stored; a name of ours is not theirs to give."""
    said = dict(
        islice(((f"{name} (told)" if name in OURS else name, value) for name, value in details.items()), MOST_DETAILS)
    )
    if len(details) > MOST_DETAILS:
        said["more"] = f"{len(details) - MOST_DETAILS} details"
    if event_types().type_of(code) != code:
        said["code"] = code
    return said if until is None else {**said, UNTIL: until.isoformat()}


def _until(piece: _Piece, at: datetime, details: Mapping[str, str]) -> datetime | None:
    """Return until when an event says that it lasted; None where it says nothing, or nothing that can be read."""
    for name, value in details.items():
        try:
            if name.lower() in event_types().ends:
                return parse_instant(value, zone_of(piece.wanted.zone))
            if name.lower() in event_types().durations:
                return at + (duration_of(value) or _unread(value))
        except (InputError, OverflowError):
            if not piece.notes:
                piece.notes[f"{UNREAD}, such as {name}: {shortened(value, 40)!r}"] = None
    return None


def _unread(value: str) -> timedelta:
    raise InputError(f"{value!r} is no duration")

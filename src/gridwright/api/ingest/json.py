"""JSON and NDJSON to columns: all records at once where they are sound, one by one where one of them is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, countOf
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from gridwright.api.answer import refuse
from gridwright.api.body import too_many
from gridwright.api.ingest.around import list_within, opened, pieces_within
from gridwright.api.ingest.broken_list import MAX_BROKEN, Cut, broken_list, too_many_broken
from gridwright.api.ingest.ends import with_lengths
from gridwright.api.ingest.few import FEW, Row, check_few
from gridwright.api.ingest.instants import instant_us, instants_us, told_us
from gridwright.api.ingest.intervals import EMPTY, MAX_INTERVALS, NO_VALUES, NULLS, step_us
from gridwright.api.ingest.keys_twice import fault_of, may_be_twice, names_in, twice_in
from gridwright.api.ingest.listed import lists_more
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.record import FIELDS, WORDS, Number, Record
from gridwright.api.ingest.repeats import check_and_count
from gridwright.api.ingest.table import Decoded, Places, Table
from gridwright.api.ingest.told import Told
from gridwright.api.ingest.twice import TIMES, VALUES, require_one_of_each, say_two_things
from gridwright.api.ingest.unfit import unfit
from gridwright.api.ingest.verdicts import LONGEST_VALUE, Fault, shown

BOM = b"\xef\xbb\xbf"
MAX_RECORDS = 1_000_000
MAX_FIELDS = 1_000  # of a record that is looked into for the reason why it cannot be taken
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_NUMBER = re.compile(rb"\bNaN\b|\bInfinity\b")
Written = tuple[bytes, Callable[[], Sequence[bytes]]]  # a body, and how it is cut into its records
KWH, VALUE, END_OF = attrgetter("kwh"), attrgetter("value"), attrgetter("end")
NO_VALUE = Fault("kwh", "there is no value", "give kwh, register_kwh, or value with unit")


_LIST = msgspec.json.Decoder(list[Record])
_LINES = msgspec.json.Decoder(Record)
_LENIENT = msgspec.json.Decoder(Record, strict=False)
_RAW = msgspec.json.Decoder(list[msgspec.Raw])


def decode_json(body: bytes, defaults: Said, now: datetime) -> Decoded:
    """Decode a list, an object with `readings`, or one record; a broken record never costs its neighbours."""
    body = body.removeprefix(BOM)
    if not body.strip():
        raise refuse(400, "the body is empty", remedy="send a list of readings")
    if body.count(b"{") > MAX_RECORDS:
        raise too_many(MAX_RECORDS)
    _require_few(body)
    decoded = Decoded()
    try:
        records: Sequence[Record] = _whole(body)
        numbered: Sequence[int] = range(len(records))
        decoded.records = len(records)
    except UNREADABLE:
        cut = _cut(body)
        decoded.records = len(cut.pieces) + (cut.fault is not None)
        numbered, records = _one_by_one(list(enumerate(cut.pieces)), decoded)
        if cut.fault is not None:
            decoded.verdicts.reject(decoded.places.of(len(cut.pieces)), cut.fault, _beginning(cut.left))
    _take_once(records, numbered, decoded, (body, lambda: _cut(body).pieces), (defaults, now))
    return decoded


def decode_ndjson(body: bytes, defaults: Said, now: datetime) -> Decoded:
    """Decode one record a line; empty lines are left out, and lines are counted as an editor does."""
    body = body.removeprefix(BOM)
    if body.count(b"\n") > MAX_RECORDS or body.count(b"{") > MAX_RECORDS:
        raise too_many(MAX_RECORDS)
    _require_few(body)
    decoded = Decoded()
    try:
        records: Sequence[Record] = _LINES.decode_lines(body)
        numbered: Sequence[int] = range(len(records))
    except UNREADABLE:
        records, numbered = (), ()
    if len(records) != body.count(b"\n") + (not body.endswith(b"\n")):
        lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
        decoded.places = Places(lines=np.array([number for number, _ in lines], np.int64))
        numbered, records = _one_by_one([(at, line) for at, (_, line) in enumerate(lines)], decoded)
        decoded.records = len(lines)
    else:
        decoded.records = len(records)
    if not decoded.records:
        raise refuse(400, "the body is empty", remedy="send one reading a line")
    _take_once(records, numbered, decoded, (body, _lines_of(body)), (defaults, now))
    return decoded


def pieces_of(body: bytes) -> Sequence[bytes]:
    """Return the records of a body as they are written; Refused where it is no list of any."""
    return _cut(body.removeprefix(BOM)).pieces


def _lines_of(body: bytes) -> Callable[[], Sequence[bytes]]:
    return lambda: [line for line in body.split(b"\n") if line.strip()]


def _take_once(
    records: Sequence[Record],
    numbered: Sequence[int],
    decoded: Decoded,
    written: Written,
    context: tuple[Said, datetime],
) -> None:
    """Take records, but none of which a field is there twice with two values."""
    body, pieces = written
    fields = names_in(body)
    told = Told.by(records, WORDS, fields) if len(records) > FEW else None
    known = _fields_of(records) if told is None else told.fields
    if known != fields and may_be_twice(body, records, FIELDS, known):
        kept = _said_once(records, numbered, decoded, pieces())
        if len(kept) < len(records):
            told, records, numbered = None, [records[at] for at in kept], [numbered[at] for at in kept]
    # Where as many fields are written as are told, none of them is an end.
    if (told is None or known != fields) and countOf(map(END_OF, records), None) < len(records):
        told, (records, numbered) = None, _ended(records, numbered, decoded, context[0])
    _take(records, numbered, decoded, told, context)
    _name_unknown(decoded, pieces)


def _fields_of(records: Sequence[Record]) -> int:
    """Return how many fields a few records have that are not null; 0 of many."""
    return sum([len(FIELDS) - astuple(record).count(None) for record in records]) if len(records) <= FEW else 0


def _ended(
    records: Sequence[Record], numbered: Sequence[int], decoded: Decoded, defaults: Said
) -> tuple[list[Record], list[int]]:
    """Return records whose ends became lengths, and their numbers; refuse those that contradict themselves."""
    kept, numbers = [], []
    for index, record in with_lengths(records, numbered, defaults):
        if isinstance(record, Wrong):
            decoded.verdicts.reject(decoded.places.of(index), record.fault, record.value)
        else:
            kept.append(record)
            numbers.append(index)
    return kept, numbers


def _said_once(
    records: Sequence[Record], numbered: Sequence[int], decoded: Decoded, written: Sequence[bytes]
) -> list[int]:
    """Refuse records of which a field is there twice, and return where the others are."""
    kept = []
    for at, index in enumerate(numbered):
        twice = twice_in(written[index], FIELDS) if may_be_twice(written[index], records[at : at + 1], FIELDS) else None
        if twice is None:
            kept.append(at)
        else:
            decoded.verdicts.reject(decoded.places.of(index), fault_of(twice[0]), twice[1])
    return kept


def _require_few(text: bytes) -> None:
    """Refuse what lists more records and intervals than may be in memory at once, before anything of it is decoded."""
    if lists_more(text):
        raise too_many(MAX_INTERVALS, "records or intervals")


def _name_unknown(decoded: Decoded, pieces: Callable[[], Sequence[bytes]]) -> None:
    """Where a record has no value, name the field that nobody knows, with what stands there: it may be meant."""
    listed = decoded.verdicts.listed
    lacking = [at for at, verdict in enumerate(listed) if verdict.fault is NO_VALUE]
    written = pieces() if lacking else ()
    for at in lacking:
        found = _looked_into(written[listed[at].index])  # what nobody knows was not looked into before
        others = [name for name in found if name not in Record.__struct_fields__]
        if others and not any(name in found for name in VALUES):
            name = next((other for other in others if isinstance(found[other], (int, float))), others[0])
            fault = Fault(shown(name), "there is no value, and no field has this name", NO_VALUE.remedy)
            listed[at] = replace(listed[at], fault=fault, value=shown(found[name]))


def _looked_into(piece: bytes) -> dict[str, Any]:
    """Return a record as it is written, whatever its fields; none where it cannot be read or has too many of them."""
    with suppress(*UNREADABLE):
        found = msgspec.json.decode(piece) if piece.count(b":") <= MAX_FIELDS else None
        return found if isinstance(found, dict) else {}
    return {}


def _whole(body: bytes) -> Sequence[Record]:
    if body.lstrip()[:1] == b"[":
        return _LIST.decode(body)
    found = list_within(body)
    return [_LINES.decode(body)] if found is None else found


def _cut(body: bytes) -> Cut:
    """Cut a document into its records, whatever is wrong inside one of them; no list at all is refused."""
    with suppress(*UNREADABLE):
        return Cut([bytes(piece) for piece in _RAW.decode(body)])
    with suppress(*UNREADABLE):
        within = pieces_within(body)
        if within is not None:
            return Cut(within)
    found = opened(body)
    if found is not None:
        return broken_list(*found)
    if body.lstrip()[:1] == b"{":
        return Cut([body])
    raise refuse(
        400, "the body is no JSON list of readings", remedy='send [{"usage_point": …, "start": …, "kwh": …}, …]'
    )


def _one_by_one(pieces: Sequence[tuple[int, bytes]], decoded: Decoded) -> tuple[list[int], list[Record]]:
    """Decode each record by itself; one that cannot be read gets its verdict."""
    numbered, records = [], []
    for at, (index, piece) in enumerate(pieces):
        _require_few(piece)
        try:
            records.append(_LENIENT.decode(piece))
            numbered.append(index)
        except UNREADABLE as error:
            if len(numbered) + MAX_BROKEN < at:
                raise too_many_broken() from error
            fault, value = _fault(error, piece)
            decoded.verdicts.reject(decoded.places.of(index), fault, value)
    return numbered, records


def _fault(error: Exception, piece: bytes) -> tuple[Fault, object]:
    """Say which field of a record is wrong, and with which value."""
    text = str(error)
    if isinstance(error, msgspec.ValidationError):
        fault, written = unfit(error, piece, MAX_FIELDS)
        return fault, _beginning(written.encode(errors="replace"))
    remedy = "leave a value out that is no number" if NO_NUMBER.search(piece) else "send one JSON object a reading"
    return Fault("record", f"it is not JSON: {text or 'it is empty'}", remedy), _beginning(piece)


def _beginning(piece: bytes) -> str:
    """Return as much of a record as an answer may show, and a little more, so that it is seen to go on."""
    return piece[: 4 * (LONGEST_VALUE + 1)].decode(errors="replace")


def _take(
    records: Sequence[Record],
    numbered: Sequence[int],
    decoded: Decoded,
    told: Told | None,
    context: tuple[Said, datetime],
) -> None:
    """Turn decoded records into columns and check them."""
    defaults, now = context
    values = [told.values] if told is not None else [map(KWH, records), map(VALUE, records)]
    if any(list in set(map(type, column)) for column in values):
        blocks = [at for at, record in enumerate(records) if type(record.kwh) is list or type(record.value) is list]
        if sum(_length(records[at].kwh) + _length(records[at].value) for at in blocks) > MAX_INTERVALS:
            raise too_many(MAX_INTERVALS, "intervals")
        chosen = set(blocks)
        singles = [at for at in range(len(records)) if at not in chosen]
        rows = list(_unrolled([records[at] for at in blocks], [numbered[at] for at in blocks], defaults, decoded))
        _columns(rows, decoded, now)
        told, records, numbered = None, [records[at] for at in singles], [numbered[at] for at in singles]
    if told is not None and _take_told(told, records, numbered, decoded, context):
        return
    if records:
        _columns_of(records, numbered, decoded, (defaults, now))


def _take_told(
    told: Told, records: Sequence[Record], numbered: Sequence[int], decoded: Decoded, context: tuple[Said, datetime]
) -> bool:
    """Take records that tell all under the same fields; False where one of their times must be looked at closely."""
    defaults, now = context
    at_us = instants_us(told.times)
    if at_us is None:
        return False
    if told.alike:
        meanings = [_said(_words(records[0]), defaults)], np.zeros(len(records), np.int32)
    else:
        meanings = _meanings(records, defaults)
    names, name = _coded(told.names)
    names = [text.strip() for text in names]
    table = Table(names, name, at_us, np.array(told.values, np.float64), *meanings, np.array(numbered, np.int64))
    check_and_count(table, decoded, now)
    return True


def _length(value: Number) -> int:
    return len(value) if isinstance(value, list) else 0


def _columns(rows: Sequence[Row], decoded: Decoded, now: datetime) -> None:
    """Check rows that were made one by one."""
    if len(rows) <= FEW:
        check_few(rows, decoded, now)
    else:
        names, at_us, values, said, index = zip(*rows, strict=True)
        table = Table(*_coded(names), np.array(at_us, np.int64), np.array(values), *_coded(said), np.array(index))
        check_and_count(table, decoded, now)


def _columns_of(
    records: Sequence[Record], numbered: Sequence[int], decoded: Decoded, context: tuple[Said, datetime]
) -> None:
    defaults, now = context
    at_us = None if len(records) <= FEW else instants_us([_when(record) for record in records])
    values = [None] if at_us is None else [_written(record) for record in records]
    if at_us is None or None in values or say_two_things(records):
        rows = [_row(record, index, defaults, decoded) for record, index in zip(records, numbered, strict=True)]
        _columns([row for row in rows if row is not None], decoded, now)
        return
    names, name = _coded([_whose(record) for record in records])
    table = Table(
        names, name, at_us, np.array(values, np.float64), *_meanings(records, defaults), np.array(numbered, np.int64)
    )
    check_and_count(table, decoded, now)


def _meanings(records: Sequence[Record], defaults: Said) -> tuple[list[Said], npt.NDArray[np.int32]]:
    """Return the distinct words of the records and, for each, which they are."""
    words, which = _coded([_words(record) for record in records])
    return [_said(one, defaults) for one in words], which


def _coded(values: Sequence[Any]) -> tuple[list[Any], Any]:
    """Return the distinct values and, for each value, which of them it is."""
    places: dict[Any, int] = {}
    codes = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(codes, np.int32)


def _whose(record: Record) -> str:
    return (record.usage_point or record.meter or record.meter_id or "").strip()


def _when(record: Record) -> str | int | float | None:
    for value in (record.start, record.at, record.timestamp, record.time):
        if value is not None:
            return value
    return None


def _written(record: Record) -> Any:  # noqa: ANN401 - a number, a list of them, or nothing
    if record.kwh is not None:
        return record.kwh
    if record.register_kwh is not None:
        return record.register_kwh
    return record.reading if record.reading is not None else record.value


def _words(record: Record) -> tuple[Any, ...]:
    register = record.kwh is None and (record.register_kwh is not None or record.reading is not None)
    # A unit belongs to `value`; the other names say theirs.
    named = record.kwh is not None or register
    unit = record.unit or "kWh" if named else record.unit
    return unit, record.flow, record.reading_type, record.quality, record.interval_s, register, named


@lru_cache(maxsize=4096)
def _said(words: tuple[Any, ...], defaults: Said) -> Said:
    unit, flow, kind, quality, interval_s, register, named = words
    return Said(
        defaults.unit if unit is None else unit,
        defaults.flow if flow is None else flow,
        defaults.reading_type if kind is None else kind,
        defaults.quality if quality is None else quality,
        defaults.interval_s if interval_s is None else interval_s,
        register,
        named,
    )


def _field_of_time(record: Record) -> str:
    return next((name for name in TIMES if getattr(record, name) is not None), "start")


def _row(record: Record, index: int, defaults: Said, decoded: Decoded) -> Row | None:
    """Read one record closely; None with its verdict where it cannot be taken."""
    try:
        require_one_of_each(record)
        when = _when(record)
        at_us = told_us(when) if isinstance(when, str) else None
        at_us = instant_us(when, _field_of_time(record)) if at_us is None else at_us
        value = _needed(_written(record))
    except Wrong as wrong:
        decoded.verdicts.reject(decoded.places.of(index), wrong.fault, wrong.value)
        return None
    name = _whose(record)
    return name, at_us, float(value), _said(_words(record), defaults), index


def _needed(value: float | None) -> float:
    if value is None:
        raise Wrong(NO_VALUE)
    return value


def _unrolled(records: Sequence[Record], numbered: Sequence[int], defaults: Said, decoded: Decoded) -> Iterator[Row]:
    """Yield the rows of blocks: a list of values of consecutive intervals, null where there is none."""
    for record, index in zip(records, numbered, strict=True):
        said = _said(_words(record), defaults)
        name = _whose(record)
        try:
            require_one_of_each(record)
            first = instant_us(_when(record), _field_of_time(record))
            step = step_us(said)
        except Wrong as wrong:
            decoded.verdicts.reject(decoded.places.of(index), wrong.fault, wrong.value)
            continue
        written = _written(record)
        if written.count(None) == len(written):
            decoded.verdicts.reject(decoded.places.of(index), NO_VALUES, NULLS if written else EMPTY)
        for at, value in enumerate(written):
            if value is not None:
                yield name, first + at * step, value, said, index

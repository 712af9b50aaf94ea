"""A piece of an interchange to columns of readings: context segment by segment, values and their times at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Reject
from gridwright.formats.compact import STAMP, read_stamps
from gridwright.formats.far_dates import REMEDY, far_date
from gridwright.formats.marked import Marks as DeviceMarks
from gridwright.formats.marked import Spans, events_of
from gridwright.formats.mscons.codes import QUALIFIERS, UNITS
from gridwright.formats.mscons.context import BEGIN, END, Contexts
from gridwright.formats.mscons.reasons import reasons_of
from gridwright.formats.mscons.segments import PLUS, Marks, Segments, key_of, segments_in, word_of
from gridwright.formats.nem12.days import Verdicts
from gridwright.formats.nem12.numbers import to_counts
from gridwright.formats.source import KEPT_REJECTS, Decoded, ReadOptions
from gridwright.formats.text import shortened
from gridwright.formats.zones import wall_to_utc

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NOWHEN = -(2**62)
UNREADABLE = 0xFF
READ_AT = "9"
MINUS = ord("-")
LONGEST_S = 366 * DAY_S
SHOWN_NOTES = 5
TOLD_BY = "told by the reason (STS) of its readings"
SHOWN = 80  # characters of a segment that a verdict repeats
UNTIMELY = "no start and end (DTM+163, DTM+164), or no time that can be read"
UNTIMELY_HELPS = "give them, or DTM+163 and DTM+672 for all"


@dataclass(frozen=True, slots=True)
class Rules:
    """What decoding needs of the dialect; `clock`: zone of stamps that carry no offset."""

    options: ReadOptions
    marks: Marks
    decimals: int
    zone: str
    clock: str


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The QTY segments of a piece, with the context of each."""

    segments: Segments
    contexts: Contexts
    at: Index
    context: Index
    first_segment: int
    verdicts: Verdicts

    def refuse(self, mask: Mask, reason: str, remedy: str) -> None:
        """Refuse values for one reason, with the segment as the record."""
        for place in np.flatnonzero(mask).tolist():
            self.refuse_one(place, reason, remedy)

    def refuse_one(self, place: int, reason: str, remedy: str) -> None:
        """Refuse one value."""
        at = int(self.at[place])
        record = self.record(at)
        value = [*record[4:].split(":"), ""][1]
        self.verdicts.add(Reject(self.first_segment + at, reason, remedy, value, record[:80]))

    def record(self, at: int) -> str:
        """Return the text of a segment."""
        marks = self.contexts.marks
        return "+".join(":".join(map(marks.plain, parts)) for parts in self.segments.elements(at))


def decode_text(data: bytes, first_segment: int, rules: Rules) -> Decoded:
    """Decode whole messages."""
    segments = segments_in(data, rules.marks)
    is_value, is_time = segments.of(b"QTY"), segments.of(b"DTM")
    place = np.arange(segments.start.size)
    above = np.maximum.accumulate(np.where(is_time, -1, place)) if place.size else place
    of_value = is_time & (above >= 0) & is_value[np.maximum(above, 0)]
    contexts = Contexts(rules.marks, rules.decimals)
    for at in np.flatnonzero(~is_value & ~of_value).tolist():
        contexts.take(segments, at)
    contexts.finish(segments.rest)
    quantities: Index = np.flatnonzero(is_value)
    values = Values(segments, contexts, quantities, contexts.of(quantities), first_segment, Verdicts())
    times = np.flatnonzero(of_value)
    owner = np.searchsorted(quantities, above[times])
    return _decoded(values, _times(segments, times, owner, quantities.size, rules), rules)


def _times(segments: Segments, times: Index, owner: Index, count: int, rules: Rules) -> tuple[Index, Index, Index]:
    """Return the start, the end and the moment of reading of each value, NOWHEN where none is told."""
    first, second, _ = segments.components(times)
    moment = _moments(segments, first + 1, second, rules)
    kind = segments.keys(segments.start[times] + 4, first)
    found = []
    for code in (BEGIN, END, READ_AT):
        told = np.full(count, NOWHEN, np.int64)
        which = kind == np.uint64(key_of(code))
        told[owner[which]] = moment[which]
        found.append(told)
    return found[0], found[1], found[2]


def _moments(segments: Segments, start: Index, end: Index, rules: Rules) -> Index:
    """Read yyyymmddhhmm with or without an offset, and yyyymmdd, as epoch seconds."""
    text = segments.text
    length = end - start
    wall, good = read_stamps(text, start)
    offset = np.zeros(start.size, np.int64)
    signed = good & ((length == STAMP + 3) | (length == STAMP + 5))
    sign = text[np.minimum(start + STAMP, text.size - 1)]
    for place, unit in ((1, 36_000), (2, 3600), (3, 600), (4, 60)):
        digit = text[np.minimum(start + STAMP + place, text.size - 1)] - np.uint8(48)
        counts = signed & (length > STAMP + place)
        signed &= ~counts | (digit <= 9)  # noqa: PLR2004 - a digit
        offset += np.where(counts & (digit <= 9), digit.astype(np.int64) * unit, 0)  # noqa: PLR2004
    signed &= (sign == PLUS) | (sign == MINUS) | (sign == ord("+"))
    aware = np.where(sign == MINUS, wall + offset, wall - offset)
    naive = good & (length == STAMP)
    moment = np.where(signed, aware, NOWHEN)
    if naive.any():
        moment[naive] = wall[naive] if rules.clock == "UTC" else wall_to_utc(wall[naive], rules.clock)[0]
    return moment


def _decoded(values: Values, times: tuple[Index, Index, Index], rules: Rules) -> Decoded:
    found = values.contexts.found
    _refuse_strange(values)
    good = _refuse_context(values)
    quality, counts, sound = _quantities(values, good)
    at, length, placed = _placed(values, times, good & sound)
    usable = good & sound & placed
    missing = (quality == q.MISSING) | np.isnan(counts)
    whole = Readings(
        points=(),
        point=values.context.astype(np.int32),
        at=at,
        value=np.where(missing, np.nan, counts),
        quality=np.where(missing, np.uint8(q.MISSING), quality),
        line=values.first_segment + values.at,
    )
    series = _series(whole, length, usable, values.contexts)
    marks = reasons_of(values.segments, values.contexts.marks, values.at)
    unusable = int(np.count_nonzero(usable & (quality == q.MISSING)))
    notes = _few(values.contexts.notes)
    if unusable:
        notes.append(f"{unusable} values marked as not usable (QTY+20, Z30) were taken as missing")
    points = dict.fromkeys(context.point for context in found if context.meaning is not None)
    return Decoded(
        records=values.at.size,
        series=tuple(one for one in series if one.size),
        rejects=tuple(sorted(values.verdicts.kept, key=lambda reject: reject.line)),
        rejected=values.verdicts.count,
        zones=dict.fromkeys(points, rules.zone),
        notes=tuple(notes),
        events=() if marks is None else tuple(_events(whole, length, usable, (values.contexts, marks))),
    )


def _events(
    whole: Readings, length: Index, usable: Mask, told: tuple[Contexts, DeviceMarks]
) -> Iterator[EndDeviceEvent]:
    """Yield what the reasons of usable values say of the meters; those of several channels say it once."""
    contexts, marks = told
    names = [context.point for context in contexts.found]
    rows = np.flatnonzero(usable)
    points = list(dict.fromkeys(names))
    order = {name: at for at, name in enumerate(points)}
    point = np.array([order[name] for name in names], np.int64)[whole.point[rows]]
    spans = Spans(points, point, whole.at[rows], whole.at[rows] + length[rows])
    yield from events_of(marks, rows, spans, TOLD_BY)


def _few(notes: list[str]) -> list[str]:
    """Return the first notes and how many more there are: a sender that counts wrongly does so in every message."""
    kept = list(dict.fromkeys(notes))
    more = len(kept) - SHOWN_NOTES
    return kept if more <= 0 else [*kept[:SHOWN_NOTES], f"and {more} more messages whose counts do not fit"]


def _refuse_strange(values: Values) -> None:
    """Refuse segments that no MSCONS message has: a damaged tag may have been a value."""
    strange = values.contexts.strange
    values.verdicts.count += len(strange[KEPT_REJECTS:])
    for at, tag in strange[:KEPT_REJECTS]:
        reason = f"segment {shortened(tag, SHOWN)!r} is none of an MSCONS message"
        reject = Reject(
            values.first_segment + at, reason, "ask the sender again", shortened(tag, SHOWN), values.record(at)[:80]
        )
        values.verdicts.add(reject)


def _refuse_context(values: Values) -> Mask:
    """Refuse values whose point or OBIS code is not known; returns the others."""
    wrong = np.array([bool(context.wrong) for context in values.contexts.found])[values.context]
    for number in np.unique(values.context[wrong]).tolist():
        context = values.contexts.found[number]
        values.refuse(values.context == number, context.wrong, "ask the sender for LOC+172 and an OBIS code of energy")
    return ~wrong


def _quantities(values: Values, good: Mask) -> tuple[q.Qualities, npt.NDArray[np.float64], Mask]:
    """Return quality, counts, and which can be read; what cannot is refused."""
    segments, found = values.segments, values.contexts.found
    first, second, end = segments.components(values.at)
    quality = _qualities(segments.keys(segments.start[values.at] + 4, first))
    meanings = [context.meaning for context in found]
    usual = np.array([m.shift if m else 0 for m in meanings], np.int64)
    exponent = np.array([m.reading_type.exponent if m else 0 for m in meanings], np.int64)
    shift, fitting = _shifts(values, np.minimum(second + 1, end), end, usual[values.context])
    counts, wrong = to_counts(segments.text, np.minimum(first + 1, second), second, shift - exponent[values.context])
    values.refuse(good & (quality == UNREADABLE), "the qualifier of QTY is none we know", "220, 67, 20, 79, 46 or Z18")
    sound = quality != UNREADABLE
    values.refuse(good & sound & ~fitting, "the unit does not fit the OBIS code", "KWH, MWH or K3")
    sound &= fitting
    bad = sound & (wrong | (np.isnan(counts) & (quality != q.MISSING)))
    values.refuse(good & bad, "the quantity is no number", "correct it")
    return quality, np.rint(counts) + 0.0, sound & ~bad


def _qualities(keys: npt.NDArray[np.uint64]) -> q.Qualities:
    distinct, which = np.unique(keys, return_inverse=True)
    table = np.array([QUALIFIERS.get(word_of(int(key)).upper(), UNREADABLE) for key in distinct] or [0], np.uint8)
    return np.asarray(table[which])


def _shifts(values: Values, start: Index, end: Index, usual: Index) -> tuple[Index, Mask]:
    """Return the power of ten of each value's unit, and whether the unit is one of the quantity."""
    keys, which = np.unique(values.segments.keys(start, end), return_inverse=True)
    quantities = [context.meaning.reading_type.quantity if context.meaning else "" for context in values.contexts.found]
    mine = np.array(quantities)[values.context]
    shift, fitting = usual.copy(), np.ones(usual.size, np.bool_)
    for number, key in enumerate(keys.tolist()):
        word = word_of(int(key)).strip().upper()
        if not word:
            continue
        rows = which == number
        quantity, power = UNITS.get(word, ("?", 0))
        fitting[rows] = mine[rows] == quantity
        shift[rows] = power
    return shift, fitting


def _placed(values: Values, times: tuple[Index, Index, Index], good: Mask) -> tuple[Index, Index, Mask]:
    """Return when each value begins and how long it lasts (0: a register), by its own times or by counting."""
    begin, end, read = times
    found = values.contexts.found
    register = np.array(
        [c.meaning is not None and c.meaning.reading_type.accumulation is Accumulation.CUMULATIVE for c in found]
    )[values.context]
    counted, step = _counted(values)
    at = np.where(begin != NOWHEN, begin, counted)
    length = np.where((begin != NOWHEN) & (end != NOWHEN), end - begin, np.where(begin == NOWHEN, step, 0))
    moment = np.where(read != NOWHEN, read, np.where(end != NOWHEN, end, begin))
    at = np.where(register, moment, at)
    length = np.where(register, 0, length)
    timely = (at != NOWHEN) & (register | ((length > 0) & (length <= LONGEST_S)))
    _refuse_untimely(values, good & ~timely)
    return at, length, timely


def _refuse_untimely(values: Values, mask: Mask) -> None:
    """Refuse values without times; where one is a date that no reading can have, that is told."""
    is_time = values.segments.of(b"DTM")
    for place in np.flatnonzero(mask).tolist():
        behind = range(int(values.at[place]) + 1, min(int(values.at[place]) + 3, is_time.size))
        stamps = [[*values.record(at).split(":"), ""][1] for at in behind if is_time[at]]
        far = next((f"its time {stamp!r} {far_date(stamp)}" for stamp in stamps if far_date(stamp)), "")
        values.refuse_one(place, far or UNTIMELY, REMEDY if far else UNTIMELY_HELPS)


def _counted(values: Values) -> tuple[Index, Index]:
    """Return the start of values without times of their own, counted within their context, and their length."""
    found = values.contexts.found
    begin = np.array([NOWHEN if c.begin is None else c.begin for c in found], np.int64)[values.context]
    step = np.array([c.step_s for c in found], np.int64)[values.context]
    within = np.arange(values.at.size) - np.searchsorted(values.context, values.context)
    return np.where((begin != NOWHEN) & (step > 0), begin + within * step, NOWHEN), step


def _series(whole: Readings, length: Index, usable: Mask, contexts: Contexts) -> list[Readings]:
    """Sort values by reading type and length."""
    kinds = {c.meaning.reading_type: 0 for c in contexts.found if c.meaning is not None}
    order = {kind: at for at, kind in enumerate(kinds)}
    names = {point: at for at, point in enumerate(dict.fromkeys(c.point for c in contexts.found))}
    kind = np.array([order[c.meaning.reading_type] if c.meaning else -1 for c in contexts.found])[whole.point]
    point = np.array([names[c.point] for c in contexts.found], np.int32)[whole.point]
    points = tuple(names)
    series = []
    for reading_type, number in order.items():
        mine = usable & (kind == number)
        for seconds in np.unique(length[mine]).tolist():
            rows = mine & (length == seconds)
            used, local = np.unique(point[rows], return_inverse=True)
            shown = tuple(points[one] for one in used.tolist())
            part = replace(
                whole,
                points=shown,
                point=local.astype(np.int32),
                at=whole.at[rows],
                value=whole.value[rows],
                quality=whole.quality[rows],
                line=whole.line[rows],
                interval_s=int(seconds),
                reading_type=reading_type,
            )
            series.append(part)
    return series

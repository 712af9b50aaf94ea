"""Entries with IntervalBlocks to columns of readings, all readings of a piece at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.formats.cim_codes import Meaning
from gridwright.formats.far_dates import REMEDY, TOO_LATE
from gridwright.formats.green_button.entries import HEAD_BYTES, Entry, read_entry
from gridwright.formats.green_button.feed import Feed, Kind, Source, is_register
from gridwright.formats.green_button.qualities import MOST, quality_bytes
from gridwright.formats.markup import Kept, Prolog, Records, Refusals, Tags, enclosing, read_records, records
from gridwright.formats.markup.numbers import decimal_numbers, whole_numbers
from gridwright.formats.markup.tags import CLOSE, OPEN, PAD, Index
from gridwright.formats.source import Decoded

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NAMES = (
    "entry",
    "IntervalBlock",
    "interval",
    "IntervalReading",
    "timePeriod",
    "start",
    "duration",
    "value",
    "ReadingQuality",
    "quality",
)
READINGS = Kept(
    "IntervalReading",
    ("IntervalBlock",),
    frozenset({"timePeriod", "start", "duration", "value", "ReadingQuality", "quality"}),
)
NO_SOURCE = "outside any IntervalBlock"
# Local days last 23 to 25 hours, half an hour less or more on Lord Howe.
DAY_LENGTHS = (DAY_S - 3600, DAY_S - 1800, DAY_S, DAY_S + 1800, DAY_S + 3600)
RARE = 0.02  # of the readings of a type: so few of another length are damage
LATEST = 1 << 36  # the year 4147: what is later is no time


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The IntervalBlocks of a piece: source of each or why it has none, place, and where its interval begins (or 0)."""

    sources: tuple[Source | str, ...]
    starts: Index


@dataclass(slots=True)
class Piece:
    """A piece of a feed on its way: its tags and readings, its blocks, and for each reading which block it is in."""

    feed: Feed
    tags: Tags
    readings: Records
    blocks: Blocks
    block: Index
    refusals: Refusals

    def refuse(self, which: Mask, reason: str, remedy: str, leaf: tuple[Index, Index] | None = None) -> None:
        """Refuse some readings; `leaf`: the text at fault of every reading."""
        self.refusals.some(self.readings, which, (reason, remedy), leaf)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What each reading says, in the order of the text; `keep`: which of them can be taken."""

    at: Index
    duration: Index
    value: Floats
    quality: npt.NDArray[np.uint8]
    keep: Mask


def decode_piece(data: bytes, place: int, first_line: int, feed: Feed, prolog: Prolog) -> Decoded:
    """Decode the piece of a feed that begins at byte `place`; what damage costs becomes rejects."""
    tags, readings = read_records(data, first_line, NAMES, READINGS)
    refusals = Refusals(tags)
    refusals.torn(readings, "IntervalReading")
    blocks, block = _blocks(tags, readings, (data, place), feed, prolog)
    piece = Piece(feed, tags, readings, blocks, block, refusals)
    series = _series(piece, _columns(piece))
    return Decoded(
        records=readings.size + int(readings.torn.size),
        series=tuple(series),
        rejects=refusals.sorted(),
        rejected=refusals.verdicts.count,
    )


def _blocks(tags: Tags, readings: Records, text: tuple[bytes, int], feed: Feed, prolog: Prolog) -> tuple[Blocks, Index]:
    """Find the blocks and the one each reading is in; readings behind a block's end, or before any, have block -1."""
    data, offset = text
    begins, entries = tags.start[tags.which("IntervalBlock", OPEN)], tags.start[tags.which("entry", OPEN)]
    ends = [tags.start[tags.which(name, CLOSE)] for name in ("IntervalBlock", "entry")]
    block = enclosing(begins, np.sort(np.concatenate([*ends, entries])), readings.places)
    owner = np.searchsorted(entries, begins) - 1
    sources: list[Source | str] = []
    head: tuple[int, Source | str] = (-2, "")
    for at, entry in zip(begins.tolist(), owner.tolist(), strict=True):
        if entry != head[0]:
            head = (
                entry,
                _source(data, offset, (int(entries[entry]) - PAD if entry >= 0 else 0, at - PAD), feed, prolog),
            )
        sources.append(head[1])
    return Blocks(tuple(sources), _interval_starts(tags, begins)), block


def _source(data: bytes, offset: int, span: tuple[int, int], feed: Feed, prolog: Prolog) -> Source | str:
    """Read the head of a block's entry and ask the feed what it belongs to."""
    begin, end = span
    if end - begin > HEAD_BYTES:
        return "no UsagePoint: what stands before the IntervalBlock in its entry is too long to be its address"
    head = data[begin : min(end + 64, begin + HEAD_BYTES)]
    entry = read_entry(head, offset + begin, prolog)
    return feed.source_of(Entry(entry.place, "IntervalBlock", entry.links))


def _interval_starts(tags: Tags, begins: Index) -> Index:
    """Return the start of the interval that each block tells of itself; 0 where it tells none."""
    intervals = records(tags, "interval")
    start, end, _ = intervals.leaf("start", 1).of(intervals.size)
    starts, wrong = whole_numbers(tags.text, np.maximum(start, 0), np.maximum(end, 0))
    known = np.zeros(begins.size, np.int64)
    if begins.size:
        owner = np.searchsorted(begins, intervals.places) - 1
        good = (owner >= 0) & ~wrong & (start >= 0)
        known[owner[good]] = starts[good]
    return known


def _columns(piece: Piece) -> Columns:
    """Read start, duration, value and qualities of every reading."""
    tags, readings, count = piece.tags, piece.readings, piece.readings.size
    text = tags.text
    value_at = readings.leaf("value", 1).of(count)
    start_at, length_at = (readings.leaf(name, 2).of(count) for name in ("start", "duration"))
    keep = np.ones(count, np.bool_)
    for (begin, _, twice), name in ((value_at, "value"), (start_at, "start"), (length_at, "duration")):
        del begin
        if twice.any():
            piece.refuse(twice & keep, f"{name} stands twice in one reading", "which one is right?")
            keep &= ~twice
    at, no_start = _whole(text, start_at)
    duration, no_length = _whole(text, length_at)
    kinds, codes = _kinds(piece)
    places = np.array([*(_places(kind) for kind in kinds), 0], np.int64)[codes]
    value, no_value = decimal_numbers(text, np.maximum(value_at[0], 0), np.maximum(value_at[1], 0), places)
    for wrong, reason, remedy, spans in (
        (no_start, "start is no number", "correct it", start_at),
        (at > LATEST, f"start {TOO_LATE}", REMEDY, start_at),
        (no_length, "duration is no number", "correct it", length_at),
        (duration > LATEST, "duration is longer than any interval", "correct it", length_at),
        (no_value, "value is no number", "correct it", value_at),
    ):
        if wrong.any():
            piece.refuse(wrong & keep, reason, remedy, spans[:2])
            keep &= ~wrong
    usual = np.array([*(kind.interval_s if kind else 0 for kind in kinds), 0], np.int64)[codes]
    duration = np.where(length_at[0] < 0, usual, duration)
    at = _placed(piece, at, start_at[0] < 0, usual)
    return Columns(at, duration, value, _qualities(piece, kinds, codes), keep)


def _whole(text: npt.NDArray[np.uint8], leaf: tuple[Index, Index, Mask]) -> tuple[Index, Mask]:
    """Read whole numbers; what is absent is 0 and no mistake."""
    absent = leaf[0] < 0
    values, wrong = whole_numbers(text, np.maximum(leaf[0], 0), np.maximum(leaf[1], 0))
    return np.where(absent, 0, values), wrong & ~absent


def _placed(piece: Piece, at: Index, absent: Mask, usual: Index) -> Index:
    """Place readings without a start of their own one after the other from their block's start on (REQ.21)."""
    if not absent.any():
        return at
    block = piece.block
    first = np.searchsorted(block, block, side="left") if (np.diff(block) >= 0).all() else np.zeros(at.size, np.int64)
    number = np.arange(at.size) - first
    begin = np.append(piece.blocks.starts, 0)[block]
    known = absent & (begin > 0) & (usual > 0) & (block >= 0)
    lost = absent & ~known
    if lost.any():
        piece.refuse(lost & (block >= 0), "no start, and its IntervalBlock tells none", "ask the sender for starts")
    return np.where(known, begin + number * usual, np.where(lost, -1, at))


def _kinds(piece: Piece) -> tuple[list[Kind | None], Index]:
    """Return the reading types of the blocks, and which of them each reading has (-1 = none)."""
    kinds: dict[Kind | None, int] = {}
    number = [
        kinds.setdefault(source.kind if isinstance(source, Source) else None, len(kinds))
        for source in piece.blocks.sources
    ]
    codes = np.array([*number, -1], np.int64)[piece.block]
    return list(kinds), codes


def _places(kind: Kind | None) -> int:
    return kind.meaning.places if kind is not None and isinstance(kind.meaning, Meaning) else 0


def _qualities(piece: Piece, kinds: list[Kind | None], codes: Index) -> npt.NDArray[np.uint8]:
    """Return the quality byte of each reading: of its own codes, else of its type's default."""
    default = np.array([*(1 << min(kind.quality, MOST - 1) if kind else 0 for kind in kinds), 0], np.int64)
    masks = default[codes]
    told = piece.readings.leaf("quality", 2)
    if told.record.size:
        code, wrong = whole_numbers(piece.tags.text, told.start, told.end)
        bits = np.left_shift(1, np.where(wrong | (code < 0) | (code >= MOST), 16, code))
        own = np.zeros(masks.size, np.int64)
        np.bitwise_or.at(own, told.record, bits)
        masks = np.where(own > 0, own, masks)
    return quality_bytes(masks)


def _series(piece: Piece, columns: Columns) -> list[Readings]:
    """Group the readings by reading type and interval length."""
    keep = columns.keep & (columns.at >= 0)
    _refuse_sourceless(piece, keep)
    points, point_of = _points(piece)
    series: list[Readings] = []
    kinds = dict.fromkeys(
        source.kind
        for source in piece.blocks.sources
        if isinstance(source, Source) and isinstance(source.kind.meaning, Meaning)
    )
    for kind in kinds:
        which = np.array(
            [*(isinstance(source, Source) and source.kind == kind for source in piece.blocks.sources), False], np.bool_
        )
        at = np.flatnonzero(keep & which[piece.block])
        if at.size and isinstance(kind.meaning, Meaning):
            series += _one_kind(piece, columns, at, kind.meaning.reading_type, (points, point_of))
    return series


def _points(piece: Piece) -> tuple[list[tuple[str, str]], Index]:
    """Return the (usage point, meter) pairs, and the number of each block's pair (-1 = none)."""
    pairs: dict[tuple[str, str], int] = {}
    number = [
        pairs.setdefault((source.point, source.device), len(pairs)) if isinstance(source, Source) else -1
        for source in piece.blocks.sources
    ]
    return list(pairs), np.array([*number, -1], np.int64)


def _one_kind(
    piece: Piece, columns: Columns, at: Index, kind: ReadingType, points: tuple[list[tuple[str, str]], Index]
) -> list[Readings]:
    """Lay readings of one type out, a series for each interval length."""
    register = is_register(kind)
    length = np.zeros(at.size, np.int64) if register else _lengths(piece, columns, at)
    pairs, point_of = points
    series: list[Readings] = []
    for interval_s in np.unique(length[length >= 0]).tolist():
        rows = at[length == interval_s]
        used, point = np.unique(point_of[piece.block[rows]], return_inverse=True)
        readings = Readings(
            points=tuple(pairs[number][0] for number in used.tolist()),
            point=point.astype(np.int32),
            at=columns.at[rows] + (columns.duration[rows] if register else 0),
            value=columns.value[rows],
            quality=columns.quality[rows],
            line=piece.tags.lines(piece.readings.places[rows]),
            interval_s=interval_s,
            reading_type=kind,
            devices=tuple(pairs[number][1] for number in used.tolist()),
        )
        series.append(readings if register else readings.of_points())
    return series


def _lengths(piece: Piece, columns: Columns, at: Index) -> Index:
    """Return the interval length of each reading; -1 and a reject where it is none, or damage among others."""
    length = columns.duration[at]
    length = np.where(np.isin(length, DAY_LENGTHS), DAY_S, length)
    known, which, count = np.unique(length, return_inverse=True, return_counts=True)
    odd = (known <= 0) | ((known < DAY_S) & (DAY_S % np.maximum(known, 1) != 0))
    odd |= (count < RARE * at.size) & (known < DAY_S)
    lost = odd[which]
    if lost.any():
        refused = np.zeros(piece.readings.size, np.bool_)
        refused[at[lost]] = True
        spans = piece.readings.leaf("duration", 2).of(piece.readings.size)
        piece.refuse(refused, "duration is no interval length that others have too", "correct it", spans[:2])
        length = np.where(lost, -1, length)
    return length


def _refuse_sourceless(piece: Piece, keep: Mask) -> None:
    """Refuse readings of blocks that nobody can place: one reject a block, which counts all of its readings."""
    sources = piece.blocks.sources
    reasons = [
        NO_SOURCE if isinstance(s, str) and not s else s if isinstance(s, str) else s.kind.meaning for s in sources
    ]
    why = [reason if isinstance(reason, str) else "" for reason in reasons]
    for number in np.unique(piece.block[keep]).tolist():
        reason = why[number] if number >= 0 else NO_SOURCE
        remedy = "ask the sender for a whole feed" if number < 0 or "no " in reason else "it is left out"
        if reason:
            piece.refusals.group(piece.readings, keep & (piece.block == number), (reason, remedy))

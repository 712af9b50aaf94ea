"""A piece of a CMEP file to columns of readings: records one by one, their triplets by the million."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.readings import Readings
from gridwright.domain.told import ToldConfiguration
from gridwright.domain.verdict import Reject
from gridwright.formats.cmep.heads import lines_of, understood
from gridwright.formats.cmep.records import HEADER, Record, Refusal, Rules
from gridwright.formats.cmep.units import CUBIC_MM, QUALITY_OF_BYTE, UNKNOWN
from gridwright.formats.compact import STAMP, read_stamps
from gridwright.formats.far_dates import far_advice
from gridwright.formats.nem12.days import Verdicts
from gridwright.formats.nem12.numbers import Text, to_counts
from gridwright.formats.source import Decoded
from gridwright.formats.spans import spans_of
from gridwright.formats.text import encoding_notes, text_of
from gridwright.formats.zones import change_lengths, second_passes, wall_to_utc

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Bounds = tuple[Index, Index]
RETURN = 13
SHOWN = 80
NO_TIME = ("is no time yyyymmddhhmm", "correct the stamp")


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A text and the lines of it that are records.

    `records`: what the heads of those lines tell, each once; `record`: which of them each line is, `number`: on which
    line it stands, `triplets`: the place of its first triplet among the `separators`.
    """

    text: Text
    separators: Index
    records: tuple[Record, ...]
    record: Index
    number: Index
    triplets: Index
    rules: Rules
    verdicts: Verdicts

    def of_lines(self, told: Callable[[Record], float], kind: npt.DTypeLike = np.int64) -> npt.NDArray[Any]:
        """Return what is told of its record for each line."""
        return np.array([told(record) for record in self.records], kind)[self.record]

    def value(self, bounds: Bounds, cell: int) -> str:
        """Return the text of a field."""
        return text_of(self.text[bounds[0][cell] : bounds[1][cell]].tobytes())[:SHOWN]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The triplets of all records of a piece: record and place of each, stamp on its clock, counts, quality."""

    record: Index
    wall: Index
    value: npt.NDArray[np.float64]
    quality: q.Qualities
    good: Mask


def decode_text(data: bytes, first_line: int, rules: Rules) -> Decoded:
    """Decode a piece of a file that begins with a line."""
    piece = _piece(data, first_line, rules)
    cells = _cells(piece)
    series = [one for one in _series(piece, cells) if one.size]
    verdicts = piece.verdicts
    return Decoded(
        records=int(piece.of_lines(lambda record: record.count).sum()),
        series=tuple(series),
        rejects=tuple(sorted(verdicts.kept, key=lambda reject: reject.line)),
        rejected=verdicts.count,
        zones=dict.fromkeys((record.point for record in piece.records), rules.zone),
        notes=(*_notes(piece.records), *encoding_notes(data)),
        told=tuple(_told(piece.records, series)),
    )


def _told(records: Sequence[Record], series: Sequence[Readings]) -> Iterator[ToldConfiguration]:
    """Yield the multiplier of each meter whose records all name one other than 1, over its intervals.

    A constant of 1 tells nothing: the values may have been multiplied before.
    """
    constants: dict[str, set[Decimal]] = {}
    for record in records:
        constants.setdefault(record.point, set()).add(Decimal(record.constant or "1"))
    told = {name: several.pop() for name, several in constants.items() if len(several) == 1}
    told = {name: factor for name, factor in told.items() if factor != 1}
    for part in series if told else ():
        for number, first, last in spans_of(part.point, part.at, part.at + part.interval_s):
            name = part.points[number]
            if name in told and first < last:
                yield ToldConfiguration(name, first, last, multiplier=told[name])


def _piece(data: bytes, first_line: int, rules: Rules) -> Piece:
    """Find the lines and understand the head of each."""
    lines = lines_of(data)
    told, which = understood(lines, rules)
    verdicts = Verdicts()
    for line in np.flatnonzero(_are(Refusal, told)[which]).tolist():
        lost = max((int(lines.fields[line]) - HEADER) // 3, 1)
        verdicts.add(_reject(told[which[line]], first_line + line, lines.head(line)), lost)
    taken = _are(Record, told)
    place = np.flatnonzero(taken[which])
    return Piece(
        lines.text,
        lines.separators,
        tuple(one for one in told if isinstance(one, Record)),
        (np.cumsum(taken) - 1)[which[place]],
        first_line + place,
        lines.first[place] + HEADER,
        rules,
        verdicts,
    )


def _are(kind: type, told: Sequence[object]) -> Mask:
    return np.array([isinstance(one, kind) for one in told], np.bool_)


def _reject(found: Refusal, line: int, record: str) -> Reject:
    return Reject(line, found.reason, found.remedy, found.value, record[:SHOWN])


def _cells(piece: Piece) -> Cells:
    """Read every triplet: stamp, code, value. A bad one costs only itself."""
    text, counts = piece.text, piece.of_lines(lambda record: record.count)
    record = np.repeat(np.arange(counts.size), counts)
    begin = np.cumsum(counts) - counts
    stamp, code, value = _triplets(piece, counts, begin)
    value = (value[0], np.maximum(value[1] - (text[value[1] - 1] == RETURN), value[0]))
    counted, wrong = _counts(piece, record, value)
    quality = np.where(code[1] > code[0], QUALITY_OF_BYTE[text[code[0]]], np.uint8(q.RAW))
    wall, dated = _walls(piece, stamp, record, begin)
    _refuse(piece, ~dated, stamp, record, NO_TIME)
    _refuse(piece, dated & wrong, value, record, ("is no number", "correct the value"))
    strange = dated & ~wrong & (quality == UNKNOWN)
    _refuse(piece, strange, code, record, ("is no quality we know", "R, V, A, E or N and a number"))
    missing = np.isnan(counted) | (quality == q.MISSING)
    quality = np.where(missing, np.uint8(q.MISSING), quality)
    return Cells(record, wall, np.where(missing, np.nan, counted), quality, dated & ~wrong & ~strange)


def _triplets(piece: Piece, counts: Index, begin: Index) -> tuple[Bounds, Bounds, Bounds]:
    """Return the bounds of the three fields of each triplet."""
    at = np.repeat(piece.triplets - 3 * begin, counts)
    at += 3 * np.arange(at.size)
    ends = [piece.separators[at + field] for field in range(-1, 3)]
    stamp, code, value = ((before + 1, end) for before, end in pairwise(ends))
    return stamp, code, value


def _counts(piece: Piece, record: Index, bounds: Bounds) -> tuple[npt.NDArray[np.float64], Mask]:
    values, wrong = to_counts(piece.text, *bounds, piece.of_lines(lambda one: one.meaning.places)[record])
    if any(one.meaning.factor != 1 for one in piece.records):
        values = values * piece.of_lines(lambda one: one.meaning.factor, np.float64)[record]
    return np.rint(values) + 0.0, wrong


def _refuse(piece: Piece, mask: Mask, bounds: Bounds, record: Index, advice: tuple[str, str]) -> None:
    if not mask.any():
        return
    within = np.arange(record.size) - np.searchsorted(record, record)
    for cell in np.flatnonzero(mask).tolist():
        value = piece.value(bounds, cell)
        told, remedy = far_advice(value, advice) if advice is NO_TIME else advice
        reason = f"reading {within[cell] + 1}: {value!r} {told}"
        piece.verdicts.add(Reject(int(piece.number[record[cell]]), reason, remedy, value))


def _walls(piece: Piece, bounds: Bounds, record: Index, begin: Index) -> tuple[Index, Mask]:
    """Return the wall clock of each stamp and which are good; an empty one counts on from the last before it."""
    start, end = bounds
    wall, good = read_stamps(piece.text, start)
    good &= end - start == STAMP
    empty = end == start
    if empty.any():
        interval_s = piece.of_lines(lambda one: one.interval_s)[record]
        place = np.arange(record.size)
        told = np.maximum.accumulate(np.where(~empty, place, -1))
        counted = empty & (told >= begin[record])
        told = np.maximum(told, 0)
        wall = np.where(counted, wall[told] + (place - told) * interval_s, wall)
        good = np.where(counted, good[told] & (interval_s > 0), good)
    return wall, good


def _series(piece: Piece, cells: Cells) -> list[Readings]:
    """Sort the triplets by reading type and interval."""
    records = piece.records
    points = {point: at for at, point in enumerate(dict.fromkeys(record.point for record in records))}
    kinds = {kind: at for at, kind in enumerate(dict.fromkeys(record.series for record in records))}
    point = piece.of_lines(lambda record: points[record.point], np.int32)[cells.record]
    kind = piece.of_lines(lambda record: kinds[record.series], np.int32)[cells.record]
    at, good = _instants(piece, cells, point * (len(kinds) or 1) + kind)
    whole = Readings(tuple(points), point, at, cells.value, cells.quality, piece.number[cells.record])
    return [
        _one_series(replace(whole, reading_type=reading_type, interval_s=interval_s), good & (kind == which))
        for (reading_type, interval_s), which in kinds.items()
    ]


def _one_series(whole: Readings, rows: Mask) -> Readings:
    """Return the rows of one series, whose points alone are named; registers know their meter."""
    take = slice(None) if rows.all() else rows
    used = np.bincount(whole.point[take], minlength=len(whole.points)) > 0
    local = (np.cumsum(used) - 1).astype(np.int32)[whole.point[take]]
    shown = tuple(whole.points[one] for one in np.flatnonzero(used).tolist())
    return replace(
        whole,
        points=shown,
        point=local,
        at=whole.at[take] - whole.interval_s,
        value=whole.value[take],
        quality=whole.quality[take],
        line=whole.line[take],
        devices=() if whole.interval_s else shown,
    )


def _instants(piece: Piece, cells: Cells, register: npt.NDArray[np.int32]) -> tuple[Index, Mask]:
    """Return UTC seconds of each stamp and which exist; the second of two equal local stamps is the later hour."""
    zone = piece.rules.stamps
    if zone == "UTC" or not cells.wall.size:
        return cells.wall, cells.good
    first = int(cells.wall[cells.good].min()) if cells.good.any() else 0
    at, repeated, skipped = wall_to_utc(np.where(cells.good, cells.wall, first), zone)
    if repeated.any():
        second = second_passes(register, at, repeated & cells.good)
        at[second] += change_lengths(at[second], zone)
    _place_twins(piece, cells, register, at, repeated)
    for cell in np.flatnonzero(skipped & cells.good).tolist():
        stamp = str(np.datetime64(int(cells.wall[cell]), "s"))
        reason = f"{stamp} does not exist in {zone}: the clock skips it"
        piece.verdicts.add(Reject(int(piece.number[cells.record[cell]]), reason, "is --zone right?", stamp))
    return at, cells.good & ~skipped


def _place_twins(piece: Piece, cells: Cells, register: npt.NDArray[np.int32], at: Index, repeated: Mask) -> None:
    """Move the first of two equal stamps that close a repeated hour to the end of its first pass.

    When clocks go back from 2:00 to 1:00, that interval ends at 1:00 on the clock; some senders call it 2:00, twice.
    """
    length = piece.of_lines(lambda one: one.interval_s)[cells.record]
    begin, opens, _ = wall_to_utc(cells.wall - length, piece.rules.stamps)
    twin = opens & ~repeated & cells.good
    second = second_passes(register, at, twin)
    if second.any():
        keys = register.astype(np.int64) << 40 | cells.wall
        first = twin & ~second & np.isin(keys, keys[second])
        at[first] = begin[first] + length[first]


def _notes(records: Sequence[Record]) -> tuple[str, ...]:
    imperial = any(record.meaning.reading_type.exponent == CUBIC_MM for record in records)
    return ("volumes in cubic feet or gallons were taken in mm³, to the nearest one",) if imperial else ()

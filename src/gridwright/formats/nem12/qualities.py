"""Quality methods (`A`, `S14`, `V` ...) to quality bytes, and the 400 records that spread them over a day."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.verdict import Reject
from gridwright.formats.nem12.layout import Index, Layout
from gridwright.formats.nem12.numbers import LAST, WORD, Text, to_counts, words
from gridwright.formats.writer import QUALITY_OF_WORD

CHANNEL, DAY = 200, 300
CODE = re.compile(r"([AESFNV])(\d{2})?")
VARIABLE = 255  # the 400 records below tell; no quality byte has this value
UNREADABLE = 254
TWICE = "its intervals are told by another 400 record, too: the word that vouches less for them counts"
MISSING = np.uint8(q.MISSING)
SHORTEST_WORD, LONGEST_WORD = min(map(len, QUALITY_OF_WORD)), max(map(len, QUALITY_OF_WORD))


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """400 records: slots first..last (1-based) of day `row` (its place among the days) carry `quality`."""

    row: Index
    first: Index
    last: Index
    quality: q.Qualities
    line: Index

    def at(self, which: npt.NDArray[np.bool_], row: Index) -> Ranges:
        """Return some of the ranges, with their days numbered anew."""
        return Ranges(row[which], self.first[which], self.last[which], self.quality[which], self.line[which])

    def of(self, days: npt.NDArray[np.bool_]) -> Ranges:
        """Return the ranges of some of the days."""
        return self.at(days[self.row], self.row)


def quality_byte(code: str) -> int:
    """Return the quality byte of a method such as `F14`; no code at all is RAW, V is VARIABLE."""
    text = code.strip().strip('"').upper()
    if not text:
        return q.RAW
    match = CODE.fullmatch(text)
    if match is None:
        return UNREADABLE
    flag, method = match.groups()
    if flag == "V":
        return VARIABLE
    return q.of_nem12(flag, method or "")


def quality_bytes(text: Text, start: Index, end: Index) -> q.Qualities:
    """Return the quality byte of each field; only distinct codes are read one by one."""
    return _distinct(text, start, end, quality_byte)


def as_told(quality: q.Qualities, whole: Layout, lines: Index, field: int) -> q.Qualities:
    """Return the qualities of records, as a reason in our own words tells them more closely than their methods do."""
    start, end = whole.field_bounds(lines, field)
    told = np.flatnonzero((end - start >= SHORTEST_WORD) & (end - start <= LONGEST_WORD) & (quality < UNREADABLE))
    if not told.size:
        return quality
    closer = quality.copy()
    for at in told.tolist():
        closer[at] = told_closer(int(quality[at]), whole.text[start[at] : end[at]].tobytes().decode("latin-1"))
    return closer


def told_closer(quality: int, reason: str) -> int:
    """Return the quality that a reason in our own words tells, where its method is the one that was read."""
    byte = QUALITY_OF_WORD.get(reason.strip())
    return quality if byte is None or quality_byte(q.nem12_code(byte)) != quality else byte


def _distinct(text: Text, start: Index, end: Index, read: Callable[[str], int]) -> q.Qualities:
    length = np.minimum(end - start, WORD)
    keys = words(text)[end - WORD] & LAST[length]
    codes, which = np.unique(keys, return_inverse=True)
    values = [read(int(code).to_bytes(WORD, "little").lstrip(b"\0").decode("latin-1")) for code in codes]
    out: q.Qualities = np.array(values, np.uint8)[which]
    out[end - start > WORD] = UNREADABLE
    return out


def ranges_of(whole: Layout, row_of_line: Index) -> tuple[Ranges, Index]:
    """Read the 400 records; `row_of_line`: day above each line, -1 = none. Returns them and the homeless lines."""
    lines = whole.lines(400)
    rows = row_of_line[lines]
    homeless, lines, rows = lines[rows < 0], lines[rows >= 0], rows[rows >= 0]
    bounds = [to_counts(whole.text, *whole.field_bounds(lines, at), np.zeros(lines.size, np.int64))[0] for at in (1, 2)]
    first, last = (np.nan_to_num(bound, nan=0.0).astype(np.int64) for bound in bounds)
    quality = quality_bytes(whole.text, *whole.field_bounds(lines, 3))
    return Ranges(rows, first, last, as_told(quality, whole, lines, 5), lines), homeless


def day_above(whole: Layout, days: Index) -> Index:
    """Return for each line the place of the day record above it under the same 200 record, else -1."""
    at = np.arange(whole.kind.size)
    day = np.maximum.accumulate(np.where(whole.kind == DAY, at, -1))
    head = np.maximum.accumulate(np.where(whole.kind == CHANNEL, at, -1))
    return np.where(day > head, np.searchsorted(days, day), -1)


def numbered(ranges: Ranges, rows: Index, total: int) -> Ranges:
    """Return the ranges of the days `rows`, numbered by their place there."""
    place = np.full(total + 1, -1, np.int64)
    place[rows] = np.arange(rows.size)
    return ranges.at(place[ranges.row] >= 0, place[ranges.row])


def spread(quality: q.Qualities, ranges: Ranges, slots: int) -> tuple[npt.NDArray[np.bool_], list[tuple[int, str]]]:
    """Write the ranges into `quality`, uint8[days, slots], whose variable days are VARIABLE.

    Returns which days have no quality in the end, and (line, why) of each range that cannot be applied.
    """
    takes = quality[ranges.row, 0] == VARIABLE
    fits = (ranges.first >= 1) & (ranges.first <= ranges.last) & (ranges.last <= slots)
    readable = ranges.quality < UNREADABLE
    good = takes & fits & readable
    counts = np.where(good, ranges.last - ranges.first + 1, 0)
    crowded = np.bincount(ranges.row, counts, quality.shape[0]) > slots
    # Of several records of one interval the one that vouches less for it counts: it is written last.
    order = np.argsort(~q.has_status(ranges.quality, q.MEASURED), kind="stable") if crowded.any() else slice(None)
    begin, many = (ranges.row * slots + ranges.first - 1)[order], counts[order]
    cell = np.repeat(begin - np.cumsum(many) + many, many) + np.arange(many.sum())
    quality.reshape(-1)[cell] = np.repeat(ranges.quality[order], many)
    reasons = [(~fits, f"intervals outside 1 to {slots}"), (~readable, "quality method unknown")]
    wrong = [(int(line), why) for mask, why in reasons for line in ranges.line[mask & takes]]
    wrong += [(int(line), "the day above it is not of quality V") for line in ranges.line[~takes]]
    wrong += [(line, TWICE) for line in _told_twice(ranges, good & crowded[ranges.row])]
    return _unfinished(quality, ranges, good), wrong


def _told_twice(ranges: Ranges, which: npt.NDArray[np.bool_]) -> list[int]:
    """Return the lines of ranges that begin within another one of their day."""
    at = np.flatnonzero(which)
    at = at[np.lexsort((ranges.first[at], ranges.row[at]))]
    found, row, last = [], -1, 0
    for place in at.tolist():
        last = last if ranges.row[place] == row else 0
        row = int(ranges.row[place])
        if ranges.first[place] <= last:
            found.append(int(ranges.line[place]))
        last = max(last, int(ranges.last[place]))
    return found


def _unfinished(quality: q.Qualities, ranges: Ranges, good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell which days lack quality, or have a range that fails: the others may be counted in its length too."""
    unfinished = np.asarray((quality >= UNREADABLE).any(axis=1))
    touched = np.zeros(quality.shape[0], np.bool_)
    touched[ranges.row[~good]] = True
    variable = np.zeros(quality.shape[0], np.bool_)
    variable[ranges.row[good]] = True
    return unfinished | (touched & variable)


def reject_range(whole: Layout, line: int, why: str) -> Reject:
    """Return the verdict on a 400 record."""
    record = whole.record(line)
    return Reject(int(whole.number[line]), why, "correct the 400 record", ",".join(record.split(",")[1:4]), record)

"""Dates and times of many shapes, read as arrays: the bytes of a column in, wall-clock seconds and offsets out.

Stamps are grouped by their *shape* (every digit written as 0), each shape is understood once, and its rows are then
read as a byte matrix. A column may hold several shapes: each is read by its own rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.formats.digits import column_words, read_once
from gridwright.formats.shapes import Rows, shaped_blocks

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.signedinteger[Any]]

# So many digits no longer fit 32 bits.
WIDEST = 10
NO_OFFSET = -(2**31)
WORD = 8  # bytes
UNKNOWN, STANDARD, SUMMER = -1, 0, 1
ORDERS = ("ymd", "dmy", "mdy")

FIRST_YEAR, LAST_YEAR = 1600, 2399
CYCLE_BEGINS, CYCLE_YEARS, CYCLE_DAYS = 2000, 400, 146_097  # after which the calendar is the same again
MONTH_STARTS: Ints = (
    np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
)
FIRST_WALL, LAST_WALL = int(MONTH_STARTS[0]) * DAY_S, int(MONTH_STARTS[-1]) * DAY_S
MONTH_NAMES = {
    **{name: at for at, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)},
    b"mrz": 3,
    b"mai": 5,
    b"okt": 10,
    b"dez": 12,
    b"maj": 5,
    b"mei": 5,
    b"mrt": 3,
}
# Suffix → (seconds east of UTC or None for "the zone of the file", which pass of a repeated hour it tells).
SUFFIXES: dict[bytes, tuple[int | None, int]] = {
    b"Z": (0, UNKNOWN),
    b"UTC": (0, UNKNOWN),
    b"GMT": (0, UNKNOWN),
    b"DST": (None, SUMMER),
    b"ST": (None, STANDARD),
    b"STD": (None, STANDARD),
    b"WET": (0, UNKNOWN),
    b"WEST": (3600, UNKNOWN),
    b"BST": (3600, UNKNOWN),
    b"CET": (3600, UNKNOWN),
    b"MEZ": (3600, UNKNOWN),
    b"CEST": (7200, UNKNOWN),
    b"MESZ": (7200, UNKNOWN),
    b"EET": (7200, UNKNOWN),
    b"EEST": (10800, UNKNOWN),
    b"EST": (-18000, UNKNOWN),
    b"EDT": (-14400, UNKNOWN),
    b"CDT": (-18000, UNKNOWN),
    b"MST": (-25200, UNKNOWN),
    b"MDT": (-21600, UNKNOWN),
    b"PST": (-28800, UNKNOWN),
    b"PDT": (-25200, UNKNOWN),
    b"AEST": (36000, UNKNOWN),
    b"AEDT": (39600, UNKNOWN),
}

_TIME = (
    rb"(?P<H>00?)(?:[:.h](?P<M>00)(?:[:.m](?P<S>00)s?(?:[.,](?P<f>0+))?)?|(?P<M2>00)(?P<S2>00)?)"
    rb"(?: ?(?P<ap>[AaPp])\.?[Mm]\.?)?"
)
_SUFFIX = rb"(?:[ ]?\(?(?P<zone>[A-Za-z]{1,4})\)?)?(?:[ ]?(?P<sign>[+-])(?P<oh>00):?(?P<om>00)?)?"
_CLOCK = rb"(?:(?: +|[ ]?T|:|_|, ?| - )" + _TIME + rb")?" + _SUFFIX
_DATES = (
    rb"(?P<y>0000)(?P<s>[-/.])(?P<m>00?)(?P=s)(?P<d>00?)",
    rb"(?:\+|(?P<era>-))(?P<y>0{4,6})(?P<s>-)(?P<m>00)-(?P<d>00)",  # years that ISO 8601 writes with a sign
    rb"(?P<y>0{5,6})(?P<s>-)(?P<m>00)-(?P<d>00)",  # the same without it: no reading is of them, and they are told
    rb"(?P<a>00?)(?P<s>[-/. ])(?P<b>00?)(?P=s)(?P<y>0000|00)",
    rb"(?P<y>0000)(?P<m>00)(?P<d>00)",
    rb"(?P<d>00?)[-/. ]?(?P<name>[A-Za-z]{3})[a-z]*[-/., ]{0,2}(?P<y>0000|00)",
    rb"(?P<name>[A-Za-z]{3})[a-z]*[-. ](?P<d>00?),?[- ](?P<y>0000)",
    rb"(?P<y>0000)\xe5\xb9\xb4(?P<m>00?)\xe6\x9c\x88(?P<d>00?)\xe6\x97\xa5",
)
_STAMPS = tuple(re.compile(rb"\A" + date + _CLOCK + rb"\Z") for date in _DATES)
_COMPACT = re.compile(rb"\A(?P<y>0000)(?P<m>00)(?P<d>00)[ T_]?(?P<H>00)(?P<M>00)(?P<S>00)?" + _SUFFIX + rb"\Z")
_TIME_ONLY = re.compile(rb"\A" + _TIME + rb"\Z")
# Digits of an epoch → how many of one second: s, ms, µs, ns.
EPOCHS = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
_EPOCH = re.compile(rb"\A(?P<epoch>0{10}|0{13}|0{16}|0{19})(?:\.(?P<f>0+))?\Z")

Fields = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """n stamps as read: `wall` seconds since 1970 on the clock they were written by.

    `offset`: seconds east of UTC, NO_OFFSET where the stamp tells none; `season`: SUMMER or STANDARD where a suffix
    tells it; `good`: whether it could be read; `rounded`: a fraction of a second was rounded; `dated`: it has a time of
    day, not a date alone; `midnight24`: it was written 24:00.
    """

    wall: Ints
    offset: Ints
    season: npt.NDArray[np.int8]
    good: Mask
    rounded: Mask
    dated: Mask
    midnight24: Mask

    @property
    def has_offset(self) -> Mask:
        """Whether a stamp is an instant by itself."""
        return np.asarray(self.offset != NO_OFFSET)

    @property
    def beyond(self) -> Mask:
        """Whether a stamp is a date that exists, before or after all that one may have."""
        return np.asarray(~self.good & ((self.wall < FIRST_WALL) | (self.wall >= LAST_WALL)))


def blank_stamps(size: int) -> Stamps:
    """Return `size` stamps of which none is good yet."""
    flags = [np.zeros(size, np.bool_) for _ in range(4)]
    return Stamps(np.zeros(size, np.int64), np.full(size, NO_OFFSET, np.int64), np.full(size, UNKNOWN, np.int8), *flags)


def read_stamps(texts: object, order: str) -> Stamps:
    """Read a pyarrow binary column; `order` (ymd, dmy, mdy) decides dates such as 03/04/2021, nothing else."""
    result = blank_stamps(len(texts))  # type: ignore[arg-type]
    for rows, block, shape in shaped_blocks(texts):
        _fill(result, rows, block, _rule(shape, order))
    return result


def reads_two_ways(texts: object) -> bool:
    """Tell whether some stamps of a column have their day and month in an order of their own, such as 03/04/2021."""
    shapes = {shape for _, _, shape in shaped_blocks(texts)}
    rules = [(_rule(shape, "dmy"), _rule(shape, "mdy")) for shape in shapes]
    return any(first is not None and second is not None and first.fields != second.fields for first, second in rules)


def read_clocks(texts: object) -> tuple[Ints, Mask]:
    """Read times of day (`0:30`, `24:00`, `0030`, `12:30 AM`): seconds since midnight, and which are good."""
    seconds, good = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)  # type: ignore[arg-type]
    for rows, block, shape in shaped_blocks(texts):
        match = _TIME_ONLY.match(shape)
        if match is not None:
            seconds[rows], good[rows], _ = _clock(block, _spans(match), match)
    return seconds, good


@dataclass(frozen=True, slots=True)
class _Rule:
    """How stamps of one shape are read: where each field stands, and what its words mean."""

    shape: bytes
    match: re.Match[bytes]
    fields: tuple[tuple[str, tuple[int, int]], ...]
    month: int = 0


@lru_cache(maxsize=4096)
def _rule(shape: bytes, order: str) -> _Rule | None:
    """Understand a shape; None when it is no stamp."""
    epoch = _EPOCH.match(shape)
    if epoch is not None:
        return _Rule(shape, epoch, tuple(_spans(epoch).items()))
    for pattern in (_COMPACT, *_STAMPS):
        match = pattern.match(shape)
        if match is not None and _known_words(match):
            return _ordered(shape, match, order)
    return None


def _known_words(match: re.Match[bytes]) -> bool:
    words = match.groupdict()
    zone, name = words.get("zone"), words.get("name")
    return (zone is None or zone.upper() in SUFFIXES) and (name is None or name.lower() in MONTH_NAMES)


def _ordered(shape: bytes, match: re.Match[bytes], order: str) -> _Rule:
    fields = _spans(match)
    if "a" in fields:
        day, month = ("b", "a") if order == "mdy" else ("a", "b")
        fields["d"], fields["m"] = fields.pop(day), fields.pop(month)
    name = match.groupdict().get("name")
    return _Rule(shape, match, tuple(fields.items()), MONTH_NAMES[name.lower()] if name else 0)


def _spans(match: re.Match[bytes]) -> Fields:
    spans = {name: match.span(name) for name, text in match.groupdict().items() if text is not None}
    for plain, compact in (("M", "M2"), ("S", "S2")):
        if compact in spans:
            spans[plain] = spans.pop(compact)
    return spans


def _number(block: Bytes, span: tuple[int, int]) -> Numbers:
    """Read the digits of columns [from, to) of every row, two by two."""
    first, last = span
    total: Numbers = np.zeros(len(block), np.int32 if last - first < WIDEST else np.int64)
    if (last - first) % 2:
        total += block[:, first] - np.uint8(ord("0"))
    for column in range(first + (last - first) % 2, last, 2):
        (word,) = column_words(block, column, column + 2)
        total *= 100
        total += (word & np.uint16(0xFF)) * np.uint16(10) + (word >> np.uint16(8)) - np.uint16(11 * ord("0"))
    return total


def _fill(result: Stamps, rows: Rows, block: Bytes, rule: _Rule | None) -> None:
    if rule is None:
        return
    fields = dict(rule.fields)
    if "epoch" in fields:
        _fill_epoch(result, rows, block, fields)
        return
    day, sound = _dates(block, fields, rule.month)
    seconds, timely, half = _clock(block, fields, rule.match)
    offset, season = _zone(block, fields, rule)
    result.wall[rows] = day * DAY_S + seconds
    result.good[rows] = sound & timely
    result.rounded[rows] = half
    result.dated[rows] = "H" in fields
    result.midnight24[rows] = seconds == DAY_S
    result.offset[rows] = offset
    result.season[rows] = season


def _fill_epoch(result: Stamps, rows: Rows, block: Bytes, fields: Fields) -> None:
    start, end = fields["epoch"]
    per_second = EPOCHS[end - start]
    count = _number(block, (start, end))
    result.wall[rows] = (count + per_second // 2) // per_second
    result.good[rows] = result.dated[rows] = True
    result.rounded[rows] = count % per_second != 0
    result.offset[rows] = 0


def _dates(block: Bytes, fields: Fields, month_named: int) -> tuple[Ints, Mask]:
    """Return days since 1970 and which dates exist; a date like that of the row before is read with it."""
    spans = [fields[name] for name in "ymd" if name in fields]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    if last - first > 2 * WORD:
        return _days(block, fields, month_named)
    return read_once(column_words(block, first, last), lambda rows: _days(block[rows], fields, month_named))


def _days(block: Bytes, fields: Fields, month_named: int) -> tuple[Ints, Mask]:
    """Return days since 1970 and which dates exist."""
    year = -_number(block, fields["y"]) if "era" in fields else _number(block, fields["y"])
    if fields["y"][1] - fields["y"][0] == 2:  # noqa: PLR2004 - a year of two digits: 70 to 99 is the last century
        year += np.where(year < 70, 2000, 1900)  # noqa: PLR2004
    month = _number(block, fields["m"]) if "m" in fields else np.full(len(block), month_named, np.int32)
    day = _number(block, fields["d"])
    return days_of(year, month, day)


def days_of(year: Numbers, month: Numbers, day: Numbers) -> tuple[Ints, Mask]:
    """Return days since 1970, and which dates exist within the years that a stamp may have.

    Of a date that exists beyond them the days are told as well, so that it is known for what it is.
    """
    within = (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    if not within.all():
        cycles = np.where(within, 0, (year - CYCLE_BEGINS) // CYCLE_YEARS)
        days, exist = days_of(year - CYCLE_YEARS * cycles, month, day)
        return np.where(exist, days + CYCLE_DAYS * cycles, 0), exist & within
    sound = (month >= 1) & (month <= 12)  # noqa: PLR2004 - months
    index = np.where(sound, (year - FIRST_YEAR) * 12 + month - 1, 0)
    starts = MONTH_STARTS[index]
    sound &= (day >= 1) & (day <= MONTH_STARTS[index + 1] - starts)
    return starts + day - 1, sound


def _clock(block: Bytes, fields: Fields, match: re.Match[bytes]) -> tuple[Numbers, Mask, Mask]:
    """Return seconds since midnight (24:00 is a day), which are possible, and which had a fraction rounded."""
    zero: Numbers = np.zeros(len(block), np.int32)
    hour = _number(block, fields["H"]) if "H" in fields else zero
    minute = _number(block, fields["M"]) if "M" in fields else zero
    second = _number(block, fields["S"]) if "S" in fields else zero
    sound = (minute < 60) & (second < 60)  # noqa: PLR2004 - minutes and seconds
    half_day = match.groupdict().get("ap")
    if half_day is not None:
        sound &= (hour >= 1) & (hour <= 12)  # noqa: PLR2004 - hours of half a day
        hour = hour % 12 + (12 if half_day in b"Pp" else 0)
    seconds = hour * 3600 + minute * 60 + second
    sound &= (hour < 24) | (seconds == DAY_S)  # noqa: PLR2004 - hours
    rounded = np.zeros(len(block), np.bool_)
    if "f" in fields:
        start, end = fields["f"]
        tenths = block[:, start] - np.uint8(48)
        seconds = seconds + (tenths >= 5)  # noqa: PLR2004 - half a second
        rounded = (block[:, start:end] != ord("0")).any(axis=1)
    return seconds, sound, rounded


def _zone(block: Bytes, fields: Fields, rule: _Rule) -> tuple[Numbers | int, int]:
    """Return the offset of each row and what the suffix tells about a repeated hour."""
    words = rule.match.groupdict()
    if words.get("sign"):
        minutes = _number(block, fields["om"]) if "om" in fields else np.zeros(len(block), np.int32)
        seconds = _number(block, fields["oh"]) * 3600 + minutes * 60
        return (-seconds if words["sign"] == b"-" else seconds), UNKNOWN
    zone = words.get("zone")
    offset, season = SUFFIXES[zone.upper()] if zone else (None, UNKNOWN)
    return NO_OFFSET if offset is None else offset, season

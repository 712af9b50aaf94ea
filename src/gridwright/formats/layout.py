"""Where a table keeps what: the columns of points, stamps and values, and how each is to be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import Flow, ReadingType
from gridwright.domain.verdict import Reject
from gridwright.formats.numerals import Numerals
from gridwright.formats.zones import Clock

if TYPE_CHECKING:
    import pyarrow as pa

DAY_MINUTES = 1440
# Columns a day → minutes of each; one more hour than a day has is the long day of autumn.
DAY_COLUMNS = {24: 60, 48: 30, 96: 15, 144: 10, 288: 5}
LONG_DAY_COLUMNS = {25: 60, 50: 30, 100: 15, 150: 10, 300: 5}

_CLOCK = r"(\d{1,2})[:.hH](\d{2})(?:[:.]00)?"
_RANGE_NAME = re.compile(rf"^\D*?{_CLOCK}\s*(?:-|–|to|bis)\s*{_CLOCK}\D*$")
_TIME_NAME = re.compile(rf"^\D*?{_CLOCK}\D*?(?:2nd|\(\d+\))?$")
# How the column of a repeated hour is told from the plain one; a name that speaks of summer time means its first pass.
_EXTRA_NAME = re.compile(r"dst|summer|sommer|second|2nd|repeat|\b[b*x]\b|\*$|\(\d+\)$|\d[bx]$", re.IGNORECASE)
_SUMMER_NAME = re.compile(r"dst|summer|sommer", re.IGNORECASE)
_COMPACT_NAME = re.compile(r"^\D*?([012]\d)([0-5]\d)\D*$")
_NUMBER_NAME = re.compile(
    r"^(?:h|hr|hour|he|q|p|sp|period|hh|int|interval|v|val|value|kwh|wh|kw|e|slot|t|stunde|i)?"
    r"[ _.-]*(\d{1,3})(?:[ _]*(?:kwh|wh|kw))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A column of values: what they mean, and the power of ten that turns them into base units.

    `flow`: the direction of energy in it, where rows tell their unit. `fixed`: its name tells what it measures, and no
    unit or register of a row is about it.
    """

    index: int
    name: str
    reading_type: ReadingType
    shift: int
    flow: Flow = Flow.DELIVERED
    fixed: bool = False

    @property
    def power(self) -> int:
        """The power of ten that turns a written value into counts of the reading type."""
        return self.shift - self.reading_type.exponent


class Pass(StrEnum):
    """Which pass of a repeated hour an extra column of a wide table holds."""

    NONE = ""
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Slot:
    """A column of a wide table: the interval that starts `offset_s` after midnight on the wall clock.

    `extra`: it holds the other pass of an hour that the clock repeats, and is empty on all other days.
    """

    index: int
    name: str
    offset_s: int
    extra: Pass = Pass.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one table is read. Column numbers count from 0; None = the table has no such column.

    `slots`: the columns of a wide table (one row a day), whose values all mean `values[0]`. `elapsed`: slots count
    hours passed since midnight rather than hours on the wall clock. `clock_unit_s`, `clock_first`: a clock column holds
    numbers (hour 1 to 24) instead of times. `stamp_end`: stamps close their interval. `periods`: a row tells of the
    time to the next one, more than a day, which differs from row to row. `lengths`: where stretches of rows differ in
    theirs, all of them, the usual one first.
    """

    names: tuple[str, ...]
    values: tuple[ValueColumn, ...] = ()
    slots: tuple[Slot, ...] = ()
    elapsed: bool = False
    point: int | None = None
    time: int | None = None
    end: int | None = None
    date: int | None = None
    clock_column: int | None = None
    quality: int | None = None
    unit: int | None = None
    register: int | None = None
    multiplier: int | None = None
    dials: int | None = None
    clock_unit_s: int = 0
    clock_first: int = 0
    order: str = "ymd"
    clock: Clock = field(default_factory=lambda: Clock("UTC"))
    stamp_end: bool = False
    periods: bool = False
    interval_s: int = 0
    lengths: tuple[int, ...] = ()
    numerals: Numerals = field(default_factory=Numerals)
    default_point: str = ""

    @property
    def texts(self) -> tuple[int, ...]:
        """Columns that are read as text, in order."""
        rows = (self.point, self.time, self.end, self.date, self.clock_column, self.quality, self.unit, self.register)
        named = (*rows, self.multiplier, self.dials)
        return tuple(sorted({index for index in named if index is not None}))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Columns that are read as numbers."""
        return tuple(slot.index for slot in self.slots) or tuple(column.index for column in self.values)

    @property
    def columns(self) -> tuple[int, ...]:
        """Every column that is read."""
        return tuple(sorted({*self.texts, *self.numbers}))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some rows of a table, split into columns but not yet understood.

    `columns`: column number → pyarrow array of equal length. `line`: place of each row in the source. `lead`: how many
    rows at the top were read for context only. `record`: the text of a row, for verdicts.
    """

    columns: Mapping[int, pa.Array]
    line: npt.NDArray[np.int64]
    record: Callable[[int], str]
    lead: int = 0
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Number of rows, context included."""
        return self.line.size


@dataclass(frozen=True, slots=True)
class DayColumns:
    """The columns of a wide table and what tells their intervals."""

    slots: tuple[Slot, ...]
    interval_s: int
    elapsed: bool
    because: str


def day_columns(names: Sequence[str], *, ends: bool | None = None) -> DayColumns | None:
    """Find the 24, 48, 96 ... columns of a table with one row a day; `ends` overrides which end a name tells."""
    return _by_range(names) or _by_time(names, ends=ends) or _by_number(names)


def _by_range(names: Sequence[str]) -> DayColumns | None:
    found = [(index, _RANGE_NAME.match(name.strip())) for index, name in enumerate(names)]
    matched = [(index, match) for index, match in found if match]
    if len(matched) < min(DAY_COLUMNS):
        return None
    starts = [(index, _minutes(match, 1)) for index, match in matched]
    length = (_minutes(matched[0][1], 3) - starts[0][1]) % DAY_MINUTES
    slots = tuple(Slot(index, names[index], minute * 60) for index, minute in starts)
    return DayColumns(slots, length * 60, elapsed=False, because="columns are named by the times they span")


def _minutes(match: re.Match[str], group: int) -> int:
    return int(match[group]) * 60 + int(match[group + 1])


def _by_time(names: Sequence[str], *, ends: bool | None) -> DayColumns | None:
    """Read names such as `0:30`, `kWh 23:30` or `0030`; the last column at 24:00 or 00:00 tells interval ends."""
    for pattern in (_TIME_NAME, _COMPACT_NAME):
        found = [(index, pattern.match(name.strip())) for index, name in enumerate(names)]
        times = [(index, _minutes(match, 1)) for index, match in found if match]
        plain, extras = _repeated(names, times)
        if len(plain) >= min(DAY_COLUMNS) and len({minute for _, minute in plain}) == len(plain):
            return _timed(names, plain, extras, ends=ends)
    return None


def _repeated(
    names: Sequence[str], times: list[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Part columns of times from those that name a time again, for the hour that autumn repeats."""
    by_minute: dict[int, list[int]] = {}
    for index, minute in times:
        by_minute.setdefault(minute, []).append(index)
    twice = {minute: columns for minute, columns in by_minute.items() if len(columns) == 2}  # noqa: PLR2004 - two passes
    extras = [
        (next((index for index in columns if _EXTRA_NAME.search(names[index])), columns[1]), minute)
        for minute, columns in twice.items()
    ]
    taken = {index for index, _ in extras}
    return [(index, minute) for index, minute in times if index not in taken], extras


def _timed(
    names: Sequence[str], times: list[tuple[int, int]], extras: list[tuple[int, int]], *, ends: bool | None
) -> DayColumns | None:
    minutes = [minute for _, minute in times]
    step = min(abs(after - before) for before, after in pairwise(minutes))
    if max(minutes) > DAY_MINUTES or DAY_COLUMNS.get(len(times)) != step:
        return None
    closing = minutes[0] == step and minutes[-1] in {0, DAY_MINUTES} if ends is None else ends
    because = (
        f"columns run from {names[times[0][0]]} to {names[times[-1][0]]}: interval {'ends' if closing else 'starts'}"
    )

    def start(minute: int) -> int:
        return ((minute or DAY_MINUTES) - step if closing else minute) * 60

    slots = [Slot(index, names[index], start(minute)) for index, minute in times]
    for index, minute in extras:
        which = Pass.FIRST if _SUMMER_NAME.search(names[index]) else Pass.SECOND
        slots.append(Slot(index, names[index], start(minute), which))
    return DayColumns(tuple(slots), step * 60, elapsed=False, because=because)


def _by_number(names: Sequence[str]) -> DayColumns | None:
    """Read names such as `1` to `48`, `H1` to `H24`, `Q1` to `Q96`; 25, 50 or 100 of them count elapsed time."""
    found = [(index, _NUMBER_NAME.match(name.strip())) for index, name in enumerate(names)]
    numbered = [(index, int(match[1])) for index, match in found if match]
    minutes = DAY_COLUMNS.get(len(numbered)) or LONG_DAY_COLUMNS.get(len(numbered))
    first = numbered[0][1] if numbered else 0
    if minutes is None or [number for _, number in numbered] != list(range(first, first + len(numbered))):
        return None
    elapsed = len(numbered) in LONG_DAY_COLUMNS
    slots = tuple(Slot(index, names[index], (number - first) * minutes * 60) for index, number in numbered)
    counted = "intervals passed since midnight" if elapsed else "intervals on the wall clock"
    because = f"{len(numbered)} columns numbered from {names[numbered[0][0]]}: {counted}"
    return DayColumns(slots, minutes * 60, elapsed, because)

"""Which column plays which role: told by the caller, else by its name, else by what it holds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gridwright.domain.errors import AmbiguousInput, UnreadableFile, UsageError
from gridwright.domain.units import WRITTEN
from gridwright.domain.verdict import Evidence
from gridwright.formats import roles
from gridwright.formats.dated_names import without_names
from gridwright.formats.layout import DayColumns, day_columns
from gridwright.formats.numerals import NUMBER
from gridwright.formats.source import ReadOptions
from gridwright.formats.stamps import read_clocks, read_stamps
from gridwright.formats.text import is_no_value, shortened

LOOSE_NUMBER = r"[+-]?[0-9.,\u00a0\u202f' ]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?"
# A number that no rule for stamps could take: fewer digits than a date written without marks.
PLAIN = re.compile(r"[+-]?[0-9]{1,7}(?:\.[0-9]{1,9})?")
SHOWN = 120  # characters of a value in an error
MOSTLY = 0.6
# Fewer repeats than this are duplicates, more are another usage point.
SOME = 0.05


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a table: column names (invented where there is no header) and texts, column by column."""

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    kinds: tuple[str, ...]
    has_header: bool = True


@dataclass(slots=True)
class Assignment:
    """Roles found so far: one column each, and any number of value columns."""

    single: dict[str, int] = field(default_factory=dict)
    values: list[int] = field(default_factory=list)
    days: DayColumns | None = None
    because: dict[str, str] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)

    @property
    def used(self) -> set[int]:
        """Columns that have a role."""
        slots = {slot.index for slot in self.days.slots} if self.days else set()
        return {*self.single.values(), *self.values, *slots}

    def take(self, role: str, column: int, because: str) -> None:
        """Give a role to a column unless it has one already."""
        if role not in self.single and column not in self.used:
            self.single[role], self.because[role] = column, because


def kinds_of(columns: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Tell what columns hold; beside dates that can be read those far beyond them are none, but names of meters."""
    kinds = tuple(map(kind_of, columns))
    if not {"stamp", "date"}.isdisjoint(kinds):
        return kinds
    return tuple(kind_of(column, far=True) for column in columns)


def kind_of(texts: Sequence[str], *, far: bool = False) -> str:
    """Tell what a column holds: stamp, date, clock, number, text or empty; `far`: a date may be beyond all we read."""
    filled = [text.strip() for text in texts if not is_no_value(text)]
    if not filled:
        return "empty"
    if all(map(PLAIN.fullmatch, filled)):
        return "number"
    enough = MOSTLY * len(filled)
    kind = _temporal(filled, enough, far=far)
    if kind:
        return kind
    return "number" if sum(map(_is_number, filled)) >= enough else "text"


def _is_number(text: str) -> bool:
    return re.fullmatch(LOOSE_NUMBER, text) is not None or bool(NUMBER.fullmatch(text))


def _temporal(filled: Sequence[str], enough: float, *, far: bool) -> str:
    import pyarrow as pa

    column = pa.array([text.encode() for text in filled], pa.binary())
    for order in ("dmy", "mdy"):
        stamps = read_stamps(column, order)
        if (stamps.good | stamps.beyond if far else stamps.good).sum() >= enough:
            return "stamp" if stamps.dated.sum() * 2 > len(filled) else "date"
    if any(":" in text or text[-1] in "mM" for text in filled) and read_clocks(column)[1].sum() >= enough:
        return "clock"
    return ""


def assign(preview: Preview, options: ReadOptions) -> tuple[Assignment, list[Evidence]]:
    """Give each column its role; a table without stamps or values is UnreadableFile, doubt is AmbiguousInput."""
    found = Assignment()
    _by_options(found, preview, options)
    ends = {"start": False, "end": True}.get(options.stamp)
    days = day_columns(preview.names, ends=ends) if preview.has_header and not found.values else None
    if days is not None:
        fitting = sum(preview.kinds[slot.index] in {"number", "empty"} for slot in days.slots)
        found.days = days if fitting >= MOSTLY * len(days.slots) else None
    if preview.has_header:
        _by_name(found, preview)
    if "point" not in found.single and not options.point:
        kinds = without_names(preview.names, preview.texts, preview.kinds, found.used)
        preview = replace(preview, kinds=kinds)
    _by_content(found, preview)
    _settle_times(found, preview)
    if not options.point:
        _point_by_repeats(found, preview)
    _require(found, preview)
    return found, _evidence(found, preview)


def column_named(name: str, names: Sequence[str]) -> int:
    """Return the number of a column the caller named (or numbered from 1); an unknown one is UsageError."""
    plain = [roles.simple(other) for other in names]
    if name in names:
        return names.index(name)
    if roles.simple(name) in plain:
        return plain.index(roles.simple(name))
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise UsageError(f"there is no column {name!r}", remedy=f"{hint}the file has: {', '.join(names)}")


def _by_options(found: Assignment, preview: Preview, options: ReadOptions) -> None:
    for role, name in options.columns.items():
        if role not in roles.ROLES:
            raise UsageError(f"there is no role {role!r}", remedy=f"use one of {', '.join(roles.ROLES)}")
        if role == "value":
            found.values += [column_named(part.strip(), preview.names) for part in _several(name, preview.names)]
        else:
            found.take(role, column_named(name, preview.names), "given")


def _several(name: str, names: Sequence[str]) -> list[str]:
    """Return the value columns a caller names, separated by commas; a name that has a comma itself is one."""
    return [name] if name in names else name.split(",")


# What a column must hold to play a role its name tells.
_FITTING = {
    "time": {"stamp", "date", "number"},
    "end": {"stamp", "date"},
    "date": {"date", "stamp"},
    "clock": {"clock", "number"},
    "value": {"number", "empty"},
    "unit": {"text"},
    "quality": {"text", "number", "empty"},
    "register": {"text", "number"},
    "multiplier": {"number"},
    "dials": {"number"},
    "point": {"text", "number", "date", "stamp"},
}


def _by_name(found: Assignment, preview: Preview) -> None:
    given_values = bool(found.values)
    for column, name in enumerate(preview.names):
        role = roles.role_of(name, preview.names)
        kind = preview.kinds[column]
        if role in {"time", "date"} and kind == "clock":
            role = "clock"
        if not role or column in found.used or kind not in _FITTING[role]:
            continue
        if role == "value":
            if not given_values and found.days is None:
                found.values.append(column)
        elif role == "time" and kind == "number" and not _epochs(preview.texts[column]):
            continue
        else:
            if role == "time":
                found.times.append(column)
            found.take(role, column, f"its name {name!r}")


def _epochs(texts: Sequence[str]) -> bool:
    filled = [text.strip() for text in texts if not is_no_value(text)]
    return bool(filled) and all(text.isdigit() and len(text) in {10, 13, 16, 19} for text in filled)


def _by_content(found: Assignment, preview: Preview) -> None:
    """Fill roles that names left open: the first stamps, then clocks, numbers and words."""
    free = [column for column in range(len(preview.names)) if column not in found.used]
    stamps = [column for column in free if preview.kinds[column] == "stamp"]
    dates = [column for column in free if preview.kinds[column] == "date"]
    clocks = [column for column in free if preview.kinds[column] == "clock"]
    if "time" not in found.single and "date" not in found.single:
        for role, column in zip(("time", "end"), stamps, strict=False):
            found.take(role, column, "it holds dates with times")
        if not stamps and dates:
            found.take(
                "date" if clocks or found.days or "clock" in found.single else "time", dates[0], "it holds dates"
            )
    if "date" in found.single and clocks:
        found.take("clock", clocks[0], "it holds times of day")
    if not found.values and found.days is None:
        _only_number(found, preview)
    if not preview.has_header:
        words = [column for column in free if preview.kinds[column] == "text" and column not in found.used]
        for column in words[:1]:
            found.take("point", column, "it holds words")


def _only_number(found: Assignment, preview: Preview) -> None:
    calendar = ("month", "year", "day", "week", "weekday", "hour", "minute")
    numbers = [
        column
        for column in range(len(preview.names))
        if column not in found.used
        and preview.kinds[column] == "number"
        and roles.simple(preview.names[column]) not in calendar
    ]
    if preview.has_header and any(roles.simple(preview.names[column]) for column in numbers):
        foreign = [column for column in numbers if roles.is_foreign(preview.names[column])]
        # The bare name of a temperature or a state is believed where no other number stands beside it.
        lone = len(numbers) == 1 and roles.sensor_of(preview.names[numbers[0]]) is not None
        numbers = [column for column in numbers if column not in foreign or lone]
    if _is_read(found, preview):
        numbers.append(found.single["register"])
    if len(numbers) > 1 and not preview.has_header and "point" not in found.single:
        whole = [column for column in numbers if all(text.strip().isdigit() for text in preview.texts[column] if text)]
        if len(numbers) == 2 and len(whole) == 1:  # noqa: PLR2004 - a number of the meter, and its readings
            found.take("point", whole[0], "it holds whole numbers beside the readings")
            numbers.remove(whole[0])
    if len(numbers) > 1:
        names = ", ".join(preview.names[column] for column in numbers)
        raise AmbiguousInput(
            f"several columns may hold the readings: {names}", remedy="name one with --column value=NAME"
        )
    if numbers and numbers[0] == found.single.get("register"):
        del found.single["register"], found.because["register"]
    found.values = numbers


def _is_read(found: Assignment, preview: Preview) -> bool:
    """Tell whether a column called `register` holds what a register showed: codes of registers are few and whole."""
    if found.because.get("register", "given") == "given":
        return False
    column = found.single["register"]
    texts = [text.strip() for text in preview.texts[column] if not is_no_value(text)]
    codes = all(text.isdigit() for text in texts) and len(set(texts)) * 2 <= len(texts)
    return preview.kinds[column] == "number" and roles.simple(preview.names[column]) == "register" and not codes


def _settle_times(found: Assignment, preview: Preview) -> None:
    """Let a date column stand for the stamp where it is the only one, and prefer stamps that carry an offset."""
    lone_date = "date" in found.single and not {"time", "clock"} & set(found.single) and found.days is None
    if lone_date and preview.kinds[found.single["date"]] == "stamp":
        found.single["time"], found.because["time"] = found.single.pop("date"), found.because.pop("date")
    if "time" in found.single and found.because["time"] != "given":
        offset = next((column for column in found.times if _shifts(preview.texts[column])), None)
        if offset is not None:
            found.single["time"] = offset
            found.because["time"] = f"its name {preview.names[offset]!r}, and its stamps carry the local offset"
    if "end" in found.single and not {"time", "date"} & set(found.single):
        found.single["time"], found.because["time"] = found.single.pop("end"), found.because["end"]


def _point_by_repeats(found: Assignment, preview: Preview) -> None:
    """Where no name tells the usage point, take the column that tells rows of the same time apart."""
    moments = [found.single[role] for role in ("time", "date", "clock", "end", "register") if role in found.single]
    rows = list(zip(*(preview.texts[column] for column in moments), strict=True))
    if not moments or "point" in found.single or (len(rows) - len(set(rows))) < SOME * len(rows):
        return
    for column, texts in enumerate(preview.texts):
        free = column not in found.used and preview.kinds[column] in {"text", "number"}
        if free and len(set(zip(rows, texts, strict=True))) >= (1 - SOME) * len(rows):
            found.take("point", column, "it tells rows of the same time apart")


def _shifts(texts: Sequence[str]) -> bool:
    """Tell whether stamps carry offsets other than zero."""
    import pyarrow as pa

    stamps = read_stamps(pa.array([text.encode() for text in texts[:50]], pa.binary()), "dmy")
    told = stamps.good & stamps.has_offset
    return bool(told.any() and (stamps.offset[told] != 0).any())


def _require(found: Assignment, preview: Preview) -> None:
    names = ", ".join(preview.names)
    if preview.has_header and not any(map(len, preview.texts)):
        raise UnreadableFile("the file has a header and no readings", remedy="export a period that has readings")
    if not {"time", "date"} & set(found.single):
        raise UnreadableFile(
            f"no column tells the date of the readings; the columns are: {names}",
            remedy="add a column of dates (hours and months do not tell the day), or name it with --column time=NAME",
        )
    if not found.values and found.days is None:
        _no_numbers(preview)
        raise UnreadableFile(
            f"no column holds readings; the columns are: {names}",
            remedy=f"name it with --column value=NAME, and its unit with --unit: {WRITTEN}",
        )


def _no_numbers(preview: Preview) -> None:
    """Refuse a table whose column of readings holds words, by its first one."""
    for name, texts, kind in zip(preview.names, preview.texts, preview.kinds, strict=True):
        if kind == "text" and preview.has_header and roles.role_of(name) == "value":
            wrong = next(text.strip() for text in texts if not (is_no_value(text) or _is_number(text.strip())))
            raise UnreadableFile(
                f"column {name!r} holds no numbers: {shortened(wrong, SHOWN)!r} is none",
                remedy="correct the values, or name another column with --column value=NAME",
            )


def _evidence(found: Assignment, preview: Preview) -> list[Evidence]:
    named = [
        Evidence(f"{role} column", preview.names[column], found.because[role], f"--column {role}=NAME")
        for role, column in found.single.items()
    ]
    if found.days is not None:
        first, last = found.days.slots[0].name, found.days.slots[-1].name
        named.append(Evidence("layout", "one row a day", found.days.because, "--column value=NAME"))
        named.append(Evidence("value column", f"{first} … {last}", "one column an interval", "--column value=NAME"))
    else:
        named.append(Evidence("layout", "one row a reading", "values stand in columns of their own", ""))
        shown = ", ".join(preview.names[column] for column in found.values)
        named.append(Evidence("value column", shown, "their names and numbers", "--column value=NAME"))
    ignored = [name for column, name in enumerate(preview.names) if column not in found.used and name.strip()]
    if ignored:
        named.append(
            Evidence("columns ignored", ", ".join(ignored), "they are no readings we know", "--column value=NAME")
        )
    return named

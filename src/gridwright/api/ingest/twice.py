"""Fields that mean the same, of which a record has one: what says two things is told, never decided unseen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gridwright.api.ingest.instants import instant_us
from gridwright.api.ingest.meaning import Wrong
from gridwright.api.ingest.verdicts import Fault, shown

NAMES = ("usage_point", "meter", "meter_id")
TIMES = ("start", "at", "timestamp", "time")
VALUES = ("kwh", "register_kwh", "reading", "value")  # a `reading` is what the other entrance calls a register
GROUPS = (NAMES, TIMES, VALUES)


def two_names(first: str, second: str) -> Fault:
    """Return what is wrong with a record of two names."""
    return Fault(second, f"{first} is there too, with another name", f"send {first} or {second}, not both")


def two_times(first: str, second: str) -> Fault:
    """Return what is wrong with a record of two times."""
    return Fault(second, f"{first} is there too, with another time", f"send {first} or {second}, not both")


def two_values(first: str, second: str) -> Fault:
    """Return what is wrong with a record of two values, be they the same number."""
    return Fault(second, f"{first} is there too, and a record has one value", "send a record for each of them")


def require_one_of_each(record: Any) -> None:  # noqa: ANN401 - a Record, which refers to this module
    """Raise Wrong where a record names two points, two times or two values."""
    if record.meter is record.meter_id is record.at is record.timestamp is record.time is record.value is None and (
        record.register_kwh is record.reading is None
    ):
        return  # as most write it: every single post comes by here
    names = (record.usage_point, record.meter, record.meter_id)
    if names.count(None) < len(NAMES) - 1:
        _require_alike(NAMES, names, _name, two_names)
    times = (record.start, record.at, record.timestamp, record.time)
    if times.count(None) < len(TIMES) - 1:
        _require_alike(TIMES, times, instant_us, two_times)
    values = (record.kwh, record.register_kwh, record.reading, record.value)
    if values.count(None) < len(VALUES) - 1:
        first, second = [field for field, value in zip(VALUES, values, strict=True) if value is not None][:2]
        raise Wrong(two_values(first, second), shown(values[VALUES.index(second)]))


def _name(value: str, field: str) -> str:
    del field
    return value.strip()


def _require_alike(
    fields: Sequence[str], values: Sequence[Any], read: Callable[[Any, str], object], fault: Callable[[str, str], Fault]
) -> None:
    """Raise Wrong where fields that are there say different things."""
    there = [(field, value) for field, value in zip(fields, values, strict=True) if value not in {None, ""}]
    first, told = there[0] if there else ("", "")
    for field, value in there[1:]:
        if value != told and read(value, field) != read(told, first):
            raise Wrong(fault(first, field), shown(value))


def say_two_things(records: Sequence[Any]) -> bool:
    """Tell whether one of many records does."""
    return any(map(_says_two_things, records))


def _says_two_things(record: Any) -> bool:  # noqa: ANN401
    try:
        require_one_of_each(record)
    except Wrong:
        return True
    return False

"""Load profiles and logs: a header, then rows of values (P.01, P.98; VDEW Lastenheft 2.1, clause 7).

`P.01(stamp)(status)(minutes)(n)(address 1)(unit 1)...(address n)(unit n)`, then rows of n values each. The meter writes
a new header wherever the status changes or the rows are not consecutive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gridwright.protocols.iec62056_21.data import DataSet, Line, short
from gridwright.protocols.iec62056_21.errors import MalformedTelegram
from gridwright.protocols.iec62056_21.stamps import Stamp, parse_stamp

MAX_CHANNELS = 32
HEADER = 4


@dataclass(frozen=True, slots=True)
class Channel:
    """One column: its address and, where the meter tells it, its unit."""

    address: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class RecordGroup:
    """Rows under one header; `minutes` is None in logs, whose rows have no interval."""

    stamp: Stamp
    status: int
    minutes: int | None
    channels: tuple[Channel, ...]
    rows: tuple[tuple[str, ...], ...]


def parse_groups(lines: Iterable[Line], address: str) -> tuple[RecordGroup, ...]:
    """Read the groups of `address`; a header or row that lacks a part is a MalformedTelegram naming the group."""
    groups: list[list[DataSet]] = []
    for data_set in (one for line in lines for one in line):
        if data_set.address:
            if short(data_set.address) != short(address):
                raise MalformedTelegram(f"{data_set.address} instead of {address}", offset=0)
            groups.append([])
        if not groups:
            raise MalformedTelegram(f"values before the first header of {address}", offset=0)
        groups[-1].append(data_set)
    return tuple(_group(sets, number) for number, sets in enumerate(groups, 1))


def _group(sets: Sequence[DataSet], number: int) -> RecordGroup:
    if len(sets) < HEADER:
        raise MalformedTelegram(f"header {number} has {len(sets)} of its first {HEADER} parts", offset=0)
    stamp, status, minutes, count = (one.value.strip() for one in sets[:HEADER])
    columns = _whole(count or "0", f"number of channels in header {number}")
    if columns > MAX_CHANNELS:
        raise MalformedTelegram(f"header {number} tells {columns} channels, more than {MAX_CHANNELS}", offset=0)
    first_row = HEADER + 2 * columns
    rest = _values(sets[first_row:], columns)
    if len(sets) < first_row or (len(rest) % columns if columns else rest):
        raise MalformedTelegram(f"group {number} ends within a row of {columns} values", offset=0)
    return RecordGroup(
        parse_stamp(stamp),
        _hexadecimal(status, number),
        _whole(minutes, f"interval in header {number}") if minutes else None,
        tuple(Channel(sets[at].value.strip(), sets[at + 1].value.strip()) for at in range(HEADER, first_row, 2)),
        tuple(tuple(rest[at : at + columns]) for at in range(0, len(rest), max(columns, 1))),
    )


def _values(sets: Sequence[DataSet], columns: int) -> list[str]:
    values = [one.value.strip() for one in sets]
    if columns == 0 and not any(values):  # a log entry without elements; some meters still write empty ones
        return []
    return values


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):  # noqa: PLR2004 - more minutes than a year has
        raise MalformedTelegram(f"{what} is {text[:20]!r}, no whole number", offset=0)
    return int(text)


def _hexadecimal(text: str, number: int) -> int:
    try:
        if len(text) <= 16:  # noqa: PLR2004 - 64 status bits
            return int(text or "0", 16)
    except ValueError:
        pass
    raise MalformedTelegram(f"status {text[:20]!r} in header {number} is not hexadecimal", offset=0)


def format_group(address: str, stamp: str, status: str, minutes: str, group: RecordGroup) -> Iterator[list[DataSet]]:
    """Yield the lines of a group; stamp, status and minutes are written as the meter's family does."""
    header = [DataSet(address, stamp), *(DataSet("", text) for text in (status, minutes, str(len(group.channels))))]
    for channel in group.channels:
        header += [DataSet("", channel.address), DataSet("", channel.unit)]
    yield header
    for row in group.rows:
        yield [DataSet("", value) for value in row]

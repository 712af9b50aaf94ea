"""Under which installation a register read counts: that of its own meter, and only while that meter hung there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, installed_at


def plain_serial(serial: str) -> str:
    """Return a serial number without what systems write differently: case, spaces, leading zeros."""
    return serial.strip().casefold().lstrip("0")


def of_device(history: Iterable[Installation], serial: str) -> list[Installation]:
    """Return the installations of one meter, however its serial number is written."""
    plain = plain_serial(serial)
    return [each for each in history if each.end_device == serial or plain_serial(each.end_device) == plain]


def place_of_read(installed: Sequence[Installation], at: datetime) -> Installation | None:
    """Return where a register read of a device belongs, of which `installed` is where it hangs or hung.

    That is where it hung then, else what ended at that instant: its final read closes the interval before it.
    """
    here = next((each for each in installed if at in each.period), None)
    return here or next((each for each in installed if each.period.end == at), None)


def named(history: Sequence[Installation], read: RegisterReading) -> RegisterReading:
    """Return a read with the meter that hung there then, if it names none itself."""
    if read.end_device or not history:
        return read
    here = installed_at(history, read.usage_point, read.at)
    return replace(read, end_device=here.end_device) if here else read


def all_named(history: Sequence[Installation], reads: Sequence[RegisterReading]) -> Sequence[RegisterReading]:
    """Return a usage point's reads, each with its meter; one that was named now goes on where its meter counted.

    Who took in a read without a name took the next one with a name for another meter's, and began an epoch.
    """
    if all(read.end_device for read in reads) or not history:
        return reads
    found, last, shift = [], dict[ReadingType, RegisterReading](), dict[ReadingType, int]()
    for read in sorted(reads, key=lambda read: (read.at, read.epoch)):
        kind, mine = read.reading_type, named(history, read)
        before = last.get(kind)
        if before is not None and before.end_device != read.end_device:
            joined = named(history, before).end_device == mine.end_device and before.value <= read.value
            shift[kind] = shift.get(kind, 0) + (read.epoch - before.epoch if joined else 0)
        last[kind] = read
        found.append(replace(mine, epoch=mine.epoch - shift.get(kind, 0)))
    return found


def counts(history: Sequence[Installation], read: RegisterReading) -> bool:
    """Tell whether a read may count at its usage point, of which `history` is all that hung there.

    One that names no meter is of the one that hung there then; where nobody has recorded any meter every read counts.
    The final read of a meter is of the instant at which it goes.
    """
    if not history or not read.end_device:
        return True
    return any(each.period.start <= read.at <= each.period.end for each in of_device(history, read.end_device))


def factor_between(history: Sequence[Installation], before: RegisterReading, after: RegisterReading) -> float | None:
    """Return what the difference of two reads of one register counts times; None where no one installation holds both.

    1 where nobody has recorded any meter.
    """
    if not history:
        return 1.0
    if before.end_device:
        mine = of_device(history, before.end_device)
        found = (each for each in mine if each.period.start <= before.at and after.at <= each.period.end)
        return next((float(each.multiplier) for each in found), None)
    if _changes(history, before.at, after.at):
        return None
    return next((float(each.multiplier) for each in history if before.at in each.period), 1.0)


def _changes(history: Sequence[Installation], since: datetime, until: datetime) -> bool:
    """Tell whether another meter or factor took over between two instants."""
    ordered = sorted(history, key=lambda each: each.period.start)
    return any(
        since < new.period.start < until and (old.end_device, old.multiplier) != (new.end_device, new.multiplier)
        for old, new in pairwise(ordered)
    )


def counting(history: Sequence[Installation], reads: Sequence[RegisterReading]) -> list[RegisterReading]:
    """Return those of a register's reads, in order, that count; what is left out between two of them ends no epoch.

    A read of another meter begins a new epoch, and so does the next one of the meter that hangs there. Where the one
    between them does not count, the register has counted on.
    """
    kept: list[RegisterReading] = []
    turns = shift = 0
    for place, read in enumerate(reads):
        turns += bool(place) and reads[place - 1].end_device != read.end_device
        if not counts(history, read):
            continue
        last = kept[-1] if kept else None
        if turns and last is not None and last.end_device == read.end_device:
            shift += turns if read.epoch - shift - last.epoch == turns else 0
        kept.append(replace(read, epoch=read.epoch - shift) if shift else read)
        turns = 0
    return kept

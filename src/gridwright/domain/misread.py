"""Single reads of a register that are wrong: they fall or jump between two that count on, and come back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf

from gridwright.domain.register import RegisterReading

# Given two reads, the later one not below: whether one register behind one factor may have counted from one to the
# other (V32).
CountsOn = Callable[[RegisterReading, RegisterReading], bool]


@dataclass(frozen=True, slots=True)
class Misread:
    """A read that is set aside, and the two around it, between which its register counted on."""

    before: RegisterReading
    read: RegisterReading
    after: RegisterReading


def is_outside(before: RegisterReading, read: RegisterReading, after: RegisterReading) -> bool:
    """Tell whether a read lies outside the two around it, of the same meter, while those rise.

    Two reads of one instant are those of an exchange: somebody stood before the meter.
    """
    one, value, other = (each.value * each.reading_type.resolution for each in (before, read, after))
    apart = before.at < read.at < after.at and before.end_device == read.end_device == after.end_device
    return apart and one <= other and not one <= value <= other


def misreads(reads: Sequence[RegisterReading], counts_on: CountsOn) -> list[int]:
    """Return the places of single wrong reads of a register, of which `reads` are in order of time and epoch.

    The read after a wrong one bears it out, and is not doubted itself. Whether the first and the last one are wrong
    nobody can tell. Reads that were taken are judged among themselves alone; an estimate gives way to them.
    """
    taken = [place for place, read in enumerate(reads) if not read.is_estimate]
    if len(taken) == len(reads):
        return _outside(reads, counts_on)
    wrong = {taken[place] for place in _outside([reads[place] for place in taken], counts_on)}
    left = [place for place in range(len(reads)) if place not in wrong]
    stood = [(reads[at].end_device, reads[at].value * reads[at].reading_type.resolution) for at in left]
    gone = giving_way(stood, [reads[at].is_estimate for at in left])
    return sorted(wrong.union(left[place] for place in gone))


def giving_way(stood: Sequence[tuple[Hashable, float]], estimated: Sequence[bool]) -> list[int]:
    """Return the places of estimates below what stands before them, or above what was read of the register behind.

    `stood`: register and value, in order of time, no wrong read among them.
    """
    ahead: dict[Hashable, float] = {}
    most = [0.0] * len(stood)
    for place in range(len(stood) - 1, -1, -1):
        register, value = stood[place]
        most[place] = ahead.get(register, inf)
        if not estimated[place]:
            ahead[register] = value
    last: dict[Hashable, float] = {}
    found = []
    for place, (register, value) in enumerate(stood):
        if estimated[place] and not last.get(register, -inf) <= value <= most[place]:
            found.append(place)
        else:
            last[register] = value
    return found


def _outside(reads: Sequence[RegisterReading], counts_on: CountsOn) -> list[int]:
    found: list[int] = []
    for place in range(1, len(reads) - 1):
        before, read, after = reads[place - 1 : place + 2]
        borne_out = bool(found) and found[-1] == place - 1
        if not borne_out and is_outside(before, read, after) and counts_on(before, after):
            found.append(place)
    return found


def set_aside(
    reads: Sequence[RegisterReading], counts_on: CountsOn
) -> tuple[list[RegisterReading], tuple[Misread, ...]]:
    """Return the reads without the wrong ones, which end no epoch, and these."""
    wrong = misreads(reads, counts_on)
    kept, shift = [], 0
    for place, read in enumerate(reads):
        shift += read.epoch - reads[place - 2].epoch if place - 1 in wrong else 0
        if place not in wrong:
            kept.append(replace(read, epoch=read.epoch - shift) if shift else read)
    return kept, tuple(Misread(*reads[place - 1 : place + 2]) for place in wrong)

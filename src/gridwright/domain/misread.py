"""Single reads of a register that are wrong: they fall or jump between two that count on, and come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    nobody can tell.
    """
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

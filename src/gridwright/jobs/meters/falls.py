"""Registers that fell to a read that came, or from one, and began anew: a doubt at once, whatever the entrance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.place_reads import Placed
from gridwright.vee.step_check import fall


def falls(found: Placed) -> Iterator[Finding]:
    """Yield the doubts (V32) about registers that fell to a new read or from one, and began anew; wrong reads too."""
    new = {(read.at, read.end_device) for read in found.saved}
    for before, after in pairwise(found.after):
        here = not new.isdisjoint({(before.at, before.end_device), (after.at, after.end_device)})
        if here and before.end_device == after.end_device and _fell(before, after):
            yield fallen(before, after)


def _fell(before: RegisterReading, after: RegisterReading) -> bool:
    return after.epoch == before.epoch + 1 and after.value < before.value


def fallen(before: RegisterReading, read: RegisterReading) -> Finding:
    """Return the doubt about a register that ran backwards: it is kept, and counts anew from there."""
    kind = read.reading_type.delta()
    period = Interval(before.at, read.at)
    return Finding("V32_register", read.usage_point, period, Severity.WARN, fall(before, read)[1], kind)

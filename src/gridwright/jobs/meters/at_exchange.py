"""A read by usage point alone, of the very instant of an exchange: of the meter that goes, or of the one that comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.rollovers import Rollovers


def beside_exchanges(
    stored: Sequence[RegisterReading], arriving: Sequence[RegisterReading], rollovers: Rollovers
) -> Sequence[RegisterReading]:
    """Return reads of a usage point that arrive, those of an instant of exchange under the meter that showed them.

    On record there is the meter that comes. What is the final read of the one that goes is that one's all the same, and
    so is what goes on from its register where the new one's opening read is another.
    """
    if not any(read.presumed for read in arriving):
        return arriving
    went, every = rollovers.went(arriving[0].usage_point), [*stored, *arriving]
    if not any(read.at in went for read in arriving):
        return arriving
    return [_whose(read, went[read.at], every, rollovers) if read.at in went else read for read in arriving]


def _whose(read: RegisterReading, goes: str, every: Sequence[RegisterReading], rollovers: Rollovers) -> RegisterReading:
    if not read.presumed or read.end_device == goes:
        return read
    then = {(each.end_device, each.value) for each in every if each.at == read.at and each is not read}
    if (read.end_device, read.value) in then:
        return read
    last = replace(read, end_device=goes)
    if (goes, read.value) in then:
        return last
    if read.end_device not in {device for device, _ in then}:
        return read
    before = [each for each in every if each.at < read.at and each.end_device == goes]
    latest = max(before, key=lambda each: each.at, default=None)
    goes_on = latest is None or (latest.value <= read.value and rollovers.counts_on(latest, last))
    return last if goes_on else read

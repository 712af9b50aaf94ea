"""Register reads to the store: each in its epoch, what fell is flagged, and intervals nobody measured are derived.

A register whose dials the registry knows goes on counting over a rollover; one that was reset begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gridwright.api.ingest.names import Directory
from gridwright.api.write.corrected_reads import correct_derived, told_anew
from gridwright.api.write.derived import Derived, panel_of, save_over
from gridwright.api.write.waiting import put_singles
from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading, is_possible
from gridwright.domain.rollover import TurnedOver
from gridwright.domain.verdict import Reject
from gridwright.ingest import grid_registers
from gridwright.ingest.order import take
from gridwright.ingest.registers import JITTER, read_at
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.store import Single
from gridwright.vee.arrivals import contradiction_findings
from gridwright.vee.step_check import fall

if TYPE_CHECKING:
    from gridwright.domain.readings import Readings
    from gridwright.store import Store

Neighbours = tuple[RegisterReading | None, RegisterReading | None]
LONGEST_S, MINUTE_S, QUARTER_S = 3600, 60, 900


@dataclass(frozen=True, slots=True)
class Registry:
    """What is asked about registers: a meter's factor at an instant, whether a fall is a rollover, a limit in kW."""

    multiplier: Callable[[str, str, int], float]
    turned_over: TurnedOver
    limit: Callable[[str], float]


@dataclass(slots=True)
class Reads:
    """What is going to be written of some register reads of one type; `rejects` name records by their line.

    `again`: of those that are kept, the ones that may take the place of stored ones.
    """

    kept: list[RegisterReading] = field(default_factory=list)
    again: list[RegisterReading] = field(default_factory=list)
    derived: list[Derived] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def save_registers(
    store: Store, access: Access, readings: Readings, context: tuple[Access, Directory, datetime]
) -> list[Reject]:
    """Save register reads of one type; returns those that are wrong between two good ones, which are refused.

    `context`: who reads what was known before, the directory of meters, and the instant at which these become known.
    """
    reader, directory, known_at = context
    kind = readings.reading_type
    limits = Limits(store, reader, directory.limits)
    limits.learn(readings.points)
    registry = Registry(directory.multiplier, Rollovers(store, reader), limits)
    reads = _sorted_out(store, reader, readings, registry)
    energy = partial(_one_meters, registry=registry)
    anew = told_anew(store, reader, reads.again, kind, energy) if reads.again else []
    if reads.kept:
        store.registers.save(access, reads.kept, known_at=known_at)
    if reads.findings:
        store.findings.save(access, reads.findings, known_at=known_at)
    save_derived(store, (reader, access), reads.derived, kind, known_at)
    correct_derived(store, (reader, access), anew, kind, known_at)
    return reads.rejects


def _one_meters(before: RegisterReading, after: RegisterReading, *, registry: Registry) -> list[Derived]:
    """Return the energy between two reads, if they are of one meter and the ends of an interval."""
    return between(before, after, registry) if _same(before, after) else []


def _sorted_out(store: Store, reader: Access, readings: Readings, registry: Registry) -> Reads:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, which in enumerate(readings.point.tolist()):
        rows[readings.points[which]].append(row)
    at = readings.at.tolist()
    moments = {
        point: (from_epoch_s(min(at[row] for row in of)), from_epoch_s(max(at[row] for row in of)))
        for point, of in rows.items()
    }
    around = store.registers.neighbours(reader, moments, readings.reading_type)
    reads = Reads()
    if len(rows) < readings.size:
        reads.findings += contradiction_findings(readings)
    for point, of in rows.items():
        if len(of) == 1:
            _single(read_at(readings, of[0]), around[point], reads, registry)
        else:
            _several(readings, of, around[point], (reads, registry))
    return reads


def _single(read: RegisterReading, around: Neighbours, reads: Reads, registry: Registry) -> None:
    """Give one read its epoch: a reset, or another meter, begins a new one."""
    before, after = around
    if before is not None and before.at == read.at:  # sent again, or corrected
        reads.kept.append(replace(read, epoch=before.epoch))
        reads.again += reads.kept[-1:] if before.value != read.value else ()
        return
    if before is not None:
        read = replace(read, epoch=before.epoch + _begins_anew(before, read, registry))
    elif after is not None:
        read = replace(read, epoch=after.epoch - (_same(read, after) and _begins_anew(read, after, registry)))
    reads.kept.append(read)
    for one, other in pairwise([each for each in (before, read, after) if each is not None]):
        _follow(one, other, reads, registry)


def _same(one: RegisterReading, other: RegisterReading) -> bool:
    return one.end_device == other.end_device


def _begins_anew(before: RegisterReading, after: RegisterReading, registry: Registry) -> bool:
    if not _same(before, after):
        return True
    return after.value < before.value and not registry.turned_over(before, after, None)


def _follow(before: RegisterReading, after: RegisterReading, reads: Reads, registry: Registry) -> None:
    """Derive the energy between two reads that count on, and doubt a register that began anew."""
    if not _same(before, after):
        return
    if before.epoch == after.epoch:
        reads.derived += between(before, after, registry)
    elif after.epoch == before.epoch + 1:
        reads.findings.append(fallen(before, after))


def _several(readings: Readings, rows: Sequence[int], around: Neighbours, context: tuple[Reads, Registry]) -> None:
    """Order many reads of one usage point by the rules for files; single wrong ones among them are refused."""
    reads, registry = context
    part = take(readings, np.array(rows))
    part = replace(part, line=part.line + 1)  # line 0 would mean that a read was known before
    same = {from_epoch_s(int(at)) for at in part.at.tolist()}
    known = [read for read in around if read is not None and read.at not in same]
    gridded = grid_registers(part, around=known, turned_over=registry.turned_over)
    kept = [read for registers in gridded.registers for read in registers]
    reads.kept += kept
    reads.again += kept
    rejects = [reject for reject in gridded.tally.listed if not reject.conflict]
    reads.rejects += [replace(reject, line=reject.line - 1) for reject in rejects]
    chain = sorted([*kept, *known], key=lambda read: (read.at, read.epoch))
    for before, after in pairwise(chain):
        _follow(before, after, reads, registry)


def fallen(before: RegisterReading, read: RegisterReading) -> Finding:
    """Return the doubt about a register that ran backwards: it is kept, and counts anew from there."""
    return Finding(
        "V32_register",
        read.usage_point,
        Interval(before.at, read.at),
        Severity.WARN,
        fall(before, read)[1],
        replace(read.reading_type, accumulation=Accumulation.DELTA),
    )


def between(before: RegisterReading, after: RegisterReading, registry: Registry) -> list[Derived]:
    """Return the energy between two reads where they are the ends of one interval of a grid, else nothing."""
    first = epoch_s(before.at)
    found = interval_of(first, epoch_s(after.at))
    if found is None:
        return []
    counted = after.value - before.value
    if counted < 0:
        counted += registry.turned_over(before, after, None)
    energy = counted * registry.multiplier(after.usage_point, after.end_device, first)
    if counted < 0 or not energy.is_integer():
        return []
    limit = registry.limit(after.usage_point)
    carried = is_possible(energy, after.reading_type, after.at - before.at, limit)
    return [Derived(after.usage_point, *found, energy)] if carried else []


def interval_of(first: int, last: int) -> tuple[int, int] | None:
    """Return start and length of the interval of a grid that two instants are the ends of; None where there is none."""
    length = round((last - first) / MINUTE_S) * MINUTE_S
    if not 0 < length <= LONGEST_S or DAY_S % length:
        return None
    start = round(first / MINUTE_S) * MINUTE_S
    jitter = JITTER * length
    grid = min(length, QUARTER_S) if length % QUARTER_S == 0 or length < QUARTER_S else length
    if abs(first - start) > jitter or abs(last - start - length) > jitter or start % grid:
        return None
    return start, length


def save_derived(
    store: Store,
    who: tuple[Access, Access],
    derived: Sequence[Derived],
    kind: ReadingType,
    known_at: datetime,
) -> None:
    """Save derived energy where nothing is stored: what a meter measured itself is worth more."""
    energy = replace(kind, accumulation=Accumulation.DELTA)
    lengths: dict[int, list[Derived]] = defaultdict(list)
    for one in derived:
        lengths[one.length_s].append(one)
    for length_s, members in lengths.items():
        singles = [Single(one.point, one.start_s, one.energy) for one in members]
        left = store.readings.save_singles(who[1], energy, length_s, singles, known_at=known_at, fill=True)
        days: dict[tuple[int, int], list[Derived]] = defaultdict(list)
        for place in left:
            start_s = members[place].start_s
            days[start_s // DAY_S, start_s % length_s].append(members[place])
        for some in days.values():
            save_over(store, who, panel_of(some, energy), known_at)


def put_derived(
    store: Store, access: Access, derived: dict[int, Derived], kind: ReadingType, known_at: datetime
) -> set[int]:
    """Let derived energy wait in the journal, of each usage point one interval; takes out what does, and tells it."""
    energy = replace(kind, accumulation=Accumulation.DELTA)
    lengths: dict[int, list[int]] = defaultdict(list)
    for place, one in derived.items():
        lengths[one.length_s].append(place)
    waits: set[int] = set()
    for length_s, places in lengths.items():
        singles = [Single(derived[place].point, derived[place].start_s, derived[place].energy) for place in places]
        if put_singles(store, access, (energy, length_s), singles, known_at, fill=True):
            waits.update(places)
    for place in waits:
        del derived[place]
    return waits

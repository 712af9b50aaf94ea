"""Register reads to the store: each in its epoch, what fell is flagged, and intervals nobody measured are derived.

A register whose dials the registry knows goes on counting over a rollover; one that was reset begins anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from gridwright.api.ingest.names import Directory
from gridwright.api.write.waiting import put_singles
from gridwright.domain.access import Access
from gridwright.domain.finding import Finding
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import TurnedOver
from gridwright.domain.verdict import Reject
from gridwright.ingest import grid_registers
from gridwright.ingest.order import take
from gridwright.ingest.registers import JITTER, WRONG, read_at
from gridwright.jobs.meters.falls import tell_falls
from gridwright.jobs.meters.fill_energy import Derived
from gridwright.jobs.meters.follow_reads import follow_reads
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.place_reads import Neighbours, Placed, place_reads, save_placed
from gridwright.jobs.meters.reads_beyond import with_reads_beyond
from gridwright.jobs.meters.reads_tell import Rules
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.settle_falls import settle_falls, stretch_of
from gridwright.store import Single
from gridwright.vee.arrivals import contradiction_findings

if TYPE_CHECKING:
    from gridwright.domain.readings import Readings
    from gridwright.store import Store

LONGEST_S, MINUTE_S, QUARTER_S = 3600, 60, 900
ASIDE = f"{WRONG}; it is kept, and set aside"
CONTRADICTS = "this estimate contradicts the register reads around it; it is kept, and these count"
HELPS = "send the right read of that instant"


@dataclass(slots=True)
class Arrived:
    """Register reads of one type by usage point, and those stored around them; `rejects` name records by their line."""

    around: Mapping[str, Neighbours]
    kept: dict[str, list[RegisterReading]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def save_registers(
    store: Store, access: Access, readings: Readings, context: tuple[Access, Directory, datetime]
) -> tuple[list[Reject], list[Reject]]:
    """Save register reads of one type; returns those that are refused, and those that are kept and set aside.

    `context`: who reads what was known before, the directory of meters, and the instant at which these become known.
    """
    reader, directory, known_at = context
    kind = readings.reading_type
    limits = Limits(store, reader, directory.limits)
    limits.learn(readings.points)
    rollovers = Rollovers(store, reader)
    rules = Rules(partial(_factor, directory.multiplier), rollovers, limits)
    arrived = _sorted_out(store, reader, readings, rollovers)
    found = place_reads(store, reader, arrived.kept, arrived.around, rollovers)
    wide = with_reads_beyond(store, reader, found, rollovers)
    save_placed(store, access, found, known_at)
    tell_falls(store, access, wide.values(), known_at, more=arrived.findings)
    who, what = (reader, access), (kind, known_at)
    follow_reads(store, who, wide, rules, what)
    stretches = {point: stretch_of(one) for point, one in found.items()}
    settle_falls(store, who, stretches, rollovers, what, rules=lambda _: rules)
    return arrived.rejects, list(_set_aside(readings, found))


def _set_aside(readings: Readings, found: Mapping[str, Placed]) -> Iterator[Reject]:
    """Yield those of the reads that fall or jump and come back."""
    wrong = {point: [read for read in one.wrong if _came(one, read)] for point, one in found.items() if one.wrong}
    lines = _lines(readings) if any(wrong.values()) else {}
    for point, reads in wrong.items():
        for read in sorted(reads, key=lambda read: read.at):
            value = f"{read.value * read.reading_type.resolution:.12g} {read.reading_type.unit}"
            why = CONTRADICTS if read.is_estimate else ASIDE
            yield Reject(lines[point, epoch_s(read.at)], why, HELPS, value)


def _came(one: Placed, read: RegisterReading) -> bool:
    return any((each.at, each.end_device) == (read.at, read.end_device) for each in one.saved)


def _lines(readings: Readings) -> dict[tuple[str, int], int]:
    names, columns = readings.points, (readings.point.tolist(), readings.at.tolist(), readings.line.tolist())
    return {(names[point], at): line for point, at, line in zip(*columns, strict=True)}


def _factor(
    multiplier: Callable[[str, str, int], float], before: RegisterReading, after: RegisterReading
) -> float | None:
    return multiplier(after.usage_point, after.end_device, epoch_s(before.at))


def _sorted_out(store: Store, reader: Access, readings: Readings, turned_over: TurnedOver) -> Arrived:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, which in enumerate(readings.point.tolist()):
        rows[readings.points[which]].append(row)
    at = readings.at.tolist()
    moments = {
        point: (from_epoch_s(min(at[row] for row in of)), from_epoch_s(max(at[row] for row in of)))
        for point, of in rows.items()
    }
    arrived = Arrived(store.registers.neighbours(reader, moments, readings.reading_type))
    if len(rows) < readings.size:
        arrived.findings += contradiction_findings(readings)
    for point, of in rows.items():
        if len(of) == 1:
            arrived.kept[point] = [_single(read_at(readings, of[0]), *arrived.around[point])]
        else:
            _several(readings, of, arrived, turned_over)
    return arrived


def _single(read: RegisterReading, before: RegisterReading | None, after: RegisterReading | None) -> RegisterReading:
    """Give one read the epoch of the one beside it, until it is placed."""
    beside = before or after
    return read if beside is None else replace(read, epoch=beside.epoch)


def _several(readings: Readings, rows: Sequence[int], arrived: Arrived, turned_over: TurnedOver) -> None:
    """Order many reads of one usage point by the rules for files."""
    part = take(readings, np.array(rows))
    part = replace(part, line=part.line + 1)  # line 0 would mean that a read was known before
    same = {from_epoch_s(int(at)) for at in part.at.tolist()}
    point = readings.points[int(part.point[0])]
    known = [read for read in arrived.around[point] if read is not None and read.at not in same]
    gridded = grid_registers(part, around=known, turned_over=turned_over)
    kept = [read for registers in gridded.registers for read in registers]
    if kept:
        arrived.kept[point] = kept
    rejects = [reject for reject in gridded.tally.listed if not reject.conflict]
    arrived.rejects += [replace(reject, line=reject.line - 1) for reject in rejects]


@lru_cache(maxsize=1 << 12)
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


def put_derived(
    store: Store, access: Access, derived: dict[int, Derived], kind: ReadingType, known_at: datetime
) -> set[int]:
    """Let derived energy wait in the journal, of each usage point one interval; takes out what does, and tells it."""
    energy = kind.delta()
    lengths: dict[int, list[int]] = defaultdict(list)
    for place, one in derived.items():
        lengths[one.length_s].append(place)
    waits: set[int] = set()
    for length_s, places in lengths.items():
        some = [derived[place] for place in places]
        singles = [Single(one.point, one.start_s, one.energy, one.quality) for one in some]
        if put_singles(store, access, (energy, length_s), singles, known_at, fill=True):
            waits.update(places)
    for place in waits:
        del derived[place]
    return waits

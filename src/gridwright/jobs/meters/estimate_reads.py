"""E09 for a reading date: what registers that nobody read that day would have shown as it began."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.hung import all_named, plain_serial
from gridwright.domain.interval import Interval, local_day
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, UsagePoint, installed_at
from gridwright.jobs.load.load_stored import register_types
from gridwright.jobs.meters.estimate_final import LOOK_BACK
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store
from gridwright.vee import estimate_read
from gridwright.vee.scalar import ESTIMATED

BESIDE = (4, 2)  # instants with reads before and behind: some may be of another meter, or wrong
TOGETHER = 500  # usage points in one transaction
WAS_READ = "it was read on that day"
NEVER_READ = "no register of it is read"
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class EstimatedRead:
    """What became of one register: its `read`, which is `new`, or stands as it is; without one, `why`."""

    usage_point: str
    reading_type: ReadingType
    at: datetime
    read: RegisterReading | None = None
    new: bool = False
    why: str = ""


def estimate_reads(
    store: Store, access: Access, day: date, points: Sequence[str] | None, *, now: datetime, dry_run: bool = False
) -> list[EstimatedRead]:
    """Estimate the registers of usage points (None: all) that were not read on a civil day, at the begin of that day.

    Between two reads it is a straight line, else average daily use. Nothing takes the place of what was read, nor of
    an estimate that somebody sent; one of ours is made anew, so that it follows what was read since. Again it changes
    nothing. A day that has not begun is an InputError.
    """
    access.require(Act.WRITE_READINGS)
    asked = store.registry.points(access, None if points is None else list(dict.fromkeys(points)))
    for point in asked:
        access.require(Act.WRITE_READINGS, point.id)
        if local_day(day, point.tz).start > now:
            raise InputError(
                f"{day} has not begun at {point.id}", remedy="give a day that has: no register is foretold"
            )
    found = []
    for at in range(0, len(asked), TOGETHER):
        some = asked[at : at + TOGETHER]
        with store.transaction():
            told = [each for kind in register_types(store, access) for each in _of_kind(store, access, day, some, kind)]
            new = [each.read for each in told if each.read is not None and each.new]
            if new and not dry_run:
                keep_reads(store, access, new, known_at=now, derive=True)
        found += told
    if points is None:
        found = [each for each in found if each.why != WAS_READ]
    else:
        named = {each.usage_point for each in found}
        unread = [point for point in asked if point.id not in named]
        starts = {point.id: local_day(day, point.tz).start for point in unread}
        found += [EstimatedRead(name, DELIVERED_REGISTER, at, why=NEVER_READ) for name, at in starts.items()]
    return sorted(found, key=lambda each: (each.usage_point, each.reading_type.code))


def _of_kind(
    store: Store, access: Access, day: date, points: Sequence[UsagePoint], kind: ReadingType
) -> Iterator[EstimatedRead]:
    """Yield what becomes of registers of one type that were not read on the day."""
    days = {point.id: local_day(day, point.tz) for point in points}
    spans = {name: (each.start, each.end - SECOND) for name, each in days.items()}
    around = store.registers.load_around(access, spans, kind, BESIDE)
    reads = {name: some for name, (some, _) in around.items() if some}
    history: dict[str, list[Installation]] = defaultdict(list)
    for one in store.field.installations(access, list(reads)):
        history[one.usage_point].append(one)
    meters = store.field.meters(access, list(reads))
    for name, some in reads.items():
        told = _estimated(name, days[name], (some, history[name]), meters)
        if told is not None:
            yield told


def _estimated(
    name: str,
    day: Interval,
    known: tuple[Sequence[RegisterReading], Sequence[Installation]],
    meters: Mapping[str, Meter],
) -> EstimatedRead | None:
    """Return what becomes of one register; None where no meter hung there then."""
    reads, history = all_named(known[1], known[0]), known[1]
    kind, at = reads[0].reading_type, day.start
    here = installed_at(history, name, at)
    if history and here is None:
        return None
    taken = [read for read in reads if not read.is_estimate]
    mine = [read for read in taken if here is None or plain_serial(read.end_device) == plain_serial(here.end_device)]
    if any(day.start <= read.at < day.end for read in mine):
        return EstimatedRead(name, kind, at, why=WAS_READ)
    stood = next((read for read in reads if read.is_estimate and read.at == at), None)
    if stood is not None and stood.quality != ESTIMATED:
        return EstimatedRead(name, kind, at, why="an estimate that was sent stands there")
    mine = [read for read in mine if read.at >= at - LOOK_BACK]
    if not any(read.at < at for read in mine):
        return EstimatedRead(name, kind, at, why="no register read of its meter in the 400 days before")
    serial = here.end_device if here else mine[0].end_device
    try:
        meter, factor = meters.get(serial) or Meter(serial), here.multiplier if here else Decimal(1)
        read = estimate_read(mine, at, meter, multiplier=factor)
    except InputError as error:
        return EstimatedRead(name, kind, at, why=str(error))
    return EstimatedRead(name, kind, at, read, new=stood is None or stood.value != read.value)

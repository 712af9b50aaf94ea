"""Give stored readings away as a file of the trade: loaded some usage points at a time, written as they are loaded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import islice
from typing import TypeVar, overload

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER, UsagePoint
from gridwright.formats.writer import Writer, phase_of
from gridwright.jobs.files.lost_in_export import Untold, some
from gridwright.jobs.load.made_series import made_of, one_way_types
from gridwright.jobs.load.reached import reached
from gridwright.store import Store
from gridwright.store.archive.reading import leaving_out
from gridwright.store.days.series import Extent

T = TypeVar("T", covariant=True)  # noqa: PLC0105 - the name of a type of elements
CELLS = 1 << 22  # readings held at a time
TOGETHER = 1_000
DAY = timedelta(days=1)
EVER = Interval(from_epoch_s(-(10**10)), FOREVER)
Report = Callable[[int, int], None]
Group = tuple[ReadingType, timedelta]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: `points` None = all, `period` None = everything; reading types and interval None = any."""

    points: tuple[str, ...] | None = None
    period: Interval | None = None
    kinds: tuple[str, ...] = ()
    interval: timedelta | None = None
    image: Image = Image.RAW
    as_of: datetime | None = None


class Lazy(Sequence[T]):
    """A sequence that is made anew each time it is gone through: nothing of it stays in memory."""

    def __init__(self, make: Callable[[], Iterator[T]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[T]:
        return self._make()

    def __len__(self) -> int:
        return sum(1 for _ in self._make())

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        if isinstance(at, slice):
            return list(self._make())[at]
        found = list(islice(self._make(), at, at + 1)) if at >= 0 else list(self._make())[at : at + 1 or None]
        if not found:
            raise IndexError(at)
        return found[0]


@dataclass(slots=True)
class Export:
    """An export under way, and what it has brought so far.

    `refused`: why something is left out → usage points.
    """

    store: Store
    access: Access
    writer: Writer
    wanted: Wanted
    points: Mapping[str, UsagePoint]
    series: dict[Group, list[Extent]]
    progress: Report | None = None
    readings: int = 0
    registers: int = 0
    written: set[str] = field(default_factory=set)
    refused: dict[str, list[str]] = field(default_factory=dict)
    done: int = 0
    taken: dict[str, dict[tuple[str, ...], ReadingType]] = field(default_factory=dict)
    untold: Untold = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing that went out."""
        self.untold = Untold(self.writer.name, self.writer.keeps, self.points)

    @property
    def left_out(self) -> list[str]:
        """What the format cannot hold, and why, one sentence a reason."""
        return [f"{why} ({some(points)})" if points else why for why, points in self.refused.items()]

    @property
    def notes(self) -> list[str]:
        """What the file does not tell of the readings that are in it, one sentence a matter."""
        return self.untold.notes()

    def refuse(self, why: str, points: Sequence[str] = ()) -> None:
        """Take note of something that is left out."""
        self.refused.setdefault(why, []).extend(points)

    def tells_apart(self, point: str, kind: ReadingType) -> bool:
        """Tell whether a series looks like no other of its usage point; what does is refused, the first one stays."""
        looks = (kind.quantity, kind.flow, kind.accumulation, kind.commodity, self.writer.written_channel(kind))
        first = self.taken.setdefault(point, {}).setdefault(looks, kind)
        if first.finer(0) == kind.finer(0):
            return True
        other, own = first.channel or "(none)", kind.channel or "(none)"
        self.refuse(f"{self.writer.name} cannot tell channel {own} from {other}: choose with --reading-type", [point])
        return False

    def pieces(self) -> Iterator[bytes]:
        """Yield the file; nothing to write at all is NotFound, before the first byte."""
        parts = self.writer.write(Lazy(self._panels), Lazy(self._registers), self.points)
        waiting: list[bytes] = []
        for part in parts:
            waiting.append(part)
            if self.readings or self.registers:
                yield from waiting
                waiting.clear()
        if not self.readings and not self.registers:
            raise self._nothing()
        yield from waiting

    def _nothing(self) -> NotFound:
        why = "; ".join(self.left_out)
        remedy = "gridwright usage-point list tells what is there"
        if self.wanted.image is Image.FINAL:
            remedy = "readings have a final image once they were validated; --image raw exports them as they came"
        return NotFound(
            f"there is nothing to export as {self.writer.name}" + (f": {why}" if why else ""), remedy=remedy
        )

    def _panels(self) -> Iterator[Panel]:
        total = sum(len(members) for members in self.series.values())
        for (kind, interval), members in self.series.items():
            for batch in self._batches(members, interval):
                for panel in self._loaded(kind, interval, batch):
                    kept = self._fitting(panel)
                    if kept is not None:
                        yield kept
                self.done += len(batch)
                if self.progress is not None:
                    self.progress(self.done, total)

    def _batches(self, members: Sequence[Extent], interval: timedelta) -> Iterator[list[Extent]]:
        """Cut series into groups that fit the memory."""
        batch: list[Extent] = []
        whole = Interval(*_days(members[0].first_day, members[0].last_day))
        for one in members:
            own = Interval(*_days(one.first_day, one.last_day))
            wider = Interval(min(whole.start, own.start), max(whole.end, own.end)) if batch else own
            if batch and (len(batch) + 1) * self._asked(wider).slots(interval) > CELLS:
                yield batch
                batch, wider = [], own
            batch.append(one)
            whole = wider
        if batch:
            yield batch

    def _asked(self, there: Interval) -> Interval:
        return there if self.wanted.period is None else there.intersection(self.wanted.period) or self.wanted.period

    def _loaded(self, kind: ReadingType, interval: timedelta, members: Sequence[Extent]) -> Iterator[Panel]:
        """Load series together; where one changed its interval meanwhile, each for the time of its own."""
        names = [one.usage_point for one in members]
        whole = Interval(*_days(min(one.first_day for one in members), max(one.last_day for one in members)))
        try:
            yield _trimmed(self._load(names, self._asked(whole), kind, interval), whole)
        except GridMismatch:
            if len(members) > 1:
                for one in members:
                    yield from self._loaded(kind, interval, [one])
            else:
                yield from self._in_turns(kind, interval, names[0], whole)
        except NotFound:
            return

    def _in_turns(self, kind: ReadingType, interval: timedelta, name: str, whole: Interval) -> Iterator[Panel]:
        """Load a series between whose days those of another interval length lie: each of its own turns."""
        image, period = self.wanted.image, self._asked(whole)
        for each in self.store.readings.stretches(self.access, [name], period, reading_type=kind, image=image):
            if each.interval == interval:
                try:
                    yield _trimmed(self._load([name], each.period, kind, interval), whole)
                except GridMismatch:
                    self.refuse(f"{kind} has two interval lengths in one day", [name])

    def _load(self, names: Sequence[str], period: Interval, kind: ReadingType, interval: timedelta) -> Panel:
        """Load readings; where everything is wanted, an archived month that cannot be read is left out and told."""
        as_of, image = self.wanted.as_of, self.wanted.image
        load = partial(self.store.readings.load, reading_type=kind, interval=interval, as_of=as_of, image=image)
        if self.wanted.period is not None:
            return load(self.access, names, period)
        with leaving_out() as lost:
            panel = load(self.access, names, period)
        for error in lost:
            self.refuse(str(error))
        return panel

    def _fitting(self, panel: Panel) -> Panel | None:
        """Return the rows that hold a value, None where there are none or the format cannot hold them.

        Only what goes out takes a name: a series that the format refuses, or that is empty, stands in nobody's way.
        """
        filled = np.flatnonzero(~panel.missing.all(axis=1))
        if not filled.size:
            return None
        refusal = self.writer.why_not(panel.reading_type, panel.interval_s, phase_of(panel))
        if refusal:
            self.refuse(refusal, panel.points)
            return None
        apart = [row for row in filled.tolist() if self.tells_apart(panel.points[row], panel.reading_type)]
        if not apart:
            return None
        kept = panel.rows(apart)
        self.readings += int(np.count_nonzero(~kept.missing))
        self.written.update(kept.points)
        self.untold.take_panel(kept)
        return kept

    def _registers(self) -> Iterator[RegisterReading]:
        period, names = self.wanted.period or EVER, list(self.points)
        kinds = [
            kind
            for kind in self.store.readings.image_types(self.access, Image.RAW)
            if kind.accumulation is Accumulation.CUMULATIVE and self._asks_for(kind)
        ]
        for at in range(0, len(names) if kinds else 0, TOGETHER):
            some = names[at : at + TOGETHER]
            reads: dict[str, dict[ReadingType, list[RegisterReading]]] = defaultdict(dict)
            for kind in kinds:
                for read in self.store.registers.load_several(self.access, some, period, kind):
                    reads[read.usage_point].setdefault(kind, []).append(read)
            for point in some:
                for several in self._told_apart(point, reads[point]):
                    self.registers += len(several)
                    self.written.add(point)
                    self.untold.take_reads(point, several)
                    yield from several

    def _told_apart(
        self, point: str, reads: Mapping[ReadingType, list[RegisterReading]]
    ) -> Iterator[list[RegisterReading]]:
        """Yield the registers of a usage point that the format holds and tells apart: those of its intervals first."""
        intervals = {kind.register().finer(0) for kind in self.taken.get(point, {}).values()}
        for kind in sorted(reads, key=lambda one: (one.finer(0) not in intervals, one.code)):
            if refusal := self.writer.why_not(kind, 0, 0):
                self.refuse(refusal, [point])
            elif self.tells_apart(point, kind):
                yield reads[kind]

    def _asks_for(self, kind: ReadingType) -> bool:
        return not self.wanted.kinds or kind.code in self.wanted.kinds


def plan_export(
    store: Store, access: Access, writer: Writer, wanted: Wanted, *, progress: Report | None = None
) -> Export:
    """Find out what there is to export; unknown usage points are NotFound. Nothing is loaded yet."""
    asked = list(wanted.points) if wanted.points is not None else None
    points = {point.id: point for point in store.registry.points(access, asked)}
    for name in asked or ():
        if name not in points:
            store.registry.point(access, name)
            raise NotFound(f"there is no usage point {name!r}", remedy="gridwright usage-point list")
    export = Export(store, access, writer, wanted, points, {}, progress)
    _check_archive(export)
    export.series = _grouped(_series(store, access, wanted, points))
    return export


def _check_archive(export: Export) -> None:
    """Look before the first byte that the archive can give what was asked for: of all, what cannot be is left out."""
    wanted, archive = export.wanted, export.store.archive
    if wanted.period is not None:
        there = archive.away(export.access, wanted.period)
        archive.require_readable(
            export.access,
            [part for part in there if part.image == wanted.image and part.code in (wanted.kinds or (part.code,))],
        )


def _series(store: Store, access: Access, wanted: Wanted, points: Mapping[str, UsagePoint]) -> list[Extent]:
    """Return the series asked for by their days, without looking into them, in order of their usage points' names."""
    names = list(points)
    look = reached if wanted.image is Image.FINAL else _as_read
    stored = (look(store, access, names[at : at + TOGETHER]) for at in range(0, len(names), TOGETHER))
    if wanted.image is Image.FINAL:
        made = one_way_types(store, access)
        stored = ([*some, *made_of(some, made)] for some in stored)
    there = [
        one
        for some in stored
        for one in some
        if (not wanted.kinds or one.reading_type.code in wanted.kinds)
        and (wanted.interval is None or wanted.interval.total_seconds() == one.interval_s)
        and (wanted.period is None or Interval(*_days(one.first_day, one.last_day)).overlaps(wanted.period))
    ]
    return there if wanted.points is not None else sorted(there, key=lambda one: one.usage_point)


def _as_read(store: Store, access: Access, points: Sequence[str]) -> list[Extent]:
    return store.readings.extents(access, points)


@cache
def _days(first: int, last: int) -> tuple[datetime, datetime]:
    return from_epoch_s(first * DAY_S), from_epoch_s(last * DAY_S)


def _trimmed(panel: Panel, whole: Interval) -> Panel:
    """Return the panel from the first to the last value, as far as they lie on the series' first and last day."""
    known = np.flatnonzero(~panel.missing.all(axis=0))
    if not known.size:
        return panel
    first = min(int(known[0]), -((panel.start - whole.start - DAY) // panel.interval))
    last = max(int(known[-1]) + 1, -((panel.start - whole.end + DAY) // panel.interval))
    return panel.slice(first, last)


def _grouped(there: Sequence[Extent]) -> dict[Group, list[Extent]]:
    """Put series of one type and interval together."""
    groups: dict[Group, list[Extent]] = defaultdict(list)
    for one in there:
        groups[one.reading_type, timedelta(seconds=one.interval_s)].append(one)
    return dict(groups)

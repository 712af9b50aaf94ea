"""One chunk of an import: laid on grids, saved in one transaction with the progress it makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import Forgotten, GridMismatch, NotFound
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Reject
from gridwright.formats.source import KEPT_REJECTS, Decoded, ReadOptions
from gridwright.ingest import Gridded, Tally, grid_series
from gridwright.jobs.cascade.fit_day import Fitted, fit_day
from gridwright.jobs.files.adrift import adrift, keep_adrift
from gridwright.jobs.files.beside_measured import MEASURED, beside_measured
from gridwright.jobs.files.brought import Brought, named
from gridwright.jobs.files.chunk_parts import (
    NOT_STORED,
    TOO_LONG,
    Misfit,
    Part,
    counted,
    derived_days,
    line_of,
    parts_of,
    sent_of,
    shown,
    unkept,
)
from gridwright.jobs.files.decode_ahead import Piece
from gridwright.jobs.files.keep_events import EventKeeper, KeptEvents
from gridwright.jobs.files.keep_told import keep_told
from gridwright.jobs.files.named_meters import name_meters
from gridwright.jobs.files.placed_registers import save_registers
from gridwright.jobs.files.read_file import arrival_findings, zones_of
from gridwright.jobs.files.rejects_file import RejectsFile
from gridwright.jobs.files.same_series import Opened, StoredChannels, Told, stored_channels
from gridwright.jobs.load.any_resolution import load_counted
from gridwright.jobs.meters.day_again import told_beside
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.limits import Limits, ReadLimits
from gridwright.jobs.meters.multipliers import Multipliers
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, Progress, SaveSummary
from gridwright.store.archive.reading import leaving_out

LOOK_AHEAD = timedelta(hours=2)  # how far the read after a chunk's last one may lie
SECOND = timedelta(seconds=1)


NewPoint = Callable[[str, str], UsagePoint]  # of a name and a zone


class FollowUp(Protocol):
    """What else happens in the transaction of a chunk, with the readings that it saves."""

    def begin(self, new: Sequence[UsagePoint], old: Sequence[str]) -> None:
        """Prepare for a chunk with these usage points; the store knew the `old` ones before."""
        ...

    def save(self, panel: Panel, *, known_at: datetime) -> SaveSummary:
        """Save a panel, instead of the store itself; also called again with a part of a panel that did not fit."""
        ...

    def end(self, gridded: Gridded, *, known_at: datetime) -> None:
        """Do what follows from the panels that were saved since `begin`."""
        ...


class _Undone(Exception):
    """A chunk was tried, and what it did is taken back."""


@dataclass(slots=True)
class ImportRun:
    """An import under way: where it writes, and what it found so far.

    `points`: usage points the store knows. `seen`: those of this file. `listed`: the first rejects of this run.
    `opened`: in a dry run, what was stored and taken back. `told`: what was done with names of channels.
    `new_point`: what a usage point begins as, by its name and zone. `waiting`: how many readings of each meter wait.
    `events_waiting`: how many events of each device.
    """

    store: StorePort
    access: Access
    options: ReadOptions
    known_at: datetime
    not_after: int | None
    dry_run: bool
    rejects: RejectsFile | None = None
    points: set[str] = field(default_factory=set)
    seen: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Reject] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    follow: FollowUp | None = None
    findings: int = 0
    opened: Opened = field(default_factory=Opened)
    told: Told = field(default_factory=Told)
    new_point: NewPoint = UsagePoint
    waiting: Counter[str] = field(default_factory=Counter)
    events_waiting: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def committed(self) -> Iterator[None]:
        """Make what is done within one durable commit, or, in a dry run, nothing."""
        with suppress(_Undone), self.store.transaction():
            yield
            if self.dry_run:
                raise _Undone

    def open(self, gridded: Gridded) -> None:
        """Remember, for what comes later in a dry run, which series it would have stored."""
        for part in parts_of(gridded):
            self.opened.add(part.panel.points, part.panel.reading_type)
        for one in gridded.registers:
            self.opened.add(named(one.readings), one.readings.reading_type)

    def learn(self, series: Sequence[Readings]) -> None:
        """Learn which usage points of a piece others have added since the import began, and hold all that are known."""
        names = {name for one in series for name in one.points}
        self.points |= self.store.registry.registered(self.access, names - self.points)
        self.store.findings.hold(self.access, names & self.points)

    def known_reads(self, readings: Readings) -> list[RegisterReading]:
        """Return the stored register reads just before and just after those of each usage point."""
        moments: dict[str, tuple[datetime, datetime]] = {}
        for entry in np.unique(readings.point).tolist():
            stamps, point = readings.at[readings.point == entry], readings.points[entry]
            if point in self.points:
                first, last = from_epoch_s(int(stamps.min())) - SECOND, from_epoch_s(int(stamps.max()))
                since, until = moments.get(point, (first, last))
                moments[point] = min(since, first), max(until, last)
        found = self.store.registers.neighbours(self.access, moments, readings.reading_type)
        soon = {point: until + LOOK_AHEAD for point, (_, until) in moments.items()}
        name = Rollovers(self.store, self.access).named
        return [
            name(read) for point, both in found.items() for read in both if read is not None and read.at <= soon[point]
        ]


@dataclass(slots=True)
class ChunkImport:
    """A decoded piece of a file that brings some channels, the progress it makes, and the file's counts before it."""

    run: ImportRun
    piece: Piece
    brought: Brought
    progress: Progress
    before: Counter[str]
    read_again: Callable[[], Decoded]  # decodes the piece once more
    late: list[Reject] = field(default_factory=list)
    made_way: dict[ReadingType, set[Day]] = field(default_factory=dict)  # of which register reads tell the rest

    @property
    def decoded(self) -> Decoded:
        """The decoded chunk."""
        return self.piece.decoded

    def save(self) -> Counter[str]:
        """Save the chunk and its progress in one transaction; returns the counts of the file so far.

        Days that do not fit the stored grid of their usage point are added up to it where that takes no guess (see
        `fit_day`), else refused; the rest is kept. A dry run does all of it and takes it back.
        """
        run = self.run
        beyond = run.told, run.opened, self.brought.only
        strays, refused = adrift(self.decoded.strays, run.not_after)
        odd: list[Misfit] = []
        misfits: list[Misfit] = []
        with run.committed():
            run.learn(self.decoded.series)
            stored = stored_channels(run.store, run.access, self.decoded.series, run.points, beyond)
            gridded = self._laid(stored, refused)
            zones = zones_of(self.decoded.zones, gridded, self.run.options)
            self._save_points(zones)
            saved: Counter[str] = Counter()
            for part in parts_of(gridded):
                saved += self._save_what_fits(part, odd, misfits)
            for part, error in odd:
                saved += part.counted(self._save_fitted(part, error, misfits))
            saved += self._save_registers(gridded, misfits)
            misfits, left = sent_of(misfits)
            noted = self._note_arrival(gridded, zones)
            self._save_told(zones)
            kept = self._keep_events(zones)
            waiting, unkept = keep_adrift(run.store, run.access, strays, received=run.known_at)
            gridded = replace(gridded, tally=gridded.tally + unkept + kept.tally)
            if self.run.follow is not None:
                self.run.follow.end(gridded, known_at=self.run.known_at)
            counts = self._advance(gridded, saved, misfits)
        run.findings += noted
        if run.dry_run:
            run.open(gridded)
        else:
            run.points.update(zones)
        self._remember(gridded)
        run.notes.update(dict.fromkeys(left))
        run.waiting += waiting
        run.events_waiting += kept.waiting
        return counts

    def _laid(self, stored: StoredChannels, refused: Tally) -> Gridded:
        """Lay the chunk on grids, its register reads beside those that are stored; `refused` of it before."""
        gridded = self.piece.gridded
        if gridded is not None:
            return replace(gridded, panels=tuple(stored.of_panels(gridded.panels)), tally=gridded.tally + refused)
        run, who = self.run, (self.run.store, self.run.access)
        series = name_meters(*who, stored.of_series(self.decoded.series), run.points)
        gridded = grid_series(
            series,
            not_after=run.not_after,
            known=run.known_reads,
            turned_over=Rollovers(*who, run.new_point),
            factors=Multipliers(*who, run.points),
            carried=ReadLimits(Limits(*who), run.points, run.new_point),
        )
        return replace(gridded, tally=gridded.tally + refused)

    def _is_known(self, point: str, zones: Mapping[str, str]) -> bool:
        """Tell whether a usage point is registered; the set of them all is too large to be joined for every chunk."""
        return point in zones or point in self.run.points

    def _note_arrival(self, gridded: Gridded, zones: Mapping[str, str]) -> int:
        """Keep the doubts that only the readings as they came can show: nothing that is stored tells of them."""
        arrival = self.piece.arrival
        if self.piece.gridded is None:
            arrival = tuple(arrival_findings(self.decoded.series, gridded.tally, self.run.not_after))
        arrival = tuple(finding for finding in arrival if self._is_known(finding.usage_point, zones))
        return self.run.store.findings.save(self.run.access, arrival, known_at=self.run.known_at) if arrival else 0

    def _keep_events(self, zones: Mapping[str, str]) -> KeptEvents:
        """Keep what the file says of devices; the days of their usage points are judged by it."""
        run = self.run
        keeper = EventKeeper(run.store, run.access, run.not_after, run.known_at, partial(self._is_known, zones=zones))
        return keeper.keep(self.decoded)

    def _save_told(self, zones: Mapping[str, str]) -> None:
        """Keep which meters the file says that readings are of, where the usage point is known."""
        run = self.run
        told = [each for each in self.decoded.told if self._is_known(each.usage_point, zones)]
        for name in keep_told(run.store, run.access, told, known_at=run.known_at):
            mine = [each for each in told if each.usage_point == name]
            whole = Interval(min(each.period.start for each in mine), max(each.period.end for each in mine))
            run.store.dirty.touch(run.access, [name], DELIVERED_ENERGY, whole)

    def _save_points(self, zones: Mapping[str, str]) -> None:
        """Register the usage points of which something was taken; a refused record registers nothing."""
        run = self.run
        new = [run.new_point(point, zone) for point, zone in zones.items() if point not in run.points]
        if new:
            there = run.store.registry.add_points(run.access, new)
            run.points |= there
            new = [point for point in new if point.id not in there]
        if run.follow is not None:
            run.follow.begin(new, [point for point in zones if point in run.points])

    def _save_what_fits(self, part: Part, odd: list[Misfit], misfits: list[Misfit]) -> Counter[str]:
        """Save a part, halved as long as it does not fit; days of one usage point that do not are the `odd` ones.

        Of what was forgotten nothing fits anything: it joins the misfits at once, by usage points.
        """
        waiting, saved = [part], Counter[str]()
        while waiting:
            one = waiting.pop()
            try:
                saved += one.counted(self._save_part(one))
            except Forgotten as error:
                old, kept = one.cut(error.first_s)
                waiting += kept
                misfits += [(each, error) for each in old]
            except GridMismatch as error:  # which leaves nothing behind
                halves = one.halves()
                waiting += reversed(halves)
                odd += [] if halves else [(one, error)]
        return saved

    def _save_part(self, part: Part) -> SaveSummary:
        panel = part.panel
        if part.derived:
            panel = beside_measured(self.run.store, self.run.access, panel)
            self.run.notes |= {} if panel.values is part.panel.values else {MEASURED: None}
        return self._save_panel(panel)

    def _save_panel(self, panel: Panel) -> SaveSummary:
        run = self.run
        save = run.follow.save if run.follow is not None else partial(run.store.readings.save, run.access)
        saved = save(panel, known_at=run.known_at)
        if saved.made_way:
            self.made_way.setdefault(panel.reading_type, set()).update(saved.made_way)
        return saved

    def _save_fitted(self, part: Part, error: GridMismatch, misfits: list[Misfit]) -> SaveSummary:
        """Save what of a day fits the longer intervals that are stored of it; the rest joins the misfits.

        So does energy between register reads, which is derived on the grid of its day once they are stored.
        """
        if part.derived:
            misfits.append((part, error))
            return NOTHING_SAVED
        panel = part.panel
        day = from_epoch_s(epoch_s(panel.start) // DAY_S * DAY_S)
        whole = Interval(day, day + timedelta(seconds=DAY_S))
        stored = None
        with leaving_out(), suppress(NotFound):  # what came in is kept, whatever became of the archive
            stored = load_counted(self.run.store, self.run.access, panel.points, whole, panel.reading_type)
        fitted = Fitted(None, panel) if stored is None else fit_day(panel, stored)
        if fitted.summed is not None:
            return self._save_summed(part, (fitted.summed, fitted.rest), error, misfits)
        misfits.append((part, error))
        return NOTHING_SAVED

    def _save_summed(
        self, part: Part, fitted: tuple[Panel, Panel | None], error: GridMismatch, misfits: list[Misfit]
    ) -> SaveSummary:
        """Save what was added up to the intervals of its day; the rest, or what cannot be stored, joins the misfits."""
        panel, (summed, rest) = part.panel, fitted
        try:
            saved = self._save_part(replace(part, panel=summed))
        except GridMismatch as other:  # no exact number holds its values beside those that are stored
            misfits.append((part, other))
            return NOTHING_SAVED
        misfits += [(replace(part, panel=rest), error)] if rest else []
        when = f"{panel.points[0]}, {date_of(epoch_s(panel.start) // DAY_S)}"
        shorter, longer = panel.interval_s // 60, summed.interval_s // 60
        self.run.notes[f"{when}: readings of {shorter} min are added up to the {longer} min of that day"] = None
        return saved

    def _save_registers(self, gridded: Gridded, misfits: Sequence[Misfit]) -> Counter[str]:
        run, counts = self.run, Counter[str]()
        if gridded.registers:
            odd = derived_days(misfits)
            saved = save_registers(run.store, run.access, gridded.registers, run.points, run.known_at, odd=odd)
            counts = counted(saved) + Counter(registers=saved.readings)
        while self.made_way:
            kind, days = self.made_way.popitem()
            told_beside(run.store, (run.access, run.access), days, kind, run.known_at)
        return counts

    def _advance(self, gridded: Gridded, saved: Counter[str], misfits: Sequence[Misfit]) -> Counter[str]:
        """Write the rejects through to the disk, then record the progress that includes them."""
        self.late = self._late(misfits)
        refused = sum(int(np.count_nonzero(~part.panel.missing)) for part, _ in misfits)
        counts = self.before + self._counts(gridded, refused) + saved
        if self.run.rejects is not None:
            counts["rejects_bytes"] = self.run.rejects.append(self._rejects(gridded))
        if not self.run.dry_run:  # of a file that came whole before, it would stand still behind that
            self.run.store.imports.advance(
                self.run.access, replace(self.progress, counters=dict(counts)), known_at=self.run.known_at
            )
        return counts

    def _counts(self, gridded: Gridded, refused: int) -> Counter[str]:
        tally = gridded.tally
        return Counter(
            records=self.decoded.records,
            accepted=tally.accepted - refused,
            rejected=self.decoded.rejected + tally.rejected + refused,
            repeated=tally.repeated,
            conflicting=tally.conflicting,
            missing=tally.missing,
            unkept=sum(int(np.count_nonzero(~panel.missing)) for panel in unkept(gridded))
            + sum(int(np.count_nonzero(~np.isnan(each.value))) for each in gridded.loose),
        )

    def _late(self, misfits: Sequence[Misfit]) -> list[Reject]:
        """Tell what does not fit by its first line; a piece that was decoded ahead came without, and is read again."""
        series = self.read_again().series if misfits else ()
        return [
            Reject(line_of(part.panel, series), error.message, error.remedy, shown(part.panel), error.where)
            for part, error in misfits
        ]

    def _rejects(self, gridded: Gridded) -> list[Reject]:
        return [*self.decoded.rejects, *gridded.tally.listed, *self.late]

    def _remember(self, gridded: Gridded) -> None:
        run = self.run
        room = KEPT_REJECTS - len(run.listed)
        run.listed += self._rejects(gridded)[:room]
        run.notes.update(dict.fromkeys((*self.decoded.notes, *gridded.tally.notes)))
        run.seen.update(dict.fromkeys(zones_of(self.decoded.zones, gridded, run.options)))
        run.notes.update({f"{NOT_STORED}: {shown(panel)}: {TOO_LONG}": None for panel in unkept(gridded)})
        if gridded.loose:
            run.notes[f"{NOT_STORED}: instantaneous readings that follow no grid"] = None

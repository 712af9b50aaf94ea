"""Import a meter file and judge it in the same pass: raw and final images, day totals and findings, chunk by chunk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.day_totals import day_totals
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.source import ReadOptions
from gridwright.ingest import Gridded
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.note_same_energy import suspects
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, trust_beside, trust_channels
from gridwright.jobs.files.ingest_file import Imported, Report, ingest_file
from gridwright.jobs.load.load_circumstances import load_around
from gridwright.jobs.load.main_series import by_zone, every_series
from gridwright.store import NOTHING_SAVED, SaveSummary, Store

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TrustedImport:
    """What an import did, and what judging it brought: new findings, final readings, how many of them are estimated.

    `later`: usage points that had readings before; they were judged with those after the file was in.
    """

    imported: Imported
    findings: int = 0
    final: int = 0
    estimated: int = 0
    later: int = 0


def import_trusted(  # noqa: PLR0913 - what an import needs to know
    store: Store,
    access: Access,
    path: Path | str,
    options: ReadOptions | None = None,
    *,
    site: SiteDefaults,
    known_at: datetime,
    progress: Report | None = None,
    not_after: datetime | None = None,
    rejects_to: Path | None = None,
) -> TrustedImport:
    """Import a file as `ingest_file` does, and leave nothing of it unjudged; safe to kill at any moment.

    A usage point without earlier readings is validated and estimated from the chunk that brings it, in the same
    transaction. Where earlier readings are, those weeks belong to the judgement: such usage points go through the
    correction cascade when the file is in, with all that waited there.
    """
    judge = Judge(store, access, site)
    done = ingest_file(
        store,
        access,
        path,
        options,
        known_at=known_at,
        progress=progress,
        not_after=not_after,
        rejects_to=rejects_to,
        follow=judge,
        new_point=site.usage_point,
    )
    findings, final, later = done.findings + judge.findings, judge.final, 0
    while True:
        rest = correct(store, access, site, now=known_at)
        findings, final, later = findings + rest.new, final + rest.readings, later + rest.points
        if not rest.ranges or rest.waiting == rest.ranges:
            return TrustedImport(done, findings, final, judge.estimated, later)


@dataclass(slots=True)
class Judge:
    """Judges the usage points of a chunk that have no earlier readings; the others are left dirty, for the cascade."""

    store: Store
    access: Access
    site: SiteDefaults
    findings: int = 0
    final: int = 0
    estimated: int = 0
    _points: dict[str, UsagePoint] = field(default_factory=dict)
    _panels: list[Panel] = field(default_factory=list)
    _registered: dict[str, UsagePoint] = field(default_factory=dict)

    def begin(self, new: Sequence[UsagePoint], old: Sequence[str]) -> None:
        """Find out who has no reading yet."""
        self._points = {point.id: point for point in new}
        self._panels = []
        self._registered = {}
        if old:
            read = {extent.usage_point for extent in self.store.readings.extents(self.access, old)}
            fresh = [point for point in old if point not in read]
            # None named would mean all.
            told = self.store.registry.points(self.access, fresh) if fresh else ()
            # A usage point that this file brings has nothing installed yet, and nothing else is on record of it.
            self._registered = {point.id: point for point in told}
            self._points |= self._registered

    def save(self, panel: Panel, *, known_at: datetime) -> SaveSummary:
        """Save the raw image, all of it or nothing; who is judged here is not dirty."""
        fresh = np.array([point in self._points for point in panel.points], np.bool_)
        summary, judged = NOTHING_SAVED, list[Panel]()
        with self.store.transaction():
            for settled, mine in ((True, fresh), (False, ~fresh)):
                if mine.any():
                    some = panel if mine.all() else panel.rows(np.flatnonzero(mine))
                    summary += self.store.readings.save(self.access, some, known_at=known_at, settled=settled)
                    judged += [some] if settled else []
        self._panels += judged
        return summary

    def end(self, gridded: Gridded, *, known_at: datetime) -> None:
        """Validate, estimate, and save what follows from the panels of this chunk."""
        self._leave_changing()
        if not self._panels:
            return
        channels = list(self._channels(gridded, known_at))
        found = [finding for _, channel in channels for finding in channel.findings]
        if found:
            self.findings += self.store.findings.save(self.access, found, known_at=known_at)
        for zone, channel in channels:
            panel = channel.trusted
            self.final += self.store.readings.save(self.access, panel, known_at=known_at, image=Image.FINAL).readings
            self.estimated += int(q.has_status(panel.quality, (q.Status.ESTIMATED,)).sum())
            self.store.day_totals.save(self.access, day_totals(to_midnights(panel, zone), zone), known_at=known_at)

    def _leave_changing(self) -> None:
        """Leave to the cascade who has a series in several panels: its interval length may have changed.

        And who may have the same energy in several channels, which is told of whole months.
        """
        alike: dict[ReadingType, list[Panel]] = defaultdict(list)
        for panel in self._panels:
            alike[panel.reading_type.finer(0)].append(panel)
        several = (Counter(chain.from_iterable(each.points for each in some)) for some in alike.values() if some[1:])
        changing = {point for count in several for point, times in count.items() if times > 1}
        changing |= suspects(self._panels)
        if not changing:
            return
        kept = []
        for panel in self._panels:
            leave = np.array([point in changing for point in panel.points], np.bool_)
            names = [point for point in panel.points if point in changing]
            if names:
                self.store.dirty.touch(self.access, names, panel.reading_type, panel.period)
            if not leave.all():
                kept.append(panel.rows(np.flatnonzero(~leave)) if names else panel)
        self._panels = kept

    def _channels(self, gridded: Gridded, known_at: datetime) -> Iterator[tuple[str, Channel]]:
        known = self._points
        reads = reads_of(gridded, self._points.keys())
        around = load_around(self.store, self.access, self._registered, self._panels)
        material = Material(
            tuple(self._panels),
            {point: each.zone for point, each in known.items()},
            reads,
            known,
            around=around,
            installations=around.installations,
        )
        groups, others = every_series(material.panels, material.zones)
        for group in groups:
            _, delivered, received = trust_channels(group, self.site, material, now=known_at)
            yield from ((group.zone, channel) for channel in (*delivered, *received))
        for panel in others:
            for zone, some in by_zone(panel, material.zones):
                yield zone, trust_beside(some, self.site, material, now=known_at)


def to_midnights(panel: Panel, zone: str) -> Panel:
    """Return the panel from local midnight to local midnight, so that a day that is known in part counts too."""
    calendar = panel.calendar(zone)
    first, last = (date_of(int(calendar.day[slot])) for slot in (0, -1))
    days = Interval(local_midnight(first, zone_of(zone)), local_midnight(last + DAY, zone_of(zone)))
    if days == panel.period or (days.start - panel.start) % panel.interval:
        return panel
    return panel.regrid(days)


def reads_of(gridded: Gridded, points: AbstractSet[str]) -> dict[str, list[RegisterReading]]:
    """Return the register reads of some usage points; those without a direction close no balance."""
    reads: dict[str, list[RegisterReading]] = defaultdict(list)
    for registers in gridded.registers:
        if registers.readings.reading_type.flow is not Flow.NONE:
            for read in registers:
                if read.usage_point in points:
                    reads[read.usage_point].append(read)
    return reads

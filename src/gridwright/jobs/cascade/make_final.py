"""What becomes of the readings of a scope: validated, with the edits over them, and estimated where something lacks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.finding import Doubted, Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.edits_beyond import Beyond, taken_back
from gridwright.jobs.cascade.edits_made import as_final, own_images
from gridwright.jobs.cascade.fed_in import FedSince, Unfed, fed_since
from gridwright.jobs.cascade.judge_made import JudgeMade
from gridwright.jobs.cascade.over_seams import over_seams
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, trust_beside, trust_channels
from gridwright.jobs.load.load_history import load_history
from gridwright.jobs.load.load_stored import READS_BESIDE, load_stored
from gridwright.jobs.load.load_stretches import seams_of, to_seams
from gridwright.jobs.load.main_series import Group, by_zone, every_series
from gridwright.jobs.load.measured_grid import on_measured_grid
from gridwright.jobs.load.told_parts import told_parts
from gridwright.store import Store
from gridwright.vee import Registers

DAY = timedelta(days=1)
# As far as the last value of one interval length may lie before the first of the next.
LONG = timedelta(days=366)


@dataclass(frozen=True, slots=True, eq=False)
class Final:
    """What became of one channel of usage points of one zone, on the days of a scope and those before.

    `channel`: what it was made of. `beyond`: outside all that was read, so that only edits are in it. `part`: of what
    is a part of other energy, so that nothing is in it.
    """

    zone: str
    panel: Panel
    findings: tuple[Finding, ...]
    channel: Channel
    beyond: bool = False
    part: bool = False

    @property
    def under(self) -> Panel:
        """What it would be without edits."""
        return self.channel.under

    def only(self, points: Collection[str]) -> Final | None:
        """Return the same for some of the usage points; None where it is of none of them."""
        rows = [row for row, point in enumerate(self.panel.points) if point in points]
        if len(rows) == len(self.panel.points):
            return self
        if not rows:
            return None
        findings = tuple(each for each in self.findings if each.usage_point in points)
        return replace(self, panel=self.panel.rows(rows), findings=findings, channel=self.channel.rows(rows))

    def lacks_in(self, period: Interval) -> set[str]:
        """Return the usage points of which something was not measured in a period, and is added up."""
        if self.beyond or self.part or not self.panel.reading_type.sums:
            return set()
        some = self.panel.between(period)
        measured = q.has_status(some.quality, (*q.MEASURED, q.Status.DERIVED)).all(axis=1)
        return {some.points[row] for row in np.flatnonzero(~measured).tolist()}


def make_final(store: Store, access: Access, site: SiteDefaults, scope: Scope, *, now: datetime) -> list[Final]:
    """Validate the readings of a scope with their context, lay the edits over them, and estimate what is left."""
    ground = load_ground(store, access, site, scope, now=now)
    return [] if ground is None else ground.final()


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """All that the final images of a scope are made of, loaded once: they may be made by other acceptances again.

    `groups`: the main series; `others`: those beside them, with their zones. Both reach to their seams.
    """

    store: Store
    access: Access
    site: SiteDefaults
    scope: Scope
    now: datetime
    material: Material
    groups: Sequence[Group]
    others: Sequence[tuple[str, Panel]]
    fed: FedSince

    def again(self) -> Ground:
        """Return the same for those who make final images several times: the rules are asked once."""
        return replace(self, material=replace(self.material, verdicts={}))

    def final(self, accepted: frozenset[Doubted] | None = None, *, told: bool = True) -> list[Final]:
        """Return the final images.

        `accepted`: as if people had accepted this, instead of what is on record. `told`: with the doubts about what
        was estimated and entered, which nothing depends on.
        """
        material = self.material if accepted is None else self.material.with_accepted(accepted)
        closed, alone = (
            partial(_final, judge=JudgeMade(self.site, material, reads, self.now) if told else None)
            for reads in (material.registers, Registers())
        )
        unfed = Unfed(self.fed, material.edits)
        zones, channels = list[str](), list[Channel]()
        for group in self.groups:
            _, delivered, received = trust_channels(group, self.site, material, now=self.now)
            received = unfed.beside(delivered, received)
            channels += [*delivered, *received]
            zones += [group.zone] * (len(channels) - len(zones))
        made = [closed(*both) for both in zip(zones, over_seams(channels, self.site, material), strict=True)]
        for zone, panel in self.others:
            made.append(alone(zone, trust_beside(panel, self.site, material, now=self.now)))
        parts = [replace(alone(zone, channel), part=True) for zone, channel in self._parts()]
        return [*made, *parts, *(replace(alone(zone, channel), beyond=True) for zone, channel in self._beyond(made))]

    def _parts(self) -> Iterator[tuple[str, Channel]]:
        """Yield when channels hold nothing, as what registers tell of them is a part of energy that was measured."""
        for panel in told_parts(self.material.panels):
            for zone, some in by_zone(panel, self.material.zones):
                yield zone, Channel(some, some, (), partial(replace, some))

    def _beyond(self, made: Sequence[Final]) -> Iterator[tuple[str, Channel]]:
        """Yield what edits say, or said until they were taken back, outside the final images that were made."""
        edits, panels = self.material.edits, [final.panel for final in made]
        gone, _ = taken_back(self.store.edits.withdrawn(self.access, self.scope.points, self.scope.period))
        received = [panel for panel in panels if panel.reading_type.flow is Flow.RECEIVED]
        fed = {point for panel in received for point in panel.points}
        fed |= {each.usage_point for each in edits if each.reading_type.flow is Flow.RECEIVED and any(each.values)}
        for panel in Beyond(self.scope.period, panels, edits, gone, frozenset(fed)).panels():
            for zone, some in by_zone(panel, self.material.zones):
                nothing = some.between(Interval(some.start, some.start)).regrid(some.period)
                yield zone, Channel(nothing, some, (), partial(replace, nothing))


def load_ground(store: Store, access: Access, site: SiteDefaults, scope: Scope, *, now: datetime) -> Ground | None:
    """Return what the final images of a scope are made of; None where nothing is stored."""
    try:
        stored = load_stored(store, access, scope.points, scope.context, beside=READS_BESIDE)
    except NotFound:
        return None
    edits = store.edits.applied(access, scope.points, scope.context)
    stored = replace(stored, panels=tuple(on_measured_grid(stored.panels, edits)))
    kinds = {panel.reading_type for panel in stored.panels}
    history = load_history(store, access, scope.points, scope.context.start, kinds, rules=site.rules)
    fed = fed_since(store, access, scope, stored.panels)
    groups, others = every_series(stored.panels, stored.zones, fed.since)
    edits = as_final(edits, own_images(store, access, edits, stored.panels, others))
    material = replace(stored.with_history(history), edits=edits)
    seams = seams_of(material.panels)
    whole = [
        replace(
            group,
            delivered=tuple(to_seams(panel, seams, LONG) for panel in group.delivered),
            received=tuple(to_seams(panel, seams, LONG) for panel in group.received),
        )
        for group in groups
    ]
    beside = [part for panel in others for part in by_zone(to_seams(panel, seams, DAY), material.zones)]
    return Ground(store, access, site, scope, now, material, whole, beside, fed)


def _final(zone: str, channel: Channel, judge: JudgeMade | None) -> Final:
    panel = channel.trusted
    doubts = judge.doubts(panel, channel.findings) if judge is not None else ()
    return Final(zone, panel, (*channel.findings, *doubts), channel)

"""Turn what was read into what can be trusted: validate, estimate, and add the channels of each usage point."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from gridwright.billing import Coarse, holiday_dates
from gridwright.domain import quality as q
from gridwright.domain.edit import Edit
from gridwright.domain.errors import InputError
from gridwright.domain.finding import Doubted, Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, UsagePoint
from gridwright.domain.verdict import Intake
from gridwright.ingest import Collected
from gridwright.jobs.cascade.apart import judged_apart
from gridwright.jobs.cascade.around import NOTHING_AROUND, Around
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.load.counted_once import counted_once
from gridwright.jobs.load.main_series import Group, main_groups
from gridwright.vee import (
    Bucket,
    DayHistory,
    Ladders,
    Registers,
    RuleBook,
    Verdict,
    buckets_from,
    estimate,
    judge,
    lay_agreed,
    packaged,
    validate,
)
from gridwright.vee.estimate import longest_days
from gridwright.vee.fingerprints import fingerprinted
from gridwright.vee.silence import silences_of

Mask = npt.NDArray[np.bool_]

# The worst status of the channels is that of their sum.
RANK = np.zeros(16, np.uint8)
for _place, _status in enumerate(
    (
        q.Status.DERIVED,
        q.Status.ACTUAL,
        q.Status.ACCEPTED,
        q.Status.RAW,
        q.Status.EDITED,
        q.Status.ESTIMATED_FINAL,
        q.Status.ESTIMATED,
        q.Status.REJECTED,
        q.Status.MISSING,
    )
):
    RANK[_status] = _place


@dataclass(frozen=True, slots=True)
class SiteDefaults:
    """What is assumed of usage points that nothing else describes, and the rules that judge (None: the packaged).

    `edit_alone_kwh`: how much an edit may hide of what was measured after it, as one person may move it.
    """

    customer_class: str = "residential"
    capacity_kw: float | None = None
    holidays: str = ""
    rules: RuleBook | None = None
    edit_alone_kwh: float = 10.0

    def usage_point(self, name: str, zone: str) -> UsagePoint:
        """Return a usage point of which nothing else is known."""
        return UsagePoint(name, zone, self.customer_class, self.capacity_kw, self.holidays)


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """A group of usage points: delivered energy as read and as trusted, what was fed in, and every doubt.

    All panels have one row a usage point, on one grid; `received` is None where nothing is fed in, and rows of points
    that feed nothing in hold zeros. `validated` is the panel before estimation.
    """

    zone: str
    points: tuple[UsagePoint, ...]
    raw: Panel
    validated: Panel
    trusted: Panel
    received: Panel | None
    feeds_in: frozenset[str]
    findings: Mapping[str, tuple[Finding, ...]]

    def coarse_of(self, row: int) -> Sequence[Coarse]:
        """Return nothing: a group is of one interval length."""
        del row
        return ()

    def received_of(self, row: int) -> Panel | None:
        """Return what one usage point fed in, one row; None where it feeds nothing in."""
        if self.received is None or self.points[row].id not in self.feeds_in:
            return None
        return self.received.rows([row])


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What there is to trust: panels, register reads by usage point, zones, and what is known of the usage points.

    `arrival`: doubts about the readings as they came; `intake`: the verdict on the file, None for stored readings.
    `around`: what else is on record, such as outages and clock checks. `history`: the days before, by reading type.
    `installations`: the transformer factors of register reads. `edits`: those in force, in the types of final images.
    `verdicts`: kept of each panel for those who judge it several times by other acceptances, which change no doubt.
    """

    panels: tuple[Panel, ...]
    zones: Mapping[str, str]
    reads: Mapping[str, Sequence[RegisterReading]] = field(default_factory=dict)
    known: Mapping[str, UsagePoint] = field(default_factory=dict)
    arrival: tuple[Finding, ...] = ()
    intake: Intake | None = None
    around: Around = NOTHING_AROUND
    history: Mapping[ReadingType, DayHistory] = field(default_factory=dict)
    installations: Sequence[Installation] = ()
    edits: Sequence[Edit] = ()
    verdicts: dict[Panel, Verdict] | None = None

    @property
    def registers(self) -> Registers:
        """The register reads, with the meters they are of as far as they are registered."""
        return Registers(self.reads, self.around.meters, self.installations)

    def with_history(self, history: Mapping[ReadingType, DayHistory]) -> Material:
        """Return the same with what is known of the days before the readings."""
        return replace(self, history=history)

    def with_accepted(self, accepted: frozenset[Doubted]) -> Material:
        """Return the same as if people had accepted this, and nothing else."""
        known = replace(self.around.known, accepted=accepted)
        return replace(self, around=replace(self.around, known=known))


def material_of(collected: Collected) -> Material:
    """Return what a file brought."""
    reads: dict[str, list[RegisterReading]] = defaultdict(list)
    for columns in collected.registers:
        # Sub-meters have no direction: no balance is closed with them.
        if columns.readings.reading_type.flow is not Flow.NONE:
            for read in columns:
                reads[read.usage_point].append(read)
    return Material(collected.panels, collected.zones, reads, arrival=collected.findings, intake=collected.intake)


def trust_readings(material: Material, site: SiteDefaults, *, now: datetime) -> tuple[list[Trusted], list[str]]:
    """Validate and estimate all that is there; the notes name series that were left out."""
    groups, notes = main_groups(material.panels, material.zones)
    return [trust_group(group, site, material, now=now) for group in groups], notes


def trust_group(group: Group, site: SiteDefaults, material: Material, *, now: datetime) -> Trusted:
    """Validate and estimate one group."""
    points, channels, fed_in = trust_channels(group, site, material, now=now)
    findings: dict[str, list[Finding]] = {name: [] for name in group.points}
    found = (finding for channel in (*channels, *fed_in) for finding in channel.findings)
    for finding in (*material.arrival, *found):
        if finding.usage_point in findings:
            findings[finding.usage_point].append(finding)
    return Trusted(
        zone=group.zone,
        points=points,
        raw=summed(group.delivered, group.points),
        validated=summed([channel.validated for channel in channels], group.points),
        trusted=summed([channel.trusted for channel in channels], group.points),
        received=received_sum([channel.trusted for channel in fed_in], group),
        feeds_in=frozenset(point for panel in group.received for point in panel.points),
        findings={point: tuple(found) for point, found in findings.items()},
    )


def trust_channels(
    group: Group, site: SiteDefaults, material: Material, *, now: datetime
) -> tuple[tuple[UsagePoint, ...], list[Channel], list[Channel]]:
    """Validate and estimate a group channel by channel: its usage points, what was delivered, what was received."""
    points = points_of(group, site, material.known)
    delivered, received = (
        [_trust_channel(panel, points, material, site.rules, now=now) for panel in panels]
        for panels in (group.delivered, group.received)
    )
    return points, delivered, received


def points_of(group: Group, site: SiteDefaults, known: Mapping[str, UsagePoint]) -> tuple[UsagePoint, ...]:
    """Return the usage points of a group; whoever has a received channel exports."""
    feeding = frozenset(point for panel in group.received for point in panel.points)
    points = (known.get(name) or site.usage_point(name, group.zone) for name in group.points)
    return tuple(
        point if point.exports == (point.id in feeding) else replace(point, exports=point.id in feeding)
        for point in points
    )


def _trust_channel(
    panel: Panel, points: Sequence[UsagePoint], material: Material, rules: RuleBook | None, *, now: datetime
) -> Channel:
    return _trusted(panel, points, material, (rules or packaged(), material.registers), now=now)


def trust_beside(panel: Panel, site: SiteDefaults, material: Material, *, now: datetime) -> Channel:
    """Validate and estimate a series beside the main ones, such as voltage, a temperature or reactive energy.

    No register closes it. What does not sum gets straight lines over short gaps only (E02), a state no estimate.
    """
    zones = material.zones
    points = [material.known.get(name) or site.usage_point(name, zones.get(name, "UTC")) for name in panel.points]
    return _trusted(panel, points, material, (site.rules or packaged(), Registers()), now=now)


def _trusted(
    panel: Panel, points: Sequence[UsagePoint], material: Material, judges: tuple[RuleBook, Registers], *, now: datetime
) -> Channel:
    """Judge a channel, what lies on both sides of a silence apart."""
    outages = material.around.known.outages if panel.reading_type.sums else None
    silences = silences_of(panel, longest_days(panel, points, judges[0].ladders), outages)
    judge = partial(_stretch, points=points, material=material, judges=judges, now=now)
    return judged_apart(panel, silences, judge, material.edits)


def _stretch(
    panel: Panel, points: Sequence[UsagePoint], material: Material, judges: tuple[RuleBook, Registers], *, now: datetime
) -> Channel:
    rules, reads = judges
    here = set(panel.points)
    mine = {point.id: point for point in points if point.id in here}
    holidays = holidays_of(panel, points)
    around = replace(material.around.of(panel, beside(panel, material.panels)), holidays=holidays)
    past = material.history.get(panel.reading_type)
    kept = material.verdicts
    if kept is None:
        validation = validate(panel, mine, registers=reads, rules=rules, now=now, history=past, circumstances=around)
    else:
        if panel not in kept:
            kept[panel] = judge(panel, mine, registers=reads, rules=rules, now=now, history=past, circumstances=around)
        validation = kept[panel].graded(around.accepted)
    kind = panel.reading_type
    # What people agreed on is known before anything is estimated: what is left of a register's energy is divided.
    agreed = lay_agreed(validation.panel, material.edits) if material.edits else validation.panel
    if kind.quantity is Quantity.STATE:
        return Channel(validation.panel, agreed, validation.findings, lambda: validation.panel)
    fill = partial(
        estimate,
        points=mine,
        registers=reads,
        buckets=buckets_of(mine) if not kind.channel else None,
        holidays=holidays,
        # Where there is no power nothing flows; what else a sensor would have seen is not known.
        outages=around.outages if kind.sums else None,
        check=material.around.check_meter(panel),
        ladder=rules.ladders if kind.sums else _lines_only(rules.ladders),
    )
    estimation = fill(agreed)
    # Longer gaps of a state stay empty, as validation has told.
    estimated = fingerprinted(panel, estimation.findings, reads) if kind.sums else ()
    unedited = (lambda: fill(validation.panel).panel) if material.edits else None
    return Channel(validation.panel, estimation.panel, (*validation.findings, *estimated), unedited)


def buckets_of(points: Mapping[str, UsagePoint]) -> dict[str, tuple[Bucket, ...]]:
    """Return when time-of-use registers count: attribute `tou_registers`; what cannot be read says nothing."""
    found = {}
    for name, point in points.items():
        told = point.attributes.get("tou_registers", "")
        try:
            buckets = buckets_from(told) if told else ()
        except InputError:
            continue
        if buckets:
            found[name] = buckets
    return found


def _lines_only(ladders: Ladders) -> Ladders:
    lines = ("E02",)
    classes = {name: replace(each, methods=lines) for name, each in ladders.classes.items()}
    return Ladders(replace(ladders.default, methods=lines), classes)


def beside(panel: Panel, others: Sequence[Panel]) -> tuple[Panel, ...]:
    """Return the other channels that lie on the grid of `panel` and share a usage point with it."""
    here = set(panel.points)
    return tuple(
        other
        for other in others
        if other.interval == panel.interval
        and not (other.start - panel.start) % panel.interval
        and other.reading_type != panel.reading_type
        and not here.isdisjoint(other.points)
    )


def holidays_of(panel: Panel, points: Sequence[UsagePoint]) -> dict[str, frozenset[date]]:
    """Return the holidays around a panel, by name of the calendars of its usage points."""
    years = range(panel.start.year - 1, panel.end.year + 2)
    return {name: holiday_dates(name, tuple(years)) for name in {point.holidays for point in points} if name}


def summed(panels: Sequence[Panel], points: Sequence[str]) -> Panel:
    """Add up channels row by row on one grid; the sum is as good as its worst part, and missing where a part is.

    It runs from the first start to the last end; a part adds nothing outside its own time, and where there is no part
    the sum is missing.
    """
    return _summed(panels, points, Interval(min(part.start for part in panels), max(part.end for part in panels)))[0]


def _summed(panels: Sequence[Panel], points: Sequence[str], period: Interval) -> tuple[Panel, Mask]:
    """Return the sum over a period, and the cells that any part covers; the same energy counts once."""
    panels = counted_once(panels).panels
    exponent = min(panel.reading_type.exponent for panel in panels)
    parts = [panel.rescaled(exponent) for panel in panels]
    first = parts[0]
    slots = (period.end - period.start) // first.interval
    if len(parts) == 1 and first.points == tuple(points) and (first.start, first.slots) == (period.start, slots):
        return first, np.ones(first.values.shape, np.bool_)
    values = np.zeros((len(points), slots))
    quality = np.full(values.shape, q.pack(q.Status.DERIVED), np.uint8)
    rows = {point: row for row, point in enumerate(points)}
    covered = np.zeros(values.shape, np.bool_)
    for part in parts:
        begin = (part.start - period.start) // part.interval
        at = np.ix_([rows[point] for point in part.points], range(begin, begin + part.slots))
        worse = RANK[q.status_of(part.quality)] > RANK[q.status_of(quality[at])]
        values[at] += part.values
        quality[at] = np.where(worse, part.quality, quality[at])
        covered[at] = True
    values[~covered], quality[~covered] = np.nan, q.MISSING
    kind = replace(first.reading_type, channel="")
    total = replace(first, points=tuple(points), start=period.start, values=values, quality=quality, reading_type=kind)
    return total, covered


def received_sum(panels: Sequence[Panel], group: Group) -> Panel | None:
    """Return what a group fed in, zeros for usage points and times without; None where nobody feeds in."""
    if not panels:
        return None
    panel, covered = _summed(panels, group.points, group.period)
    # Who feeds nothing in has received nothing: zero, which is known.
    panel.values[~covered], panel.quality[~covered] = 0.0, q.ACTUAL
    return panel


def findings_of(groups: Iterable[Trusted]) -> list[Finding]:
    """List all findings, by usage point and time."""
    found = [finding for group in groups for several in group.findings.values() for finding in several]
    return sorted(found, key=lambda finding: (finding.usage_point, finding.period, finding.code))

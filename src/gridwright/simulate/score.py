"""Mark whoever reads a living town's data: doubts against faults, energy and losses against what really flowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.errors import NotFound
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.simulate.living.town import LivingTown
from gridwright.simulate.town import Fault, FaultKind

# Which doubts find which fault; a kind that is not here cannot be seen in the data alone.
FOUND_BY: Mapping[FaultKind, tuple[str, ...]] = {
    FaultKind.GAP_SHORT: ("V10",),
    FaultKind.GAP_DAY: ("V10",),
    FaultKind.GAP_WEEK: ("V10",),
    FaultKind.SPIKE: ("V18", "V13", "V12"),
    FaultKind.STUCK: ("V17",),
    FaultKind.ZERO_RUN: ("V16",),
    FaultKind.NEGATIVE: ("V11",),
    FaultKind.DUPLICATE: ("V03",),
    FaultKind.DST_STAMPS: ("V03", "V04", "V05", "V10"),
    FaultKind.RESET: ("V32",),
}
# A doubt about a fault may be told of the whole day around it, and a spike's neighbours may be doubted too.
AROUND = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scores:
    """How many faults of each kind there were and were found; doubts where nothing was wrong, and over how much."""

    faults: Mapping[FaultKind, int]
    found: Mapping[FaultKind, int]
    false_alarms: int
    meter_days: float

    def recall(self, kind: FaultKind) -> float:
        """Return the share of the faults of a kind that were found; a kind that did not happen is NotFound."""
        if not self.faults.get(kind):
            raise NotFound(f"no fault {kind} happened in this town")
        return self.found.get(kind, 0) / self.faults[kind]

    @property
    def false_alarms_per_meter_day(self) -> float:
        """Doubts without a reason, a meter and day."""
        return self.false_alarms / self.meter_days if self.meter_days else 0.0


@dataclass(frozen=True, slots=True)
class Closeness:
    """How far figures in kWh are from the truth: each one's difference, by its name."""

    true_kwh: Mapping[str, float]
    off_kwh: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest difference, as a share of the true figure or, where that is below 1 kWh, in kWh."""
        return max((abs(off) / max(abs(self.true_kwh[name]), 1.0) for name, off in self.off_kwh.items()), default=0.0)


def score_findings(findings: Iterable[Finding], town: LivingTown) -> Scores:
    """Mark findings: a fault is found by a doubt of its kind that touches it; other doubts far from anything are false.

    A doubt that only informs is neither. A theft and an outage are reasons to doubt, but are not looked for here.
    """
    told = [each for each in findings if each.severity is not Severity.INFO]
    visible = [fault for fault in town.town.faults if fault.kind in FOUND_BY]
    found = Counter(fault.kind for fault in visible if any(finds(each, fault) for each in told))
    masters = set(town.masters.points)
    false = sum(each.usage_point not in masters and not has_reason(each, town) for each in told)
    days = town.period.length / timedelta(days=1) * len(town.sites)
    return Scores(Counter(fault.kind for fault in visible), found, false, days)


def finds(finding: Finding, fault: Fault) -> bool:
    """Tell whether a finding is about a fault."""
    return (
        finding.usage_point == fault.usage_point
        and finding.code[:3] in FOUND_BY[fault.kind]
        and finding.period.overlaps(fault.period)
    )


def has_reason(finding: Finding, town: LivingTown) -> bool:
    """Tell whether anything happened where and when a finding doubts."""
    point = finding.usage_point
    near = Interval(finding.period.start - AROUND, finding.period.end + AROUND)
    transformer = next((site.transformer for site in town.sites if site.usage_point == point), "")
    return (
        any(each.usage_point == point and each.period.overlaps(near) for each in town.town.faults)
        or any(each.usage_point == point and each.since < near.end for each in town.thefts)
        or any(each.transformer == transformer and each.period.overlaps(near) for each in town.outages)
        or any(each.usage_point == point and each.period.overlaps(near) for each in town.excursions)
        or any(point in each.points and each.period.overlaps(near) for each in town.responses)
    )


def score_energy(delivered_kwh: Mapping[str, float], town: LivingTown, period: Interval) -> Closeness:
    """Compare the energy of usage points in `period`, of a bill or a store, with what went through their meters."""
    panel = town.truth.panel.between(period)
    true = dict(zip(panel.points, panel.total_kwh().tolist(), strict=True))
    return _close(delivered_kwh, {name: true[name] for name in delivered_kwh})


def score_losses(lost_kwh: Mapping[str, float], town: LivingTown, period: Interval) -> Closeness:
    """Compare what nodes seem to lose in `period` (master less the meters below) with losses and theft together."""
    return _close(lost_kwh, {node: true_loss_kwh(town, node, period) for node in lost_kwh})


def true_loss_kwh(town: LivingTown, node: str, period: Interval) -> float:
    """Return what is lost or stolen between a node's master meter and the meters of all usage points below."""
    network, panel = town.network, town.masters
    first, last = ((moment - panel.start) // panel.interval for moment in (period.start, period.end))
    inside = {node, *(child.id for child in town.topology.children(node))}
    rows = [row for row, name in enumerate(network.nodes) if name in inside]
    gone = network.lost_wh[rows] + network.stolen_wh[rows]
    return float(gone[:, max(first, 0) : max(last, 0)].sum()) / 1000


def _close(said: Mapping[str, float], true: Mapping[str, float]) -> Closeness:
    return Closeness(true, {name: value - true[name] for name, value in said.items()})

"""V37: judge each day of a network balance, by day and by night, and say so at the node's master meter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel, Values
from gridwright.domain.topology import NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.grid import TECHNICAL, GridBalance, NodeBalance, Plausibility
from gridwright.grid.balance import TOO_UNSURE
from gridwright.jobs.cascade.note_replacement import graded, rules_of
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.vee import RuleSet
from gridwright.vee.rules.network import Balance, Loss

CODE = Balance.code
# By night so many times less at most is believed.
LIGHTEST = 4.0


def note_losses(store: Store, access: Access, balance: GridBalance, site: SiteDefaults) -> int:
    """Keep a finding for each whole local day on which a node lost what no technical reason explains; tell how many.

    Days within the balance that are right by now, because readings came, resolve themselves.
    """
    # What has put something in is a usage point with readings.
    masters = {each.node.meter: each for each in balance.nodes if each.node.meter and each.put_in_kwh}
    if not masters or balance.computed is None:
        return 0
    points = {point.id: point for point in store.registry.points(access, list(masters))}
    found = [
        finding
        for name, point in points.items()
        for finding in _of_node(balance, masters[name], point, rules_of(store, access, name, site))
    ]
    period, names = balance.period, list(points)
    return store.findings.save(access, found, known_at=balance.computed, points=names, period=period, only=[CODE])


def _of_node(balance: GridBalance, each: NodeBalance, point: UsagePoint, rules: RuleSet) -> Iterator[Finding]:
    rule = rules.rule(CODE)
    if not isinstance(rule, Balance) or each.plausibility is Plausibility.OPEN or not each.put_in_kwh:
        return
    unsure = each.uncertainty_kwh / each.put_in_kwh
    node, meters = (_whole_days(balance, point, values) for values in (each.supplied_wh, each.metered_wh))
    if node.slots and unsure <= TOO_UNSURE:
        lighter = lighter_by_night(node, rule, point.zone)
        day, night = (technical(each.node.kind, unsure, times) for times in (1.0, lighter))
        yield from graded(rules, rule(node, meters, zone=point.zone, day=day, night=night, named=each.node.id))


def technical(kind: NodeKind, unsure: float, times: float) -> Loss:
    """Return what a node of a kind may lose by technical reasons; three deviations are its bounds.

    They are wider by the share that the inputs leave open, and the upper one `times` as high.
    """
    low, high = TECHNICAL[kind]
    return Loss((low + high * times) / 2, ((high * times - low) / 2 + unsure) / 3)


def lighter_by_night(node: Panel, rule: Balance, zone: str) -> float:
    """Return how many times less goes in by night: what a transformer loses without load is a larger share of it."""
    minute = node.calendar(zone).minute
    dark = (minute >= rule.night_from * 60) & (minute < rule.night_to * 60)
    known = np.isfinite(node.values[0])
    if not (known & dark).any() or not (known & ~dark).any():
        return 1.0
    night, day = (float(node.values[0, known & which].mean()) for which in (dark, ~dark))
    return min(max(day / night, 1.0), LIGHTEST) if night > 0 else 1.0


def _whole_days(balance: GridBalance, point: UsagePoint, values: Values) -> Panel:
    """Return one row of a balance as a panel over the whole local days of its period."""
    panel = Panel((point.id,), balance.period.start, balance.interval, values[None])
    days = np.unique(panel.calendar(point.zone).day)
    begins = [local_midnight(date_of(int(day)), point.tz) for day in (*days, days[-1] + 1)]
    inside = [begin for begin in begins if panel.start <= begin <= panel.end]
    if len(inside) < 2:  # noqa: PLR2004 - a day has two ends
        return panel.slice(0, 0)
    return panel.between(Interval(inside[0], inside[-1]))

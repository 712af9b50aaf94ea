"""V37: judge each day of a network balance, by day and by night, and say so at the node's master meter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel, Values
from gridwright.domain.usage_point import UsagePoint
from gridwright.grid import TECHNICAL, GridBalance, NodeBalance, Plausibility
from gridwright.grid.balance import TOO_UNSURE
from gridwright.jobs.note_replacement import graded, rules_of
from gridwright.jobs.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.vee import RuleSet
from gridwright.vee.rules.network import Balance, Loss

CODE = Balance.code


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
    loss = technical(each)
    if not isinstance(rule, Balance) or loss is None:
        return
    node, meters = (_whole_days(balance, point, values) for values in (each.supplied_wh, each.metered_wh))
    if node.slots:
        yield from graded(rules, rule(node, meters, zone=point.zone, day=loss, night=loss))


def technical(each: NodeBalance) -> Loss | None:
    """Return what a node may lose by technical reasons, wider by what its inputs leave open; None where they tell none.

    Three deviations are the bounds that a node of its kind has.
    """
    if each.plausibility is Plausibility.OPEN or not each.put_in_kwh:
        return None
    unsure = each.uncertainty_kwh / each.put_in_kwh
    if unsure > TOO_UNSURE:
        return None
    low, high = TECHNICAL[each.node.kind]
    return Loss((low + high) / 2, ((high - low) / 2 + unsure) / 3)


def _whole_days(balance: GridBalance, point: UsagePoint, values: Values) -> Panel:
    """Return one row of a balance as a panel over the whole local days of its period."""
    panel = Panel((point.id,), balance.period.start, balance.interval, values[None])
    days = np.unique(panel.calendar(point.zone).day)
    begins = [local_midnight(date_of(int(day)), point.tz) for day in (*days, days[-1] + 1)]
    inside = [begin for begin in begins if panel.start <= begin <= panel.end]
    if len(inside) < 2:  # noqa: PLR2004 - a day has two ends
        return panel.slice(0, 0)
    return panel.between(Interval(inside[0], inside[-1]))

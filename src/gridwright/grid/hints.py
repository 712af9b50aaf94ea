"""Hints: where a loss that technical reasons do not explain may come from. A hint to look, never an accusation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.panel import Values
from gridwright.domain.topology import Node, Topology
from gridwright.grid.sums import Flows

# A residual that moves with a usage point's own load this closely points to a meter that counts too little.
CLOSE = 0.5
# A master meter whose clock is off fits better when shifted: by how much better, and up to how many intervals.
BETTER = 0.7
SHIFTS = (-2, -1, 1, 2)
# A change of the daily loss is told from this many standard errors on, with this many days on either side.
CLEAR, DAYS_EACH_SIDE = 4.0, 2
NIGHT_HOURS = 6
INNOCENT = (
    "innocent causes: an unmetered load such as street light, a usage point missing from the network model, "
    "a wrong transformer factor, a master meter that counts too much"
)


@dataclass(frozen=True, slots=True)
class Hint:
    """Energy that nothing explains, and what speaks for which cause.

    `related`: usage points whose load the loss moves with, and how closely (correlation of the changes); `since`: when
    the loss grew; `clock_intervals`: by how many intervals the master meter's clock seems off.
    """

    excess_kwh: float
    related: tuple[tuple[str, float], ...] = ()
    since: datetime | None = None
    clock_intervals: int = 0
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "excess_kwh": round(self.excess_kwh, 3),
            "related": [{"usage_point": name, "correlation": round(r, 4)} for name, r in self.related],
            "since": self.since.isoformat() if self.since else None,
            "clock_intervals": self.clock_intervals,
            "reasons": list(self.reasons),
        }


def hint(topology: Topology, node: Node, flow: Flows, supplied: Values, metered: Values, *, excess_kwh: float) -> Hint:
    """Look for what the unexplained loss of a node has to do with: loads, a beginning, a clock."""
    loss = supplied - metered
    since = began(loss, flow)
    # Before the loss began, an honest meter would only blur the picture.
    first = 0 if since is None else (epoch_s(since) - epoch_s(flow.period.start)) // flow.interval_s
    related = related_loads(loss, flow, topology.below(node.id, since or flow.period.start), first)
    shift = clock_shift(supplied, metered)
    reasons = []
    if shift:
        reasons.append(
            f"shifted by {shift * flow.interval_s // 60:+d} min, the master meter fits better: check its clock first"
        )
    if since is not None:
        reasons.append(f"the loss grew on {since.date().isoformat()}")
    for name, closeness in related:
        reasons.append(f"it moves with the load of {name} (r = {closeness:.2f}): its meter may count too little")
    if not related:
        reasons.append("it moves with no single usage point: a load before the meters is as likely as a wrong meter")
    return Hint(excess_kwh, related, since, shift, (*reasons, INNOCENT))


def related_loads(loss: Values, flow: Flows, points: tuple[str, ...], first: int = 0) -> tuple[tuple[str, float], ...]:
    """Return up to three usage points whose changes of load the changes of the loss follow, the closest first.

    `first`: the interval from which on they are compared.
    """
    rows = [flow.row[name] for name in points if name in flow.row]
    if not rows:
        return ()
    changes, target = np.diff(flow.net(rows)[:, first:], axis=1), np.diff(loss[first:])
    known = np.isfinite(changes) & np.isfinite(target)[None, :]
    count = np.maximum(known.sum(axis=1), 1)
    x = np.where(known, changes, 0.0)
    y = np.where(known, target[None, :], 0.0)
    x = np.where(known, x - (x.sum(axis=1) / count)[:, None], 0.0)
    y = np.where(known, y - (y.sum(axis=1) / count)[:, None], 0.0)
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    closeness = np.divide((x * y).sum(axis=1), size, out=np.zeros(size.shape), where=size > 0)
    best = np.argsort(-closeness, kind="stable")[:3]
    return tuple((flow.points[rows[at]], float(closeness[at])) for at in best.tolist() if closeness[at] >= CLOSE)


def began(loss: Values, flow: Flows) -> datetime | None:
    """Return the day on which the daily loss clearly grew; None where it did not, or too few days are known."""
    per_day = DAY_S // flow.interval_s
    days = loss[: loss.size // per_day * per_day].reshape(-1, per_day)
    known = np.isfinite(days).sum(axis=1)
    daily = np.divide(np.nansum(days, axis=1), known, out=np.full(known.shape, np.nan), where=known > 0)
    whole = np.flatnonzero(np.isfinite(daily))
    best, found = CLEAR, None
    for at in range(DAYS_EACH_SIDE, whole.size - DAYS_EACH_SIDE + 1):
        before, after = daily[whole[:at]], daily[whole[at:]]
        noise = np.sqrt(before.var(ddof=1) / before.size + after.var(ddof=1) / after.size)
        score = (after.mean() - before.mean()) / noise if noise > 0 else np.inf * (after.mean() > before.mean())
        if score > best:
            best, found = float(score), int(whole[at])
    return None if found is None else from_epoch_s(epoch_s(flow.period.start) + found * DAY_S)


def clock_shift(supplied: Values, metered: Values) -> int:
    """Return by how many intervals the master meter must be moved to fit clearly better; 0 = none."""
    here = _misfit(supplied, metered)
    if not np.isfinite(here):
        return 0
    misfits = {shift: _misfit(np.roll(supplied, shift), metered, abs(shift)) for shift in SHIFTS}
    best = min(misfits, key=lambda shift: misfits[shift])
    return best if misfits[best] < BETTER * here else 0


def _misfit(supplied: Values, metered: Values, edge: int = 0) -> float:
    gap = (supplied - metered)[edge : supplied.size - edge]
    known = gap[np.isfinite(gap)]
    return float(known.std()) if known.size > 2 else np.inf  # noqa: PLR2004 - a spread needs three values

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

# A loss that follows a usage point's own use so closely, and by so much of it, points to a meter that counts too
# little; the correlation must also be beyond chance by so many standard errors.
CLOSE, SHARE, BEYOND_CHANCE = 0.5, 0.1, 8.0
# What a meter hides is at most what was lost: by this factor, and this share of the energy for the meters' errors.
ROUGHLY, SLACK, HIDDEN_BY_LOSSES = 1.1, 0.01, 0.1
# So many days tell what is usual at an hour of the day.
USUAL_DAYS = 4
# A master meter whose clock is off fits better when shifted: by how much better, and up to how many intervals.
BETTER = 0.7
SHIFTS = (-2, -1, 1, 2)
# A change of the daily loss is told from this many standard errors on, with this many days on either side.
CLEAR, DAYS_EACH_SIDE = 4.0, 2
# A growth below this share of the mean loss is none, however steady the days are.
NOTICEABLE = 0.1
# A share of a usage point's use that is all of it, give or take losses and meter errors.
WHOLE = 0.25
SHOWN = 3
WH_PER_KWH = 1000.0
INNOCENT = (
    "innocent causes: an unmetered load such as street light, a usage point missing from the network model, "
    "a wrong transformer factor, a master meter that counts too much"
)


@dataclass(frozen=True, slots=True)
class Related:
    """A usage point whose use the loss follows: how closely, by what share of its use, and what that comes to."""

    usage_point: str
    correlation: float
    share: float
    hidden_kwh: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "usage_point": self.usage_point,
            "correlation": round(self.correlation, 4),
            "share": round(self.share, 4),
            "hidden_kwh": round(self.hidden_kwh, 3),
        }


@dataclass(frozen=True, slots=True)
class Hint:
    """Energy that nothing explains, and what speaks for which cause.

    `related`: usage points whose use the loss follows, the closest first; `since`: when the loss grew;
    `clock_intervals`: by how many intervals the master meter's clock seems off.
    """

    excess_kwh: float
    related: tuple[Related, ...] = ()
    since: datetime | None = None
    clock_intervals: int = 0
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "excess_kwh": round(self.excess_kwh, 3),
            "related": [each.to_dict() for each in self.related],
            "since": self.since.isoformat() if self.since else None,
            "clock_intervals": self.clock_intervals,
            "reasons": list(self.reasons),
        }


def hint(
    topology: Topology, node: Node, flow: Flows, supplied: Values, metered: Values, *, excess_kwh: float | None
) -> Hint | None:
    """Look for what the loss of a node has to do with: a meter below, a beginning, a clock.

    `excess_kwh`: energy beyond what technical reasons explain; None where they could explain all of it: then only a
    usage point whose use the loss follows makes a hint.
    """
    loss = supplied - metered
    since = began(loss, flow)
    # Before the loss began, an honest meter would only blur the picture.
    first = 0 if since is None else (epoch_s(since) - epoch_s(flow.period.start)) // flow.interval_s
    related = related_loads(loss, metered, flow, topology.below(node.id, since or flow.period.start), first=first)
    if excess_kwh is None:
        if not related:
            return None
        return Hint(sum(each.hidden_kwh for each in related), related, since, 0, _reasons(related, since, 0, flow))
    shift = clock_shift(supplied, metered)
    return Hint(excess_kwh, related, since, shift, _reasons(related, since, shift, flow))


def misplaced(topology: Topology, node: Node, flow: Flows, supplied: Values, metered: Values) -> tuple[str, ...]:
    """Name usage points whose whole use is metered below a node but was not supplied through it."""
    points = topology.below(node.id, flow.period.start)
    # Technical losses hide a part of what is missing.
    found = related_loads(metered - supplied, metered, flow, points, slack=HIDDEN_BY_LOSSES)
    return tuple(
        f"what was supplied lacks the use of {each.usage_point} (r = {each.correlation:.2f}): it may hang elsewhere"
        for each in found
        if abs(each.share - 1) <= WHOLE
    )


def _reasons(related: tuple[Related, ...], since: datetime | None, shift: int, flow: Flows) -> tuple[str, ...]:
    reasons = []
    if shift:
        minutes = shift * flow.interval_s // 60
        reasons.append(f"shifted by {minutes:+d} min, the master meter fits better: check its clock first")
    if since is not None:
        reasons.append(f"the loss grew on {since.date().isoformat()}")
    reasons += [
        (
            f"it follows the use of {each.usage_point} (r = {each.correlation:.2f}) by {each.share:.0%} of it, "
            f"{each.hidden_kwh:.1f} kWh: its meter may count too little"
        )
        for each in related
    ]
    if not related:
        reasons.append("it follows no single usage point: a load before the meters is as likely as a wrong meter")
    return (*reasons, INNOCENT)


def related_loads(
    loss: Values, metered: Values, flow: Flows, points: tuple[str, ...], *, first: int = 0, slack: float = SLACK
) -> tuple[Related, ...]:
    """Return up to three usage points whose use the loss follows beyond what it owes to the use of all.

    What is usual at the hour of the day is taken off first, and what the total explains, since technical losses grow
    with it. A meter whose clock is off does not look like that: its use would come before or after the loss. A single
    faulty episode does not either: it must be so in both halves of the time, and come to no more than was lost.
    `first`: the interval from which on they are compared; `slack`: share of the energy by which the loss may be off.
    """
    rows = np.array([flow.row[name] for name in points if name in flow.row], np.intp)
    if rows.size < 2:  # noqa: PLR2004 - one usage point alone is the total
        return ()
    per_day = DAY_S // flow.interval_s if DAY_S % flow.interval_s == 0 else 0
    loss, metered, use = loss[first:], metered[first:], flow.net(rows)[:, first:]
    known = np.isfinite(loss)
    own = unusual(np.where(known, use, np.nan), per_day)
    total, rest = (unusual(values[None, :], per_day)[0] for values in (metered, loss))
    size = float(total @ total)
    if size > 0:
        rest = rest - (rest @ total) / size * total
        own = own - (own @ total)[:, None] / size * total
    closeness, share = _follows(own, rest)
    middle = loss.size // 2
    steady = np.minimum(_follows(own[:, :middle], rest[:middle])[0], _follows(own[:, middle:], rest[middle:])[0])
    hidden = share * np.where(known, np.nan_to_num(use), 0.0).sum(axis=1)
    lost = ROUGHLY * max(float(np.nansum(loss)), 0.0) + slack * abs(float(np.nansum(metered)))
    chance = BEYOND_CHANCE / np.sqrt(max(int(known.sum()), 1))
    found = (closeness >= max(CLOSE, chance)) & (steady >= CLOSE / 2) & (share >= SHARE) & (hidden <= lost)
    best = [at for at in np.argsort(-closeness, kind="stable").tolist() if found[at]][:SHOWN]
    return tuple(
        Related(flow.points[rows[at]], float(closeness[at]), float(share[at]), float(hidden[at]) / WH_PER_KWH)
        for at in best
    )


def _follows(own: Values, rest: Values) -> tuple[Values, Values]:
    """Return how closely the rest follows each row (correlation), and by what share of it."""
    square, product = (own**2).sum(axis=1), own @ rest
    scale = np.sqrt(square * float(rest @ rest))
    closeness = np.divide(product, scale, out=np.zeros(scale.shape), where=scale > 0)
    share = np.divide(product, square, out=np.zeros(square.shape), where=square > 0)
    return closeness, share


def unusual(values: Values, per_day: int) -> Values:
    """Return each row less what is usual at that interval of the day (over few days: less its mean); unknown = 0."""
    slots = values.shape[1]
    length = per_day if per_day and slots >= USUAL_DAYS * per_day else 1
    whole = -(-slots // length) * length
    days = np.pad(values, ((0, 0), (0, whole - slots)), constant_values=np.nan).reshape(len(values), -1, length)
    known = np.isfinite(days)
    count = known.sum(axis=1, keepdims=True)
    mean = np.divide(
        np.where(known, days, 0.0).sum(axis=1, keepdims=True), count, out=np.zeros(count.shape), where=count > 0
    )
    rest: Values = np.where(known, days - mean, 0.0).reshape(len(values), -1)[:, :slots]
    return rest


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
        growth = float(after.mean() - before.mean())
        if growth <= NOTICEABLE * abs(float(daily[whole].mean())):
            continue
        noise = float(np.sqrt(before.var(ddof=1) / before.size + after.var(ddof=1) / after.size))
        score = growth / noise if noise > 0 else np.inf
        if score > best:
            best, found = score, int(whole[at])
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

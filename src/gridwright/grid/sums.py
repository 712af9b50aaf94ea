"""What hangs on each node of the network, added up by interval, with what is measured, estimated and unknown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch, TooLittleData
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel, Values
from gridwright.domain.topology import Topology

Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """Energy of all usage points in Wh, [n, slots]; NaN = unknown. `fed_in` is zero for who never feeds in."""

    points: tuple[str, ...]
    period: Interval
    interval_s: int
    delivered: Values
    fed_in: Values
    estimated: Mask
    row: dict[str, int]

    @property
    def slots(self) -> int:
        """Number of intervals."""
        return int(self.delivered.shape[1])

    def net(self, rows: int | Sequence[int] | npt.NDArray[np.intp]) -> Values:
        """Return what flowed to some usage points, less what they fed in."""
        return np.asarray(self.delivered[rows] - self.fed_in[rows])


def flows(delivered: Panel, received: Panel | None) -> Flows:
    """Lay delivered and received energy side by side; a rejected value is unknown."""
    if received is not None and (received.start, received.slots) != (delivered.start, delivered.slots):
        raise GridMismatch(f"{received!r} does not fit {delivered!r}")
    if not delivered.points and not (received and received.points):
        raise TooLittleData("no usage point has readings of energy", remedy="name another period")
    points = tuple(dict.fromkeys((*delivered.points, *(received.points if received else ()))))
    row = {point: place for place, point in enumerate(points)}
    shape = (len(points), delivered.slots)
    estimated = np.zeros(shape, np.bool_)
    parts = []
    for panel in (delivered, received):
        wh = np.zeros(shape)
        if panel is not None:
            at = [row[point] for point in panel.points]
            unknown = q.has_status(panel.quality, q.GAPS) | np.isnan(panel.values)
            wh[at] = np.where(unknown, np.nan, panel.values * panel.reading_type.resolution)
            estimated[at] |= q.has_status(panel.quality, q.ESTIMATES) & ~unknown
        parts.append(wh)
    return Flows(points, delivered.period, delivered.interval_s, parts[0], parts[1], estimated, row)


@dataclass(slots=True, eq=False)
class Sums:
    """Sums by interval, [slots]: net energy that is known, and what is put in its place where it is not.

    `filled`: in gaps of usage points that have other values; `silent`: of usage points that have none at all, taken for
    as large as the mean of the others. `estimated`: the part of `known` that was estimated before. `fed_in`: from
    customers. Counts of usage points: `connected`, `unknown`, `guessed` (estimated).
    """

    known: Values
    filled: Values
    silent: Values
    estimated: Values
    fed_in: Values
    connected: Counts
    unknown: Counts
    guessed: Counts
    points: set[str] = field(default_factory=set)
    silent_points: set[str] = field(default_factory=set)
    switched: set[str] = field(default_factory=set)

    @property
    def metered(self) -> Values:
        """Best knowledge of what all usage points used, less what they fed in."""
        return self.known + self.filled + self.silent

    def add(self, other: Sums) -> None:
        """Add what hangs on a node below."""
        for name in ("known", "filled", "silent", "estimated", "fed_in", "connected", "unknown", "guessed"):
            getattr(self, name).__iadd__(getattr(other, name))
        self.points |= other.points
        self.silent_points |= other.silent_points
        self.switched |= other.switched


def no_sums(slots: int) -> Sums:
    """Return sums of nothing."""
    known, filled, silent, estimated, fed_in = np.zeros((5, slots))
    connected, unknown, guessed = np.zeros((3, slots), np.int64)
    return Sums(known, filled, silent, estimated, fed_in, connected, unknown, guessed)


def sums_below(topology: Topology, flow: Flows) -> dict[str, Sums]:
    """Return the sums of all that hangs on each node or below it: exactly what its parts sum to."""
    masters = topology.masters
    members: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for connection in topology.connections:
        span = connection.period.intersection(flow.period)
        if span is not None and connection.usage_point not in masters:
            first, last = (
                -((epoch_s(flow.period.start) - epoch_s(moment)) // flow.interval_s)
                for moment in (span.start, span.end)
            )
            members[connection.node].append((connection.usage_point, first, last))
    sums = {node.id: _own(members.get(node.id, []), flow) for node in topology.nodes}
    parents = {node.id: node.parent for node in topology.nodes}
    for name in sorted(parents, key=lambda each: -_depth(each, parents)):
        if parents[name]:
            sums[parents[name]].add(sums[name])
    return sums


def _depth(node: str, parents: dict[str, str]) -> int:
    depth = 0
    while parents[node]:
        node, depth = parents[node], depth + 1
    return depth


def _own(members: list[tuple[str, int, int]], flow: Flows) -> Sums:
    """Add up what hangs directly on a node, each usage point for the intervals in which it did."""
    found = no_sums(flow.slots)
    if not members:
        return found
    names = list(dict.fromkeys(name for name, _, _ in members))
    place = {name: at for at, name in enumerate(names)}
    there = np.zeros((len(names), flow.slots), np.bool_)
    for name, first, last in members:
        there[place[name], first:last] = True
    rows = np.array([flow.row.get(name, -1) for name in names])
    absent = np.flatnonzero(rows < 0)
    net, fed_in, estimated = flow.net(rows), flow.fed_in[rows], flow.estimated[rows]
    net[absent], estimated[absent] = np.nan, False
    known: Mask = np.isfinite(net) & there
    silent: Mask = np.asarray(~known.any(axis=1) & there.any(axis=1))
    filled = _fill(net, known, silent)
    found.known = np.where(known, net, 0.0).sum(axis=0)
    found.filled = np.where(there & ~known & ~silent[:, None], filled, 0.0).sum(axis=0)
    found.silent = np.where(there & silent[:, None], filled, 0.0).sum(axis=0)
    found.estimated = np.where(known & estimated, net, 0.0).sum(axis=0)
    found.fed_in = np.where(known, np.nan_to_num(fed_in), 0.0).sum(axis=0)
    found.connected, found.unknown = there.sum(axis=0), (there & ~known).sum(axis=0)
    found.guessed = (known & estimated).sum(axis=0)
    found.points = {name for name in names if there[place[name]].any()}
    found.silent_points = {name for name in names if silent[place[name]]}
    found.switched = {name for name in found.points if not there[place[name]].all()}
    return found


def _fill(net: Values, known: Mask, silent: Mask) -> Values:
    """Guess each unknown value: the usage point's own mean, times how the interval compares for those who are known.

    A usage point without any value has the mean of the others for its own; an interval in which nobody is known is
    taken for an average one.
    """
    count = known.sum(axis=1)
    total = np.where(known, net, 0.0).sum(axis=1)
    mean = np.divide(total, count, out=np.zeros(count.shape), where=count > 0)
    if silent.any() and not silent.all():
        mean[silent] = mean[~silent & (count > 0)].mean() if (~silent & (count > 0)).any() else 0.0
    expected = np.where(known, mean[:, None], 0.0).sum(axis=0)
    seen = np.where(known, net, 0.0).sum(axis=0)
    ratio = np.divide(seen, expected, out=np.ones(seen.shape), where=expected > 0)
    # Where many feed in, the ratio of net energies means little: it is kept within what a day's shape can do.
    guess: Values = mean[:, None] * np.clip(ratio, 0.0, 5.0)[None, :]
    return guess

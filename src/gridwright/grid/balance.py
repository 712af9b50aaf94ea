"""Energy balance of each node: what its master meter saw, what the meters below saw, and how far to trust that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.topology import Node, NodeKind, Topology
from gridwright.grid.hints import Hint, hint, misplaced
from gridwright.grid.sums import Flows, Mask, Sums, flows, sums_below

WH_PER_KWH = 1000.0
# What a loss may technically be, as a share of the energy put in: from the master meter down to the usage points.
# Assumptions for low and medium voltage; a utility that knows its network hands over its own.
TECHNICAL = {
    NodeKind.TRANSFORMER: (0.0, 0.06),
    NodeKind.FEEDER: (0.0, 0.10),
    NodeKind.SUBSTATION: (0.0, 0.12),
}
# Relative errors: a class 0.5 master meter, class 1 meters (which average out), estimates, filled gaps, silent meters.
MASTER_ERROR, METER_ERROR, ESTIMATE_ERROR, FILL_ERROR, SILENT_ERROR = 0.005, 0.01, 0.2, 0.5, 1.0
# With less of the period compared than this, nothing is concluded.
ENOUGH_COMPARED = 0.5
# An uncertainty above this share of the energy put in hides any theft worth looking for.
TOO_UNSURE = 0.15
MORE_THAN_SUPPLIED = (
    "the meters below saw more than was supplied: look for a usage point that hangs elsewhere, a wrong transformer "
    "factor, or a master meter that counts too little"
)
Bounds = Mapping[NodeKind, tuple[float, float]]


class Plausibility(StrEnum):
    """Whether a loss can be a technical one; `open`: the inputs do not tell."""

    PLAUSIBLE = "plausible"
    HIGH = "high"
    NEGATIVE = "negative"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class InputQuality:
    """How good the inputs of a balance are: shares of usage point × interval, and who is not as it should be.

    `silent`: usage points without any value; `switched`: connected for a part of the period only; `compared`: share of
    the intervals in which the master meter has a value: only those are in the balance.
    """

    usage_points: int
    measured: float
    estimated: float
    missing: float
    compared: float
    silent: tuple[str, ...] = ()
    switched: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "usage_points": self.usage_points,
            "measured": round(self.measured, 6),
            "estimated": round(self.estimated, 6),
            "missing": round(self.missing, 6),
            "compared": round(self.compared, 6),
            "silent": list(self.silent),
            "switched": list(self.switched),
        }


@dataclass(frozen=True, slots=True, eq=False)
class NodeBalance:
    """One node's balance over the period, in kWh; None where there is no master meter or nothing to compare.

    `put_in_kwh`: what the master meter delivered and customers fed in; `supplied_kwh`: what flowed down, net;
    `metered_kwh`: what flowed to the usage points, net. The loss is supplied less metered, its share is of what was
    put in; `uncertainty_kwh` covers meter classes, estimates, gaps and silent meters. `supplied_wh` and `metered_wh`
    are the same by interval, [slots]; NaN where not compared.
    """

    node: Node
    supplied_kwh: float | None
    metered_kwh: float | None
    put_in_kwh: float | None
    uncertainty_kwh: float
    plausibility: Plausibility
    inputs: InputQuality
    reasons: tuple[str, ...]
    supplied_wh: Values
    metered_wh: Values
    hint: Hint | None = None

    @property
    def loss_kwh(self) -> float | None:
        """What did not arrive at a meter."""
        if self.supplied_kwh is None or self.metered_kwh is None:
            return None
        return round(self.supplied_kwh - self.metered_kwh, 3)

    @property
    def loss_share(self) -> float | None:
        """Loss as a share of what was put in."""
        loss = self.loss_kwh
        return loss / self.put_in_kwh if loss is not None and self.put_in_kwh else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, without the intervals."""
        share = self.loss_share
        return {
            "node": self.node.id,
            "kind": str(self.node.kind),
            "parent": self.node.parent,
            "meter": self.node.meter,
            "rating_kva": self.node.rating_kva,
            "supplied_kwh": self.supplied_kwh,
            "metered_kwh": self.metered_kwh,
            "put_in_kwh": self.put_in_kwh,
            "loss_kwh": self.loss_kwh,
            "loss_share": None if share is None else round(share, 6),
            "uncertainty_kwh": round(self.uncertainty_kwh, 3),
            "plausibility": str(self.plausibility),
            "inputs": self.inputs.to_dict(),
            "reasons": list(self.reasons),
            "hint": self.hint.to_dict() if self.hint else None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class GridBalance:
    """The balances of all nodes over a period; `unconnected`: usage points with readings that hang nowhere."""

    period: Interval
    interval: timedelta
    nodes: tuple[NodeBalance, ...]
    unconnected: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    computed: datetime | None = None

    @property
    def hints(self) -> tuple[NodeBalance, ...]:
        """Nodes whose loss is higher than technical reasons explain, the largest excess first."""
        found = [each for each in self.nodes if each.hint]
        return tuple(sorted(found, key=lambda each: -each.hint.excess_kwh if each.hint else 0.0))

    def node(self, name: str) -> NodeBalance | None:
        """Return the balance of one node."""
        return next((each for each in self.nodes if each.node.id == name), None)

    def daily(self, each: NodeBalance) -> list[dict[str, Any]]:
        """Return a node's supplied and metered energy day by day (24 hours from the period's start), in kWh."""
        per_day = max(int(timedelta(days=1) / self.interval), 1)
        rows = []
        for first in range(0, each.supplied_wh.size, per_day):
            supplied, metered = (values[first : first + per_day] for values in (each.supplied_wh, each.metered_wh))
            known = np.isfinite(supplied) & np.isfinite(metered)
            rows.append(
                {
                    "from": (self.period.start + first * self.interval).isoformat(),
                    "supplied_kwh": _kwh(supplied[known]) if known.any() else None,
                    "metered_kwh": _kwh(metered[known]) if known.any() else None,
                    "compared": round(float(known.mean()), 6),
                }
            )
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return the balance as a JSON object; days instead of intervals."""
        return {
            "period": {"from": self.period.start.isoformat(), "to": self.period.end.isoformat()},
            "interval_s": int(self.interval.total_seconds()),
            "computed": self.computed.isoformat() if self.computed else None,
            "nodes": [{**each.to_dict(), "days": self.daily(each)} for each in self.nodes],
            "hints": [each.node.id for each in self.hints],
            "unconnected": list(self.unconnected),
            "notes": list(self.notes),
        }


def balance(
    topology: Topology,
    delivered: Panel,
    received: Panel | None = None,
    *,
    bounds: Bounds = TECHNICAL,
    notes: tuple[str, ...] = (),
) -> GridBalance:
    """Balance every node over the period of the panels, which hold usage points and master meters on one grid.

    A usage point counts for the intervals in which it is connected. Missing values are never zero: they are filled by
    how the usage point compares with its neighbours, reported, and make the balance less certain.
    """
    flow = flows(delivered, received)
    sums = sums_below(topology, flow)
    nodes = tuple(_balance(topology, node, sums[node.id], flow, bounds) for node in topology.nodes)
    connected = {name for found in sums.values() for name in found.points}
    known = connected | topology.masters
    unconnected = tuple(name for name in flow.points if name not in known)
    return GridBalance(flow.period, timedelta(seconds=flow.interval_s), nodes, unconnected, notes)


def _balance(topology: Topology, node: Node, found: Sums, flow: Flows, bounds: Bounds) -> NodeBalance:
    row = flow.row.get(node.meter, -1) if node.meter else -1
    blank = np.full(flow.slots, np.nan)
    supplied = flow.net(row) if row >= 0 else blank
    into = flow.delivered[row] if row >= 0 else blank
    compared = np.isfinite(supplied) & (found.connected > 0)
    inputs = _inputs(found, compared)
    why = _not_comparable(node, row, found, compared)
    if why:
        metered = found.metered
        return NodeBalance(
            node, None, _kwh(metered), None, 0.0, Plausibility.OPEN, inputs, (*why, *_doubts(inputs)), blank, metered
        )
    supplied, metered = np.where(compared, supplied, np.nan), np.where(compared, found.metered, np.nan)
    put_in = float((into + found.fed_in)[compared].sum())
    unsure = _uncertainty(found, compared, put_in)
    loss = float(np.nansum(supplied - metered))
    low, high = bounds[node.kind]
    verdict = _judge(loss, put_in, unsure, inputs, (low, high))
    net = (supplied, metered)
    elsewhere = misplaced(topology, node, flow, *net) if verdict is Plausibility.NEGATIVE else ()
    excess = (loss - high * put_in - unsure) / WH_PER_KWH if verdict is Plausibility.HIGH else None
    looked_into = excess is not None or (verdict is Plausibility.PLAUSIBLE and node.kind is NodeKind.TRANSFORMER)
    suspicion = hint(topology, node, flow, *net, excess_kwh=excess) if looked_into else None
    return NodeBalance(
        node,
        _kwh(supplied),
        _kwh(metered),
        _kwh(np.array([put_in])),
        unsure / WH_PER_KWH,
        verdict,
        inputs,
        (*elsewhere, *_told(verdict, loss, put_in, high), *_doubts(inputs)),
        supplied,
        metered,
        suspicion,
    )


def _inputs(found: Sums, compared: Mask) -> InputQuality:
    all_of_it = float(found.connected.sum()) or 1.0
    unknown, guessed = float(found.unknown.sum()) / all_of_it, float(found.guessed.sum()) / all_of_it
    return InputQuality(
        len(found.points),
        max(1.0 - unknown - guessed, 0.0) if found.points else 0.0,
        guessed,
        unknown,
        float(compared.mean()) if compared.size else 0.0,
        tuple(sorted(found.silent_points)),
        tuple(sorted(found.switched)),
    )


def _not_comparable(node: Node, row: int, found: Sums, compared: Mask) -> tuple[str, ...]:
    if not node.meter:
        return ("it has no master meter",)
    if row < 0:
        return (f"its master meter {node.meter} has no readings in the period",)
    if not found.points:
        return ("no usage point is connected to it",)
    if not compared.any():
        return (f"its master meter {node.meter} has no value in the period",)
    if found.points == found.silent_points:
        return ("no usage point below it has readings in the period",)
    return ()


def _uncertainty(found: Sums, compared: Mask, put_in: float) -> float:
    """Return Wh by which the loss may be off; what fills gaps may be wrong all in one direction, so it adds up."""
    known, filled, silent, estimated = (
        float(np.abs(values[compared]).sum()) for values in (found.known, found.filled, found.silent, found.estimated)
    )
    meters = METER_ERROR * known / np.sqrt(max(len(found.points), 1))
    classes = float(np.hypot(MASTER_ERROR * put_in, meters))
    return classes + ESTIMATE_ERROR * estimated + FILL_ERROR * filled + SILENT_ERROR * silent


def _judge(
    loss: float, put_in: float, unsure: float, inputs: InputQuality, bounds: tuple[float, float]
) -> Plausibility:
    low, high = bounds
    if inputs.compared < ENOUGH_COMPARED or put_in <= 0:
        return Plausibility.OPEN
    if loss - high * put_in > unsure:
        return Plausibility.HIGH
    if low * put_in - loss > unsure:
        return Plausibility.NEGATIVE
    return Plausibility.OPEN if unsure > TOO_UNSURE * put_in else Plausibility.PLAUSIBLE


def _told(verdict: Plausibility, loss: float, put_in: float, high: float) -> tuple[str, ...]:
    if verdict is Plausibility.HIGH:
        return (f"{loss / put_in:.1%} of the energy put in is lost; technical reasons explain up to {high:.0%}",)
    if verdict is Plausibility.NEGATIVE:
        return (MORE_THAN_SUPPLIED,)
    return ()


def _doubts(inputs: InputQuality) -> tuple[str, ...]:
    """Say in words what makes the balance less certain."""
    told = []
    if inputs.silent:
        names = ", ".join(inputs.silent[:3]) + (" …" if len(inputs.silent) > 3 else "")  # noqa: PLR2004 - three names
        told.append(f"{len(inputs.silent)} of {inputs.usage_points} usage points have no readings at all ({names})")
    if inputs.missing:
        told.append(f"{inputs.missing:.1%} of the values are missing and filled from the neighbours")
    if inputs.estimated:
        told.append(f"{inputs.estimated:.1%} of the values are estimated")
    if 0 < inputs.compared < 1:
        told.append(f"the master meter has values in {inputs.compared:.1%} of the intervals; only those are compared")
    if inputs.switched:
        told.append(f"{len(inputs.switched)} usage points are connected for a part of the period only")
    return tuple(told)


def _kwh(wh: Values) -> float:
    return round(float(np.nansum(wh)) / WH_PER_KWH, 3)

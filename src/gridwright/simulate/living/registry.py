"""What a utility must know of a town before its meters are read: the nouns, ready to be saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridwright.domain.interval import Interval
from gridwright.domain.topology import Connection, Node
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint
from gridwright.simulate.living.town import LivingTown

MASTER_CLASS = "industrial"


@dataclass(frozen=True, slots=True)
class TownRegistry:
    """Usage points (master meters among them), meters, who measures what, and the network."""

    points: tuple[UsagePoint, ...]
    meters: tuple[Meter, ...]
    installations: tuple[Installation, ...]
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]


def registry_of(town: LivingTown) -> TownRegistry:
    """Return everything that is registered before the first reading."""
    inner = town.town
    masters = tuple(
        UsagePoint(name, inner.zone, MASTER_CLASS, exports=True, attributes={"role": "master meter"})
        for name in town.masters.points
    )
    ever = Interval(town.period.start, FOREVER)
    serials: Mapping[str, str] = {p.id: m.serial for p, m in zip(inner.points, inner.meters, strict=True)}
    return TownRegistry(
        points=(*inner.points, *masters),
        meters=inner.meters,
        installations=tuple(Installation(point, serial, ever) for point, serial in serials.items()),
        nodes=town.topology.nodes,
        connections=town.topology.connections,
    )

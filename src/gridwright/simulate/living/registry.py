"""What a utility must know of a town before its meters are read: the nouns, ready to be saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Flow
from gridwright.domain.topology import Connection, Node
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint
from gridwright.simulate.living.town import LivingTown
from gridwright.simulate.town import FaultKind

MASTER_CLASS = "industrial"


@dataclass(frozen=True, slots=True)
class MeterChange:
    """A new meter takes over from an old one; both are read at that instant, in Wh."""

    usage_point: str
    serial: str
    at: datetime
    final_wh: float
    opening_wh: float


@dataclass(frozen=True, slots=True)
class TownRegistry:
    """Usage points (master meters among them), meters, who measures what, and the network.

    `installations` are those at the beginning, `changes` the meter exchanges since.
    """

    points: tuple[UsagePoint, ...]
    meters: tuple[Meter, ...]
    installations: tuple[Installation, ...]
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]
    changes: tuple[MeterChange, ...] = ()


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
        changes=tuple(changes_of(town)),
    )


def changes_of(town: LivingTown) -> Iterator[MeterChange]:
    """Yield the meter exchanges among the town's faults, with the reads that close both registers."""
    for fault in town.town.faults:
        if fault.kind is not FaultKind.EXCHANGE:
            continue
        at = fault.period.start
        final, opening = (
            read
            for read in sorted(town.town.registers, key=lambda each: each.epoch)
            if read.usage_point == fault.usage_point and read.at == at and read.reading_type.flow is Flow.DELIVERED
        )
        yield MeterChange(fault.usage_point, opening.end_device, at, final.value, opening.value)

"""The network as a tree: substation, feeders, transformers, and the usage points that hang on them over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval


class NodeKind(StrEnum):
    """What a node of the network is."""

    SUBSTATION = "substation"
    FEEDER = "feeder"
    TRANSFORMER = "transformer"


@dataclass(frozen=True, slots=True)
class Node:
    """A node and the one above it (empty = none); `meter`: the usage point of its master meter, if it has one."""

    id: str
    kind: NodeKind
    parent: str = ""
    rating_kva: float | None = None
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """`usage_point` hangs on `node` during `period`; switching ends one and begins the next."""

    usage_point: str
    node: str
    period: Interval


@dataclass(frozen=True, slots=True)
class Topology:
    """Nodes and connections; a parent that does not exist, or a ring, is an InputError."""

    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]

    def __post_init__(self) -> None:
        parents = {node.id: node.parent for node in self.nodes}
        for node in self.nodes:
            seen, at = {node.id}, node.parent
            while at:
                if at not in parents:
                    raise InputError(f"node {node.id} hangs on {at}, which does not exist")
                if at in seen:
                    raise InputError(f"node {node.id} hangs on itself through {at}")
                seen.add(at)
                at = parents[at]

    @property
    def masters(self) -> frozenset[str]:
        """Usage points of master meters: they measure the network, not a customer."""
        return frozenset(node.meter for node in self.nodes if node.meter)

    def children(self, node: str) -> tuple[Node, ...]:
        """Return the nodes directly below."""
        return tuple(each for each in self.nodes if each.parent == node)

    def below(self, node: str, at: datetime) -> tuple[str, ...]:
        """Return the usage points that hang on a node or on what is below it at an instant, sorted."""
        inside = self._nodes_below([node])
        return tuple(sorted({c.usage_point for c in self.connections if c.node in inside and at in c.period}))

    def _nodes_below(self, start: Iterable[str]) -> set[str]:
        found, fresh = set(start), set(start)
        while fresh:
            fresh = {node.id for node in self.nodes if node.parent in fresh} - found
            found |= fresh
        return found

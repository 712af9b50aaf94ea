"""Network: the nodes, and which usage point hung on which of them when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.domain.usage_point import FOREVER
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.instant import to_period, to_seconds
from gridwright.store.names import FEW, Names, within
from gridwright.store.schema.field import network_connection, network_node
from gridwright.store.session import Session, Unit

KEY = ("usage_point", "start_s")


class Network:
    """Nodes and connections."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save_nodes(self, access: Access, nodes: Iterable[Node]) -> int:
        """Add or change nodes and return how many were new or different; a ring or a lost parent is an InputError."""
        _require_all(access, Act.WRITE_REGISTRY)
        wanted = {node.id: node for node in nodes}
        with self._session.writing() as unit:
            old = {node.id: node for node in _nodes(unit)}
            Topology(tuple({**old, **wanted}.values()), ())
            self._names.point_keys(unit, [node.meter for node in wanted.values() if node.meter])
            new = [node for code, node in wanted.items() if code not in old]
            changed = [node for code, node in wanted.items() if code in old and old[code] != node]
            if new:
                unit.connection.execute(insert(network_node), [_row(node) for node in new])
            if changed:
                statement = update(network_node).where(network_node.c.code == bindparam("which"))
                unit.connection.execute(statement, [{**_row(node), "which": node.id} for node in changed])
            for verb, these in (("added", new), ("changed", changed)):
                if these:
                    subject = f"node {these[0].id}" if len(these) == 1 else f"{len(these)} nodes"
                    note(unit, access, Act.WRITE_REGISTRY, subject=subject, at=self._session.clock(), what=verb)
            return len(new) + len(changed)

    def connect(self, access: Access, connections: Iterable[Connection]) -> int:
        """Hang usage points on nodes and return how many are new; the same again changes nothing.

        An open connection ends where the new one begins; any other overlap is a Conflict, an absent node NotFound.
        """
        these = sorted(set(connections), key=lambda each: (each.usage_point, each.period.start))
        access.require(Act.WRITE_REGISTRY)
        for each in these:
            access.require(Act.WRITE_REGISTRY, each.usage_point)
        with self._session.writing() as unit:
            _require_nodes(unit, {each.node for each in these})
            codes = sorted({each.usage_point for each in these})
            keys = dict(zip(codes, self._names.point_keys(unit, codes), strict=True))
            lock_points(unit, list(keys.values()))
            history: defaultdict[str, list[Connection]] = defaultdict(list)
            for each in _connections(unit, access, sorted(keys.values())):
                history[each.usage_point].append(each)
            new, ended = _changes(these, history)
            _write(unit, keys, new, ended)
            if new:
                subject = new[0].usage_point if len(new) == 1 else f"{len(new)} usage points"
                at = self._session.clock()
                node = new[0].node if len(new) == 1 else f"{len({each.node for each in new})} nodes"
                note(unit, access, Act.WRITE_REGISTRY, subject=subject, at=at, connected=node)
            return len(new)

    def topology(self, access: Access) -> Topology:
        """Return the network; whoever sees a part of the town sees their own connections and what is above them."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            nodes, connections = _nodes(unit), _connections(unit, access)
        if access.points is None:
            return Topology(nodes, connections)
        return Topology(_above(access, nodes, {each.node for each in connections}), connections)

    def nodes(self, access: Access, at: datetime) -> tuple[tuple[Node, int], ...]:
        """Return each node with how many usage points hang on it directly at an instant, counted by the database.

        Whoever sees a part of the town sees the nodes above their own usage points, which alone are counted.
        """
        access.require(Act.READ)
        c, moment = network_connection.c, to_seconds(at.replace(microsecond=0))
        query = select(c.node, func.count()).where(c.start_s <= moment, c.end_s > moment).group_by(c.node)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(within(query, c.usage_point, access)).all()
            nodes = _nodes(unit)
        found: dict[str, int] = {row[0]: row[1] for row in rows}
        seen = nodes if access.points is None else _above(access, nodes, set(found))
        return tuple((node, found.get(node.id, 0)) for node in seen)


def _require_all(access: Access, act: Act) -> None:
    access.require(act)
    if access.points is not None:
        raise AccessDenied(f"{access.actor} may not change the network of others")


def _changes(
    these: Sequence[Connection], history: dict[str, list[Connection]]
) -> tuple[list[Connection], list[Connection]]:
    """Return what is new, and what ends by it, with its new period."""
    new: list[Connection] = []
    ended: dict[tuple[str, int], Connection] = {}
    for each in these:
        mine = history[each.usage_point]
        if any(_is_same(old, each) for old in mine):
            continue
        for at, old in enumerate(mine):
            if not old.period.overlaps(each.period):
                continue
            if old.period.end < FOREVER or old.period.start >= each.period.start:
                raise Conflict(
                    f"{each.usage_point} on {each.node} from {each.period.start.isoformat()} overlaps {old.node}",
                    remedy="end the earlier connection first",
                )
            mine[at] = Connection(old.usage_point, old.node, Interval(old.period.start, each.period.start))
            ended[(old.usage_point, to_seconds(old.period.start))] = mine[at]
        mine.append(each)
        new.append(each)
        ended.pop((each.usage_point, to_seconds(each.period.start)), None)
    return new, list(ended.values())


def _is_same(old: Connection, each: Connection) -> bool:
    """Tell whether it is known already: as it is, or open then and ended by what came after it."""
    begun = (old.node, old.period.start) == (each.node, each.period.start)
    return old == each or (begun and each.period.end >= FOREVER)


def _write(unit: Unit, keys: dict[str, int], new: Sequence[Connection], ended: Sequence[Connection]) -> None:
    rows = {(each.usage_point, to_seconds(each.period.start)): _connection_row(keys, each) for each in new}
    changed = []
    for each in ended:
        row = _connection_row(keys, each)
        if (each.usage_point, row["start_s"]) in rows:  # begun and ended by the same call
            rows[(each.usage_point, row["start_s"])] = row
        else:
            changed.append({"point": row["usage_point"], "start": row["start_s"], "end_s": row["end_s"]})
    if changed:
        c = network_connection.c
        this = (c.usage_point == bindparam("point"), c.start_s == bindparam("start"))
        unit.connection.execute(update(network_connection).where(*this).values(end_s=bindparam("end_s")), changed)
    if rows:
        unit.connection.execute(insert(network_connection), list(rows.values()))


def _above(access: Access, nodes: tuple[Node, ...], start: set[str]) -> tuple[Node, ...]:
    """Return the nodes on the way up; a master meter that may not be seen is left out."""
    by_id = {node.id: node for node in nodes}
    seen: set[str] = set()
    for at in start:
        while at and at not in seen:
            seen.add(at)
            at = by_id[at].parent  # noqa: PLW2901 - the way up
    return tuple(
        node if access.may_see(node.meter) else Node(node.id, node.kind, node.parent, node.rating_kva)
        for node in nodes
        if node.id in seen
    )


def _require_nodes(unit: Unit, wanted: set[str]) -> None:
    missing = sorted(wanted - {node.id for node in _nodes(unit)})
    if missing:
        raise NotFound(f"node {missing[0]!r} does not exist", remedy="save the nodes before the connections")


def _nodes(unit: Unit) -> tuple[Node, ...]:
    rows = unit.connection.execute(select(network_node).order_by(network_node.c.code)).all()
    return tuple(Node(row.code, NodeKind(row.kind), row.parent, row.rating_kva, row.meter) for row in rows)


def _connections(unit: Unit, access: Access, keys: Sequence[int] | None = None) -> tuple[Connection, ...]:
    table, point = network_connection, schema.usage_point
    query = select(table, point.c.code).join(point, point.c.id == table.c.usage_point)
    query = within(query, table.c.usage_point, access).order_by(point.c.code, table.c.start_s)
    if keys is not None and len(keys) <= FEW:
        query = query.where(table.c.usage_point.in_(keys))
    rows = unit.connection.execute(query).all()
    return tuple(Connection(row.code, row.node, to_period(row.start_s, row.end_s)) for row in rows)


def _row(node: Node) -> dict[str, Any]:
    return {
        "code": node.id,
        "kind": str(node.kind),
        "parent": node.parent,
        "rating_kva": node.rating_kva,
        "meter": node.meter,
    }


def _connection_row(keys: dict[str, int], each: Connection) -> dict[str, Any]:
    return {
        "usage_point": keys[each.usage_point],
        "start_s": to_seconds(each.period.start),
        "end_s": to_seconds(each.period.end),
        "node": each.node,
    }

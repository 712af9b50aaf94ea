from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.domain.usage_point import FOREVER, UsagePoint
from gridwright.store import Store

pytestmark = pytest.mark.servers_in_turn

START = datetime(2025, 1, 1, tzinfo=UTC)
MAY = datetime(2025, 5, 1, tzinfo=UTC)
FEEDER = Node("F-1", NodeKind.FEEDER)
ONE = Node("T-1", NodeKind.TRANSFORMER, "F-1", 400.0, "MASTER")
TWO = Node("T-2", NodeKind.TRANSFORMER, "F-1", 250.5)
NODES = (FEEDER, ONE, TWO)


def hangs(point: str, node: str, since: datetime = START, until: datetime = FOREVER) -> Connection:
    return Connection(point, node, Interval(since, until))


@pytest.fixture(autouse=True)
def points(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint(point) for point in ("MASTER", "UP-1", "UP-2")])


def test_nodes_round_trip_and_change(store: Store) -> None:
    assert [store.network.save_nodes(ME, NODES) for _ in range(2)] == [3, 0]
    assert store.network.topology(ME) == Topology(NODES, ())
    bigger = replace(TWO, rating_kva=630.0)
    assert store.network.save_nodes(ME, [bigger, ONE]) == 1
    assert store.network.topology(ME).nodes == (FEEDER, ONE, bigger)


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ([replace(ONE, parent="F-9")], InputError),
        ([replace(FEEDER, parent="T-1")], InputError),
        ([replace(TWO, meter="UP-9")], NotFound),
    ],
    ids=["parent", "ring", "meter"],
)
def test_a_network_that_cannot_be(store: Store, nodes: list[Node], error: type[Exception]) -> None:
    store.network.save_nodes(ME, NODES)
    with pytest.raises(error):
        store.network.save_nodes(ME, nodes)
    assert store.network.topology(ME).nodes == NODES


def test_switching_ends_one_and_begins_the_next(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    first, second = hangs("UP-1", "T-1"), hangs("UP-1", "T-2", MAY)
    assert [store.network.connect(ME, [first, hangs("UP-2", "T-1")]) for _ in range(2)] == [2, 0]
    assert store.network.connect(ME, [second]) == 1
    kept = (hangs("UP-1", "T-1", START, MAY), second, hangs("UP-2", "T-1"))
    assert store.network.topology(ME).connections == kept
    assert store.network.connect(ME, [second, first, hangs("UP-2", "T-1")]) == 0
    assert store.network.topology(ME).below("T-1", MAY) == ("UP-2",)
    assert store.audit.verify(ME) == 4


def test_a_whole_history_at_once(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    history = [hangs("UP-1", node, START + at * timedelta(30)) for at, node in enumerate(("T-1", "T-2", "T-1"))]
    assert [store.network.connect(ME, reversed(history)) for _ in range(2)] == [3, 0]
    ends = [each.period.end for each in store.network.topology(ME).connections]
    assert ends == [START + timedelta(30), START + timedelta(60), FOREVER]


def test_connections_that_cannot_be(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    store.network.connect(ME, [hangs("UP-1", "T-1", START, MAY)])
    for wrong in (hangs("UP-1", "T-2"), hangs("UP-1", "T-2", MAY - timedelta(1))):
        with pytest.raises(Conflict, match="overlaps T-1"):
            store.network.connect(ME, [wrong])
    assert store.network.connect(ME, [hangs("UP-1", "T-2", MAY)]) == 1
    with pytest.raises(NotFound, match="node 'T-9'"):
        store.network.connect(ME, [hangs("UP-2", "T-9")])
    with pytest.raises(NotFound, match="UP-9"):
        store.network.connect(ME, [hangs("UP-9", "T-1")])


def test_a_customer_sees_the_way_up(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    store.network.connect(ME, [hangs("UP-1", "T-1"), hangs("UP-2", "T-2")])
    her = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
    assert store.network.topology(her) == Topology((FEEDER, replace(ONE, meter="")), (hangs("UP-1", "T-1"),))
    operator = Access("op", Role.OPERATOR, frozenset({"UP-1"}))
    assert store.network.connect(operator, [hangs("UP-1", "T-2", MAY)]) == 1
    with pytest.raises(AccessDenied):
        store.network.connect(operator, [hangs("UP-2", "T-1", MAY)])


def test_a_town(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    many = [f"T{at:05d}" for at in range(1200)]
    store.registry.save_points(ME, [UsagePoint(point) for point in many])
    assert store.network.connect(ME, [hangs(point, "T-1") for point in many]) == 1200
    assert store.network.connect(ME, [hangs(point, "T-2", MAY) for point in many]) == 1200
    assert len(store.network.topology(ME).below("F-1", MAY)) == 1200


def test_nodes_are_counted_as_they_hang_at_an_instant(store: Store) -> None:
    store.network.save_nodes(ME, NODES)
    store.network.connect(ME, [hangs("UP-1", "T-1"), hangs("UP-2", "T-1"), hangs("UP-1", "T-2", MAY)])
    before, after = MAY - timedelta(microseconds=1), MAY
    assert store.network.nodes(ME, before) == ((FEEDER, 0), (ONE, 2), (TWO, 0))
    assert store.network.nodes(ME, after) == ((FEEDER, 0), (ONE, 1), (TWO, 1))
    assert [count for _, count in store.network.nodes(ME, START - timedelta(1))] == [0, 0, 0]
    her = Access("her", Role.CUSTOMER, frozenset({"UP-2"}))
    assert store.network.nodes(her, after) == ((FEEDER, 0), (replace(ONE, meter=""), 1))

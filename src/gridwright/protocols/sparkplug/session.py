"""Edge nodes and their devices: births name the metrics, data uses aliases and numbers its messages, deaths end it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gridwright.protocols.sparkplug.payload import Metric, Payload, SparkplugError, signed

NAMESPACE = "spBv1.0"
BIRTHS, DATA, DEATHS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
COMMANDS = ("NCMD", "DCMD", "STATE")
MAX_NODES = 10_000
SEQUENCES = 256


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose message it is: group, kind, edge node, and the device, empty where it is the node's own."""

    group: str
    kind: str
    node: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What a message brings: metrics with name, sign and time; `rebirth`: the node must be asked to say it all again.

    `unknown`: aliases that no birth has named.
    """

    metrics: tuple[Metric, ...] = ()
    rebirth: bool = False
    unknown: tuple[int, ...] = ()


@dataclass(slots=True)
class _Node:
    seq: int | None = None
    born: bool = False
    names: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    types: dict[tuple[str, str], int] = field(default_factory=dict)


def read_topic(topic: str) -> Topic:
    """Read `spBv1.0/GROUP/KIND/NODE[/DEVICE]`; SparkplugError for another."""
    parts = topic.split("/")
    if len(parts) not in {4, 5} or parts[0] != NAMESPACE or not all(parts):
        raise SparkplugError(f"{topic[:120]!r} is no topic of {NAMESPACE}")
    if parts[2] not in (*BIRTHS, *DATA, *DEATHS, *COMMANDS):
        raise SparkplugError(f"{parts[2][:40]!r} is no kind of message")
    return Topic(*parts[1:])


class Sessions:
    """What is known of every edge node since its birth."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], _Node] = {}

    def take(self, topic: Topic, payload: Payload) -> Change:
        """Take one message in the order in which it came."""
        key = (topic.group, topic.node)
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                raise SparkplugError(f"there are more than {MAX_NODES} edge nodes")
            node = self._nodes[key] = _Node()
        if topic.kind in DEATHS:
            return self._died(node, topic)
        if topic.kind == "NBIRTH":
            node = self._nodes[key] = _Node(born=True)
        elif topic.kind in COMMANDS:
            return Change()
        gap = self._follows(node, topic, payload)
        if topic.kind in BIRTHS:
            self._named(node, topic, payload)
        found = [self._known(node, topic.device, metric, payload) for metric in payload.metrics]
        unknown = tuple(one.alias or 0 for one in found if not one.name)
        metrics = tuple(one for one in found if one.name)
        return Change(metrics, gap or bool(unknown) or not node.born, unknown)

    def _died(self, node: _Node, topic: Topic) -> Change:
        if topic.kind == "NDEATH":
            node.born, node.seq = False, None
        return Change()

    def _follows(self, node: _Node, topic: Topic, payload: Payload) -> bool:
        """Tell whether messages are missing before this one."""
        before, node.seq = node.seq, payload.seq
        if topic.kind == "NBIRTH" or payload.seq is None or before is None:
            return False
        return payload.seq not in {before, (before + 1) % SEQUENCES}  # the same again: QoS 1 may deliver it twice

    def _named(self, node: _Node, topic: Topic, payload: Payload) -> None:
        for metric in payload.metrics:
            node.types[topic.device, metric.name] = metric.datatype
            if metric.alias is not None and metric.name:
                node.names[topic.device, metric.alias] = (metric.name, metric.datatype)

    def _known(self, node: _Node, device: str, metric: Metric, payload: Payload) -> Metric:
        """Return a metric with its name, its sign, and the time of the payload where it has none."""
        name, kind = metric.name, metric.datatype
        if not name and metric.alias is not None:
            name, told = node.names.get((device, metric.alias), ("", 0))
            kind = kind or told
        kind = kind or node.types.get((device, name), 0)
        at_ms = payload.at_ms if metric.at_ms is None else metric.at_ms
        return replace(metric, name=name, datatype=kind, at_ms=at_ms, value=signed(metric.value, kind))


def rebirth_command(at_ms: int) -> bytes:
    """Return the payload of an NCMD that asks a node for its births: `Node Control/Rebirth` = true."""
    name = b"Node Control/Rebirth"
    metric = bytes((0x0A, len(name))) + name + bytes((0x20, 11, 0x70, 1))
    return b"\x08" + _varint(at_ms) + bytes((0x12, len(metric))) + metric


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

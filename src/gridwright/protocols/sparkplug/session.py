"""Edge nodes and their devices: births name the metrics, data uses aliases and numbers its messages, deaths end it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gridwright.protocols.sparkplug.payload import Metric, Payload, SparkplugError, members_of, signed

NAMESPACE = "spBv1.0"
BIRTHS, DATA, DEATHS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
COMMANDS = ("NCMD", "DCMD", "STATE")
MAX_NODES = 10_000
SEQUENCES = 256
BD_SEQ = "bdSeq"


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose message it is: group, kind, edge node, and the device, empty where it is the node's own."""

    group: str
    kind: str
    node: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class Birth:
    """What a birth says that data needs later: name, alias if any, and datatype of each metric; kept over a restart.

    `units`: those that it tells, by name. `bd_seq` numbers the sessions of the node; `reliable`: it came so that a
    broker keeps it for us while we are away.
    """

    group: str
    node: str
    device: str
    at_ms: int | None
    bd_seq: int | None
    metrics: tuple[tuple[str, int | None, int], ...]
    reliable: bool = True
    units: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What a message brings: metrics with name, sign and time; `rebirth`: the node must be asked to say it all again.

    `unknown`: aliases that no birth has named, or that may mean something else by now, because a birth may have passed
    unseen. `birth`: what is to be kept of it, where it is new. `died`: the node's session is over.
    """

    metrics: tuple[Metric, ...] = ()
    rebirth: bool = False
    unknown: tuple[int, ...] = ()
    birth: Birth | None = None
    died: bool = False


class Age(NamedTuple):
    """Why a message may not be of now: it was `late`, waiting at the broker, or `retained` there."""

    late: bool = False
    retained: bool = False


NEW = Age()


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a message came: `again`: it may have been here before; `kept`: the broker kept our session up to it.

    `reliable`: it was sent with QoS 1, so that a session keeps it. `waited`: it was held back for the last birth, which
    names what is in it though it is the older of the two.
    """

    again: bool = False
    kept: bool = True
    reliable: bool = True
    waited: bool = False
    age: Age = NEW


@dataclass(frozen=True, slots=True)
class _Names:
    """What one birth said, by alias and by name."""

    at_ms: int | None = None
    aliases: dict[int, tuple[str, int]] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    seq: int | None = None
    born: bool = False
    sure: bool = True
    reliable: bool = True
    bd_seq: int | None = None
    # By device ("" is the node itself) what its last two births said, the newest first.
    names: dict[str, tuple[_Names, ...]] = field(default_factory=dict)


def read_topic(topic: str) -> Topic:
    """Read `spBv1.0/GROUP/KIND/NODE[/DEVICE]`; SparkplugError for another."""
    parts = topic.split("/")
    if len(parts) not in {4, 5} or parts[0] != NAMESPACE or not all(parts):
        raise SparkplugError(f"{topic[:120]!r} is no topic of {NAMESPACE}")
    if parts[2] not in (*BIRTHS, *DATA, *DEATHS, *COMMANDS):
        raise SparkplugError(f"{parts[2][:40]!r} is no kind of message")
    return Topic(*parts[1:])


ONCE = Delivery()


class Sessions:
    """What is known of every edge node since its birth."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], _Node] = {}

    def take(self, topic: Topic, payload: Payload, delivery: Delivery = ONCE) -> Change:
        """Take one message in the order in which it came."""
        node = self._node(topic.group, topic.node)
        if topic.kind in COMMANDS:
            return Change()
        if topic.kind in DEATHS:
            return _died(node, topic, payload)
        birth = _birth_of(topic, payload, delivery) if topic.kind in BIRTHS else None
        gap = _follows(node, topic, payload, delivery)
        fresh = birth is not None and _born(node, birth, delivery)
        unsure = birth is None and not (node.sure or (node.reliable and delivery.reliable and delivery.kept))
        message = _Message(node, topic.device, payload, delivery, unsure)
        found = list(message.known(payload.metrics))
        unknown = tuple(one.alias or 0 for one in found if not one.name)
        metrics = tuple(one for one in found if one.name)
        rebirth = gap or unsure or bool(unknown) or not node.born
        return Change(metrics, rebirth, unknown, birth if fresh else None)

    def restore(self, birth: Birth) -> None:
        """Take a birth that was kept; the number of the next message is not known."""
        _born(self._node(birth.group, birth.node), birth, ONCE)

    def doubt(self) -> None:
        """Tell that messages may have passed unseen: what is known counts only where the broker kept them."""
        for node in self._nodes.values():
            node.sure, node.seq = False, None

    def _node(self, group: str, name: str) -> _Node:
        node = self._nodes.get((group, name))
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                raise SparkplugError(f"there are more than {MAX_NODES} edge nodes")
            node = self._nodes[group, name] = _Node()
        return node


def _birth_of(topic: Topic, payload: Payload, delivery: Delivery) -> Birth:
    every = tuple(_with_members(payload.metrics))
    units = tuple((one.name, one.unit) for one in every if one.name and one.unit)
    named = tuple((one.name, one.alias, one.datatype) for one in every if one.name and one.name != BD_SEQ)
    whose = (topic.group, topic.node, topic.device)
    return Birth(*whose, payload.at_ms, _bd_seq(payload), named, delivery.reliable, units)


def _with_members(metrics: Iterable[Metric]) -> Iterator[Metric]:
    """Yield metrics, and behind each what it is a template of."""
    for metric in metrics:
        yield metric
        yield from _with_members(members_of(metric))


def _bd_seq(payload: Payload) -> int | None:
    values = [one.value for one in payload.metrics if one.name == BD_SEQ]
    return int(values[0]) % SEQUENCES if values and isinstance(values[0], int | float) else None


def _died(node: _Node, topic: Topic, payload: Payload) -> Change:
    """Take a death; the will of an earlier session of the node, which brokers may publish late, ends nothing."""
    if topic.kind != "NDEATH":
        return Change()
    told = _bd_seq(payload)
    if told is not None and node.bd_seq is not None and (node.bd_seq - told) % SEQUENCES in range(1, SEQUENCES // 2):
        return Change()
    node.born, node.seq = False, None
    return Change(died=True)


def _follows(node: _Node, topic: Topic, payload: Payload, delivery: Delivery) -> bool:
    """Tell whether messages are missing before this one; one that is here again says nothing of the order."""
    if delivery.again:
        return False
    before, node.seq = node.seq, payload.seq
    if topic.kind == "NBIRTH" or payload.seq is None or before is None:
        return False
    return payload.seq not in {before, (before + 1) % SEQUENCES}  # the same again: QoS 1 may deliver it twice


def _born(node: _Node, birth: Birth, delivery: Delivery) -> bool:
    """Take what a birth says, and tell whether it is something new."""
    known = node.names.get(birth.device, ())
    if delivery.again and known and not _is_later(birth.at_ms, known[0].at_ms):
        return False
    if not birth.device:
        news = not node.born or (birth.bd_seq, birth.reliable) != (node.bd_seq, node.reliable)
        node.born, node.sure, node.bd_seq, node.reliable = True, True, birth.bd_seq, birth.reliable
        for device, of_device in node.names.items():  # the devices have to be born again
            node.names[device] = (_Names(birth.at_ms), *(one for one in of_device if one.types))[:2]
    else:
        news = node.reliable and not birth.reliable
        node.reliable = node.reliable and birth.reliable
    aliases = {alias: (name, kind) for name, alias, kind in birth.metrics if alias is not None}
    names = _Names(birth.at_ms, aliases, {name: kind for name, _, kind in birth.metrics}, dict(birth.units))
    before = next((one for one in known if one.types), _Names())
    node.names[birth.device] = (names, *(one for one in known if one.types))[:2]
    return news or replace(before, at_ms=names.at_ms) != names


def _births_for(births: tuple[_Names, ...], payload: Payload, delivery: Delivery) -> tuple[_Names, ...]:
    """Return the births that may name what is in a payload; one that comes again may be older than the last."""
    if not births or not delivery.again or delivery.waited or payload.at_ms == births[0].at_ms:
        return births[:1]
    return births[:1] if _is_later(payload.at_ms, births[0].at_ms) else births[::-1]


def _is_later(one_ms: int | None, other_ms: int | None) -> bool:
    return one_ms is None or other_ms is None or one_ms > other_ms


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of a node; `unsure`: its aliases may mean something else by now."""

    node: _Node
    device: str
    payload: Payload
    delivery: Delivery
    unsure: bool

    def known(self, metrics: Iterable[Metric]) -> Iterator[Metric]:
        """Yield metrics as they are known, a template's members in its place; no name where nothing tells it."""
        for metric in metrics:
            if self.unsure and not metric.name:
                yield metric
                continue
            one = _known(self.node, self.device, metric, self.payload, self.delivery)
            if one.members is None or not one.name:
                yield one
            else:
                yield from self.known(members_of(one))


def _known(node: _Node, device: str, metric: Metric, payload: Payload, delivery: Delivery) -> Metric:
    """Return a metric with its name, its sign, and the time of the payload where it has none and is of now."""
    births = _births_for(node.names.get(device, ()), payload, delivery)
    name, kind = metric.name, metric.datatype
    if not name and metric.alias is not None:
        name, told = next((one.aliases[metric.alias] for one in births if metric.alias in one.aliases), ("", 0))
        kind = kind or told
    kind = kind or next((one.types[name] for one in births if name in one.types), 0)
    at_ms = payload.at_ms if metric.at_ms is None and not metric.historical else metric.at_ms
    unit = metric.unit or next((one.units[name] for one in births if name in one.units), "")
    return replace(metric, name=name, datatype=kind, at_ms=at_ms, value=signed(metric.value, kind), unit=unit)


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

"""Outages from what meters report: power off and on paired, joined by transformer, with SAIDI and SAIFI."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gridwright.domain.event import OFF, POWER, POWER_CANCELLED, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.topology import Topology

# Meters of one transformer that lose power within so much of each other share one outage.
SAME = timedelta(minutes=5)
# EN 50160: an interruption of up to three minutes is a short one, and no part of SAIDI and SAIFI.
SHORT = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class Interruption:
    """One usage point without power. Not `over`: nothing has said that it is back, and it ends with what is known."""

    usage_point: str
    period: Interval
    over: bool = True


@dataclass(frozen=True, slots=True)
class Outage:
    """Interruptions of one node at one time, as one: from the first that went dark to the last that came back."""

    node: str
    period: Interval
    interruptions: tuple[Interruption, ...]
    connected: int

    @property
    def customers(self) -> int:
        """Usage points concerned."""
        return len({each.usage_point for each in self.interruptions})

    @property
    def over(self) -> bool:
        """Tell whether everybody has power again."""
        return all(each.over for each in self.interruptions)

    @property
    def short(self) -> bool:
        """Tell whether nobody was without power for longer than three minutes."""
        return all(each.period.length <= SHORT for each in self.interruptions)

    @property
    def customer_minutes(self) -> float:
        """Minutes without power, added up over the usage points."""
        return sum(each.period.length.total_seconds() for each in self.interruptions) / 60

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "node": self.node,
            "from": self.period.start.isoformat(),
            "to": self.period.end.isoformat() if self.over else None,
            "minutes": round(self.period.length.total_seconds() / 60, 2),
            "customers": self.customers,
            "connected": self.connected,
            "customer_minutes": round(self.customer_minutes, 2),
            "short": self.short,
            "usage_points": sorted({each.usage_point for each in self.interruptions}),
        }


@dataclass(frozen=True, slots=True)
class Reliability:
    """Indices over a period: SAIDI in minutes and SAIFI in times, each per customer served; CAIDI = SAIDI / SAIFI.

    Interruptions of up to three minutes are counted apart, in MAIFI.
    """

    customers: int
    saidi_min: float
    saifi: float
    maifi: float

    @property
    def caidi_min(self) -> float | None:
        """Mean length of an interruption; None without any."""
        return self.saidi_min / self.saifi if self.saifi else None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        caidi = self.caidi_min
        return {
            "customers": self.customers,
            "saidi_min": round(self.saidi_min, 4),
            "saifi": round(self.saifi, 6),
            "caidi_min": None if caidi is None else round(caidi, 4),
            "maifi": round(self.maifi, 6),
        }


def interruptions(events: Iterable[EndDeviceEvent], period: Interval) -> tuple[Interruption, ...]:
    """Pair power off with the next power on of the same usage point, cut to the period.

    Off while already off is the same interruption. On without off before began before the period: it counts from its
    start only if the event says how long it was (`duration_s`). Off without on lasts to the period's end, not over.
    What was taken back was never told.
    """
    by_point: dict[str, list[EndDeviceEvent]] = defaultdict(list)
    for event in events:
        if event.type in POWER and event.at < period.end:
            by_point[event.usage_point or event.end_device].append(event)
    found = [each for point, own in by_point.items() for each in _paired(point, own, period)]
    return tuple(sorted(found, key=lambda each: (each.period, each.usage_point)))


def outages(topology: Topology, cut: Sequence[Interruption]) -> tuple[Outage, ...]:
    """Join interruptions on one node that began within five minutes of each other; newest last.

    A usage point that hangs nowhere is an outage of its own, with an empty node.
    """
    homes = _homes(topology)
    by_node: dict[str, list[Interruption]] = defaultdict(list)
    for each in cut:
        node = _node_of(homes, each)
        by_node[node or f"?{each.usage_point}"].append(each)
    found = []
    for node, own in by_node.items():
        for members in _runs(sorted(own, key=lambda each: each.period)):
            whole = Interval(members[0].period.start, max(each.period.end for each in members))
            name = "" if node.startswith("?") else node
            connected = len(topology.below(name, whole.start)) if name else 1
            found.append(Outage(name, whole, tuple(members), connected))
    return tuple(sorted(found, key=lambda each: (each.period, each.node)))


def reliability(cut: Sequence[Interruption], customers: int) -> Reliability:
    """Return SAIDI, SAIFI and MAIFI for so many customers served."""
    long = [each for each in cut if each.period.length > SHORT]
    served = max(customers, 1)
    minutes = sum(each.period.length.total_seconds() for each in long) / 60
    return Reliability(customers, minutes / served, len(long) / served, (len(cut) - len(long)) / served)


def _paired(point: str, events: Sequence[EndDeviceEvent], period: Interval) -> list[Interruption]:
    found: list[Interruption] = []
    since: datetime | None = None
    cancelled = {each.at for each in events if each.type == POWER_CANCELLED}
    for event in sorted((each for each in events if each.at not in cancelled), key=lambda each: each.at):
        if event.type in OFF:
            since = since or event.at
            continue
        begun = since or _begun(event)
        since = None
        if begun is not None and event.at > period.start and begun < event.at:
            found.append(Interruption(point, Interval(max(begun, period.start), event.at)))
    if since is not None:
        found.append(Interruption(point, Interval(max(since, period.start), period.end), over=False))
    return found


def _begun(event: EndDeviceEvent) -> datetime | None:
    """Return when power went, by what the meter says when it is back; many cannot send while dying."""
    try:
        return event.at - timedelta(seconds=float(event.details["duration_s"]))
    except (KeyError, ValueError, OverflowError):
        return None


def _runs(ordered: Sequence[Interruption]) -> list[list[Interruption]]:
    runs: list[list[Interruption]] = []
    for each in ordered:
        if runs and each.period.start - runs[-1][-1].period.start <= SAME:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _homes(topology: Topology) -> Mapping[str, list[tuple[Interval, str]]]:
    homes: dict[str, list[tuple[Interval, str]]] = defaultdict(list)
    for connection in topology.connections:
        homes[connection.usage_point].append((connection.period, connection.node))
    return homes


def _node_of(homes: Mapping[str, list[tuple[Interval, str]]], each: Interruption) -> str:
    return next((node for period, node in homes.get(each.usage_point, ()) if each.period.start in period), "")

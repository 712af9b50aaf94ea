"""What a living town is: its meters' story as they tell it, the network's, and the truth behind both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.topology import Topology
from gridwright.simulate.living.site import Site
from gridwright.simulate.town import Floats, Town, Truth


@dataclass(frozen=True, slots=True)
class Response:
    """Usage points that follow a demand response event: they use less in `period`, and some of it later."""

    period: Interval
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Theft:
    """A tap in front of the meter: from `since` on, `share` of what a usage point uses is not metered."""

    usage_point: str
    since: datetime
    share: float


@dataclass(frozen=True, slots=True)
class Outage:
    """The power is off below a transformer."""

    transformer: str
    period: Interval


@dataclass(frozen=True, slots=True)
class Excursion:
    """A loose neutral: the voltage at a usage point is `volts` off during `period`."""

    usage_point: str
    period: Interval
    volts: float


@dataclass(frozen=True, slots=True, eq=False)
class NetworkTruth:
    """What the network really carried, whole Wh, float64[nodes, slots]; nodes in the order of `nodes`.

    net = metered + stolen + lost, for every node and slot, to the watt-hour; a feeder's loss includes its lines' only,
    its metered energy is the sum of its transformers'.
    """

    nodes: tuple[str, ...]
    net_wh: Floats
    metered_wh: Floats
    stolen_wh: Floats
    lost_wh: Floats


@dataclass(frozen=True, slots=True, eq=False)
class LivingTown:
    """A town with its network.

    `town`: usage points, profiles and registers as the meters show them, with faults, and the truth behind. `masters`:
    net energy into each node, split into `masters` (delivered) and `masters_back` (received) under the names of the
    master meters. `voltage`: 0.1 V, of the usage points. `ev_kw`, `battery_kw`: float64[n, slots], charging positive.
    `clean_until`: no fault lies after it, so that a live town can be continued.
    """

    town: Town
    sites: tuple[Site, ...]
    topology: Topology
    masters: Panel
    masters_back: Panel
    voltage: Panel
    ev_kw: Floats
    battery_kw: Floats
    network: NetworkTruth
    thefts: tuple[Theft, ...]
    outages: tuple[Outage, ...]
    responses: tuple[Response, ...]
    clean_until: datetime
    excursions: tuple[Excursion, ...] = ()

    @property
    def truth(self) -> Truth:
        """What really flowed through the meters, before their faults."""
        return self.town.truth

    @property
    def period(self) -> Interval:
        """The time the town has been lived through."""
        return self.town.panel.period

    @property
    def participants(self) -> tuple[str, ...]:
        """Usage points that follow events: homes, in the order of the streets."""
        return tuple(site.usage_point for site in self.sites if site.kind.value.endswith("home"))

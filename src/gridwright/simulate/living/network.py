"""What the network adds: losses in transformers and lines, what master meters count, and how far voltage sags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, VOLTAGE
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.domain.usage_point import FOREVER
from gridwright.simulate.living.site import Site
from gridwright.simulate.living.town import NetworkTruth
from gridwright.simulate.town import Floats, Kind

SUBSTATION = "S-1"
RATING_KVA = {True: 250.0, False: 100.0}
# Iron losses of a transformer as a share of its rating, and copper and line losses at full load.
IRON, COPPER, LINE = 0.0012, 0.025, 0.012
# Volts at the end of the line: what full load of the transformer would take, and its rating in sun would add.
NOMINAL_V, SAG_V, RISE_V, NOISE_V = 231.0, 45.0, 90.0, 0.7
MASTER = "MM-"


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """Net energy of each usage point as its meter counts it, and what passes it by; whole Wh, float64[n, slots]."""

    metered_wh: Floats
    stolen_wh: Floats


def topology_of(sites: Sequence[Site], period: Interval) -> Topology:
    """Return the tree: one substation, its feeders and transformers with master meters, and who hangs on them."""
    transformers = {site.transformer: site.feeder for site in sites}
    heavy = {site.transformer for site in sites if site.kind is Kind.FACTORY}
    nodes = [Node(SUBSTATION, NodeKind.SUBSTATION)]
    nodes += [
        Node(feeder, NodeKind.FEEDER, SUBSTATION, meter=MASTER + feeder)
        for feeder in sorted(set(transformers.values()))
    ]
    nodes += [
        Node(name, NodeKind.TRANSFORMER, feeder, RATING_KVA[name in heavy], MASTER + name)
        for name, feeder in transformers.items()
    ]
    ever = Interval(period.start, FOREVER)
    return Topology(tuple(nodes), tuple(Connection(site.usage_point, site.transformer, ever) for site in sites))


def carried(sites: Sequence[Site], topology: Topology, flows: Flows, interval: timedelta) -> NetworkTruth:
    """Return what each transformer and feeder carried and lost; copper loses with the square of the load."""
    hours = interval / timedelta(hours=1)
    nodes = [node for node in topology.nodes if node.meter]
    net: dict[str, Floats] = {}
    metered: dict[str, Floats] = {}
    stolen: dict[str, Floats] = {}
    lost: dict[str, Floats] = {}
    for node in sorted(nodes, key=lambda each: each.kind is NodeKind.FEEDER):
        if node.kind is NodeKind.TRANSFORMER:
            rows = [row for row, site in enumerate(sites) if site.transformer == node.id]
            metered[node.id] = flows.metered_wh[rows].sum(axis=0)
            stolen[node.id] = flows.stolen_wh[rows].sum(axis=0)
            full = (node.rating_kva or 100.0) * 1000 * hours
            share = (metered[node.id] + stolen[node.id]) / full
            lost[node.id] = np.rint(full * (IRON + COPPER * share**2))
        else:
            below = [child.id for child in topology.children(node.id)]
            metered[node.id] = np.sum([net[child] for child in below], axis=0)
            stolen[node.id] = np.zeros_like(metered[node.id])
            full = sum(child.rating_kva or 100.0 for child in topology.children(node.id)) * 1000 * hours
            lost[node.id] = np.rint(full * LINE * (metered[node.id] / full) ** 2)
        net[node.id] = metered[node.id] + stolen[node.id] + lost[node.id]
    names = tuple(node.id for node in nodes)
    arrays = (np.vstack([part[name] for name in names]) for part in (net, metered, stolen, lost))
    return NetworkTruth(names, *arrays)


def master_panels(truth: NetworkTruth, panel: Panel) -> tuple[Panel, Panel]:
    """Return what the master meters count: delivered into each node, and received back from it."""
    names = tuple(MASTER + node for node in truth.nodes)
    into, back = np.maximum(truth.net_wh, 0.0), np.maximum(-truth.net_wh, 0.0)
    return (
        Panel(names, panel.start, panel.interval, into, reading_type=DELIVERED_ENERGY),
        Panel(names, panel.start, panel.interval, back, reading_type=RECEIVED_ENERGY),
    )


def voltages(sites: Sequence[Site], truth: NetworkTruth, panel: Panel, pv_kw: Floats, seed: int) -> Panel:
    """Return the voltage at each usage point in 0.1 V: it sags with load and distance, and rises with the sun.

    It follows from the ratings and the moment alone, so that a longer period changes no past.
    """
    hours = panel.interval / timedelta(hours=1)
    noise = np.random.default_rng([seed, 13]).normal(0.0, NOISE_V, (1, panel.slots))
    heavy = {site.transformer for site in sites if site.kind is Kind.FACTORY}
    values = np.empty((len(sites), panel.slots))
    for row, site in enumerate(sites):
        rating_kw = RATING_KVA[site.transformer in heavy]
        carried_kw = truth.net_wh[truth.nodes.index(site.transformer)] / (1000 * hours)
        sag = SAG_V * site.distance * np.maximum(carried_kw, 0.0) / rating_kw
        rise = RISE_V * site.distance * pv_kw[row] / rating_kw
        values[row] = NOMINAL_V - sag + rise
    return Panel(
        tuple(site.usage_point for site in sites),
        panel.start,
        panel.interval,
        np.rint((values + noise) * 10),
        reading_type=VOLTAGE,
    )

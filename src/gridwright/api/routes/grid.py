"""The network: its tree, what gets lost in it, and what happened in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from gridwright.api.door import Asking, Staff
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON
from gridwright.api.outages import with_verdicts
from gridwright.api.parameters import From, To, period_of
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.field import (
    ConnectionShape,
    NodeShape,
    OutageCancelled,
    OutageGoneShape,
    OutageKept,
    OutageNew,
    OutagesShape,
    TopologyNew,
    TopologyShape,
    VoltageShape,
)
from gridwright.api.shapes.shape import ObjectShape
from gridwright.app import Platform
from gridwright.domain.interval import Interval
from gridwright.domain.topology import Connection, Node, Topology
from gridwright.domain.usage_point import FOREVER
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.grid.grid_events import grid_events, grid_outages
from gridwright.jobs.grid.tell_outage import OutageTold, cancel_outage, tell_outage, unlikely_in

router = APIRouter(prefix="/grid", tags=["Grid"])
LONGEST = timedelta(days=93)
QUARTER = timedelta(minutes=15)
MOST_READINGS = 30_000_000


@router.get("/topology", summary="Show the network", response_model=TopologyShape)
def show_topology(platform: Asking) -> Response:
    """Return nodes and connections; a customer sees their own connection and what is above it."""
    return shown(platform)


@router.put("/topology", summary="Change the network", response_model=TopologyShape)
def put_topology(platform: Asking, asked: TopologyNew) -> Response:
    """Add or change nodes and connections, all or nothing; what is not named stays, sent again it changes nothing."""
    nodes = [Node(**each.model_dump()) for each in asked.nodes]
    connections = [
        Connection(each.usage_point, each.node, Interval(each.start, each.end or FOREVER)) for each in asked.connections
    ]
    with platform.store.transaction():
        platform.store.network.save_nodes(platform.access, nodes)
        platform.store.network.connect(platform.access, connections)
    return shown(platform)


@router.get("/balance", summary="Balance the network", response_model=ObjectShape)
def balance(platform: Staff, start: From, end: To) -> Response:
    """Return what each node was supplied, what its usage points metered, and what was lost, with its uncertainty."""
    period = bounded(platform, start, end)
    found = balance_grid(platform.store, platform.access, period, now=platform.clock())
    return as_json(found.to_dict())


@router.get("/voltage", summary="Check voltages", response_model=VoltageShape)
def voltage(platform: Staff, start: From, end: To) -> Response:
    """Return the usage points whose voltage left its limits, worst first; the counts are of all."""
    period = bounded(platform, start, end)
    told = grid_events(platform.store, platform.access, period).to_dict()
    return as_json({"period": told["period"], **told["voltage"]})


@router.get("/outages", summary="List outages", response_model=OutagesShape)
def outages(platform: Staff, start: From, end: To) -> Response:
    """Return outages as meters and people told them, the newest first, and the indices of reliability."""
    period = bounded(platform, start, end)
    return as_json(grid_outages(platform.store, platform.access, period).to_dict())


@router.post("/outages", summary="Tell of an outage", response_model=OutageKept)
def tell(once: OnceDone, asked: OutageNew) -> Response:
    """Tell that usage points had no power: estimates there are zero, zeros are no doubt, and bills follow.

    Each usage point has its verdict, and costs no other: of one that nobody knows the outage waits in quarantine.
    """
    platform, now = once.platform, once.platform.clock()
    told = OutageTold((), asked.start, asked.end, asked.text)
    wrong = unlikely_in(told, now)
    if wrong is not None:
        raise bad_parameter("body", wrong.member, wrong.reason, wrong.at.isoformat())

    def kept() -> OutageKept:
        done, verdicts = with_verdicts(
            asked.usage_points,
            lambda names: tell_outage(platform.store, platform.access, replace(told, usage_points=names), now=now),
        )
        return OutageKept(events=done.events, **verdicts.to_dict())

    return once(HTTPStatus.OK, kept)


@router.post("/outages/cancel", summary="Take an outage back", response_model=OutageGoneShape)
def cancel(once: OnceDone, asked: OutageCancelled) -> Response:
    """Take back an outage that never was, where one begins at that instant; taken back before, it is told so."""
    platform, now = once.platform, once.platform.clock()
    told = OutageTold((), asked.start, text=asked.text)

    def gone() -> OutageGoneShape:
        done, verdicts = with_verdicts(
            asked.usage_points,
            lambda names: cancel_outage(platform.store, platform.access, replace(told, usage_points=names), now=now),
        )
        return OutageGoneShape(events=done.events, already=list(done.already), **verdicts.to_dict())

    return once(HTTPStatus.OK, gone)


def bounded(platform: Platform, start: datetime, end: datetime) -> Interval:
    """Return the period, unless a town of this size has more readings in it than one answer should work through."""
    period = period_of(start, end, longest=LONGEST)
    points = max(1, platform.store.registry.count(platform.access))
    if points * (period.length / QUARTER) > MOST_READINGS:
        days = MOST_READINGS * QUARTER / points / timedelta(days=1)
        raise bad_parameter("query", "to", f"for {points} usage points ask for at most {days:.0f} days at a time")
    return period


def shown(platform: Platform) -> Response:
    """Return the network as the caller may see it."""
    shape = topology_shape(platform.store.network.topology(platform.access))
    return Response(shape.model_dump_json(by_alias=True), media_type=JSON)


def topology_shape(topology: Topology) -> TopologyShape:
    """Return the network as JSON shows it."""
    connections = [
        ConnectionShape.of(each, start=each.period.start, end=None if each.period.end >= FOREVER else each.period.end)
        for each in topology.connections
    ]
    return TopologyShape(nodes=[NodeShape.of(each) for each in topology.nodes], connections=connections)


def as_json(body: dict[str, Any]) -> Response:
    """Return a computed object as JSON."""
    return Response(json.dumps(body, ensure_ascii=False, default=str), media_type=JSON)

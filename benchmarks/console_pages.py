"""What the server needs for one page of the console, with 10,000 usage points and a year of readings in the store.

The store holds what a town has beside readings: a network with its balance, outages, controls, events with what they
delivered, forecasts of the fleet and of a usage point, bills, and customers who sign in.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, main
from benchmarks.http_pages import GOAL_MS, HOUR, NOW, asked, filled
from gridwright.api.app import make_app
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.control import Command, EndDeviceControl
from gridwright.domain.device import DeviceLink, LinkState
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.program import Event, EventState, Performance, Program
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import FOREVER, Meter, UsagePoint, install
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.grid.grid_events import grid_events
from gridwright.jobs.outlook.refresh_outlooks import fleet_body
from gridwright.settings import Settings, StoreSettings
from gridwright.web.pages import add_pages

POINT, BELOW, CONTROLLED = "UP-01000", 100, 300
WEEK = Interval(NOW - timedelta(days=7), NOW)
PAGES = {
    "today": "/today",
    "usage points": "/usage-points",
    "search": "/usage-points?search=UP-01999",
    "usage point, a week": f"/usage-points/{POINT}?from=2026-11-17",
    "its chart, a week": f"/usage-points/{POINT}/chart.json?from=2026-11-17",
    "usage point, two weeks, trusted": f"/usage-points/{POINT}?from=2026-11-10&days=14&view=trusted",
    "usage point, a month": f"/usage-points/{POINT}?from=2026-10-25&days=31",
    "usage point, a year": f"/usage-points/{POINT}?from=2025-11-26&days=366",
    "its chart, a year": f"/usage-points/{POINT}/chart.json?from=2025-11-26&days=366",
    "its year as CSV": f"/usage-points/{POINT}.csv?days=366",
    "bill": "/bills/{bill}",
    "exceptions": "/exceptions",
    "controls": "/controls",
    "control, to approve": "/controls/C-00299",
    "events": "/events",
    "event, 2,000 participants": "/events/E-past",
    "grid": "/grid",
}
OWN = {"my energy": "/my-energy"}


def rows(*, quick: bool) -> Iterator[Row]:
    """Ask for each page, again and again, in process: no network, no browser."""
    points, days, times = (2_000, 60, 20) if quick else (10_000, 365, 50)
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Settings(store=StoreSettings(url=str(Path(folder) / "pages.db"))), clock=lambda: NOW)
        key = filled(platform, points, days)
        own, bill = furnished(platform, points)
        app = make_app(platform)
        add_pages(app, platform)
        for name, page, token in [*((*each, key) for each in PAGES.items()), *((*each, own) for each in OWN.items())]:
            took = asyncio.run(asked(app, page.format(bill=bill), token, times))
            yield Row(f"console: {name}, {points:,} usage points, p95", float(np.percentile(took, 95)), "ms", GOAL_MS)
        platform.close()


def furnished(platform: Platform, points: int) -> tuple[str, str]:
    """Put beside the readings what a town has; return a customer's key and the id of their bill."""
    names = [f"UP-{at:05}" for at in range(points)]
    network(platform, names)
    demand_response(platform, names[:2_000])
    controls(platform, names[:CONTROLLED])
    store = platform.store
    store.registry.save_points(
        LOCAL_OWNER, [UsagePoint(POINT, "Europe/Berlin", attributes={"rate_card": "residential-flat"})]
    )
    card = replace(platform.rate_card("residential-flat"), example=False)
    order = BillOrder(period="2026-10", points=(POINT,))
    made = run_billing(store, LOCAL_OWNER, order, lambda _: card, platform.site, now=NOW)
    store.identities.save_user(LOCAL_OWNER, User("customer", Role.CUSTOMER, frozenset({POINT})))
    return store.identities.create_key(LOCAL_OWNER, "customer")[1], made.bills[0].id


def network(platform: Platform, names: list[str]) -> None:
    """Hang a hundred usage points on each transformer, let some lose power, and issue balance, outages and load."""
    store, access = platform.store, LOCAL_OWNER
    feeder = [Node("F-1", NodeKind.FEEDER)]
    nodes = [Node(f"T-{at}", NodeKind.TRANSFORMER, "F-1", 400.0) for at in range(-(-len(names) // BELOW))]
    store.network.save_nodes(access, feeder + nodes)
    since = Interval(NOW - timedelta(days=300), FOREVER)
    store.network.connect(access, [Connection(name, f"T-{at // BELOW}", since) for at, name in enumerate(names)])
    store.devices.save_events(
        access,
        [
            EndDeviceEvent(f"M-{name}", kind, at, at, name)
            for name in names[:2_000]
            for kind, at in ((POWER_OFF, NOW - timedelta(hours=30)), (POWER_ON, NOW - timedelta(hours=29)))
        ],
    )
    store.outlooks.save(access, "grid-balance", "", balance_grid(store, access, WEEK, now=NOW).to_dict(), issued=NOW)
    store.outlooks.save(access, "grid-events", "", grid_events(store, access, WEEK).to_dict(), issued=NOW)
    load = 300_000 + 100_000 * np.sin(np.arange(24 * 60) / 24 * 2 * np.pi)
    whole = Panel(("fleet",), NOW - timedelta(days=60), HOUR, load[None, :])
    store.outlooks.save(access, "fleet", "", fleet_body(whole, "Europe/Berlin", NOW), issued=NOW)


def demand_response(platform: Platform, names: list[str]) -> None:
    """Call events, of which one is over and measured."""
    store, access = platform.store, LOCAL_OWNER
    store.programs.save_program(access, Program("peak", "Peak saver", "EUR", Decimal("0.45")))
    for at in range(50):
        begin = NOW + timedelta(days=2 - at)
        period = Interval(begin, begin + 3 * HOUR)
        store.programs.save_event(access, Event(f"E-{at:03}", "peak", period, tuple(names[:20])))
    begin = NOW - timedelta(hours=20)
    past = Event("E-past", "peak", Interval(begin, begin + 3 * HOUR), tuple(names))
    store.programs.save_event(access, past.to(EventState.COMPLETED))
    done = Decimal("1.25")
    rows = [Performance("E-past", name, done * 2, done, Decimal("0.56"), "EUR") for name in names]
    store.programs.save_performances(access, "E-past", rows)


def controls(platform: Platform, names: list[str]) -> None:
    """Put controls on record that wait for a second person."""
    asker, store = Access("ann", Role.OPERATOR), platform.store
    for at, name in enumerate(names):
        meter = f"M-{name}"
        store.registry.save_meter(LOCAL_OWNER, Meter(meter))
        store.registry.save_installation(LOCAL_OWNER, install(name, meter, NOW - timedelta(days=300)))
        address = f"tcp://127.0.0.1:4059/{meter}"
        link = DeviceLink(meter, "generic-relay", address, LinkState.IN_SERVICE, {"relay": "yes"}, last_contact=NOW)
        store.devices.save_link(LOCAL_OWNER, link)
        control = EndDeviceControl(
            f"C-{at:05}", meter, Command.DISCONNECT, "move-out", "ann", NOW + 24 * HOUR, usage_point=name,
            requested=NOW - HOUR,
        )  # fmt: skip
        store.controls.add(asker, control)


if __name__ == "__main__":
    main(rows)

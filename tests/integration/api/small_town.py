"""A town of two customers with everything the API shows, and a client that speaks to it in process."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from starlette.routing import BaseRoute

from gridwright.api.app import make_app
from gridwright.api.server import compose
from gridwright.api.write.writer import Writer
from gridwright.app import Platform
from gridwright.billing import postings
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.control import Command
from gridwright.domain.correction import Correction, DayChange, Reason, correction_key, differences
from gridwright.domain.device import DeviceLink, LinkState
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval, local_month, zone_of
from gridwright.domain.job import Job
from gridwright.domain.panel import Panel
from gridwright.domain.program import Event, Program
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import RECEIVED_ENERGY, VOLTAGE
from gridwright.domain.register import RegisterReading
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import FOREVER, Meter, UsagePoint, install
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.adopt_rules import adopt_rules
from gridwright.jobs.field.request_control import request_control
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.settings import Settings, StoreSettings
from gridwright.store import Store
from gridwright.vee import packaged

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2026, 9, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
POINTS = ("UP-1", "UP-2")
ZONE = "Europe/Berlin"
METERS = ("M-1", "M-2")
# Column of the authorisation table → role and, for customers, their usage points.
ASKERS: dict[str, tuple[Role, frozenset[str] | None]] = {
    "viewer": (Role.VIEWER, None),
    "analyst": (Role.ANALYST, None),
    "operator": (Role.OPERATOR, None),
    "biller": (Role.BILLER, None),
    "own": (Role.CUSTOMER, frozenset({"UP-1"})),
    "other": (Role.CUSTOMER, frozenset({"UP-2"})),
    "device": (Role.DEVICE, None),
    "admin": (Role.ADMIN, None),
    "second": (Role.OPERATOR, None),
}


@dataclass(slots=True, repr=False)
class Town:
    """The platform, a key for each asker, the ids that were given, and the application as it is served."""

    platform: Platform
    keys: dict[str, str]
    ids: dict[str, str]
    app: Any = None
    writer: Writer | None = field(default=None)

    def ask(self, method: str, path: str, who: str = "admin", **more: Any) -> httpx.Response:  # noqa: ANN401
        """Return the answer to one request of `who`; an empty name shows no key."""
        headers = {"X-API-Key": self.keys[who]} if who else {}
        headers |= more.pop("headers", {})

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://town") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(asked())

    def get(self, path: str, who: str = "admin", **more: Any) -> httpx.Response:  # noqa: ANN401
        """Return the answer to a GET."""
        return self.ask("GET", path, who, **more)

    def post(self, path: str, json: Any = None, who: str = "admin", **more: Any) -> httpx.Response:  # noqa: ANN401
        """Return the answer to a POST of a JSON body."""
        return self.ask("POST", path, who, json=json, **more)


def build(folder: Path) -> Town:
    """Make the town's database in a folder, and return it without an application."""
    platform = platform_at(folder)
    store, access = platform.store, LOCAL_OWNER
    keys = {}
    for name, (role, points) in ASKERS.items():
        store.identities.save_user(access, User(name, role, points))
        keys[name] = store.identities.create_key(access, name)[1]
    store.registry.save_points(access, [UsagePoint(name, ZONE, capacity_kw=30.0) for name in POINTS])
    for point, meter in zip(POINTS, METERS, strict=True):
        store.registry.save_meter(access, Meter(meter))
        store.registry.save_installation(access, install(point, meter, START))
        link = DeviceLink(meter, "generic-relay", f"tcp://127.0.0.1:4059/{meter}", LinkState.IN_SERVICE)
        store.devices.save_link(access, with_relay(link))
    save_readings(store, access)
    ids = save_field(store, access) | save_work(platform)
    platform.close()
    return Town(platform, keys, ids)


def with_relay(link: DeviceLink) -> DeviceLink:
    """Return a link in service whose device has a relay and was heard just now."""
    return replace(link, capabilities={"relay": "yes"}, last_contact=NOW - timedelta(minutes=5))


def save_readings(store: Store, access: Access) -> None:
    """Save what the two homes used, fed in and saw as voltage, and the reads of a register."""
    slots = (NOW - START) // QUARTER
    hours = np.arange(slots) % 96 / 4
    noise = np.random.default_rng(7)
    used = np.rint(60 + 80 * np.exp(-(((hours - 19) / 2) ** 2)) + noise.uniform(0, 20, (2, slots)))
    store.readings.save(access, Panel(POINTS, START, QUARTER, used), known_at=NOW - timedelta(hours=1))
    sun = np.rint(np.maximum(0, 100 * np.cos((hours - 13) / 4)))[np.newaxis]
    store.readings.save(
        access, Panel(("UP-1",), START, QUARTER, sun, reading_type=RECEIVED_ENERGY), known_at=NOW - timedelta(hours=1)
    )
    volts = np.rint(2300 + noise.uniform(-30, 30, (2, slots)))
    store.readings.save(access, Panel(POINTS, START, QUARTER, volts, reading_type=VOLTAGE), known_at=NOW)
    reads = [RegisterReading("UP-1", START + timedelta(days=day), 1000.0 + 9000 * day, "M-1") for day in range(5)]
    store.registers.save(access, reads, known_at=NOW)
    waiting = [QuarantinedReading("M-9", NOW - timedelta(hours=9) + QUARTER * at, 100.0 + at, 900) for at in range(12)]
    store.quarantine.save(access, waiting, received=NOW)


def save_field(store: Store, access: Access) -> dict[str, str]:
    """Save the network, device events, a program with a past and a coming event, and a control."""
    nodes = [Node("F-1", NodeKind.FEEDER), Node("T-1", NodeKind.TRANSFORMER, "F-1", 400.0)]
    store.network.save_nodes(access, nodes)
    store.network.connect(access, [Connection(point, "T-1", Interval(START, FOREVER)) for point in POINTS])
    off = NOW - timedelta(hours=5)
    store.devices.save_events(
        access,
        [
            EndDeviceEvent(meter, kind, at, at, point)
            for point, meter in zip(POINTS, METERS, strict=True)
            for kind, at in ((POWER_OFF, off), (POWER_ON, off + timedelta(minutes=20)))
        ],
    )
    store.programs.save_program(access, Program("peak", "Peak saver", "EUR", Decimal("0.50")))
    past = NOW - timedelta(hours=19)
    for name, begin in (("E-past", past), ("E-next", NOW + timedelta(hours=5))):
        period = Interval(begin, begin + timedelta(hours=2))
        store.programs.save_event(access, Event(name, "peak", period, POINTS, notified=begin - timedelta(hours=3)))
    wish = {"reason": "move-out", "expires": NOW + timedelta(days=1), "now": NOW, "usage_point": "UP-1"}
    second = Access("second", Role.OPERATOR)
    control = request_control(store, second, command=Command.DISCONNECT, **wish)  # type: ignore[arg-type]
    evening = Interval(START + timedelta(days=2), START + timedelta(days=2, hours=2))
    large = EditWish("UP-1", evening, "the display was photographed", total=Decimal(50))
    edit = propose_edit(store, second, large, policy=EditPolicy(), now=NOW)
    adopt_rules(store, LOCAL_OWNER, None, now=NOW)
    return {"edit": edit.id, "rules": packaged().digest, "control": control.id, "event": "E-next", "past": "E-past"}


def save_work(platform: Platform) -> dict[str, str]:
    """Save a finding of each home, drafts of October's bills, and a job."""
    store, access = platform.store, LOCAL_OWNER
    period = Interval(NOW - timedelta(days=1), NOW - timedelta(hours=20))
    doubts = [Finding("V17_stuck", point, period, Severity.WARN, f"{point} hangs") for point in POINTS]
    order = BillOrder(period="2026-10")
    card = replace(platform.rate_card("residential-flat"), example=False)
    run = run_billing(store, access, order, lambda _: card, platform.site, now=NOW)
    # Billing has validated the readings; what it doubted is put aside, so that these two are all.
    whole = Interval(NOW - timedelta(days=400), NOW + timedelta(days=1))
    store.findings.save(access, doubts, known_at=NOW, points=POINTS, period=whole)
    bills = {bill.usage_point: bill.id for bill in run.bills}
    store.jobs.add(Access("operator", Role.OPERATOR), Job("J-1", "refresh-outlooks", "operator", NOW))
    numbers = {each.finding.usage_point: each.id for each in store.findings.page(access)}
    key = next(each.id for each in store.identities.keys(access, "viewer"))
    more = save_correction(store)
    return {
        "bill": bills["UP-1"],
        "foreign": bills["UP-2"],
        "job": "J-1",
        "finding": str(numbers["UP-1"]),
        "key": key,
        **more,
    }


def save_correction(store: Store) -> dict[str, str]:
    """Save an issued bill of September, and the draft of a credit note to it."""
    period = local_month(2026, 9, zone_of(ZONE))
    line = BillLine("energy", "Energy", Decimal(100), "kWh", Decimal("0.30"), "EUR")
    bill = Bill("B-9", "k9", "UP-1", period, ZONE, "flat@1", "EUR", (line,), "h9", NOW, energy_kwh=Decimal(100))
    store.ledger.save_bill(LOCAL_OWNER, bill, postings(bill))
    store.ledger.issue(LOCAL_OWNER, bill.id)
    now = replace(bill, key="k9b", lines=(replace(line, quantity=Decimal(90)),), energy_kwh=Decimal(90))
    lines = differences(bill.lines, now.lines)
    reason = Reason((DayChange(date(2026, 9, 1), Decimal(20), Decimal(10), 96),))
    key = correction_key(bill.key, now.key)
    store.corrections.save(LOCAL_OWNER, Correction("B-9-c1", key, bill.id, 1, bill.key, now, lines, NOW, reason))
    return {"corrected": bill.id, "correction": "B-9-c1"}


def platform_at(folder: Path) -> Platform:
    """Return the platform on the database in a folder, with a clock that stands still."""
    settings = Settings(store=StoreSettings(url=str(folder / "town.db")))
    return Platform(settings, clock=lambda: NOW)


@cache
def routes(*add: Callable[[FastAPI, Platform], None]) -> tuple[BaseRoute, ...]:
    """Return the routes of the API and what is added to it, made once: each costs as much as a dozen requests."""
    platform = Platform(Settings(store=StoreSettings(url="sqlite://")))
    app = make_app(platform)
    for one in add:
        one(app, platform)
    return tuple(app.routes)


def app_on(platform: Platform, *add: Callable[[FastAPI, Platform], None]) -> FastAPI:
    """Return the application of a platform; it has all of its own but the routes, which find their platform by it."""
    app = make_app(platform)
    for one in add:
        one(app, platform)
    app.router.routes[:] = routes(*add)
    return app


@contextmanager
def opened(town: Town, folder: Path) -> Iterator[Town]:
    """Serve a copy of the town."""
    copy = folder / "town.db"
    shutil.copy(town.platform.settings.store.url, copy)
    platform = platform_at(folder)
    app = compose(platform, app_on(platform))
    writer = app._writer
    writer.start()
    try:
        yield Town(platform, town.keys, town.ids, app, writer)
    finally:
        writer.stop()
        platform.close()

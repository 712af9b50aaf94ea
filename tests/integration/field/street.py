"""A street to test on: a store file, virtual meters behind a real TCP port, and a clock that the test moves."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gridwright.collect import CommissionPolicy, ReadPolicy
from gridwright.domain.access import Access, Role
from gridwright.domain.device import DeviceLink
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.reading_type import Flow
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.drivers import connect
from gridwright.jobs.field.collect_reads import CollectSummary, collect_due
from gridwright.jobs.field.commission_device import Commissioned, commission_devices
from gridwright.jobs.field.device_line import Lines
from gridwright.simulate.virtual_meter import MeterServerThread, VirtualMeter
from gridwright.store import Store, open_store

START = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SYSTEM = Access("gridwright", Role.ADMIN)
ANN, BOB = Access("ann", Role.OPERATOR), Access("bob", Role.OPERATOR)
DRIVER = "generic-relay"
PASSWORD = "12345678"  # noqa: S105 - a virtual meter's
TIMEOUT_S = 0.5  # a silent meter on this very machine needs no longer


def wh_of(period: Interval, flow: Flow) -> npt.NDArray[np.float64]:
    """Return what flows in each quarter-hour: 100 to 199 Wh, another value in each, and nothing back."""
    slots = epoch_s(period.start) // 900 + np.arange(period.slots(QUARTER))
    return np.where(flow is Flow.DELIVERED, 100.0 + slots % 100, 0.0).astype(np.float64)


@dataclass
class Street:
    """One store, one gateway, one clock; `now` is the world's time."""

    store: Store
    server: MeterServerThread
    now: datetime = START + timedelta(hours=6)
    timeout_s: float = TIMEOUT_S
    passwords: dict[str, bytes] = field(default_factory=dict)

    def clock(self) -> datetime:
        return self.now

    @property
    def lines(self) -> Lines:
        line = functools.partial(connect, timeout_s=self.timeout_s, clock=self.clock)
        return Lines(line, lambda serial: self.passwords.get(serial, PASSWORD.encode()))

    def meter(self, serial: str, **more: object) -> VirtualMeter:
        """Hang up a meter that answers."""
        options = {"password": PASSWORD, "since": START - timedelta(days=1), "source": wh_of, **more}
        meter = VirtualMeter(serial, clock=self.clock, **options)  # type: ignore[arg-type]
        self.server.add(meter)
        return meter

    def add(self, serial: str, point: str = "", *, multiplier: str = "1", address: str = "") -> None:
        """Register a device and, with `point`, its installation."""
        if point:
            known = {each.id for each in self.store.registry.points(SYSTEM)}
            if point not in known:
                self.store.registry.save_points(SYSTEM, [UsagePoint(point)])
            self.store.registry.save_meter(SYSTEM, Meter(serial, dials=6, lsb_wh=1))
            self.store.registry.exchange_meter(SYSTEM, install(point, serial, START, Decimal(multiplier)))
        where = address or self.server.address(serial)
        self.store.devices.save_link(SYSTEM, DeviceLink(serial, DRIVER, where))

    def commission(self, *serials: str, policy: CommissionPolicy | None = None) -> Commissioned:
        return commission_devices(self.store, SYSTEM, self.lines, self.clock, serials=serials, policy=policy)

    def collect(self, *serials: str, policy: ReadPolicy | None = None) -> CollectSummary:
        return collect_due(self.store, SYSTEM, self.lines, self.clock, policy=policy, serials=serials)

    def serve(self, serial: str, point: str, **more: object) -> VirtualMeter:
        """Hang up, register and commission a meter."""
        meter = self.meter(serial, **more)
        self.add(serial, point)
        assert self.commission(serial).failed == ()
        return meter

    def link(self, serial: str) -> DeviceLink:
        return self.store.devices.link(SYSTEM, serial)

    def later(self, length: timedelta) -> None:
        self.now += length


def open_street(path: Path | str, meters: Sequence[VirtualMeter] = ()) -> Street:
    """Build an empty street; the caller closes store and server."""
    return Street(open_store(path), MeterServerThread(meters).start())

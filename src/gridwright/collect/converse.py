"""One conversation with one device: what was asked for and came, even when the line broke half-way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gridwright.collect.commissioning import drift_of, seconds
from gridwright.collect.gaps import holes
from gridwright.collect.plan import ReadOrder, ReadPolicy
from gridwright.domain.errors import DeviceError, DeviceNonsense, DeviceRefused
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.drivers.driver import Session

Connect = Callable[[], AbstractAsyncContextManager[Session]]


@dataclass(slots=True)
class Harvest:
    """What a conversation brought; `error` says why it ended early, `notes` what the device would not do.

    `absent`: periods asked for that the device itself has no values of. `drift_s`: of its clock, as found.
    """

    serial: str
    began: datetime
    ended: datetime
    panels: list[Panel] = field(default_factory=list)
    registers: list[RegisterReading] = field(default_factory=list)
    events: list[EndDeviceEvent] = field(default_factory=list)
    absent: list[tuple[ReadingType, Interval]] = field(default_factory=list)
    drift_s: float | None = None
    clock_set: bool = False
    answered: bool = False
    error: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def readings(self) -> int:
        """How many values came."""
        return sum(int((~panel.missing).sum()) for panel in self.panels) + len(self.registers)


async def converse(order: ReadOrder, connect: Connect, clock: Callable[[], datetime], policy: ReadPolicy) -> Harvest:
    """Ask a device for everything in `order`; what came before an error is kept."""
    began = clock()
    harvest = Harvest(order.serial, began, began)
    try:
        async with connect() as session:
            await _require_serial(session, order)
            harvest.answered = True
            # The clock comes first: intervals recorded under a wrong one are dated wrongly, and that is told.
            if order.clock:
                await _check_clock(session, harvest, clock, policy)
            if order.registers:
                harvest.registers = await session.registers()
            for kind, period in order.profiles:
                await _read_profile(session, harvest, kind, period)
            if order.events is not None:
                harvest.events = await session.events(order.events)
    except DeviceError as error:
        harvest.error = f"{error.message} ({error.remedy})" if error.remedy else error.message
    harvest.ended = clock()
    return harvest


async def _require_serial(session: Session, order: ReadOrder) -> None:
    serial = (await session.identify()).serial
    if serial != order.serial:
        raise DeviceNonsense(
            f"device {serial!r} answers instead of {order.serial!r}",
            remedy="nothing was taken from it; correct the address",
        )


async def _check_clock(session: Session, harvest: Harvest, clock: Callable[[], datetime], policy: ReadPolicy) -> None:
    drift = await drift_of(session, clock)
    harvest.drift_s = drift.total_seconds()
    if abs(drift) <= policy.drift:
        return
    if abs(drift) > policy.implausible:
        raise DeviceNonsense(
            f"the clock is {seconds(drift)}: what it records cannot be dated", remedy="have the meter looked at"
        )
    if not policy.set_clock:
        harvest.notes.append(f"the clock is {seconds(drift)}, and setting it is not allowed")
        return
    try:
        await session.set_clock(clock())
    except DeviceRefused as error:
        harvest.notes.append(f"the clock is {seconds(drift)} and cannot be set: {error.message}")
        return
    harvest.clock_set = True


async def _read_profile(session: Session, harvest: Harvest, kind: ReadingType, period: Interval) -> None:
    panel = await session.profile(kind, period)
    if panel.points != (harvest.serial,) or panel.reading_type != kind:
        raise DeviceNonsense(f"{panel!r} came where {kind} of {harvest.serial} was asked for")
    harvest.panels.append(panel)
    harvest.absent += [(kind, hole) for hole in absent_of(panel, period)]


def absent_of(panel: Panel, period: Interval) -> list[Interval]:
    """Return the parts of `period` without a value in what the device answered."""
    if not panel.slots:
        return [period]
    edges = [(period.start, min(panel.start, period.end)), (max(panel.end, period.start), period.end)]
    outside = [Interval(start, end) for start, end in edges if end - start >= timedelta(seconds=1)]
    return sorted([*outside, *holes(panel)])

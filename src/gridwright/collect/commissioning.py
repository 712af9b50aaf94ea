"""Commissioning: from a registered device to one in service, step by step; each step is durable before the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gridwright.domain.device import ORDER, DeviceLink, LinkState
from gridwright.domain.errors import DeviceError, DeviceNonsense
from gridwright.drivers.driver import Session

DAY_S = 86_400
Connect = Callable[[], AbstractAsyncContextManager[Session]]


@dataclass(frozen=True, slots=True)
class CommissionPolicy:
    """How exact a clock must be, and whether it may be set.

    A drift up to `drift` is taken; up to `implausible` the clock is set if `set_clock`; beyond it is refused, because
    a date that wrong speaks of an empty battery, and what was recorded under it cannot be dated.
    """

    drift: timedelta = timedelta(seconds=30)
    implausible: timedelta = timedelta(days=2)
    set_clock: bool = True
    set_any_clock: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """What commissioning needs of the world: the line, the time, and somebody who makes each step durable."""

    connect: Connect
    clock: Callable[[], datetime]
    keep: Callable[[DeviceLink], None]


async def commission(link: DeviceLink, bench: Bench, policy: CommissionPolicy) -> DeviceLink:
    """Take the device as far as it goes, from where it was, and return it as it is on record.

    A step that fails leaves the steps before it done, and says in `problem` why and what helps. Whoever answers is
    asked for the serial number each time: since the last step the address may have come to lead elsewhere.
    """
    if link.state in (LinkState.IN_SERVICE, LinkState.RETIRED):
        return link
    work = _Work(link, bench, policy)
    try:
        async with bench.connect() as session:
            await work.require_serial(session)
            for state, step in STEPS.items():
                if ORDER.index(work.link.state) < ORDER.index(state):
                    await step(work, session)
    except DeviceError as error:
        link = work.link
        work.keep(replace(link, problem=_told(error), failures=link.failures + 1))
    return work.link


def _told(error: DeviceError) -> str:
    return f"{error.message} (what helps: {error.remedy})" if error.remedy else error.message


@dataclass(slots=True)
class _Work:
    link: DeviceLink
    bench: Bench
    policy: CommissionPolicy

    def keep(self, link: DeviceLink) -> None:
        self.bench.keep(link)
        self.link = link

    def reach(self, state: LinkState, link: DeviceLink | None = None) -> None:
        now = self.bench.clock()
        self.keep(replace((link or self.link).to(state), last_contact=now, failures=0, problem=""))

    async def require_serial(self, session: Session) -> None:
        """Refuse another device than the one that is meant."""
        serial = (await session.identify()).serial
        if serial != self.link.serial:
            raise DeviceNonsense(
                f"device {serial!r} answers at {self.link.address}, not {self.link.serial!r}",
                remedy="correct the address, or add the device under the serial number it says",
            )

    async def discover(self, _: Session) -> None:
        """Record that the device itself has answered; its serial number was just compared."""
        self.reach(LinkState.DISCOVERED)

    async def check_clock(self, session: Session) -> None:
        """Measure the drift; set the clock where it is too far off and that is allowed."""
        drift = await drift_of(session, self.bench.clock)
        if abs(drift) > self.policy.drift:
            self.keep(replace(self.link, clock_drift_s=drift.total_seconds()))
            self.require_settable(drift)
            await session.set_clock(self.bench.clock())
            drift = await drift_of(session, self.bench.clock)
            if abs(drift) > self.policy.drift:
                raise DeviceNonsense(
                    f"the clock still is {seconds(drift)} after it was set", remedy="have the meter looked at"
                )
        self.reach(LinkState.CLOCK_CHECKED, replace(self.link, clock_drift_s=drift.total_seconds()))

    def require_settable(self, drift: timedelta) -> None:
        """Refuse a clock that may not be set."""
        if not self.policy.set_clock:
            raise DeviceNonsense(
                f"the clock is {seconds(drift)}; at most {self.policy.drift.total_seconds():g} s are allowed",
                remedy="commission it again with --set-clock",
            )
        if abs(drift) > self.policy.implausible and not self.policy.set_any_clock:
            raise DeviceNonsense(
                f"the clock is {seconds(drift)}: its battery may be empty, and its profile is dated wrongly",
                remedy="look at the meter; then commission it again with --set-any-clock",
            )

    async def read_capabilities(self, session: Session) -> None:
        """Read what the device can do; what the read plan rests on must make sense."""
        found = dict(await session.capabilities())
        interval = found.get("profile_interval_s", "")
        known = interval.isdigit() and int(interval) > 0 and DAY_S % int(interval) == 0
        if interval not in ("", "0") and not known:
            raise DeviceNonsense(
                f"the device says it records every {interval!r} s, which does not divide a day",
                remedy="check the driver profile",
            )
        if not known and not found.get("registers"):
            raise DeviceNonsense(
                "the device offers neither a profile nor a register", remedy="check the driver profile"
            )
        self.reach(LinkState.CAPABILITIES_READ, replace(self.link, capabilities=found))

    async def prove_reading(self, session: Session) -> None:
        """Read the registers once: only a device that was read goes into service."""
        if self.link.capabilities.get("registers") and not await session.registers():
            raise DeviceNonsense("the device names registers but gave none", remedy="check the driver profile")
        self.reach(LinkState.IN_SERVICE)


STEPS: dict[LinkState, Callable[[_Work, Session], Awaitable[None]]] = {
    LinkState.DISCOVERED: _Work.discover,
    LinkState.CLOCK_CHECKED: _Work.check_clock,
    LinkState.CAPABILITIES_READ: _Work.read_capabilities,
    LinkState.IN_SERVICE: _Work.prove_reading,
}


async def drift_of(session: Session, clock: Callable[[], datetime]) -> timedelta:
    """Return how far the device's clock is ahead of ours, taken at the middle of the question and its answer."""
    before = clock()
    theirs = await session.clock()
    return theirs - (before + (clock() - before) / 2)


def seconds(drift: timedelta) -> str:
    """Say a drift, such as `95 s ahead`."""
    return f"{abs(drift).total_seconds():.0f} s {'ahead' if drift > timedelta() else 'behind'}"

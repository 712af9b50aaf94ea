"""Commission devices: what the head-end does with each, kept in the store step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwright.collect import CommissionPolicy, Gate, commission
from gridwright.collect.commissioning import Bench
from gridwright.domain.access import Access, Act
from gridwright.domain.device import DeviceLink, LinkState
from gridwright.domain.errors import NotFound
from gridwright.jobs.field.device_line import Lines, zones_of
from gridwright.store import Store

TOGETHER, PER_GATEWAY = 16, 4
Tell = Callable[[DeviceLink], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Commissioned:
    """What became of the devices: `in_service` reached the end, `failed` keep their problem."""

    links: tuple[DeviceLink, ...]

    @property
    def in_service(self) -> int:
        """How many are in service."""
        return sum(link.state is LinkState.IN_SERVICE for link in self.links)

    @property
    def failed(self) -> tuple[DeviceLink, ...]:
        """Those that stopped half-way."""
        return tuple(link for link in self.links if link.problem)


def commission_devices(
    store: Store,
    access: Access,
    lines: Lines,
    clock: Callable[[], datetime],
    *,
    serials: Sequence[str] = (),
    policy: CommissionPolicy | None = None,
    tell: Tell | None = None,
    progress: Progress | None = None,
) -> Commissioned:
    """Commission the named devices, or all that are not in service yet; run again, each goes on where it was.

    `tell` hears of each durable step.
    """
    access.require(Act.WRITE_REGISTRY)
    links = waiting(store, access, serials)
    rules, zone_of = policy or CommissionPolicy(), zones_of(store, access)
    return asyncio.run(_all(links, _Office(store, access, lines, clock, rules, tell, zone_of), progress))


def waiting(store: Store, access: Access, serials: Sequence[str]) -> list[DeviceLink]:
    """Return the links to work on; a serial number that was never added is NotFound."""
    if serials:
        return [store.devices.link(access, serial) for serial in dict.fromkeys(serials)]
    done = (LinkState.IN_SERVICE, LinkState.RETIRED)
    found = [link for link in store.devices.links(access) if link.state not in done]
    if not found and not store.devices.links(access):
        raise NotFound("no device has been added yet", remedy="gridwright collect add SERIAL adds one")
    return found


@dataclass(frozen=True, slots=True)
class _Office:
    store: Store
    access: Access
    lines: Lines
    clock: Callable[[], datetime]
    policy: CommissionPolicy
    tell: Tell | None
    zone_of: Callable[[str], str]

    def keep(self, link: DeviceLink) -> None:
        self.store.devices.save_link(self.access, link)
        if self.tell is not None:
            self.tell(link)

    async def commission(self, link: DeviceLink, gate: Gate) -> DeviceLink:
        async with gate.through(link.address):
            line = self.lines.to(link, self.zone_of(link.serial))
            return await commission(link, Bench(line, self.clock, self.keep), self.policy)


async def _all(links: Sequence[DeviceLink], office: _Office, progress: Progress | None) -> Commissioned:
    gate, done = Gate(TOGETHER, PER_GATEWAY), 0

    async def one(link: DeviceLink) -> DeviceLink:
        nonlocal done
        result = await office.commission(link, gate)
        done += 1
        if progress is not None:
            progress(done, len(links))
        return result

    return Commissioned(tuple(await asyncio.gather(*(one(link) for link in links))))

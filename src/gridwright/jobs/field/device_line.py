"""The line to a device: its driver and address from the registry, its password from the vault, a conversation out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from gridwright.domain.access import Access
from gridwright.domain.device import DeviceLink
from gridwright.domain.errors import DeviceError, DeviceSilent, GridwrightError
from gridwright.drivers.driver import Session
from gridwright.store import Store

LONGEST_WAIT_S = 120.0
POLL_S = 0.02


class Connect(Protocol):
    """What `gridwright.drivers.connect` is; a test hands over its own."""

    def __call__(
        self, driver: str, address: str, *, secret: bytes | None, zone: str
    ) -> AbstractAsyncContextManager[Session]:
        """Open a conversation with the device at `address`, whose wall clock runs in `zone`."""
        ...


def no_secret(_: str) -> bytes | None:
    """Return no password, for devices that need none."""
    return None


# Who is being talked to by this process: a meter has one ear, and reading and control go on in threads of their own.
_talking: set[str] = set()
_lock = threading.Lock()


@asynccontextmanager
async def _alone(address: str) -> AsyncIterator[None]:
    """Wait until nobody else of this process talks to the device; conversations are bounded, and so is the wait."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LONGEST_WAIT_S
    while not _begin(address):
        if loop.time() > end:
            raise DeviceSilent(f"another conversation with it has gone on for {LONGEST_WAIT_S:.0f} s", where=address)
        await asyncio.sleep(POLL_S)
    try:
        yield
    finally:
        with _lock:
            _talking.discard(address)


def _begin(address: str) -> bool:
    with _lock:
        if address in _talking:
            return False
        _talking.add(address)
        return True


@dataclass(frozen=True, slots=True)
class Lines:
    """How devices are called; `secret_of(serial)` returns the plain password of a device, None where it has none."""

    connect: Connect
    secret_of: Callable[[str], bytes | None] = no_secret

    def to(self, link: DeviceLink, zone: str) -> Callable[[], AbstractAsyncContextManager[Session]]:
        """Return what opens a conversation with a device; the password is looked up when it is needed."""
        return lambda: self._call(link, zone)

    @asynccontextmanager
    async def _call(self, link: DeviceLink, zone: str) -> AsyncIterator[Session]:
        """Open a conversation; a wrong driver, address or password is the device's trouble, not that of the others."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(_alone(link.address))
            try:
                line = self.connect(link.driver, link.address, secret=self.secret_of(link.serial), zone=zone)
                session = await stack.enter_async_context(line)
            except DeviceError:
                raise
            except GridwrightError as error:
                raise DeviceError(f"cannot be called: {error.message}", remedy=error.remedy) from error
            yield session


def zones_of(store: Store, access: Access) -> Callable[[str], str]:
    """Return what tells the zone of a device's wall clock: that of the usage point where it hangs, or hung last."""
    zones = {point.id: point.zone for point in store.registry.points(access)}
    places = {each.end_device: each.usage_point for each in store.registry.installed(access)}
    return lambda serial: zones.get(places.get(serial, ""), "UTC")

"""The line to a device: its driver and address from the registry, its password from the vault, a conversation out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gridwright.domain.device import DeviceLink
from gridwright.drivers.driver import Session


class Connect(Protocol):
    """What `gridwright.drivers.connect` is; a test hands over its own."""

    def __call__(self, driver: str, address: str, *, secret: bytes | None) -> AbstractAsyncContextManager[Session]:
        """Open a conversation with the device at `address`."""
        ...


def no_secret(_: str) -> bytes | None:
    """Return no password, for devices that need none."""
    return None


@dataclass(frozen=True, slots=True)
class Lines:
    """How devices are called; `secret_of(serial)` returns the plain password of a device, None where it has none."""

    connect: Connect
    secret_of: Callable[[str], bytes | None] = no_secret

    def to(self, link: DeviceLink) -> Callable[[], AbstractAsyncContextManager[Session]]:
        """Return what opens a conversation with a device; the password is looked up when it is needed."""
        return lambda: self.connect(link.driver, link.address, secret=self.secret_of(link.serial))

"""The gate: how many conversations go on at once, in all and through one gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Gate:
    """Lets conversations through; a device behind a busy gateway waits without taking a place from others."""

    def __init__(self, together: int, per_gateway: int) -> None:
        self._all = asyncio.Semaphore(together)
        self._per_gateway = per_gateway
        self._gateways: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def through(self, address: str) -> AsyncIterator[None]:
        """Wait for a place at the gateway of `address`, then for one in all."""
        name = gateway_of(address)
        gateway = self._gateways.setdefault(name, asyncio.Semaphore(self._per_gateway))
        async with gateway, self._all:
            yield


def gateway_of(address: str) -> str:
    """Return the host and port that an address leads through; an address without a host is its own."""
    return urlsplit(address).netloc or address

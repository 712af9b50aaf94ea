"""One TCP connection to a device: bounded in memory, every wait bounded in time."""

from __future__ import annotations

import asyncio
from typing import Self, cast

from gridwright.domain.errors import DeviceNonsense, DeviceSilent

BUFFER = 64 * 1024


class Wire(asyncio.Protocol):
    """Gathers what arrives; more than a buffer full waits in the kernel until it is read."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._arrived = asyncio.Event()
        self._paused = False
        self._lost = ""

    @classmethod
    async def open(cls, host: str, port: int, *, timeout_s: float) -> Self:
        """Connect; whoever cannot be reached is DeviceSilent."""
        where = f"{host}:{port}"
        try:
            async with asyncio.timeout(timeout_s):
                _, wire = await asyncio.get_running_loop().create_connection(lambda: cls(where), host, port)
        except TimeoutError:
            raise DeviceSilent(f"no connection within {timeout_s:g} s", where=where) from None
        except OSError as error:
            said = error.strerror or str(error)
            raise DeviceSilent(f"no connection: {said}", where=where, remedy="check address and gateway") from error
        return wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived, and stop listening while there is too much of it."""
        self._buffer += data
        self._arrived.set()
        if len(self._buffer) >= BUFFER and self._transport and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that, and why, nothing more will come."""
        self._lost = str(exc or "the device hung up")
        self._arrived.set()

    def send(self, data: bytes) -> None:
        """Send; bytes nobody asked for, waiting to be taken for an answer, are DeviceNonsense."""
        if self._buffer:
            raise DeviceNonsense(f"{len(self._buffer)} bytes arrived unasked: {bytes(self._buffer[:16])!r}")
        if self._transport and not self._lost:
            self._transport.write(data)

    def reply(self, data: bytes) -> None:
        """Send within an answer (ACK, NAK), where more may already have arrived."""
        if self._transport and not self._lost:
            self._transport.write(data)

    async def receive(self, timeout_s: float) -> bytes:
        """Return what has arrived, at least one byte; TimeoutError, or DeviceSilent when the device hung up."""
        if not self._buffer and not self._lost:
            self._arrived.clear()
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        if not self._buffer:
            raise DeviceSilent(self._lost, where=self.where)
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._paused and self._transport and not self._lost:
            self._paused = False
            self._transport.resume_reading()
        return data

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()

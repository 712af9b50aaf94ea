"""Virtual meters behind a real TCP port, as behind a serial-to-IP gateway; their faults reach the wire here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from gridwright.protocols.iec62056_21 import with_parity, without_parity
from gridwright.protocols.iec62056_21.frames import EOT, ETX, SOH, STX
from gridwright.simulate.virtual_meter.desk import Desk
from gridwright.simulate.virtual_meter.faults import Faults
from gridwright.simulate.virtual_meter.meter import VirtualMeter

CHUNK = 4096
IDLE_S = 120.0
GARBAGE = b"\x05#\xf0garbage\x00\x7f" * 3
ENDLESS = b"(000.123)\r\n" * 400


class MeterServer:
    """Many meters on one port, told apart by the serial in the sign-on.

    `async with MeterServer(meters) as server:` or `await start()` and `await stop()`; port 0 takes a free one.
    With `parity` the line is that of a gateway that passes the parity bit of seven-bit characters on.
    """

    def __init__(
        self, meters: Iterable[VirtualMeter], host: str = "127.0.0.1", port: int = 0, *, parity: bool = False
    ) -> None:
        self.parity = parity
        self.meters = {meter.serial: meter for meter in meters}
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    def add(self, meter: VirtualMeter) -> None:
        """Install one more meter; it may be called at once."""
        self.meters[meter.serial] = meter

    def address(self, serial: str) -> str:
        """Return the address to give to `gridwright.drivers.connect`."""
        return f"tcp://{self.host}:{self.port}/{serial}"

    async def start(self) -> Self:
        """Open the port."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close the port and hang up on everybody."""
        if self._server is None:
            return
        self._server.close()
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        if line is not None:
            self._lines.add(line)
            line.add_done_callback(self._lines.discard)
        try:
            await _Line(self, reader, writer).run()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class _Line:
    """One connection, and how the called meter's faults spoil it."""

    def __init__(self, server: MeterServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._desk = Desk(lambda: server.meters)
        self._parity = server.parity
        self._reader = reader
        self._writer = writer
        self._blocks = 0

    async def run(self) -> None:
        while not self._desk.ended:
            async with asyncio.timeout(IDLE_S):
                data = await self._reader.read(CHUNK)
            if not data:
                return
            answer = self._desk.receive(without_parity(data) if self._parity else data)
            meter = self._desk.meter
            if answer and not await self._send(answer, meter.faults if meter else Faults()):
                return

    async def _send(self, answer: bytes, faults: Faults) -> bool:
        """Send an answer; False tells that the meter hangs up."""
        if faults.silent:
            return True
        if faults.answer_delay_s:
            await asyncio.sleep(faults.answer_delay_s)
        if faults.garbage:
            answer = GARBAGE
        if faults.endless and answer[0] == STX:
            await self._flood()
        answer = self._damaged(answer, faults)
        dies = faults.dies_after is not None and answer[0] == STX
        answer = answer[: faults.dies_after] if dies else answer
        self._writer.write(with_parity(answer) if self._parity else answer)
        await self._writer.drain()
        return not dies

    def _damaged(self, answer: bytes, faults: Faults) -> bytes:
        if not faults.bad_checksum_every or answer[0] not in (SOH, STX) or answer[-2] not in (ETX, EOT):
            return answer
        self._blocks += 1
        if self._blocks % faults.bad_checksum_every:
            return answer
        return answer[:-1] + bytes([answer[-1] ^ 0x01])

    async def _flood(self) -> None:
        self._writer.write(bytes([STX]) + b"1.8.0")
        while not self._writer.is_closing():
            self._writer.write(ENDLESS)
            await self._writer.drain()


class MeterServerThread:
    """The same server in a thread of its own, for callers without an event loop."""

    def __init__(self, meters: Iterable[VirtualMeter], host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = MeterServer(meters, host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual-meters", daemon=True)

    @property
    def port(self) -> int:
        """The port that is open."""
        return self._server.port

    @property
    def meters(self) -> dict[str, VirtualMeter]:
        """The meters by serial."""
        return self._server.meters

    def add(self, meter: VirtualMeter) -> None:
        """Install one more meter."""
        self._server.add(meter)

    def address(self, serial: str) -> str:
        """Return the address to give to `gridwright.drivers.connect`."""
        return self._server.address(serial)

    def start(self) -> Self:
        """Open the port; returns when it is open."""
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result()
        except BaseException:
            self._end_loop()
            raise
        return self

    def stop(self) -> None:
        """Close the port, hang up and end the thread."""
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result()
        self._end_loop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

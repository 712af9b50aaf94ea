"""One question, one answer: the IEC 62056-21 state machine on a wire, its errors in the product's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gridwright.domain.errors import DeviceError, DeviceNonsense, DeviceSilent
from gridwright.drivers.wire import Wire
from gridwright.protocols.iec62056_21 import ClientSession, Event, ProtocolError, with_parity, without_parity

PATIENCE = 24  # an answer may take this many times the wait for its next byte, then it is endless


class Exchange:
    """Asks and waits; after silence or nonsense the conversation is over, lest a late answer be taken for the next."""

    def __init__(self, wire: Wire, *, timeout_s: float, device: str, parity: bool = False) -> None:
        self._wire = wire
        self._timeout_s = timeout_s
        self._session = ClientSession()
        self._parity = parity
        self._over = ""
        self.device = device

    @property
    def where(self) -> str:
        """The device and its gateway, for errors."""
        return f"{self.device} at {self._wire.where}" if self.device else self._wire.where

    async def ask(self, act: Callable[[ClientSession], None], what: str) -> Event:
        """Do one act of the session and return the event that answers it; `what` names it in errors."""
        if self._over:
            raise DeviceSilent(f"the conversation is over: {self._over}", where=self.where)
        try:
            async with asyncio.timeout(self._timeout_s * PATIENCE):
                return await self._asked(act)
        except ProtocolError as error:
            raise self._ended(DeviceNonsense(f"{what}: {error}", where=self.where)) from error
        except TimeoutError:
            part = "stopped in the middle of its answer" if self._session.midway else "does not answer"
            message = f"{what}: {part} within {self._timeout_s:g} s"
            raise self._ended(DeviceSilent(message, where=self.where)) from None
        except DeviceError as error:
            kind = type(error)
            raise self._ended(kind(f"{what}: {error.message}", where=self.where)) from error

    def sign_off(self) -> None:
        """Say goodbye where anybody listens, and hang up."""
        if not self._over:
            self._session.sign_off()
            self._wire.reply(self._outgoing())
            self._over = "it was closed"
        self._wire.close()

    async def _asked(self, act: Callable[[ClientSession], None]) -> Event:
        act(self._session)
        self._wire.send(self._outgoing())
        while True:
            data = await self._wire.receive(self._timeout_s)
            events = self._session.receive(without_parity(data) if self._parity else data)
            if events:
                if len(events) > 1:
                    raise DeviceNonsense(f"{len(events)} answers to one question")
                return events[0]
            if reply := self._outgoing():
                self._wire.reply(reply)

    def _outgoing(self) -> bytes:
        data = self._session.to_send()
        return with_parity(data) if self._parity else data

    def _ended(self, error: DeviceError) -> DeviceError:
        self._over = error.message
        self._wire.close()
        return error

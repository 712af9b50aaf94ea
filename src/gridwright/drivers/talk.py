"""The two ways of talking to an IEC 62056-21 meter: question by question in programming mode, or one readout of all."""

from __future__ import annotations

from typing import Protocol

from gridwright.domain.errors import DeviceNonsense, DeviceRefused
from gridwright.drivers.exchange import Exchange
from gridwright.drivers.profile import DriverProfile
from gridwright.protocols import iec62056_21 as iec
from gridwright.protocols.iec62056_21 import Answered, DataSet, Identification, Identified, Line

LONGEST = 64  # of a device's own words; the standard gives an error text 32 characters


class Talk(Protocol):
    """How values are had from a meter that has signed on."""

    async def open(self, address: str, secret: bytes | None) -> Identification:
        """Sign on, and get as far as the way of talking needs."""

    async def value(self, address: str) -> DataSet:
        """Read one value; DeviceRefused where the meter has none there."""

    async def read(self, code: str, address: str, operand: str) -> tuple[Line, ...]:
        """Read whatever a command answers."""

    async def write(self, address: str, value: str) -> None:
        """Write one value, once."""


async def sign_on(exchange: Exchange, address: str) -> Identification:
    """Call a meter and return who answers."""
    event = await exchange.ask(lambda session: session.sign_on(address), "sign-on")
    if not isinstance(event, Identified):
        raise unexpected(exchange, "sign-on", event)
    return event.identification


def unexpected(exchange: Exchange, what: str, event: iec.Event) -> DeviceNonsense | DeviceRefused:
    """Return the error for an event that answers nothing that was asked."""
    if isinstance(event, iec.Refused):
        return DeviceRefused(f"{what} refused: {event.text[:LONGEST]}", where=exchange.where)
    if isinstance(event, iec.SignedOff):
        return DeviceRefused(f"{what}: the device ended the session", where=exchange.where)
    return DeviceNonsense(f"{what}: {type(event).__name__} is no answer to that", where=exchange.where)


def checked(exchange: Exchange, address: str, found: list[DataSet]) -> DataSet:
    """Return the one value of an address; another address, several values or endless text are nonsense."""
    if len(found) != 1:
        raise DeviceNonsense(f"{len(found)} values at {address} instead of one", where=exchange.where)
    (only,) = found
    if only.address and iec.short(only.address) != iec.short(address):
        raise DeviceNonsense(f"{only.address[:LONGEST]} answers for {address}", where=exchange.where)
    if len(only.value) > LONGEST:
        message = f"{address} tells {len(only.value)} characters, more than {LONGEST}"
        raise DeviceNonsense(message, where=exchange.where)
    return only


class ProgrammingTalk:
    """Programming mode: a password, then commands, each with its answer."""

    def __init__(self, exchange: Exchange, profile: DriverProfile) -> None:
        self._exchange = exchange
        self._profile = profile

    async def open(self, address: str, secret: bytes | None) -> Identification:
        """Sign on, enter programming mode and give the password."""
        told = await sign_on(self._exchange, address)
        event = await self._exchange.ask(lambda session: session.enter_programming(), "programming mode")
        if not isinstance(event, iec.Challenged | iec.Acknowledged):
            raise unexpected(self._exchange, "programming mode", event)
        if secret is not None and self._profile.password != "none":  # noqa: S105 - the profile's word for no password
            await self._log_in(secret)
        return told

    async def value(self, address: str) -> DataSet:
        """Read one value; an answer without address is taken."""
        lines = await self.read(self._profile.read, address, "")
        return checked(self._exchange, address, [data_set for line in lines for data_set in line])

    async def read(self, code: str, address: str, operand: str) -> tuple[Line, ...]:
        """Read whatever a command answers."""
        event = await self._command(code, f"{address}({operand})", f"reading {address}")
        if not isinstance(event, Answered):
            raise unexpected(self._exchange, f"reading {address}", event)
        return event.lines

    async def write(self, address: str, value: str) -> None:
        """Write one value, once; after silence nobody knows whether it was taken."""
        event = await self._command(self._profile.write, f"{address}({value})", f"writing {address}")
        if not isinstance(event, iec.Acknowledged):
            raise unexpected(self._exchange, f"writing {address}", event)

    async def _log_in(self, secret: bytes) -> None:
        event = await self._command(self._profile.password, f"({secret.decode('ascii')})", "password")
        if isinstance(event, iec.Refused | iec.SignedOff):
            said = event.text[:LONGEST] if isinstance(event, iec.Refused) else "the device ended the session"
            remedy = "correct the device's secret; several wrong ones may lock the meter"
            raise DeviceRefused(f"the password is refused: {said}", where=self._exchange.where, remedy=remedy)
        if not isinstance(event, iec.Acknowledged):
            raise unexpected(self._exchange, "password", event)

    async def _command(self, code: str, data: str, what: str) -> iec.Event:
        command = iec.Command(code[0], code[1], data)
        return await self._exchange.ask(lambda session: session.command(command), what)


class ReadoutTalk:
    """Data readout: everything the meter shows, at once and without a password; nothing can be written."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._values: dict[str, list[DataSet]] = {}

    async def open(self, address: str, secret: bytes | None) -> Identification:  # noqa: ARG002 - nobody asks for one
        """Sign on and read everything out."""
        told = await sign_on(self._exchange, address)
        event = await self._exchange.ask(lambda session: session.read_out(), "readout")
        if not isinstance(event, Answered):
            raise unexpected(self._exchange, "readout", event)
        for line in event.lines:
            for data_set in line:
                if data_set.address:
                    self._values.setdefault(iec.short(data_set.address), []).append(data_set)
        return told

    async def value(self, address: str) -> DataSet:
        """Return one value of the readout; one that is told twice is nonsense."""
        found = self._values.get(iec.short(address))
        if found is None:
            raise DeviceRefused(f"{address} is not in the readout", where=self._exchange.where)
        return checked(self._exchange, address, found)

    async def read(self, code: str, address: str, operand: str) -> tuple[Line, ...]:  # noqa: ARG002 - nothing is asked
        """Refuse: a readout takes no commands."""
        raise DeviceRefused(f"{address} cannot be asked for in a readout", where=self._exchange.where)

    async def write(self, address: str, value: str) -> None:  # noqa: ARG002 - nothing is written
        """Refuse: a readout takes no commands."""
        raise DeviceRefused(f"{address} cannot be written in a readout", where=self._exchange.where)

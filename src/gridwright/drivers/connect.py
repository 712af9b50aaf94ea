"""Opens a session with a device: the driver names its profile, the address its gateway and serial."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from gridwright.domain.errors import ConfigError
from gridwright.domain.interval import zone_of
from gridwright.drivers.exchange import Exchange
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.drivers.profile_reader import profile_of
from gridwright.drivers.wire import Wire

SERIAL = re.compile(r"[0-9A-Za-z .:_-]{0,32}")  # what a sign-on can carry
SECRET = re.compile(rb"[\x20-\x27\x2a-\x7e]{1,32}")  # printable, without parentheses
EXAMPLE = "write it like tcp://10.0.0.7:4059/M-1042"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a device is: host and port of its gateway, and the serial it is called by (empty: whoever hears it)."""

    host: str
    port: int
    serial: str


def parse_address(text: str) -> Address:
    """Read `tcp://host:port/serial`; ConfigError for anything else."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"device address {text!r}: {error}", remedy=EXAMPLE) from error
    serial = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "tcp" or not host or not port or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"device address {text!r} is no tcp://host:port/serial", remedy=EXAMPLE)
    if not SERIAL.fullmatch(serial):
        raise ConfigError(
            f"serial {serial!r} cannot be called over IEC 62056-21", remedy="at most 32 letters or digits"
        )
    return Address(host, port, serial)


def _system_clock() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def connect(
    driver: str,
    address: str,
    *,
    secret: bytes | None = None,
    timeout_s: float = 5.0,
    zone: str = "UTC",
    clock: Callable[[], datetime] = _system_clock,
) -> AsyncIterator[MeterSession]:
    """Open a session and close it again; `zone` is the wall clock of the device, `clock` stamps what is read.

    `driver` names a packaged profile, or is the path of a `.toml` file. Nothing is retried here but damaged blocks,
    which the device is asked to repeat; a command is never sent a second time.
    """
    profile = profile_of(driver)
    where = parse_address(address)
    if secret is not None and not SECRET.fullmatch(secret):
        raise ConfigError(f"the secret of {address} cannot be a password", remedy="1 to 32 printable ASCII characters")
    device_zone = zone_of(profile.clock.zone or zone)
    wire = await Wire.open(where.host, where.port, timeout_s=timeout_s)
    exchange = Exchange(wire, timeout_s=timeout_s, device=where.serial, parity=profile.parity)
    session = MeterSession(exchange, profile, zone=device_zone, clock=clock)
    try:
        await session.open(where.serial, secret)
        yield session
    finally:
        await session.close()

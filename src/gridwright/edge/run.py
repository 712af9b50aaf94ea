"""An edge as a whole: the buffer, what comes in and what goes out, wired from the settings and run until a signal."""

from __future__ import annotations

import gc
import hashlib
import ipaddress
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from gridwright.api.edge.decode import Decoders
from gridwright.api.server import SWITCH_S, Listen, bound, server_of, signals_end_well, url_of
from gridwright.domain.errors import ConfigError, GridwrightError
from gridwright.edge.bounds import MIB, Bounds, OnFull
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.entrance import EdgeEntrance
from gridwright.edge.folder import Sent, require_used
from gridwright.edge.forward import Forwarder, Patience, drained
from gridwright.edge.keeper import Keeper
from gridwright.edge.link import Centre, Link, address_of
from gridwright.edge.resend import Resent, resend
from gridwright.edge.sealing import Seals
from gridwright.edge.status import Status, StatusFile, status_of
from gridwright.jobs.upkeep.key_users import seen_from
from gridwright.jobs.upkeep.vault import KEY_FILE, KEY_VARIABLE, Vault
from gridwright.settings import EdgeSettings, Settings

SEGMENTS = 16  # files that a full buffer has at least: so much of it is dropped at a time
LONGEST_SEGMENT = 8 * MIB


@dataclass(frozen=True, slots=True)
class Edge:
    """The parts of an edge that are there whether it listens or only drains."""

    name: str
    buffer: Buffer
    clock: EdgeClock
    forwarder: Forwarder
    status: Callable[[], Status]


@contextmanager
def wired(every: Settings, key: str) -> Iterator[Edge]:
    """Open the buffer and the way to the centre; nothing is sent yet."""
    settings = every.edge
    if not settings.to:
        raise ConfigError("nothing tells where the centre is", where="edge.to", remedy="give --to, or set edge.to")
    name = settings.name or socket.gethostname()
    parts, host, _ = address_of(settings.to)
    if parts.scheme == "http" and not is_this_machine(host):
        structlog.get_logger().warning(
            "key and readings go to the centre in the clear", to=settings.to, remedy="https://"
        )
    centre = Centre(settings.to, key, settings.ca_file, settings.client_cert, settings.client_key)
    link = Link(centre, name)
    with Buffer(settings.folder, bounds_of(settings), seals_of(settings)) as buffer:
        clock = EdgeClock(settings.folder, limit_s=settings.clock_limit_s)
        patience = Patience(settings.heartbeat_s, settings.retry_s, every.retention.rejected_days)
        forwarder = Forwarder(buffer, link, clock, patience, sent=Sent(name, settings.to))
        edge = Edge(name, buffer, clock, forwarder, lambda: status_of(name, settings.to, buffer, forwarder, clock))
        file = StatusFile(settings.folder, edge.status)
        try:
            yield edge
        finally:
            forwarder.stop()
            file.stop()


def run(settings: Settings, key: str, *, ready: Callable[[str], None] = lambda _: None) -> None:
    """Take and forward readings until SIGTERM or SIGINT; what was acknowledged is on the disk when this returns."""
    chosen = settings.edge
    keys = device_keys(chosen)
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    listen = Listen(
        chosen.host, chosen.port, settings.server.tls_cert, settings.server.tls_key, by=f"--listen {host}:{{port}}"
    )
    with ExitStack() as stack:
        sock = stack.enter_context(bound(listen))
        edge = stack.enter_context(wired(settings, key))
        keeper = Keeper(edge.buffer)
        server = server_of(
            EdgeEntrance(settings, keeper, edge.clock, keys=keys), listen, lambda: ready(url_of(sock, listen))
        )
        keeper.start()
        stack.callback(keeper.stop)
        edge.forwarder.start()
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        with signals_end_well():
            server.run(sockets=[sock])
        if not server.started:
            raise GridwrightError("the edge could not start", remedy="its log on stderr tells what happened")


def drain(settings: Settings, key: str, *, within_s: float) -> Status:
    """Bring what waits to the centre, and return how the edge is then; NotFound where no edge ever ran."""
    require_used(settings.edge.folder)
    with wired(settings, key) as edge:
        drained(edge.forwarder, edge.buffer, time.monotonic() + within_s)
        return edge.status()


def send_again(every: Settings, *, reason: str = "") -> Resent:
    """Put what the centre refused back into the buffer; StoreLocked while the edge runs, see `resend`."""
    settings = every.edge
    require_used(settings.folder)
    seals = seals_of(settings)
    with Buffer(settings.folder, bounds_of(settings), seals) as buffer:
        return resend(buffer, seals, Decoders(every), reason=reason)


def bounds_of(settings: EdgeSettings) -> Bounds:
    """Return how much the buffer may hold, as it is set."""
    limit = settings.limit_mb * MIB
    return Bounds(limit, min(LONGEST_SEGMENT, limit // SEGMENTS), OnFull(settings.on_full))


def seals_of(settings: EdgeSettings) -> Seals:
    """Return what seals the buffer: its key lies in the folder, where the settings say, or in the environment."""
    key = settings.secret_key or settings.folder / KEY_FILE
    user = f"the edge in {seen_from(key, settings.folder)}"
    vault = Vault(key, given=os.environ.get(KEY_VARIABLE), user=user)
    return Seals(vault, seals=settings.encrypt)


def device_keys(settings: EdgeSettings) -> tuple[bytes, ...]:
    """Return the digests of the devices' keys; without any, only this machine may send, unless `anyone` may."""
    if settings.device_keys is not None:
        lines = [line.strip() for line in read(settings.device_keys).splitlines()]
        found = [line for line in lines if line and not line.startswith("#")]
        if not found:
            raise ConfigError(
                "there is no key in it", where=str(settings.device_keys), remedy="write the devices' keys, one a line"
            )
        return tuple(hashlib.sha256(line.encode()).digest() for line in found)
    if not (settings.anyone or is_this_machine(settings.host)):
        raise ConfigError(
            f"anybody who reaches {settings.host} could send readings",
            where="edge.host",
            remedy="set edge.device_keys, or edge.anyone = true where the network is yours alone",
        )
    return ()


def is_this_machine(host: str) -> bool:
    """Tell whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read(path: Path) -> str:
    """Return the text of a file of secrets; a ConfigError names it where it cannot be had."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"it cannot be read: {reason}", where=str(path), remedy="name a readable file") from error

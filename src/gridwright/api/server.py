"""The server: the entrances and the application behind them on one socket, run by uvicorn until a signal."""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, cast

from gridwright.api.answer import Asgi
from gridwright.api.asgi import HotPaths
from gridwright.api.ingest.compiled import load_at_first_lines
from gridwright.api.write.writer import Writer
from gridwright.domain.errors import ConfigError, GridwrightError
from gridwright.jobs.upkeep.server_place import ServerPlace, left_place

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server

    from gridwright.app import Platform

BACKLOG = 2048
KEEP_ALIVE_S = 75
GRACE_S = 30
SWITCH_S = 0.001


class Stoppable(Protocol):
    """Work in the background that ends when it is told to."""

    def stop(self) -> object:
        """End it and wait until it has ended."""
        ...


Background = Callable[["Platform"], Stoppable]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the server listens (port 0 = any free one), its certificate, with which it speaks HTTPS, and its proxies.

    `proxies`: addresses and networks that are believed who the client is, and whether it spoke HTTPS.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxies: tuple[str, ...] = ()
    by: str = "--port {port}"  # how whoever starts it names another port


def compose(platform: Platform, app: FastAPI) -> HotPaths:
    """Put the entrances for readings in front of the application."""
    writer = app.state.writer = Writer(platform.store, platform.clock, journal=platform.settings.server.journal)
    return HotPaths(app, platform, writer)


def behind(app: HotPaths, proxies: Sequence[str]) -> Asgi:
    """Return the application as it is asked by proxies: client and scheme are those that they tell."""
    if not proxies:
        return app
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    told: Any = ProxyHeadersMiddleware(cast("Any", app), list(proxies))
    told.quick = app.quick
    return cast("Asgi", told)


def run(
    platform: Platform,
    app: FastAPI,
    listen: Listen,
    *,
    ready: Callable[[str], None] = lambda _: None,
    background: Background | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` gets the URL once connections are accepted.

    Requests under way are answered and the writer is flushed before this returns. A port in use is a GridwrightError
    that names a free one. `background` is started before and stopped after.
    """
    with ExitStack() as stack:
        sock = stack.enter_context(bound(listen))
        stack.enter_context(left_place(platform.folder, place_of(sock, listen)))
        server = server_of(behind(compose(platform, app), listen.proxies), listen, lambda: ready(url_of(sock, listen)))
        if background is not None:
            stack.callback(background(platform).stop)
        # The writer computes beside the event loop: by default that would wait 5 ms for its turn at each step.
        sys.setswitchinterval(SWITCH_S)
        import_module("pyarrow.compute")  # the first client shall not wait for it
        load_at_first_lines()
        # What is loaded by now stays: a collection that walks over all of it makes everybody wait.
        gc.freeze()
        with signals_end_well():
            server.run(sockets=[sock])
        if not server.started:
            raise GridwrightError("the server could not start", remedy="its log on stderr tells what happened")


def server_of(asgi: Asgi, listen: Listen, ready: Callable[[], None]) -> Server:
    """Return the server of an application; `ready` is called once it accepts connections."""
    import uvicorn

    from gridwright.api.protocol import QuickProtocol

    class Announcing(uvicorn.Server):
        """Tells when it accepts connections."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                await asyncio.to_thread(ready)

    config = uvicorn.Config(
        asgi,
        interface="asgi3",
        lifespan="on",
        http=QuickProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=listen.tls_cert,
        ssl_keyfile=listen.tls_key,
        ssl_context_factory=_tls if listen.tls_cert else None,
    )
    return Announcing(config)


def _tls(config: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return uvicorn's context, with TLS 1.2 as the least that is spoken."""
    del config
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def bound(listen: Listen) -> Iterator[socket.socket]:
    """Bind the socket; a taken port, or one we may not have, is a GridwrightError with another that is free."""
    check_tls(listen)
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"{listen.host!r} is no address of this machine",
            remedy="use --host 127.0.0.1, or 0.0.0.0 for every network",
        ) from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            raise _not_bound(listen, error, family) from error
        sock.set_inheritable(False)
        yield sock


def _not_bound(listen: Listen, error: OSError, family: int) -> GridwrightError:
    reasons = {
        errno.EADDRINUSE: f"port {listen.port} is in use by another program",
        errno.EACCES: f"port {listen.port} may not be opened by this user",
    }
    if error.errno not in reasons:
        return ConfigError(
            f"cannot listen on {listen.host}: {error.strerror or error}",
            remedy="use --host 127.0.0.1, or 0.0.0.0 for every network",
        )
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((listen.host, 0))
        free = probe.getsockname()[1]
    return GridwrightError(
        reasons[error.errno],
        remedy=f"port {free} is free: {listen.by.format(port=free)}; or {listen.by.format(port=0)} for any",
    )


def check_tls(listen: Listen) -> None:
    """Refuse half a certificate, or one that cannot be read, before anything starts."""
    if (listen.tls_cert is None) != (listen.tls_key is None):
        raise ConfigError("TLS needs a certificate and its key", remedy="give both --tls-cert and --tls-key")
    if listen.tls_cert is None or listen.tls_key is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(listen.tls_cert, listen.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificate cannot be used: {error}",
            where=f"{listen.tls_cert}, {listen.tls_key}",
            remedy="give a PEM certificate chain and the key that belongs to it, readable by this user",
        ) from error


def place_of(sock: socket.socket, listen: Listen) -> ServerPlace:
    """Return where the server listens, as the doctor of its data folder finds it."""
    certificate = str(listen.tls_cert.absolute()) if listen.tls_cert else ""
    return ServerPlace(listen.host, sock.getsockname()[1], certificate)


def url_of(sock: socket.socket, listen: Listen) -> str:
    """Return the address under which the server answers on this machine."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    scheme = "https" if listen.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def signals_end_well() -> Iterator[None]:
    """Let uvicorn's handlers decide, and take the signal that it raises anew after a clean stop as the end it is."""

    def noted(number: int, frame: FrameType | None) -> None:
        del number, frame

    kept = {number: signal.signal(number, noted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)

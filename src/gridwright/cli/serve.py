"""`gridwright serve`: the entrances, the API and the console on one port, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.context import loaded_settings, named_options
from gridwright.cli.database import require_here
from gridwright.cli.garbage import unsearched
from gridwright.cli.options import Json
from gridwright.cli.output import finish, print_json, say, tell
from gridwright.domain.access import Role

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gridwright.api.server import Listen, Stoppable
    from gridwright.app import Platform
    from gridwright.settings import Settings

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the database, made if there is none (default: as set).")
]


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(epilog="Example: gridwright serve --data town --port 8080")(serve)


def serve(
    *,
    data: Data = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on (default: 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="TCP port, 0 = any free one (default: 8080).")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate chain (PEM): HTTPS.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Private key of the certificate (PEM).")] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Serve only: no collecting, control, events or jobs.")
    ] = False,
    no_listen: Annotated[
        bool, typer.Option("--no-listen", help="Do not listen to the MQTT broker of the settings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take readings by HTTP and serve the API and the console; the first start prints the admin's key."""
    with unsearched() as started:
        from gridwright.api.server import run

        settings = settings_in(data)
        wired = wire(settings)

        def ready(url: str) -> None:
            started()
            announce(wired, url, as_json=as_json)

        try:
            # The port first: whoever finds it taken has lost no key, for none was made yet.
            run(
                wired,
                make_app(wired),
                listen_of(settings, (host, port), (tls_cert, tls_key)),
                ready=ready,
                background=lambda platform: Background(platform, data, work=not no_worker, listen=not no_listen),
            )
        finally:
            wired.close()
    if not as_json:
        say("Stopped; everything acknowledged is stored.")


class Background:
    """What runs beside the server: the worker, and, where a broker is set, a listener in a process of its own."""

    def __init__(self, platform: Platform, data: Path | None, *, work: bool, listen: bool) -> None:
        from gridwright.listen.supervise import beside
        from gridwright.work import start

        self._parts: list[Stoppable] = [start(platform)] if work else []
        if listen and platform.settings.mqtt.host:
            folder = [] if data is None else ["--data", str(data.absolute())]
            self._parts.append(beside([*named_options(), "listen", *folder]))

    def stop(self) -> None:
        """End all of it, and wait until it has ended."""
        for part in reversed(self._parts):
            part.stop()


def settings_in(data: Path | None) -> Settings:
    """Return the settings with the store in the folder `data`, which is made, unless they name a store themselves."""
    loaded = loaded_settings().in_folder(data)
    if data is not None:
        make_folder(data)
    else:
        require_here(loaded)
    return loaded.settings


def make_folder(data: Path) -> None:
    """Make the folder of the database, for this user alone: everybody's readings are going to be in it."""
    from gridwright.domain.errors import ConfigError

    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else f"{error.strerror}".lower()
        raise ConfigError(
            f"the folder cannot be made: {reason}", where=str(data), remedy="name another folder, or make it yourself"
        ) from error


def wire(settings: Settings) -> Platform:
    """Wire the platform and open its store, so that a store that cannot be had is told before anything listens."""
    from gridwright.app import Platform
    from gridwright.telemetry import configure_log

    configure_log(settings.log.level, json_lines=settings.log.json_lines)
    wired = Platform(settings)
    _ = wired.store
    return wired


def make_app(wired: Platform) -> FastAPI:
    """Compose the application behind the entrances: the API, and the console's pages."""
    from gridwright.api.app import make_app as api
    from gridwright.web.pages import add_pages

    app = api(wired)
    add_pages(app, wired)
    return app


def listen_of(settings: Settings, place: tuple[str | None, int | None], tls: tuple[Path | None, Path | None]) -> Listen:
    """Return where to listen: what the command line says, else what is set."""
    from gridwright.api.server import Listen

    chosen = settings.server
    host, port = place
    return Listen(
        chosen.host if host is None else host,
        chosen.port if port is None else port,
        tls[0] or chosen.tls_cert,
        tls[1] or chosen.tls_key,
        tuple(map(str, chosen.proxies)),
    )


def has_admin(wired: Platform) -> bool:
    """Tell whether somebody may do everything; where users were added before the first start, nobody may."""
    users = wired.store.identities.users(wired.access)
    return any(each.role is Role.ADMIN and not each.disabled for each in users)


def announce(wired: Platform, url: str, *, as_json: bool) -> None:
    """Say where the server is, and, on the first start, the key: one JSON line, or words for a person."""
    key = wired.store.identities.bootstrap(wired.clock())
    if as_json:
        print_json({"url": url} | ({"admin_key": key} if key else {}))
        finish()
        return
    say(f"Gridwright listens on {url}")
    if key:
        say("The admin's key, shown this once; keep it:")
        tell(key)
        finish()
    elif not has_admin(wired):
        say("There are users, and none is an admin: gridwright key create NAME --role admin makes one, with its key.")
    say("Stop with Ctrl-C.")

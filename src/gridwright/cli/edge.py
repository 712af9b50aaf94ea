"""`gridwright edge`: take readings where they arise, keep them on disk, and bring them to the centre."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import loaded_settings
from gridwright.cli.garbage import unsearched
from gridwright.cli.options import Json
from gridwright.cli.output import finish, print_json, print_table, print_told, say
from gridwright.domain.errors import GridwrightError, UsageError

if TYPE_CHECKING:
    from gridwright.edge.sealing import Seals
    from gridwright.settings import EdgeSettings, Settings

app = typer.Typer(help="An edge: takes readings, keeps them on disk, brings them to the centre.", no_args_is_help=True)
To = Annotated[str, typer.Option("--to", help="Address of the centre (default: as set).")]
Key = Annotated[
    str, typer.Option("--key", envvar="GRIDWRIGHT_KEY", help="API key of the edge (default: in the file that is set).")
]
Folder = Annotated[Path | None, typer.Option("--folder", help="Folder of the buffer (default: as set, or edge).")]
Name = Annotated[str, typer.Option("--name", help="What the centre calls it (default: as set, or the machine's name).")]


@app.command(
    epilog="Example: gridwright edge run --to https://grid.example:8443 --folder buffer --listen 127.0.0.1:8090"
)
def run(
    *,
    to: To = "",
    key: Key = "",
    folder: Folder = None,
    name: Name = "",
    listen: Annotated[str, typer.Option("--listen", help="HOST:PORT to take readings at (default: as set).")] = "",
    as_json: Json = False,
) -> None:
    """Take readings, keep them on disk, and bring them to the centre, until Ctrl-C or SIGTERM."""
    with unsearched() as started:
        from gridwright.edge.run import run as run_edge

        place = place_of(listen) if listen else {}
        settings, secret = chosen(to, key, folder, {"name": name, **place})

        def announce(url: str) -> None:
            started()
            if as_json:
                print_json({"url": url})
                finish()
            else:
                say(f"The edge listens on {url} and brings readings to {settings.edge.to}. Stop with Ctrl-C.")

        run_edge(settings, secret, ready=announce)
    if not as_json:
        say("Stopped; everything acknowledged is at the centre, or waits in the buffer.")


@app.command(epilog="Example: gridwright edge status --folder buffer --json")
def status(*, folder: Folder = None, as_json: Json = False) -> None:
    """Show how the edge of a folder is: what waits, what was lost, its last contact and what is in the way."""
    from gridwright.edge.status import read_status

    told = read_status(folder or loaded_settings().settings.edge.folder)
    if as_json:
        print_json(told)
        return
    print_told(told)


@app.command(epilog="Example: gridwright edge drain --to https://grid.example:8443 --folder buffer --within 60")
def drain(
    *,
    to: To = "",
    key: Key = "",
    folder: Folder = None,
    name: Name = "",
    within: Annotated[float, typer.Option("--within", min=0.0, help="Seconds after which it ends.")] = 600.0,
    as_json: Json = False,
) -> None:
    """Bring what waits to the centre and end; exit code 1 where something still waits."""
    from gridwright.edge.run import drain as drain_edge

    settings, secret = chosen(to, key, folder, {"name": name})
    done = drain_edge(settings, secret, within_s=within)
    if as_json:
        print_json({"waiting": done.waiting, "rejected": done.rejected, "problem": done.problem})
    else:
        say(f"{done.waiting} records wait." + (f" In the way: {done.problem}" if done.problem else ""))
    # Also where nothing waits but word of what was dropped.
    if done.waiting or done.problem:
        raise typer.Exit(1)


@app.command(epilog="Example: gridwright edge rejected --folder buffer --json")
def rejected(*, folder: Folder = None, as_json: Json = False) -> None:
    """Show the records that the centre refused, with the reasons; what is sealed is opened."""
    from gridwright.edge.rejected import read_rejected
    from gridwright.edge.run import seals_of

    settings = placed(folder)
    found = list(read_rejected(settings.folder, seals_of(settings)))
    if as_json:
        print_json({"rejected": found})
        return
    rows = [(str(one["received"]), str(one["path"]), reasons(one)) for one in found]
    print_table(("received", "address", "why"), rows)


@app.command(epilog="Example: gridwright edge resend --folder buffer --reason future")
def resend(
    *,
    folder: Folder = None,
    reason: Annotated[str, typer.Option("--reason", help="Only those of which a reason holds this text.")] = "",
    as_json: Json = False,
) -> None:
    """Put what the centre refused back into the buffer, to be sent once more; its edge must have ended."""
    from gridwright.edge.run import send_again

    settings = loaded_settings().settings.model_copy(update={"edge": placed(folder)})
    done = send_again(settings, reason=reason)
    if as_json:
        print_json({"resent": done.resent, "left": done.left})
        return
    say(f"{done.resent} records wait to be sent again, {done.left} stay in rejected.jsonl.")
    if done.resent:
        say("gridwright edge run, or gridwright edge drain, brings them to the centre.")


@app.command(epilog="Example: gridwright edge rotate --folder buffer")
def rotate(
    *,
    folder: Folder = None,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Forget the earlier keys of the key file.")] = False,
    as_json: Json = False,
) -> None:
    """Change the key that the buffer is encrypted with; its edge must have ended, an interrupted change is finished."""
    from gridwright.edge.rotate import rotate as rotated
    from gridwright.edge.run import seals_of

    settings = placed(folder)
    seals = seals_of(settings)
    if drop_old:
        _require_own_keys(seals)
    key, files = rotated(settings.folder, seals, drop_old=drop_old)
    if as_json:
        print_json({"key": key, "files": files})
        return
    say(f"Master key {key} of {seals.vault.place} wraps the keys of {files} files.")


def _require_own_keys(seals: Seals) -> None:
    """Refuse to forget keys that another seals with, or in the file of the database of the same settings."""
    from gridwright.app import Platform
    from gridwright.app.live import vault
    from gridwright.store import open_store

    seals.vault.require_unshared()
    wired = Platform(loaded_settings().settings)
    url = wired.settings.store.url
    try:
        open_store(url, create=False).close()
    except GridwrightError:
        return
    seals.vault.require_own(vault(wired), f"the database {url.rpartition('@')[2]}")


def placed(folder: Path | None) -> EdgeSettings:
    """Return the settings of an edge that has run, with its folder; NotFound where none ever did."""
    from gridwright.edge.folder import require_used

    settings = loaded_settings().settings.edge
    settings = settings if folder is None else settings.model_copy(update={"folder": folder})
    require_used(settings.folder)
    return settings


def reasons(record: dict[str, Any]) -> str:
    """Return why a record was refused, in one line."""
    told = {str(one.get("reason") or one.get("detail") or one) for one in record["verdicts"]}
    return "; ".join(sorted(told))


def chosen(to: str, key: str, folder: Path | None, more: dict[str, Any]) -> tuple[Settings, str]:
    """Return the settings with what the command line says, and the edge's key."""
    from gridwright.edge.run import read
    from gridwright.telemetry import configure_log

    settings = loaded_settings().settings
    said = {"to": to, "folder": folder, **more}
    edge = settings.edge.model_copy(update={name: value for name, value in said.items() if value not in ("", None)})
    secret = key or (read(edge.key_file).strip() if edge.key_file else "")
    if not secret:
        raise UsageError(
            "the centre wants a key", remedy="give --key, set GRIDWRIGHT_KEY, or name a file in edge.key_file"
        )
    configure_log(settings.log.level, json_lines=settings.log.json_lines)
    return settings.model_copy(update={"edge": edge}), secret


def place_of(text: str) -> dict[str, Any]:
    """Read HOST:PORT; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        raise UsageError(f"--listen {text!r} is not HOST:PORT", remedy="write for example --listen 127.0.0.1:8090")
    return {"host": host.strip("[]"), "port": int(port)}

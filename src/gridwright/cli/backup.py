"""`gridwright backup`: the whole database in one file, made while it is in use."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import as_typed, loaded_settings, platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, progress, say
from gridwright.domain.errors import UsageError

if TYPE_CHECKING:
    from gridwright.jobs.upkeep.back_up import Found
    from gridwright.jobs.upkeep.vault import Vault
    from gridwright.store.backup.file import Header

app = typer.Typer(help="Backups: made, checked, brought back.", no_args_is_help=True)
NONE_MADE = "No backup was made; an earlier one is as it was."
NOT_RESTORED = "Nothing was restored; what was there is as it was."
File = Annotated[Path, typer.Argument(help="The backup, a file that ends in .gwb.")]
Folder = Annotated[Path | None, typer.Argument(help="The folder; left out, backup.to.")]
Key = Annotated[
    Path | None, typer.Option("--key", help="The key file; left out, that of the settings or the environment.")
]


@app.command(epilog="Example: gridwright backup create -o /srv/backups/today.gwb")
def create(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; left out, a new one in backup.to.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Put it in place of a file that is there already.")] = False,
    encrypt: Annotated[
        bool,
        typer.Option(
            "--encrypt/--no-encrypt", help="Encrypt it with the key file; what is sealed in it needs that anyway."
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Back up the database into one file, while whoever uses it goes on."""
    from gridwright.app.live import vault
    from gridwright.jobs.upkeep.back_up import back_up, file_name

    wired = platform()
    now = wired.clock()
    path = output or _folder(None) / file_name(now)
    chest = vault(wired) if encrypt else None
    with progress("backing up", quiet=as_json, stopped=NONE_MADE) as advance:
        url = wired.settings.store.url
        header = back_up(wired.access, url, path, vault=chest, now=now, force=force, progress=advance)
    if as_json:
        print_json(plain(header, path))
        return
    say(f"{path}: {header.rows} rows, {header.stored_bytes / 1e6:.1f} MB.")
    if chest is not None:
        say(f"It opens only with key {header.master} of {chest.place}: keep a copy of that in another place.")


@app.command(epilog="Example: gridwright backup verify /srv/backups/today.gwb")
def verify(file: File, key: Key = None, as_json: Json = False) -> None:
    """Read a backup to its end: every byte, every part, every key; exit 1 when it is not whole."""
    from gridwright.jobs.upkeep.back_up import verify as verified

    with progress("verifying", quiet=as_json, stopped="Nothing was changed.") as advance:
        header = verified(file, vault_of(key), advance)
    if as_json:
        print_json(plain(header, file))
        return
    say(f"{file} is whole: {header.rows} rows of {header.created:%Y-%m-%d %H:%M} UTC, schema {header.revision}.")


@app.command(epilog="Example: gridwright backup restore today.gwb --to restored.db")
def restore(
    file: File,
    to: Annotated[str, typer.Option("--to", help="The database: a file, a folder, or the address of a server's.")],
    force: Annotated[bool, typer.Option("--force", help="Put it in place of what is there.")] = False,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Bring a backup back into an empty database; nothing is touched unless the backup is whole."""
    from gridwright.jobs.upkeep.back_up import restore as restored
    from gridwright.jobs.upkeep.check_health import shown as address_shown

    with progress("restoring", quiet=as_json, stopped=NOT_RESTORED) as advance:
        header = restored(file, to, vault_of(key), force=force, progress=advance)
    if as_json:
        print_json(plain(header, file))
        return
    check = as_typed(f"verify --database {quote(address_shown(to))}{f' --key {quote(str(key))}' if key else ''}")
    say(f"{header.rows} rows are back, as of {header.created:%Y-%m-%d %H:%M} UTC. Check them: {check}")


@app.command("list", epilog="Example: gridwright backup list /srv/backups")
def list_(
    folder: Folder = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read each to its end; without, its header and size.")] = False,
    as_json: Json = False,
) -> None:
    """List the backups in a folder, the newest first, and what is wrong with them."""
    from gridwright.jobs.upkeep.back_up import backups_in

    found = backups_in(_folder(folder), deep=deep)
    if as_json:
        print_json({"backups": [_listed(each) for each in found]})
        return
    rows_ = [
        (
            str(each.path),
            f"{each.header.created:%Y-%m-%d %H:%M} UTC" if each.header else "?",
            f"{each.size / 1e6:.1f} MB",
            f"{each.header.database}, {each.header.rows} rows" if each.header and not each.problem else each.problem,
            (each.header.master or "not encrypted") if each.header else "",
        )
        for each in found
    ]
    print_table(("file", "made", "size", "holds", "key"), rows_)


@app.command(epilog="Example: gridwright backup prune --keep 14 /srv/backups")
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="How many of the newest stay.")],
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Delete the older backups of a folder, once as many newer ones as are to stay were read and are whole."""
    from gridwright.domain.access import LOCAL_OWNER
    from gridwright.jobs.upkeep.back_up import prune as pruned

    done = pruned(LOCAL_OWNER, _folder(folder), keep)
    if as_json:
        print_json({"deleted": done.deleted, "damaged": [_listed(each) for each in done.damaged]})
        return
    say(f"{len(done.deleted)} deleted.")
    for each in done.damaged:
        say(f"{each.path} is no whole backup, counts for none and stays: {each.problem}")


def _listed(found: Found) -> dict[str, Any]:
    told = {"file": found.path} if found.header is None else plain(found.header, found.path)
    return told | ({"problem": found.problem} if found.problem else {})


def plain(header: Header, path: Path) -> dict[str, Any]:
    """Return a backup as the JSON object."""
    return {
        "file": path,
        "created": header.created,
        "program": header.program,
        "schema": header.revision,
        "database": header.database,
        "rows": header.rows,
        "tables": dict(header.tables),
        "bytes": header.stored_bytes,
        "sha256": header.sha256,
        "key": header.master or None,
    }


def _folder(named: Path | None) -> Path:
    chosen = named or loaded_settings().settings.backup.to
    if not chosen:
        raise UsageError("no folder of backups is named", remedy="name it, or set backup.to")
    return Path(chosen)


def vault_of(key: Path | None) -> Vault:
    """Return the vault of a key file; of none, that of the settings or the environment."""
    from gridwright.app import Platform
    from gridwright.app.live import vault
    from gridwright.jobs.upkeep.vault import Vault

    return Vault(key) if key else vault(Platform(loaded_settings().settings))

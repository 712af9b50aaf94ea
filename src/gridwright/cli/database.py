"""Which database a command works on: never one that a slip of the pen has just made, and never a second one unseen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.cli.output import say
from gridwright.domain.errors import NotFound

if TYPE_CHECKING:
    from gridwright.settings import Loaded

NAMED = 3  # folders that a sentence names


def require_database(loaded: Loaded, folder: Path | None, *, makes: bool) -> None:
    """Refuse what would make a database by mistake, and say where one is made.

    `folder`: what `--data` names; it must hold one, unless the command brings something in (`makes`). Without it, where
    nothing names a database and there is none here, one in a folder beside may be meant: people must say so.
    """
    url = loaded.settings.store.url
    if folder is not None and url == f"{folder}/":
        _require_in(folder, makes=makes)
    elif "store.url" not in loaded.origins:
        _require_here(Path(url))


def _require_in(folder: Path, *, makes: bool) -> None:
    from gridwright.settings import FILE_NAME as SETTINGS
    from gridwright.store.engine import FILE_NAME

    if (folder / FILE_NAME).is_file():
        return
    if makes:
        say(f"There is no database in {folder}: it is made.")
        return
    remedy = f"gridwright --data {folder} reading import FILE makes one, and so does gridwright serve --data {folder}"
    if (folder / SETTINGS).is_file():
        remedy = f"{folder / SETTINGS} may name another: run in that folder, or give --config instead of --data"
    raise NotFound("there is no database in this folder", where=str(folder), remedy=remedy)


def _require_here(path: Path) -> None:
    beside = folders_beside(path)
    listed = ", ".join(beside[:NAMED]) + (f" and {len(beside) - NAMED} more" if len(beside) > NAMED else "")
    if path.is_file():
        if beside:
            say(f"Note: this is ./{path}; {listed} too holds a database: --data, or store.url, tells which.")
        return
    if not beside:
        say(f"There is no database here: ./{path} is made.")
        return
    raise NotFound(
        f"there is no database here, but in {listed}",
        where=f"./{path}",
        remedy=f"gridwright --data {beside[0]} before the command takes that one; --data . makes one here",
    )


def folders_beside(path: Path) -> list[str]:
    """Return the folders beside a database, or where it would be, that hold one."""
    try:
        return sorted(found.parent.name for found in path.parent.glob(f"*/{path.name}") if found.is_file())
    except OSError:  # a folder that may not be listed holds nothing for us
        return []

"""Which database a command works on: never one that a slip of the pen has just made, and never a second one unseen."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.cli.output import say
from gridwright.domain.errors import NotFound

if TYPE_CHECKING:
    from gridwright.settings import Loaded, Settings

NAMED = 3  # folders that a sentence names


def require_named(settings: Settings, folder: Path | None, *, makes: bool) -> None:
    """Refuse a folder named by `--data` that holds no database, unless the command brings something in (`makes`)."""
    if folder is None or settings.store.url != f"{folder}/":
        return
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


def in_memory(loaded: Loaded, folder: Path | None) -> Settings | None:
    """Return the settings with a database in memory where the file of theirs is not there; None where it is.

    A dry run works on it, and leaves nothing. A server's database is taken as it is.
    """
    from gridwright.store.engine import is_memory, place, resolve

    settings = loaded.settings
    url = resolve(settings.store.url)
    if url.get_backend_name() != "sqlite" or is_memory(url) or Path(place(url)).exists():
        return None
    if folder is None:
        require_here(loaded, makes=False)
    say(f"There is no database {place(url)}, and a dry run makes none: compared with an empty one.")
    return settings.model_copy(update={"store": settings.store.model_copy(update={"url": "sqlite://"})})


def require_here(loaded: Loaded, *, makes: bool = True) -> None:
    """Before the database of this folder is opened, where nothing names one: say that it is made (with `makes`).

    One in a folder beside may be meant instead: then it is refused, for people must say so.
    """
    if "store.url" in loaded.origins:
        return
    path = Path(loaded.settings.store.url)
    beside = folders_beside(path)
    listed = ", ".join(beside[:NAMED]) + (f" and {len(beside) - NAMED} more" if len(beside) > NAMED else "")
    if path.is_file():
        if beside:
            say(f"Note: this is ./{path}; {listed} too holds a database: --data, or store.url, tells which.")
        return
    if not beside:
        if makes:
            say(f"There is no database here: ./{path} is made.")
        return
    raise NotFound(
        f"there is no database here, but in {listed}",
        where=f"./{path}",
        remedy=f"gridwright --data {shlex.quote(beside[0])} before the command takes that one; --data . makes one here",
    )


def folders_beside(path: Path) -> list[str]:
    """Return the folders beside a database, or where it would be, that hold one."""
    try:
        return sorted(found.parent.name for found in path.parent.glob(f"*/{path.name}") if found.is_file())
    except OSError:  # a folder that may not be listed holds nothing for us
        return []

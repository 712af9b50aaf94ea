"""What one run of the command line shares: which settings file, and the platform built from it."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.cli.database import in_memory, require_here, require_named
from gridwright.cli.interrupts import ctrl_c
from gridwright.cli.output import say

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.settings import Loaded

# What was named before the command: the settings file, and the folder of the data.
_named: dict[str, Path | None] = {"config": None, "data": None}


def remember(*, config: Path | None = None, data: Path | None = None) -> None:
    """Keep what was named before the command; the folder of the data is made where it is absent."""
    _named.update(config=config, data=data)


def remember_folder(data: Path) -> None:
    """Keep the folder of the data that was named before a command of a group."""
    _named["data"] = data


def named_options() -> list[str]:
    """Return what was named before the command, for another process that shall have the same settings."""
    return [part for name, path in _named.items() if path is not None for part in (f"--{name}", str(path.absolute()))]


def as_typed(words: str) -> str:
    """Return another command as it must be typed to work on the same database."""
    named = [f"--{name} {shlex.quote(str(path))}" for name, path in _named.items() if path is not None]
    return " ".join(("gridwright", *named, words))


def loaded_settings() -> Loaded:
    """Read the settings, once they are needed: `--help` must not pay for them."""
    from gridwright.settings import load_settings

    return load_settings(_named["config"]).in_folder(_named["data"])


def platform(*, makes: bool = False, dry_run: bool = False) -> Platform:
    """Wire the platform from the settings; it opens its database only when something asks for it.

    `makes`: the command brings something in, so that a folder named by `--data` may be without a database. `dry_run`:
    where there is none, it is one in memory.
    """
    with ctrl_c():
        from gridwright.app import Platform
        from gridwright.telemetry import configure_log

        loaded = loaded_settings()
        settings = loaded.settings
        _tell_where(loaded)
        tried = in_memory(loaded, _named["data"]) if dry_run and (makes or _named["data"] is None) else None
        if tried is None:
            require_named(settings, _named["data"], makes=makes)
        configure_log(settings.log.level, json_lines=settings.log.json_lines)
        if tried is not None:
            return Platform(tried)
        return Platform(settings, _opening=partial(require_here, loaded))


def _tell_where(loaded: Loaded) -> None:
    """Say that the database lies elsewhere than in the folder named by `--data`: one that settings name wins."""
    from gridwright.store.engine import place, resolve

    folder, origin = _named["data"], loaded.origins.get("store.url", "--data")
    if folder is None or origin == "--data":
        return
    where = place(resolve(loaded.settings.store.url))
    if Path(where).absolute().parent != folder.absolute():
        say(f"Note: {origin} names the database {where}; it counts, and --data {folder} does not.")

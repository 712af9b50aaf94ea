"""What one run of the command line shares: which settings file, and the platform built from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.cli.interrupts import ctrl_c
from gridwright.domain.errors import NotFound

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.settings import Loaded

# What was named before the command: the settings file, and the folder of the data.
_named: dict[str, Path | None] = {"config": None, "data": None}


def remember(*, config: Path | None = None, data: Path | None = None) -> None:
    """Keep what was named before the command; the folder of the data is made where it is absent."""
    _named.update(config=config, data=data)


def named_options() -> list[str]:
    """Return what was named before the command, for another process that shall have the same settings."""
    return [part for name, path in _named.items() if path is not None for part in (f"--{name}", str(path.absolute()))]


def loaded_settings() -> Loaded:
    """Read the settings, once they are needed: `--help` must not pay for them."""
    from gridwright.settings import load_settings

    return load_settings(_named["config"]).in_folder(_named["data"])


def platform() -> Platform:
    """Wire the platform from the settings; it opens its database only when something asks for it."""
    with ctrl_c():
        from gridwright.app import Platform
        from gridwright.telemetry import configure_log

        settings = loaded_settings().settings
        _require_database(settings.store.url)
        configure_log(settings.log.level, json_lines=settings.log.json_lines)
        return Platform(settings)


def _require_database(url: str) -> None:
    """Refuse a folder named by `--data` that holds no database: a slip of the pen must not make an empty one."""
    from gridwright.store.engine import FILE_NAME

    folder = _named["data"]
    if folder is not None and url == f"{folder}/" and not (folder / FILE_NAME).is_file():
        raise NotFound(
            "there is no database in this folder",
            where=str(folder),
            remedy=f"gridwright serve --data {folder} makes one",
        )

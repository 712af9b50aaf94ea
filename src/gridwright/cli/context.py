"""What one run of the command line shares: which settings file, and the platform built from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.settings import Loaded

_config: list[Path | None] = [None]


def remember_config(path: Path | None) -> None:
    """Keep the settings file named before the command."""
    _config[0] = path


def loaded_settings() -> Loaded:
    """Read the settings, once they are needed: `--help` must not pay for them."""
    from gridwright.settings import load_settings

    return load_settings(_config[0])


def platform() -> Platform:
    """Wire the platform from the settings; it opens its database only when something asks for it."""
    from gridwright.app import Platform
    from gridwright.telemetry import configure_log

    settings = loaded_settings().settings
    configure_log(settings.log.level, json_lines=settings.log.json_lines)
    return Platform(settings)

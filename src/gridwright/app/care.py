"""What the settings say of looking after the data: the archive, backups."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.app.platform import Platform
    from gridwright.jobs.upkeep.archive_months import Policy
    from gridwright.jobs.upkeep.check_health import Surroundings
    from gridwright.jobs.upkeep.listener_status import ListenerStatus
    from gridwright.jobs.upkeep.tidy_store import Keep


def archive_policy(platform: Platform) -> Policy:
    """Return where closed months go, and when."""
    from gridwright.jobs.upkeep.archive_months import Policy

    chosen = platform.settings.archive
    return Policy(chosen.to, chosen.after_months, chosen.keep_months)


def keep_policy(platform: Platform) -> Keep:
    """Return how long is kept what may be forgotten."""
    from gridwright.jobs.upkeep.tidy_store import Keep

    chosen = platform.settings.retention
    findings, quarantine = (
        None if days is None else timedelta(days=days) for days in (chosen.findings_days, chosen.quarantine_days)
    )
    return Keep(timedelta(days=platform.settings.work.keep_outlooks_days), findings, quarantine, chosen.readings_months)


def surroundings(platform: Platform) -> Surroundings:
    """Return what the doctor looks at besides the database; the servers that run here are asked how they are."""
    from gridwright.app.ask_server import ask_servers
    from gridwright.app.live import vault
    from gridwright.jobs.upkeep.check_health import Surroundings
    from gridwright.jobs.upkeep.server_place import read_places

    settings, now = platform.settings, platform.clock()
    key, places = os.environ.get("GRIDWRIGHT_KEY"), read_places(platform.folder)
    return Surroundings(
        now,
        vault(platform),
        archive_policy(platform),
        Path(settings.backup.to) if settings.backup.to else None,
        timedelta(hours=settings.backup.max_age_h),
        *ask_servers(settings.server, places, key, now),
        f"{settings.mqtt.host}:{settings.mqtt.port}" if settings.mqtt.host else "",
        listeners(platform),
        keep_policy(platform).quarantine,
        platform.clock,
    )


def listeners_place(platform: Platform) -> Path:
    """Return beside what the listeners of MQTT keep their folders: the database, or where the settings say."""
    return platform.settings.mqtt.folder or platform.folder


def listeners(platform: Platform) -> list[ListenerStatus]:
    """Return how the listeners of MQTT are that keep their folder here."""
    from gridwright.jobs.upkeep.listener_status import read_listeners

    return read_listeners(listeners_place(platform))

"""How the listeners of MQTT are: each writes it beside the database, for the doctor and for whoever asks."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

FOLDER, FILE = "listen", "status.json"
EVERY_S = 1.0
SILENT = timedelta(seconds=15)


class ListenerStatus(msgspec.Struct, frozen=True):
    """A listener at one moment; `waiting` messages are not acknowledged yet, the oldest for `lag_s`."""

    listener: str
    broker: str
    pid: int
    written: datetime
    stopped: bool = False
    connected: bool = False
    messages: int = 0
    accepted: int = 0
    set_aside: int = 0
    doubted: int = 0
    quarantined: int = 0
    rejected: int = 0
    ignored: int = 0
    outages: int = 0
    waiting: int = 0
    held: int = 0
    rebirths: int = 0
    lag_s: float = 0.0
    last_message: datetime | None = None
    problem: str = ""

    def runs(self, now: datetime) -> bool:
        """Tell whether it still writes, as it does every second."""
        return not self.stopped and now - self.written < SILENT


def listener_dict(status: ListenerStatus, now: datetime) -> dict[str, Any]:
    """Return the JSON object of a status, and whether the listener runs."""
    told = {name: getattr(status, name) for name in status.__struct_fields__ if name != "stopped"}
    times = {name: value.isoformat() for name, value in told.items() if isinstance(value, datetime)}
    return {"running": status.runs(now), **told, **times, "connected": status.connected and status.runs(now)}


def listener_folder(folder: Path, name: str) -> Path:
    """Return where a listener keeps what is its own: `folder` is the setting's, else that of the database."""
    return folder / FOLDER / quote(name, safe="").replace(".", "%2E")


def listener_folders(folder: Path) -> list[tuple[str, Path]]:
    """Return the name and the folder of each listener that ever ran here."""
    return [(unquote(place.name), place) for place in sorted(folder.glob(f"{FOLDER}/*")) if place.is_dir()]


def write_status(folder: Path, status: ListenerStatus) -> None:
    """Write it so that whoever reads it sees the old or the new one; a full disk is told elsewhere."""
    with suppress(OSError):
        fresh = folder / f"{FILE}.new"
        fresh.write_bytes(msgspec.json.encode(status))
        fresh.replace(folder / FILE)


def read_listeners(folder: Path) -> list[ListenerStatus]:
    """Return how the listeners are that ever ran here, by name."""
    found = []
    for file in sorted(folder.glob(f"{FOLDER}/*/{FILE}")):
        with suppress(OSError, msgspec.DecodeError):
            found.append(msgspec.json.decode(file.read_bytes(), type=ListenerStatus))
    return sorted(found, key=lambda one: one.listener)

"""Messages of which something was refused or ignored: kept in a bounded file, a JSON line each, with the reasons."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from gridwright.domain.errors import GridwrightError
from gridwright.jobs.upkeep.listener_status import listener_folders
from gridwright.listen.broker import Arrived
from gridwright.listen.lines import Lines, read_lines

if TYPE_CHECKING:
    from gridwright.api.ingest.verdicts import Verdicts
    from gridwright.jobs.upkeep.vault import Vault
    from gridwright.listen.ignored import Ignored

FILE = "rejected.jsonl"
LIMIT = 16 << 20  # bytes of the file; as many again are in the one before
LONGEST = 64 << 10  # bytes of a payload that are kept
VERDICTS, IGNORED = 20, 200  # of a message, that are kept


class Rejected:
    """The file of refused messages. One may be in it twice, after a crash; with a vault, payloads are sealed."""

    def __init__(self, folder: Path, vault: Vault | None = None) -> None:
        self._lines = Lines(folder / FILE, LIMIT)
        self._vault = vault if vault is not None and vault.exists else None

    async def keep(self, message: Arrived, verdicts: Verdicts, now: datetime, ignored: Sequence[Ignored] = ()) -> None:
        """Keep a message, and return once it is on the disk; where that is full, it is told, and the stream goes on."""
        shown = message.payload[:LONGEST]
        listed = [one.to_dict() for one in verdicts.listed if one.status == "rejected"][:VERDICTS]
        listed += [one.to_dict() for one in ignored[:IGNORED]]
        told: dict[str, Any] = {"at": now.isoformat(), "topic": message.topic, "bytes": len(message.payload)}
        told |= {"rejected": verdicts.rejected, "ignored": len(ignored), "verdicts": listed}
        if self._vault is None:
            told["payload"] = base64.b64encode(shown).decode()
        else:
            told["verdicts"] = [one | {"value": ""} for one in listed]
            told["sealed"] = base64.b64encode(self._vault.seal(shown)).decode()
        try:
            await self._lines.add(told)
        except OSError as error:
            structlog.get_logger().warning(
                "a refused message is not kept", topic=message.topic[:120], error=str(error.strerror)
            )


def read_rejected(folder: Path, vault: Vault | None = None) -> list[dict[str, Any]]:
    """Return what was refused, oldest first; `payload` is text, with escapes where it is none, and None if sealed."""
    found = []
    for line in read_lines(folder / FILE):
        with suppress(msgspec.DecodeError, binascii.Error):  # half a line, after a crash
            told: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
            found.append(told | {"payload": _payload(told, vault)})
            found[-1].pop("sealed", None)
    return found


def rejected_here(folder: Path, vault: Vault | None = None) -> list[dict[str, Any]]:
    """Return what all listeners that ever ran here refused, oldest first, each with the name of its listener."""
    found = [
        {"listener": name, **told} for name, place in listener_folders(folder) for told in read_rejected(place, vault)
    ]
    return sorted(found, key=lambda told: str(told["at"]))


def _payload(told: dict[str, Any], vault: Vault | None) -> str | None:
    raw = base64.b64decode(told.get("payload") or told.get("sealed") or "")
    if "sealed" in told:
        if vault is None:
            return None
        try:
            raw = vault.open(raw)
        except GridwrightError:
            return None
    return raw.decode("utf-8", "backslashreplace")

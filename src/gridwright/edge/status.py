"""How an edge is: written beside its buffer while it runs, so that anybody at the machine can ask."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from gridwright.domain.errors import NotFound
from gridwright.domain.interval import MICRO, from_epoch_s
from gridwright.durable import replace_file
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.compare import told
from gridwright.edge.folder import STATUS_FILE, is_locked
from gridwright.edge.forward import Forwarder

EVERY_S = 1.0


class Status(msgspec.Struct, frozen=True):
    """An edge at one moment: what waits and what was lost, its last contact, its clock, and what is in the way.

    `forgotten`: numbers of epochs that the centre had and lacks, gone here too, the newest last;
    `encrypted`: nothing that waits lies there in plain, and nothing will; `plain_bytes`: what an earlier run left so;
    `shared_by`: where other processes run that send under the same name; `doubted`: register reads since its start
    that fall or jump and come back, which the centre keeps, and does not count.
    """

    edge: str
    to: str
    pid: int
    epoch: str
    waiting: int
    bytes: int
    limit_bytes: int
    on_full: str
    dropped: int
    damaged: int
    rejected: int
    given_up: int
    forgotten: list[dict[str, str | int | None]]
    last_contact: str | None
    clock_ahead_s: float | None
    encrypted: bool
    plain_bytes: int
    problem: str
    shared_by: tuple[str, ...] = ()
    doubted: int = 0


def status_of(name: str, to: str, buffer: Buffer, forwarder: Forwarder, clock: EdgeClock) -> Status:
    """Return how the edge is now."""
    level, progress, ahead = buffer.level, forwarder.progress, clock.ahead_s
    contact = progress.last_contact_us
    return Status(
        name,
        to,
        os.getpid(),
        buffer.epoch,
        level.waiting,
        level.waiting_bytes,
        buffer.bounds.limit,
        str(buffer.bounds.on_full),
        level.dropped,
        level.damaged,
        forwarder.rejected,
        progress.gone,
        [told(one) for one in buffer.mark.forgotten],
        None if contact is None else from_epoch_s(contact / MICRO).isoformat(),
        None if ahead is None else round(ahead, 3),
        buffer.is_encrypted,
        level.plain_bytes,
        progress.problem,
        progress.shared_by,
        progress.doubted,
    )


class StatusFile:
    """Writes the status every second, while it changes."""

    def __init__(self, folder: Path, ask: Callable[[], Status]) -> None:
        self._file, self._ask = folder / STATUS_FILE, ask
        self._stopping = threading.Event()
        self.write()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        before: Status | None = None
        while not self._stopping.wait(EVERY_S):
            before = self.write(before)

    def write(self, before: Status | None = None) -> Status:
        """Write the status, unless it is as it was."""
        now = self._ask()
        if now != before:
            with suppress(OSError):  # a full disk is told by the entrance
                replace_file(self._file, msgspec.json.encode(now), durable=False)
        return now

    def stop(self) -> None:
        """Write it a last time."""
        self._stopping.set()
        self._thread.join()
        self.write()


def read_status(folder: Path) -> dict[str, Any]:
    """Return the status as a JSON object, `running` included; NotFound where no edge ever ran."""
    try:
        told: dict[str, Any] = msgspec.json.decode((folder / STATUS_FILE).read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise NotFound(
            "no edge has run on this folder", where=str(folder), remedy="gridwright edge run --folder DIR starts one"
        ) from error
    return {"running": is_locked(folder), **told}

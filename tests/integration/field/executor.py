"""An executor of controls as a process of its own, which kills itself with SIGKILL at the place it is told.

python -m tests.integration.field.executor STORE NOW PLACE
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from gridwright.control import ControlPolicy, Situation, require_still_free
from gridwright.domain.control import Command, EndDeviceControl
from gridwright.domain.device import RelayState
from gridwright.drivers import Session, connect
from gridwright.drivers.driver import Identity
from gridwright.jobs.field import execute_controls as job
from gridwright.jobs.field.device_line import Lines
from gridwright.store import open_store
from tests.integration.field.street import PASSWORD, SYSTEM, TIMEOUT_S

PLACES = (
    "between approve and arm",
    "armed, before the call",
    "sent on record, before the bytes",
    "between send and confirm",
    "read back, before it is on record",
)


def die_at(place: str, here: str) -> None:
    """End as a power cut would, if this is the place."""
    if place == here:
        os.kill(os.getpid(), signal.SIGKILL)


class Doomed:
    """A session that dies at its place."""

    def __init__(self, session: Session, place: str) -> None:
        self._session = session
        self._place = place
        self._sent = False

    async def identify(self) -> Identity:
        return await self._session.identify()

    async def relay(self) -> RelayState:
        state = await self._session.relay()
        if self._sent:
            die_at(self._place, "read back, before it is on record")
        return state

    async def set_relay(self, command: Command) -> None:
        die_at(self._place, "sent on record, before the bytes")
        await self._session.set_relay(command)
        self._sent = True
        die_at(self._place, "between send and confirm")


def main(path: str, now: datetime, place: str) -> None:
    """Run one round."""
    free = require_still_free

    def doomed_check(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> None:
        die_at(place, "between approve and arm")
        free(control, seen, policy)

    @asynccontextmanager
    async def doomed_line(driver: str, address: str, **more: object) -> AsyncIterator[Doomed]:
        die_at(place, "armed, before the call")
        line = functools.partial(connect, timeout_s=TIMEOUT_S, clock=lambda: now)
        async with line(driver, address, **more) as session:  # type: ignore[arg-type]
            yield Doomed(session, place)

    vars(job)["require_still_free"] = doomed_check
    lines = Lines(doomed_line, lambda _: PASSWORD.encode())  # type: ignore[arg-type]
    with open_store(path) as store:
        policy = ControlPolicy(look_pause_s=0.01)
        sys.stdout.write(f"{job.execute_controls(store, SYSTEM, lines, lambda: now, policy=policy)}\n")


if __name__ == "__main__":
    main(sys.argv[1], datetime.fromisoformat(sys.argv[2]), sys.argv[3])

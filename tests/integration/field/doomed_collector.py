"""A head-end as a process of its own, which kills itself with SIGKILL where it is told.

python -m tests.integration.field.doomed_collector STORE NOW commission STATE
python -m tests.integration.field.doomed_collector STORE NOW collect before|after
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from datetime import datetime

from gridwright.domain.device import DeviceLink, ReadSession
from gridwright.drivers import connect
from gridwright.jobs.field import collect_reads
from gridwright.jobs.field.collect_reads import collect_due
from gridwright.jobs.field.commission_device import commission_devices
from gridwright.jobs.field.device_line import Lines
from gridwright.jobs.field.keep_harvest import Kept, keep_harvest
from gridwright.store import Store, open_store
from tests.integration.field.street import PASSWORD, SYSTEM, TIMEOUT_S


def die() -> None:
    """End as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def doom(store: Store, place: str) -> None:
    """Die within the transaction that keeps a harvest, or just after it."""
    keep, note = keep_harvest, store.devices.note_session

    def doomed_note(access: object, session: ReadSession) -> None:
        note(access, session)  # type: ignore[arg-type]
        die()

    def doomed_keep(*given: object, **more: object) -> Kept:
        kept = keep(*given, **more)  # type: ignore[arg-type]
        die()
        return kept

    if place == "before":
        store.devices.note_session = doomed_note  # type: ignore[method-assign]
    else:
        vars(collect_reads)["keep_harvest"] = doomed_keep


def main(path: str, now: datetime, work: str, place: str) -> None:
    """Commission or collect until death."""

    def tell(link: DeviceLink) -> None:
        if link.state == place:
            die()

    lines = Lines(functools.partial(connect, timeout_s=TIMEOUT_S, clock=lambda: now), lambda _: PASSWORD.encode())
    with open_store(path) as store:
        if work == "commission":
            commission_devices(store, SYSTEM, lines, lambda: now, tell=tell)
        else:
            doom(store, place)
            collect_due(store, SYSTEM, lines, lambda: now)


if __name__ == "__main__":
    main(sys.argv[1], datetime.fromisoformat(sys.argv[2]), sys.argv[3], sys.argv[4])

"""One at a time, of all processes at a database: others are told who, and one that was killed is in nobody's way."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict, GridwrightError
from gridwright.store import Store
from gridwright.store.leases import Lease

BEAT_S = 5.0
SILENT_S = 20.0  # whoever has not counted on for so long was killed
LOOK_S = 0.5


@contextmanager
def one_at_a_time(store: Store, access: Access, name: str) -> Iterator[None]:
    """Hold a lease within; while another process does, it is a Conflict that names it."""
    lease = _taken(store, access, name)
    over = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, access, lease, over), name=f"lease {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(BEAT_S)
        with suppress(GridwrightError):  # what was done within counts, and others see that nobody counts on
            store.leases.release(access, lease)


def _taken(store: Store, access: Access, name: str) -> Lease:
    left = _left(store, access, name)
    mine = None
    with suppress(Conflict):  # two that take what nobody holds
        mine = store.leases.take(
            access, name, f"{access.actor}, process {os.getpid()} on {socket.gethostname()}", over=left
        )
    if mine is None:
        raise _held(name, store.leases.find(access, name))
    return mine


def _left(store: Store, access: Access, name: str) -> Lease | None:
    """Return the lease of a holder that was killed, None where there is none; of one that lives it is a Conflict."""
    seen = store.leases.find(access, name)
    until = time.monotonic() + SILENT_S
    while seen is not None and time.monotonic() < until:
        time.sleep(LOOK_S)
        now = store.leases.find(access, name)
        if now is None:
            return None
        if now != seen:
            raise _held(name, now)
    return seen


def _held(name: str, lease: Lease | None) -> Conflict:
    who = "another process" if lease is None else f"{lease.holder}, since {lease.since:%Y-%m-%d %H:%M} UTC"
    return Conflict(
        f"somebody else is at work on the {name}: {who}",
        remedy=f"wait until it is done; where it was killed meanwhile, the next call takes over after {SILENT_S:.0f} s",
    )


def _beat(store: Store, access: Access, lease: Lease, over: threading.Event) -> None:
    while not over.wait(BEAT_S):
        with suppress(GridwrightError):  # a database that is locked or away now may be there at the next beat
            if not store.leases.beat(access, lease):
                return

"""How long the drills wait: as long as something still moves, however slowly a busy machine does it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PATIENCE_S = 90.0
ENOUGH = threading.Event()  # asked to end: after this round, with what was played until then


def await_progress(count: Callable[[], int], is_done: Callable[[int], bool], what: str, every_s: float = 0.005) -> int:
    """Wait until a count is as it should be, and return it; fails where it has not changed for PATIENCE_S."""
    before, until = count(), time.monotonic() + PATIENCE_S
    while not is_done(before):
        assert time.monotonic() < until, f"{what}: it stays at {before}"
        time.sleep(every_s)
        now = count()
        if now != before:
            before, until = now, time.monotonic() + PATIENCE_S
    return before

"""The collector of cycles looks seldom while a file is taken: a piece makes a million objects, and no cycle."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Net new objects before the youngest are looked through; Python's 700 would walk over every piece a hundred times.
SELDOM = 50_000
_lock = threading.Lock()
_within: list[tuple[int, int, int]] = []


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cycles less often within; the last of several imports in one process puts things as they were.

    A collector that is switched off, or that looks as seldom already, is left so.
    """
    with _lock:
        before = gc.get_threshold()
        _within.append(before)
        if 0 < before[0] < SELDOM:
            gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        with _lock:
            first = _within.pop(0)
            if _within:
                # Whoever goes on hands back what was there before all of them.
                _within[0] = first
            else:
                gc.set_threshold(*first)

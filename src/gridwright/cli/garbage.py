"""No search for garbage while a server starts: what it loads stays, and is left out of every later search."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def unsearched() -> Iterator[Callable[[], None]]:
    """Look for no garbage until what is yielded is called, or to the end; a collector that is off is left so."""
    if not gc.isenabled():
        yield lambda: None
        return
    gc.disable()
    try:
        yield gc.enable
    finally:
        gc.enable()

"""The pass over plain lines, compiled where numba is installed; that takes some seconds once, then it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import structlog

from gridwright.formats.line_protocol.keys import Enter
from gridwright.formats.line_protocol.plain import Bytes, How, Rows, Table, Whose

Scan = Callable[[Bytes, Table, Whose, How, Rows], tuple[int, bool, int]]


class Machine(NamedTuple):
    """The compiled functions of `formats/line_protocol/scan.py`."""

    scan: Scan
    enter: Enter


# They make no array: to count who uses those they are given, at each call of a part, took most of the time.
HOW: Any = {"nogil": True, "_nrt": False}
_kept: list[Machine] = []
_loading = threading.Lock()
_at_first_lines = threading.Event()


def machine() -> Machine | None:
    """Return the machine code; None where it is not there, or not yet."""
    return _kept[0] if _kept else None


def is_installed() -> bool:
    """Tell whether there is a compiler: `pip install 'gridwright[fast]'` brings it."""
    return find_spec("numba") is not None


def load() -> Machine | None:
    """Compile it, or take what was compiled before; None where there is no compiler."""
    if not is_installed():
        return None
    with _loading:
        if not _kept:
            _kept.append(_compiled())
        return _kept[0]


def load_at_first_lines() -> None:
    """Have it loaded when lines come: a server that gets none saves its second of computing and 100 MB."""
    if machine() is None and is_installed():
        _at_first_lines.set()


def machine_for_lines() -> Machine | None:
    """Return the machine code; the first lines have it loaded aside, and until it is there are read as whole arrays."""
    if _at_first_lines.is_set():
        _at_first_lines.clear()
        threading.Thread(target=_load_or_tell, name="compiler", daemon=True).start()
    return machine()


def _load_or_tell() -> None:
    try:
        load()
    except Exception as error:  # noqa: BLE001 - a compiler that fails costs speed, nothing else
        structlog.get_logger().warning("lines are read without the compiler", error=repr(error))


def _compiled() -> Machine:
    import numba

    from gridwright.formats.line_protocol.scan import enter, scan

    try:
        code = Machine(numba.njit(**HOW, cache=True)(scan), numba.njit(**HOW, cache=True)(enter))
    except RuntimeError:  # there is no folder in which it could be kept
        code = Machine(numba.njit(**HOW)(scan), numba.njit(**HOW)(enter))
    nothing = _nothing()
    code.scan(*nothing)
    code.enter(nothing[1], 0, 0)
    return code


def _nothing() -> tuple[Bytes, Table, Whose, How, Rows]:
    """Return a body without lines, so that it is compiled for the types that come."""
    empty = np.frombuffer(b"", np.uint8)
    none, whole = np.zeros(0, np.int32), np.zeros(0, np.int64)
    table = Table(np.full(2, -1, np.int32), np.zeros(0, np.uint64), np.zeros(1, np.int64), np.zeros(0, np.uint8), ODD)
    how = How(empty, 0, 1.0, shrinks=False, largest=1.0, times=1, over=1, first_us=0, last_us=0, sample_us=1, grid_us=1)
    return empty, table, Whose(none, whole, whole, whole), how, Rows.room_for(0, 0)


ODD = np.ones(3, np.uint64)

"""Databases of the tests' own process do not wait for the disk, which takes longer than what most tests do.

No test cuts the power, and what a process wrote outlives its being killed. Servers that tests start, and drills, are
processes of their own and wait as they always do; only PostgreSQL, which goes on when they are killed, need not.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Pool, event

from gridwright.store import engine

BY_PRODUCT = engine.PRAGMAS
NO_WAIT = "PRAGMA synchronous=OFF"


def begin() -> None:
    """Have all databases that are opened from now on not wait."""
    engine.PRAGMAS = (*BY_PRODUCT, NO_WAIT)  # type: ignore[assignment] # one more than there are
    event.listen(Pool, "connect", _first)
    os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")


def _first(connection: Any, _: object) -> None:  # noqa: ANN401 - a driver's own
    """Begin so too: to make a file, and to give it a write-ahead log, waits several times."""
    if "sqlite" in type(connection).__module__:
        connection.execute(NO_WAIT)

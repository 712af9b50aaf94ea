"""Passwords cost little in the tests' own process, where as much work as guards them costs more than most tests do.

Servers that tests start are processes of their own and work as they always do.
"""

from __future__ import annotations

from gridwright.store.people import credentials

WORK, NOBODY = credentials.WORK, credentials._NOBODY
LITTLE = (16, 8, 1)


def begin() -> None:
    """Have passwords that are set from now on, and nobody's, cost little."""
    credentials.WORK = LITTLE
    credentials._NOBODY = NOBODY.replace(_told(WORK), _told(LITTLE))


def _told(work: tuple[int, int, int]) -> str:
    return "${}${}${}$".format(*work)

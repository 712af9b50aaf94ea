"""One thing that was looked at: its state, what was found, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class State(StrEnum):
    """`ok`; `warn`: soon to be looked after; `fail`: must be mended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: how it is, what was found, what helps if it is not well."""

    name: str
    state: State
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing must be mended."""
        return self.state is not State.FAIL


def fine(name: str, found: str) -> Check:
    """Return a check without a doubt."""
    return Check(name, State.OK, found)


def warns(name: str, found: str, remedy: str) -> Check:
    """Return a check that somebody should look at soon."""
    return Check(name, State.WARN, found, remedy)


def fails(name: str, found: str, remedy: str) -> Check:
    """Return a check that must be mended."""
    return Check(name, State.FAIL, found, remedy)


def graded(name: str, found: str, remedy: str, *, warn: bool, fail: bool = False) -> Check:
    """Return a check in the state that two limits give it."""
    if not warn and not fail:
        return fine(name, found)
    return Check(name, State.FAIL if fail else State.WARN, found, remedy)


def ago(length: timedelta) -> str:
    """Write a length of time as people say it."""
    seconds = max(length.total_seconds(), 0.0)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"

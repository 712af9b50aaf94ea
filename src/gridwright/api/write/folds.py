"""When the writer folds the journal: once nothing comes for a moment, or what waits there is old or much."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridwright.store import Store

IDLE_S = 0.25  # so long nothing came
OLD_S = 5.0
MANY = 4_000_000  # readings
MOST = 20_000_000  # beyond this nothing more is taken: folding has failed for long
PAUSE_S = 5.0  # after folding failed


class Folding:
    """Folds for the writer, in its thread, a transaction at a time; whoever reads first does it instead."""

    def __init__(self, store: Store, ticks: Callable[[], float] = time.monotonic) -> None:
        self._store, self._ticks = store, ticks
        self._waiting, self._since, self._last = 0, 0.0, 0.0
        self._not_before = float("-inf")

    @property
    def waits(self) -> bool:
        """Whether readings wait, as far as it knows."""
        return self._waiting > 0

    @property
    def full(self) -> bool:
        """Whether more waits than may."""
        return self._waiting >= MOST

    def note(self, readings: int) -> None:
        """Remember that readings were put in the journal."""
        if readings:
            self._last = self._ticks()
            self._since = self._since if self._waiting else self._last
            self._waiting += readings

    def due_in(self) -> float | None:
        """Return in how many seconds it is time, if nothing else comes; None where nothing waits."""
        if not self._waiting:
            return None
        return max(min(self._last + IDLE_S, self._since + OLD_S), self._not_before) - self._ticks()

    @property
    def is_pressing(self) -> bool:
        """Whether it is time although more comes."""
        now = self._ticks()
        pressing = self._waiting >= MANY or (self._waiting > 0 and now - self._since >= OLD_S)
        return pressing and now >= self._not_before

    def fold(self) -> bool:
        """Fold about a million readings; returns whether some are left. A failure is tried again after a pause."""
        try:
            self._store.journal.fold_some()
            left = self._store.journal.waiting(LOCAL_OWNER).readings
        except Exception as error:  # noqa: BLE001 - the one writer goes on: what waits is safe, and whoever reads is told
            self._not_before = self._ticks() + PAUSE_S
            # Nor must a log that cannot be written stop it.
            with suppress(Exception):
                _tell(error)
            return False
        self._since, self._waiting = self._ticks(), left
        return left > 0


def _tell(error: Exception) -> None:
    """Log that folding failed: a full disk or a database that is away by name and remedy, a bug with where it is."""
    log, what = structlog.get_logger(), "folding the journal failed"
    if isinstance(error, GridwrightError):
        log.warning(what, error=error.message, where=error.where, remedy=error.remedy, again_in_s=PAUSE_S)
    else:
        log.error(what, error=repr(error), exc_info=error)

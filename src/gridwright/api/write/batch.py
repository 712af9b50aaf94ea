"""One request's worth of readings on its way to the store, and the answer it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gridwright.api.answer import Answer
from gridwright.api.ingest.names import Directory, Resolved
from gridwright.api.ingest.plain import PlainReadings
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.verdicts import Verdict
from gridwright.domain.access import Access
from gridwright.ingest.order import GUESSES


@dataclass(frozen=True, slots=True)
class Once:
    """An Idempotency-Key and the digest of the request that came with it."""

    key: str
    digest: str


class Waiter(Protocol):
    """Who waits for the outcome of a batch: an asyncio future is one."""

    def done(self) -> bool:
        """Tell whether it was told, or does not wait any more."""
        ...

    def set_result(self, result: Answer, /) -> None:
        """Tell the answer."""
        ...

    def set_exception(self, exception: Exception, /) -> None:
        """Tell why there is none."""
        ...


class Tell(Protocol):
    """Makes the answer of a batch."""

    def __call__(self, batch: Batch) -> Answer:
        """Return the answer, as things stand."""
        ...


@dataclass(slots=True, eq=False)
class Batch:
    """Readings of one request: who sent them, what became of them, and how that is told.

    `tell` makes the answer once everything is written; it is remembered with them where there is a key.
    """

    access: Access
    received: datetime
    decoded: Decoded
    resolved: Resolved
    directory: Directory
    tell: Tell
    once: Once | None = None
    journal: bool = False  # its intervals may wait in the journal of the store, which is quicker
    plain: PlainReadings | None = None  # all its readings, as the journal keeps them, instead of `resolved`
    unfold: Callable[[], tuple[Decoded, Resolved]] | None = None  # what it would be without `plain`
    done: Waiter | None = None
    ahead: int = 0  # so many of its readings in quarantine were written before the others
    waits_since: float = 0.0  # when it was queued, or some of it was written ahead, by the monotonic clock
    # What the verdicts were before the first attempt to write: the counts that it may change, and what is listed.
    mark: tuple[tuple[int, int, int, int, int], tuple[Verdict, ...]] | None = None
    _touched: frozenset[str | int] = field(default=frozenset(), init=False, repr=False)

    @property
    def guesses(self) -> bool:
        """Tell whether any of its values may be set aside, which the answer tells: it must be looked up then.

        Of plain lines nothing is told.
        """
        few = any(GUESSES[one.meaning.quality] for one in self.resolved.few if not one.meaning.is_register)
        return few or any(bool(GUESSES[part.quality].any()) for part in self.resolved.intervals)

    @property
    def readings(self) -> int:
        """How many readings it brings."""
        if self.plain is not None:
            return self.plain.size
        resolved = self.resolved
        few = len(resolved.few) + resolved.quarantined.size
        parts = resolved.intervals + resolved.registers
        return few + sum(part.size for part in parts) if parts else few

    @property
    def strays(self) -> int:
        """How many of its readings are yet to be put into quarantine."""
        return self.resolved.quarantined.size - self.ahead

    @property
    def reads(self) -> int:
        """How many register reads it brings, but for single ones."""
        return sum(part.size for part in self.resolved.registers)

    def go_on_with(self, rest: Resolved) -> None:
        """Bring this alone from here on, as the others are written."""
        self.resolved, self._touched = rest, frozenset()

    @property
    def touched(self) -> frozenset[str | int]:
        """Return what it has readings of: the store's keys of usage points, and the names that nobody knows."""
        if not self._touched:
            resolved, strays, keys = self.resolved, self.resolved.quarantined, self.directory.points
            known = {one.name for one in resolved.few}
            known.update(name for part in resolved.intervals + resolved.registers for name in part.points)
            unknown = {one.name for one in strays.few}.union(*(part.points for part in strays.series))
            plain = () if self.plain is None else self.plain.point.tolist()
            self._touched = frozenset(unknown).union((keys.get(name, name) for name in known), plain)
        return self._touched

    def make_usual(self) -> bool:
        """Let plain readings go the way of all others, as they cannot wait in the journal; tells whether it has any."""
        if self.plain is None or self.unfold is None:
            return False
        self.decoded, self.resolved = self.unfold()
        self.plain = self.mark = None
        return True

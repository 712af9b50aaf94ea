"""Records at which the centre fails (500) while it answers everything else: when they may be put aside, and how.

Never for what the centre's state may explain. A run of records is put aside only once the record behind them arrives,
in the same transaction that tells their numbers as lost: a centre that fails at all records gets no number told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gridwright.api.edge.wire import Record
from gridwright.edge.link import LinkDown, LinkRefused
from gridwright.edge.reader import Range
from gridwright.edge.rejected import Rejected

ATTEMPTS, PATIENCE_S = 5, 600.0  # of which each came after a greeting that was answered
Send = Callable[[str, Range, Sequence[Record], list[Range]], None]


class Suspicion:
    """How often, and since when, the centre failed at the records from one number on, and at nothing else."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self.clear()

    def clear(self) -> None:
        """Forget it: records went, or the centre failed at more than these."""
        self._at, self._since_s, self._count = ("", 0), 0.0, 0
        self.is_ripe = False

    def note(self, epoch: str, first: int) -> None:
        """Count a failure; once there were enough for long enough, `is_ripe`: the record is to be looked for."""
        if self._at != (epoch, first):
            self.clear()
            self._at, self._since_s = (epoch, first), self._now_s()
        self._count += 1
        self.is_ripe = self._count >= ATTEMPTS and self._now_s() - self._since_s >= PATIENCE_S


class Stuck(Exception):
    """The centre fails at the first of these records alone; `first`: the number from which it has nothing."""

    def __init__(self, first: int, waiting: Sequence[Record], lost: Sequence[Range], down: LinkDown) -> None:
        super().__init__(down.reason)
        self.first, self.waiting, self.lost, self.down = first, waiting, lost, down


@dataclass(slots=True)
class Behind:
    """What follows a record at which the centre fails: of its epoch, and else the beginning of the next one."""

    epoch: str
    first: int
    last: int
    records: Sequence[Record]
    lost: list[Range]
    after: tuple[str, Range, Sequence[Record], list[Range]] | None = None


@dataclass(slots=True)
class Aside:
    """Puts records aside, as far as one behind them is taken.

    `stands_at`: up to which number of an epoch the centre is durable, told one before which it is.
    """

    rejected: Rejected
    send: Send
    stands_at: Callable[[str, int], int]
    run: list[int] = field(default_factory=list)

    def put(self, behind: Behind, why: LinkDown) -> int:
        """Return the number up to which the centre knows all, 0 where it takes nothing behind: then all waits on.

        Where the answer is lost the records stay in the file too: the centre may know their numbers as lost by then.
        """
        self._keep(behind.epoch, behind.records[0], why)
        through = self._tried(behind)
        if not through:
            # It may have failed behind its commit.
            stands_at = self.stands_at(behind.epoch, behind.first)
            through = stands_at if stands_at >= behind.first else 0
        if not through:
            self.rejected.take_back(behind.epoch, set(self.run))
        return through

    def _tried(self, behind: Behind) -> int:
        for record in behind.records[1:]:
            why = self._failure(behind.epoch, (behind.first, record.sequence), [record], self._lost(behind))
            if why is None:
                return record.sequence
            self._keep(behind.epoch, record, why)
        if behind.after is not None and self._failure(*behind.after) is None:
            numbers = (behind.first, behind.last)
            if self._failure(behind.epoch, numbers, [], self._lost(behind)) is None:
                return behind.last
        return 0

    def _failure(
        self, epoch: str, numbers: Range, records: Sequence[Record], lost: Sequence[Range]
    ) -> LinkDown | LinkRefused | None:
        """Return how the centre fails at a batch, None where it takes it; anything else that is wrong is raised."""
        try:
            self.send(epoch, numbers, records, within(lost, *numbers))
        except LinkRefused as refused:
            return refused
        except LinkDown as down:
            if not down.failed:
                raise
            return down
        return None

    def _keep(self, epoch: str, record: Record, why: LinkDown | LinkRefused) -> None:
        """Keep it on the disk before its number may be told: a crash in between keeps it twice, never not at all."""
        said = {"reason": str(why), "remedy": "gridwright edge resend sends it again, once the centre is mended"}
        self.rejected.keep(epoch, [(record, [said], [])])
        self.run.append(record.sequence)

    def _lost(self, behind: Behind) -> list[Range]:
        return [*behind.lost, *((number, number) for number in self.run)]


def within(lost: Iterable[Range], first: int, last: int) -> list[Range]:
    """Return the ranges, in order, as far as they lie between two numbers."""
    return sorted((max(begin, first), min(end, last)) for begin, end in lost if end >= first and begin <= last)

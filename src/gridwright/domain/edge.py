"""Edge: a place that keeps readings until the centre has them; what the centre knows of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

TOGETHER = timedelta(minutes=10)  # processes that were heard within it may both be alive
JITTER = timedelta(minutes=1)  # what lies further ahead was written while the clock was wrong


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """How an edge says it is: its clock less the centre's, what waits, what it had to drop, its oldest record."""

    clock_ahead: timedelta = timedelta()
    waiting: int = 0
    dropped: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class EdgeRun:
    """A process that sends under an edge's name, `token` its own; where it says it runs, and when it was heard."""

    token: str
    place: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class EdgeStream:
    """One epoch of an edge, durable up to `sequence`; `lost`: numbers that never came, as the edge itself told.

    `verdicts`: what became of the last records (JSON), for an edge that never got the answer; `run`: the process that
    sent last, None where it did not say; `shared_by`: the places of processes that send under the name at once.
    """

    edge: str
    epoch: str
    actor: str
    first: datetime
    last: datetime
    sequence: int = 0
    readings: int = 0
    rejected: int = 0
    lost: int = 0
    report: EdgeReport = EdgeReport()
    verdicts: str = "[]"
    run: EdgeRun | None = None
    shared_by: tuple[str, ...] = ()

    def lag_s(self, now: datetime) -> float:
        """Return how long the oldest record has waited that the centre does not have."""
        oldest = self.report.oldest
        return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def merged(runs: Iterable[EdgeRun]) -> list[EdgeRun]:
    """Return each process once, by when it was first heard, from what the streams tell of them."""
    found: dict[str, EdgeRun] = {}
    for run in runs:
        known = found.get(run.token, run)
        found[run.token] = replace(run, first=min(run.first, known.first), last=max(run.last, known.last))
    return sorted(found.values(), key=lambda run: (run.first, run.token))


def at_once(runs: Iterable[EdgeRun], now: datetime) -> list[EdgeRun]:
    """Return the processes that send at once: one that is heard after another began was not restarted as that one."""
    lately = [run for run in merged(runs) if now - TOGETHER <= run.last <= now + JITTER]
    return [
        run
        for run in lately
        if any(one.token != run.token and one.first < run.last and run.first < one.last for one in lately)
    ]

"""Edge: a place that keeps readings until the centre has them; what the centre knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """How an edge says it is: its clock less the centre's, what waits, what it had to drop, its oldest record."""

    clock_ahead: timedelta = timedelta()
    waiting: int = 0
    dropped: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class EdgeStream:
    """One epoch of an edge, durable up to `sequence`; `lost`: numbers that never came, as the edge itself told.

    `verdicts`: what became of the last records (JSON), for an edge that never got the answer.
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

    def lag_s(self, now: datetime) -> float:
        """Return how long the oldest record has waited that the centre does not have."""
        oldest = self.report.oldest
        return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

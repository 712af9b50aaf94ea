"""V03_duplicate of registers: which reads came again with another value, whatever the entrances they came by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.ingest.order import RANK
from gridwright.jobs.cascade.note_contradictions import CODE, DAY, MANY, SURE
from gridwright.store import Store
from gridwright.vee.chunk import amount

SECOND = timedelta(seconds=1)
Pair = tuple[RegisterReading, RegisterReading]


def read_contradictions(store: Store, access: Access, points: Sequence[str], period: Interval) -> list[Finding]:
    """Return a finding for each read of some days that took the place of another one, of the same meter and as sure.

    Both are among the versions, so that every run finds the same. Reads of an exchange are somebody's decision.
    """
    by_series: dict[object, list[Pair]] = defaultdict(list)
    for before, after in store.registers.superseded(access, points, Interval(period.start, period.end + DAY)):
        if RANK[before.quality] >= SURE and RANK[after.quality] <= RANK[before.quality]:
            by_series[after.usage_point, after.reading_type].append((before, after))
    return [finding for pairs in by_series.values() for finding in _findings(pairs)]


def _findings(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Yield a finding for each read; where there are many, the whole is one doubt."""
    groups = [[pair] for pair in pairs] if len(pairs) <= MANY else [list(pairs)]
    for group in groups:
        (before, after), last = group[0], group[-1][1]
        kind = after.reading_type
        was, now = (amount(read.value, kind) for read in (before, after))
        count = "register read" if len(group) == 1 else f"{len(group)} register reads"
        first = "the first " if len(group) > 1 else ""
        text = f"{count} came again with another value, {first}{now} after {was}; the later counts"
        period = Interval(after.at, last.at + SECOND)
        yield Finding(CODE, after.usage_point, period, Severity.WARN, text, kind, len(group))

"""When usage points were without power, as their meters told: what a gap in their readings then means is zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.grid import interruptions
from gridwright.store import Store

# Up to so many usage points are asked for one by one; more of them are found among all events.
FEW = 20
EVERY = 1_000_000
# An interruption that began before the period is looked for so far back.
BEFORE = timedelta(days=7)


def load_outages(
    store: Store, access: Access, points: Sequence[str], period: Interval
) -> Mapping[str, Sequence[Interval]]:
    """Return the interruptions that are over, by usage point; one that nobody has seen end proves nothing."""
    around = Interval(period.start - BEFORE, period.end)
    asked: list[str | None] = list(points) if len(points) <= FEW else [None]
    events = [
        event for point in asked for event in store.devices.events(access, point=point, period=around, limit=EVERY)
    ]
    wanted, found = set(points), defaultdict(list)
    for cut in interruptions(events, period):
        if cut.over and cut.usage_point in wanted:
            found[cut.usage_point].append(cut.period)
    return found

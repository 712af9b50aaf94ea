"""Before they are judged, series whose sender changed the resolution of its values are brought into one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.jobs.meters.on_behalf import on_behalf
from gridwright.store import Store


def settle_resolutions(store: Store, access: Access, points: Sequence[str] | None, *, now: datetime) -> int:
    """Bring the series of usage points of which something changed into one resolution each; returns how many."""
    if not store.resolutions.differ(access):
        return 0
    ranges = store.dirty.ranges(access, points=points)
    changed = sorted({each.usage_point for each in ranges})
    return store.resolutions.settle(on_behalf(access, Act.WRITE_READINGS), changed, known_at=now)

"""What one person moved alone, by edits and by acceptances: small ones add up to a large one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.jobs.meters.usual_use import moved_wh
from gridwright.store import Store


def moved_alone_wh(store: Store, access: Access, points: Sequence[str], since: datetime) -> dict[str, float]:
    """Return how many Wh the person who asks moved alone since an instant, by usage point: one limit holds over all."""
    moved: dict[str, float] = dict.fromkeys(points, 0.0)
    for point, wh in store.findings.moved_alone(access, points, since).items():
        moved[point] += wh
    for edit in store.edits.applied_alone(access, points, since):
        if edit.count_wh is not None:
            moved[edit.usage_point] += moved_wh(store, access, edit)
    return moved

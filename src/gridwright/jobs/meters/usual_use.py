"""What is usual at a usage point where nothing is known: the yardstick of an edit that fills a hole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import inf

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.edit import Edit
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval
from gridwright.store import Store

DAYS_BACK = 28  # like the estimates of several weeks
FEWEST_DAYS = 3  # with a value at that time of day, or nobody can tell what is usual


def moved_wh(store: Store, access: Access, edit: Edit) -> float:
    """Return how many Wh an edit moves: from what was there, and where nothing was, from what is usual at that hour.

    Power moves energy, over its intervals. Infinite where what is usual is not known either, and for what is no energy.
    """
    if edit.count_wh is None:
        return inf
    known = [(value, old) for value, old in zip(edit.values, edit.before, strict=True) if old is not None]
    moved = sum(abs(value - old) for value, old in known)
    if edit.unknown:
        usual = _usual(store, access, edit)
        moved += sum(
            abs(value - usual[at]) if np.isfinite(usual[at]) else inf
            for at, (value, old) in enumerate(zip(edit.values, edit.before, strict=True))
            if old is None
        )
    return float(moved * edit.count_wh)


def _usual(store: Store, access: Access, edit: Edit) -> Sequence[float]:
    """Return the mean at each time of day over the four weeks before the edit, in counts; NaN where it is unknown."""
    before = Interval(edit.period.start - timedelta(days=DAYS_BACK), edit.period.start)
    raw, final = (
        store.readings.load(
            access, edit.usage_point, before, reading_type=edit.reading_type, interval=edit.interval, image=image
        )
        for image in (Image.RAW, Image.FINAL)
    )
    slots = DAY_S // int(edit.interval.total_seconds())
    there = np.where(np.isnan(final.values), raw.values, final.values).reshape(-1, slots)
    days = np.isfinite(there).sum(axis=0)
    mean = np.where(days >= FEWEST_DAYS, np.nansum(there, axis=0) / np.maximum(days, 1), np.nan)
    return [float(mean[at % slots]) for at in range(len(edit.values))]

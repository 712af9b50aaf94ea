"""What the store knows of the civil days before some readings: the rules that look back a year need no intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.reading_type import ReadingType
from gridwright.store import Store
from gridwright.vee import DayHistory, RuleBook, packaged
from gridwright.vee.rules.level import HighDemand
from gridwright.vee.rules.spike import Spike

# A year for peaks, and the days that a local midnight east or west of Greenwich may add.
DAYS = 367
# These look back a year, at totals and peaks alone.
OF_PEAKS = (HighDemand, Spike)


def load_history(
    store: Store,
    access: Access,
    points: Sequence[str],
    before: datetime,
    kinds: Iterable[ReadingType],
    *,
    rules: RuleBook | None = None,
) -> Mapping[ReadingType, DayHistory]:
    """Return the days of the year before an instant by reading type; days without readings are unknown.

    How intervals came about is loaded of the days on which `rules` (None: the packaged) may ask for it, and further
    back only where a meter was silent on all of them; totals and peaks of the whole year.
    """
    last = day_number(before.date()) + 1
    near = min(looked_back(rules or packaged()), DAYS)
    days = range(last - DAYS, last)
    return {kind: _history(store, access, points, (days[:-near], days[-near:]), kind) for kind in kinds}


def looked_back(rules: RuleBook) -> int:
    """Return how many days before a panel it may matter to a rule how intervals came about."""
    every = (rule for group in rules.groups for rule in group.rules.rules if not isinstance(rule, OF_PEAKS))
    return max((int(getattr(rule, "days", 0)) for rule in every), default=0) + 2


def _history(
    store: Store, access: Access, points: Sequence[str], days: tuple[range, range], kind: ReadingType
) -> DayHistory:
    early, late = days
    close = history_of(store.day_totals.load(access, points, late, reading_type=kind))
    if not early:
        return close
    outline = store.day_totals.outlines(access, points, early, reading_type=kind)
    unknown = np.zeros(outline.peak.shape, np.int32)
    history = DayHistory(
        close.points,
        early.start,
        np.concatenate([outline.total, close.total], axis=1),
        np.concatenate([outline.peak, close.peak], axis=1),
        np.concatenate([unknown, close.intervals], axis=1),
        np.concatenate([unknown, close.estimated], axis=1),
    )
    silent = np.flatnonzero(close.estimated[:, 0] > 0)
    if silent.size:
        names = [points[row] for row in silent.tolist()]
        whole = history_of(store.day_totals.load(access, names, early, reading_type=kind))
        history.intervals[silent, : len(early)] = whole.intervals
        history.estimated[silent, : len(early)] = whole.estimated
    return history


def history_of(totals: DayTotals) -> DayHistory:
    """Return day totals as rules look back on them: what was estimated is counted, days without a value are unknown."""
    valued = totals.known & (totals.missing < totals.intervals)
    return DayHistory(
        totals.points,
        totals.first_day,
        np.where(valued & (totals.missing == 0), totals.total, np.nan),
        np.where(valued, totals.peak, np.nan),
        totals.intervals.astype(np.int32),
        (totals.estimated + totals.missing).astype(np.int32),
    )

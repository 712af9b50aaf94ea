"""V00_hidden: which edits lie over measured readings that nobody knew of when the edit was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.edit import Edit
from gridwright.domain.errors import GridMismatch
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store

CODE = "V00_hidden"
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def note_hidden(store: Store, access: Access, scope: Scope, site: SiteDefaults, *, now: datetime) -> int:
    """Keep a finding for each applied edit that hides more than one person may move; return how many are new.

    Looked at are whole edits, whatever part of them the scope holds, so that every run finds the same. One that was
    withdrawn, or that the readings agree with by now, resolves itself.
    """
    edits = store.edits.applied(access, scope.points, scope.period)
    if not edits and not any(each.code == CODE for each in store.findings.load(access, scope.points, scope.period)):
        return 0
    found = list(_found(store, access, edits, site.edit_alone_kwh))
    return store.findings.save(access, found, known_at=now, points=scope.points, period=scope.period, only=[CODE])


def _found(store: Store, access: Access, edits: Sequence[Edit], alone_kwh: float) -> Iterator[Finding]:
    energy = [each for each in edits if each.count_wh is not None]
    if not energy:
        return
    whole = Interval(min(each.period.start for each in energy), max(each.period.end for each in energy))
    around = store.edits.applied(access, sorted({each.usage_point for each in energy}), whole)
    kinds = store.readings.image_types(access, Image.RAW)
    for edit in energy:
        shows = _shows(edit, around[around.index(edit) + 1 :])
        differs = np.zeros(shows.shape)
        for kind in kinds:
            if kind.finer(0) == edit.reading_type.finer(0):
                differs = np.maximum(differs, _differs_wh(store, access, edit, kind))
        hidden = differs * shows
        if hidden.sum() > alone_kwh * 1000:
            slots = int(np.count_nonzero(hidden))
            text = (
                f"edit {edit.id} by {edit.author} lies over {slots} measured intervals that came, or changed, after it "
                f"was made; they differ from it by {hidden.sum() / 1000:g} kWh, more than the {alone_kwh:g} kWh that "
                "one person may move"
            )
            yield Finding(CODE, edit.usage_point, edit.period, Severity.WARN, text, edit.reading_type, slots)


def _shows(edit: Edit, later: Sequence[Edit]) -> Mask:
    """Tell which values of an edit count: those that no later one lies over."""
    starts = np.arange(len(edit.values)) * edit.interval.total_seconds() + edit.period.start.timestamp()
    shows = np.ones(starts.shape, np.bool_)
    for other in later:
        same = other.reading_type.finer(0) == edit.reading_type.finer(0)
        if other.usage_point == edit.usage_point and same:
            shows &= (starts < other.period.start.timestamp()) | (starts >= other.period.end.timestamp())
    return shows


def _differs_wh(store: Store, access: Access, edit: Edit, kind: ReadingType) -> Floats:
    """Return how far each measured value that was not there when the edit was made is from it; 0 for all others."""
    count_wh = edit.count_wh or 0.0
    agreed, scale = np.array(edit.values) * count_wh, count_wh * kind.resolution / edit.reading_type.resolution
    none = np.zeros(agreed.shape)
    try:
        now, then = (
            store.readings.load(
                access, edit.usage_point, edit.period, reading_type=kind, interval=edit.interval, as_of=as_of
            )
            for as_of in (None, edit.created)
        )
    except GridMismatch:
        return none  # the cascade says itself that edit and readings do not fit
    if now.period != edit.period or then.period != edit.period:
        return none
    measured = ~now.missing[0] & ~q.has_status(now.quality[0], q.ESTIMATES)
    news = measured & (then.missing[0] | (then.values[0] != now.values[0]))
    return np.where(news, np.abs(np.nan_to_num(now.values[0]) * scale - agreed), none)

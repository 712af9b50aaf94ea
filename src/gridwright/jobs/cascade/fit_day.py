"""A day on which the interval length changes: shorter intervals are added up to the longer ones stored of that day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.ingest.order import RANK


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """`summed`: on the stored grid, None where nothing fits; `rest`: the readings that cannot be taken, if any."""

    summed: Panel | None
    rest: Panel | None


def fit_day(panel: Panel, stored: Panel) -> Fitted:
    """Add up a row of a day to the stored intervals that are whole in it and of which nothing else is known yet.

    Only what sums is added up, and nothing is shared out: a longer interval is never split. The worst quality holds.
    """
    times, odd = divmod(stored.interval, panel.interval)
    off_grid = (panel.start - stored.start) % panel.interval
    if odd or off_grid or times == 1 or not panel.reading_type.sums:
        return Fitted(None, panel)
    whole = panel.regrid(stored.period)
    cells = whole.values.reshape(1, stored.slots, times)
    sums = cells.sum(axis=2)
    taken = ~np.isnan(sums) & (stored.missing | (sums == stored.values))
    if not taken.any():
        return Fitted(None, panel)
    summed = stored.with_values(
        np.where(taken, sums, np.nan), np.where(taken, _worst(whole.quality, stored.slots), np.uint8(q.MISSING))
    )
    left = whole.with_values(np.where(np.repeat(taken, times, axis=1), np.nan, whole.values))
    return Fitted(summed, None if left.missing.all() else left)


def _worst(quality: q.Qualities, slots: int) -> npt.NDArray[np.uint8]:
    each = quality.reshape(1, slots, -1)
    at = RANK[each].argmin(axis=2)[..., None]
    return np.asarray(np.take_along_axis(each, at, axis=2)[..., 0], np.uint8)

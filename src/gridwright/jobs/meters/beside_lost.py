"""Energy derived for an archived month that cannot be read: what is stored there is only out of sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import ArchiveUnreadable
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.month import month_days
from gridwright.domain.panel import Panel

DERIVED, ESTIMATED = (np.uint8(q.pack(each, q.Method.REGISTER)) for each in (q.Status.DERIVED, q.Status.ESTIMATED))


def beside_lost(panel: Panel, stored: Panel, lost: Sequence[ArchiveUnreadable]) -> Panel:
    """Return derived energy of lost months with a quality that gives way to what was measured, once that is back.

    `stored`: what was found there, of the same shape.
    """
    unseen = out_of_sight(stored, lost) & ~panel.missing
    if not unseen.any():
        return panel
    told = unseen & q.has_status(panel.quality, q.MEASURED)
    guessed = unseen & q.has_status(panel.quality, (q.Status.ESTIMATED,))
    quality = np.where(told, DERIVED, panel.quality)
    return replace(panel, quality=np.where(guessed, ESTIMATED, quality))


def out_of_sight(stored: Panel, lost: Sequence[ArchiveUnreadable]) -> npt.NDArray[np.bool_]:
    """Tell of which intervals the archive may have other values than are seen: nothing is, or what gives way."""
    days = [day for error in lost if error.month is not None for day in month_days(error.month)]
    if not days:
        return np.zeros(stored.values.shape, np.bool_)
    own = (epoch_s(stored.start) + np.arange(stored.slots) * stored.interval_s) // DAY_S
    weak = q.has_status(stored.quality, (q.Status.DERIVED, q.Status.ESTIMATED))
    return np.asarray(np.isin(own, days) & (stored.missing | weak), np.bool_)

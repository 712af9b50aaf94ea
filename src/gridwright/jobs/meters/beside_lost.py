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


def beside_lost(panel: Panel, unseen: npt.NDArray[np.bool_], method: q.Method) -> Panel:
    """Return energy of reads with a quality that says what it counts for, once the months out of sight are back."""
    told = unseen & ~panel.missing & q.of_register(panel.quality)
    if not told.any():
        return panel
    return replace(panel, quality=np.where(told, q.with_method(panel.quality, method), panel.quality))


def out_of_sight(stored: Panel, lost: Sequence[ArchiveUnreadable]) -> npt.NDArray[np.bool_]:
    """Tell of which intervals the archive may have other values than are seen: nothing is, or what gives way."""
    days = [day for error in lost if error.month is not None for day in month_days(error.month)]
    if not days:
        return np.zeros(stored.values.shape, np.bool_)
    own = (epoch_s(stored.start) + np.arange(stored.slots) * stored.interval_s) // DAY_S
    weak = q.has_status(stored.quality, (q.Status.DERIVED, q.Status.ESTIMATED))
    return np.asarray(np.isin(own, days) & (stored.missing | weak), np.bool_)

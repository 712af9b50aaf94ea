"""A panel into its blocks with what it leaves behind, whoever brought it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.domain.panel import Panel
from gridwright.store import dirty
from gridwright.store.days.away import Away
from gridwright.store.days.incoming import PLAINLY, Manner
from gridwright.store.days.outranked import tell_outranked
from gridwright.store.days.saving import PanelSaver, SaveSummary, Unfit
from gridwright.store.days.series import count_series, uncount
from gridwright.store.forgotten import kept_from, require_kept
from gridwright.store.instant import to_seconds
from gridwright.store.names import Names
from gridwright.store.session import Unit

LookAway = Callable[[Unit, int, range, npt.NDArray[np.int64]], Away | None]


def merge_panel(
    unit: Unit,
    names: Names,
    kind: int,
    panel: Panel,
    known_at_us: int,
    *,
    how: Manner = PLAINLY,
    archived: LookAway | None = None,
    unfit: list[Unfit] | None = None,
) -> tuple[PanelSaver, SaveSummary]:
    """Merge a panel of locked usage points into what is stored; returns what was touched.

    `archived`: looks which of the panel's days the database has not; `unfit`: see `PanelSaver`. What somebody sent of
    days that were forgotten is Forgotten; what is made of other readings leaves these days out.
    """
    first_day = kept_from(unit)
    if how.ranked and not how.fill:
        require_kept(panel, first_day)
    keys = names.key_array(unit, panel.points)
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys)
        panel, keys = panel.rows(order), keys[order]
    away = archived(unit, kind, _days_of(panel), keys) if archived is not None else None
    saver = PanelSaver(unit, kind, panel, keys=keys, known_at_us=known_at_us, how=how, away=away, unfit=unfit)
    return saver, saver.run(first_day)


def _days_of(panel: Panel) -> range:
    first, last = to_seconds(panel.start) // DAY_S, -(-to_seconds(panel.end) // DAY_S)
    return range(first, last)


def leave_traces(unit: Unit, saver: PanelSaver, *, settled: bool = False) -> list[str]:
    """Mark what changed dirty and count the series; returns the usage points that changed.

    `settled`: the same transaction also saves what follows from these readings, so they are not dirty.
    """
    tell_outranked(unit, saver.kind, saver.panel, saver.keys, saver.outranked, known_at_us=saver.known_at_us)
    touched = saver.touched
    at = np.flatnonzero(touched.last >= 0)
    if not at.size:
        return []
    for rows, first, last in () if settled else touched.runs():
        dirty.mark(unit, saver.kind, saver.keys[rows], first, last)
    keys, interval_s = saver.keys[at], saver.panel.interval_s
    count_series(
        unit, saver.kind, interval_s, keys, first=touched.first[at], last=touched.last[at], new=touched.new[at]
    )
    for (kind, key), fewer in saver.elsewhere.items():  # what came in place of archived readings counts in their place
        uncount(unit, kind, interval_s, np.array([key]), np.array([fewer]), kept=True)
    return [saver.panel.points[row] for row in at.tolist()]

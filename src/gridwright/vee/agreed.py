"""E10: values that people agreed on lie over what was measured or estimated."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.edit import Edit
from gridwright.domain.errors import GridMismatch
from gridwright.domain.panel import Panel

AGREED = q.pack(q.Status.EDITED, q.Method.AGREED)


def lay_agreed(panel: Panel, edits: Iterable[Edit]) -> Panel:
    """Return the panel with the values of applied edits, quality EDITED and method AGREED; later edits lie on top.

    Edits of other usage points, other reading types or outside the panel's time are passed over; one on another grid
    is a GridMismatch. The panel given stays as it is.
    """
    rows = {point: row for row, point in enumerate(panel.points)}
    values, quality = panel.values.copy(), panel.quality.copy()
    for edit in edits:
        same = edit.reading_type.finer(0) == panel.reading_type.finer(0)
        if edit.usage_point not in rows or not same or not edit.period.overlaps(panel.period):
            continue
        first, cut = _place(panel, edit)
        agreed = np.array(edit.values[cut], np.float64)
        agreed = agreed * edit.reading_type.resolution / panel.reading_type.resolution
        at = slice(first, first + agreed.size)
        values[rows[edit.usage_point], at] = np.rint(agreed)
        quality[rows[edit.usage_point], at] = AGREED
    return panel.with_values(values, quality)


def _place(panel: Panel, edit: Edit) -> tuple[int, slice]:
    """Return the panel's slot at which the edit begins, and which of its values lie within the panel."""
    offset = edit.period.start - panel.start
    if edit.interval != panel.interval or offset % panel.interval:
        raise off_grid(edit, panel.interval_s)
    first = offset // panel.interval
    skipped = max(-first, 0)
    return max(first, 0), slice(skipped, max(panel.slots - first, skipped))


def off_grid(edit: Edit, interval_s: int) -> GridMismatch:
    """Return the error that an edit does not fit readings of an interval length."""
    return GridMismatch(
        f"edit {edit.id} of {edit.usage_point} is on another grid than readings of {interval_s // 60} min",
        where=str(edit.period),
        remedy="withdraw it and agree on values of the stored intervals",
    )

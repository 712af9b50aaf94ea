"""Until when readings were forgotten for good: what is older is neither there nor taken again."""

from __future__ import annotations

from datetime import date

import numpy as np
from sqlalchemy import insert

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import Forgotten
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.store.days.incoming import is_told
from gridwright.store.schema.work import outlook
from gridwright.store.session import Unit

KIND, SUBJECT = "forgotten", "readings"  # an outlook of its own kind, which no tidying drops
LIMITS = "SELECT body FROM outlook WHERE kind = ? AND subject = ?"
REMEDY = (
    "leave them out; a longer retention.readings_months brings nothing back of what was forgotten, a bill that needs "
    "them is corrected by hand"
)


def kept_from(unit: Unit) -> int:
    """Return the first UTC day, as a number, of which readings are kept; 0 where none were ever forgotten."""
    if unit.kept_from is None:
        unit.kept_from = max((int(body) for (body,) in unit.fetch(LIMITS, (KIND, SUBJECT))), default=0)
    return unit.kept_from


def move_limit(unit: Unit, day: int, at_us: int) -> bool:
    """Keep readings from a UTC day on alone; the limit never moves back. Tells whether it moved."""
    if day <= kept_from(unit):
        return False
    row = {"kind": KIND, "subject": SUBJECT, "issued_us": at_us, "newest": False, "body": str(day)}
    unit.connection.execute(insert(outlook), [row])
    unit.kept_from = day
    return True


def reason(first: date) -> str:
    """Say why readings are not taken."""
    return f"readings from before {first} (UTC) were forgotten, as retention.readings_months says"


def require_kept(panel: Panel, first_day: int) -> None:
    """Raise Forgotten where somebody sent values of days before the first that is kept; what reads tell passes."""
    cut = min(-((epoch_s(panel.start) - first_day * DAY_S) // panel.interval_s), panel.slots)
    if cut <= 0:
        return
    old = ~np.isnan(panel.values[:, :cut]) & ~is_told(panel.quality[:, :cut]) & (panel.quality[:, :cut] != q.TAKEN_BACK)
    if old.any():
        first = date_of(first_day)
        error = Forgotten(reason(first), where=f"{panel.points[0]}, {panel.start:%Y-%m-%d}", remedy=REMEDY)
        error.first_s = first_day * DAY_S
        raise error

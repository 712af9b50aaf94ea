"""Values that did not count because a stored one is of better quality: set aside, and told by V03_duplicate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row, insert, select, update

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values, slot_time
from gridwright.formats.writer import quality_word
from gridwright.store import schema
from gridwright.store.instant import to_seconds
from gridwright.store.session import Unit
from gridwright.vee.arrivals import Duplicate
from gridwright.vee.chunk import amount

Keys = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
# Of a usage point of which more stretches were set aside at once the whole is one doubt.
MANY = 10
ASIDE = "set aside"  # by these words a finding is known again that goes on
REMEDY = (
    "What helps: if it is right, send it as estimated_final, or with its method where the format tells one, or enter "
    "an edit; else accept this"
)


@dataclass(frozen=True, slots=True, eq=False)
class Outranked:
    """Values of one day, in counts: their rows and columns in the panel, and what is stored there and stays."""

    row: Places
    column: Places
    value: Values
    quality: q.Qualities
    kept: Values
    kept_quality: q.Qualities

    def take(self, which: npt.NDArray[Any]) -> Outranked:
        """Return some of them."""
        return Outranked(*(column[which] for column in self.columns()))

    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Return the columns in the order of the fields."""
        return self.row, self.column, self.value, self.quality, self.kept, self.kept_quality


def outranked_findings(panel: Panel, found: Sequence[Outranked]) -> Iterator[tuple[int, Finding]]:
    """Yield row and finding of each stretch; what nobody sent, such as energy between register reads, needs none."""
    if not found:
        return
    joined = Outranked(*(np.concatenate(parts) for parts in zip(*(one.columns() for one in found), strict=True)))
    sent = joined.take((q.status_of(joined.quality) != q.Status.DERIVED) & ~q.of_register(joined.quality))
    for row in np.unique(sent.row).tolist():
        mine = sent.take(sent.row == row)
        mine = mine.take(np.argsort(mine.column, kind="stable"))
        bounds = [0, *(np.flatnonzero(np.diff(mine.column) > 1) + 1).tolist(), mine.column.size]
        if len(bounds) > MANY + 1:
            bounds = [0, mine.column.size]
        for first, last in pairwise(bounds):
            yield row, _finding(panel, mine.take(np.arange(first, last)))


def _finding(panel: Panel, run: Outranked) -> Finding:
    kind = panel.reading_type
    first, last = slot_time(panel, int(run.column[0])), slot_time(panel, int(run.column[-1]) + 1)
    came, kept = (
        f"{amount(float(value[0]), kind)} ({quality_word(int(quality[0]))})"
        for value, quality in ((run.value, run.quality), (run.kept, run.kept_quality))
    )
    text = f"{run.column.size} intervals came again with another value of lesser quality, which is {ASIDE}: of the "
    text += f"first {came}; stored is {kept}, and that counts. {REMEDY}"
    name = panel.points[int(run.row[0])]
    return Finding(Duplicate.code, name, Interval(first, last), Severity.WARN, text, kind, run.column.size)


def tell_outranked(
    unit: Unit, kind: int, panel: Panel, keys: Keys, found: Sequence[Outranked], *, known_at_us: int
) -> None:
    """Keep a finding for each stretch that was set aside of a panel, whose rows are those of the usage points `keys`.

    One that touches an open one makes that longer; what somebody accepted in the same words is not told again.
    """
    table = schema.finding
    for row, finding in outranked_findings(panel, found):
        start, end = to_seconds(finding.period.start), to_seconds(finding.period.end)
        mine = {"usage_point": int(keys[row]), "reading_type": kind, "code": finding.code}
        there = select(table).where(*(table.c[name] == value for name, value in mine.items()))
        near = unit.connection.execute(there.where(table.c.start_s <= end, table.c.end_s >= start)).all()
        if any(each.resolved_by and each.message == finding.message and _covers(each, start, end) for each in near):
            continue
        open_one = next((each for each in near if each.resolved_at_us is None and _goes_on(each, start, end)), None)
        now = {"start_s": start, "end_s": end, "message": finding.message, "slots": finding.slots}
        if open_one is None:
            more = {"severity": str(finding.severity), "known_at_us": known_at_us}
            unit.connection.execute(insert(table).values(**mine, **now, **more))
        else:
            longer = _longer(open_one, now, panel.interval_s)
            unit.connection.execute(update(table).where(table.c.id == open_one.id).values(longer))


def _covers(row: Row[Any], start: int, end: int) -> bool:
    return bool(row.start_s <= start and end <= row.end_s)


def _goes_on(row: Row[Any], start: int, end: int) -> bool:
    """Tell whether an open finding is of the same kind, or of exactly the same intervals, which one row speaks of."""
    return ASIDE in row.message or (row.start_s, row.end_s) == (start, end)


def _longer(row: Row[Any], now: dict[str, Any], interval_s: int) -> dict[str, Any]:
    start, end = min(row.start_s, now["start_s"]), max(row.end_s, now["end_s"])
    if ASIDE not in row.message:
        return {"message": f"{row.message}; {now['message']}"}
    within = (start, end) == (row.start_s, row.end_s)
    slots = max(row.slots, now["slots"]) if within else min(row.slots + now["slots"], (end - start) // interval_s)
    return {"start_s": start, "end_s": end, "message": now["message"], "slots": slots}

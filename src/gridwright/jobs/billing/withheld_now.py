"""Which months no bill is drafted for as long as their findings stay open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from gridwright.billing.gate import bears_on_bills, doubts
from gridwright.domain.access import Access, Act
from gridwright.domain.interval import Interval, local_months
from gridwright.domain.obstacle import BillGate, Withheld
from gridwright.domain.seams import Seams
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.bill_seams import seams_kept
from gridwright.jobs.billing.pass_gate import of_what_is_billed
from gridwright.store import Store
from gridwright.store.findings import StoredFinding

LOOKED_AT = 10_000  # findings


def withheld_now(
    store: Store,
    access: Access,
    gate: BillGate,
    *,
    now: datetime,
    points: Sequence[str] | None = None,
    most: int = LOOKED_AT,
) -> list[Withheld]:
    """Return the civil months, begun by `now`, that are withheld: by usage point and time, without what is issued.

    `most`: how many findings are looked at, the newest. Master meters have no bills.
    """
    access.require(Act.READ_BILLS)
    found: dict[str, list[StoredFinding]] = defaultdict(list)
    newest = store.findings.open_of(access, points, tuple(gate.rules), limit=most, only=bears_on_bills)
    for each in of_what_is_billed(store, access, newest):
        found[each.finding.usage_point].append(each)
    billed = found.keys() - store.network.topology(access).masters if found else set()
    known = store.registry.points(access, sorted(billed)) if billed else ()
    several = (
        one for point in known for one in _of_point(gate, point, found[point.id], seams_kept(store, access, point.id))
    )
    return [one for one in several if one.period.start <= now]


def _of_point(gate: BillGate, point: UsagePoint, found: Sequence[StoredFinding], seams: Seams) -> Iterator[Withheld]:
    numbered = [(each.id, each.finding) for each in found]
    for month in sorted({month for _, each in numbered for month in local_months(each.period, point.tz)}):
        for part in _unissued(seams.fit(month, point.tz), seams.zones):
            obstacles = tuple(doubts(gate.rules, part, numbered))
            if obstacles:
                yield Withheld(point.id, part, point.zone, obstacles)


def _unissued(month: Interval, issued: Iterable[Interval]) -> Iterator[Interval]:
    """Yield the parts of a month of which no bill is issued."""
    at = month.start
    for period in sorted(each for each in issued if each.overlaps(month)):
        if period.start > at:
            yield Interval(at, period.start)
        at = max(at, period.end)
    if at < month.end:
        yield Interval(at, month.end)

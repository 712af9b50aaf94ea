"""What accepting doubts, or taking that back, would let count: judged twice, as people decided and as they would."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import inf

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.finding import Doubted, Finding
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity
from gridwright.jobs.cascade.correct_scope import Scope, is_judged, scopes
from gridwright.jobs.cascade.make_final import Final, Ground, load_ground
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import DirtyRange, Store

HOUR_S = 3600
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a decision changes at a usage point: how many intervals count as measured, or no longer do, on which days.

    `added_wh`: by how much its energy grows; `moved_wh`: how far its values move in all, estimates beside them and
    those under edits, which may be withdrawn, included; infinite where no kWh can measure them (voltage, reactive
    energy), or where something else is found there by now than was doubted, and no interval is told.
    """

    usage_point: str
    intervals: int = 0
    days: tuple[date, ...] = ()
    added_wh: float = 0.0
    moved_wh: float = 0.0

    def __add__(self, other: Effect) -> Effect:
        return Effect(
            self.usage_point,
            self.intervals + other.intervals,
            tuple(sorted({*self.days, *other.days})),
            self.added_wh + other.added_wh,
            self.moved_wh + other.moved_wh,
        )


def weigh(
    store: Store,
    access: Access,
    site: SiteDefaults,
    chosen: Sequence[Finding],
    *,
    now: datetime,
    accepting: bool = True,
) -> dict[str, Effect]:
    """Return by usage point what accepting findings would do, or no longer accepting them; nothing is recorded.

    Only of those that reject values. What is judged is what a cascade would judge for them, with and without.
    """
    some = [each for each in chosen if each.rejects and is_judged(each.reading_type)]
    by_point: dict[str, list[Finding]] = defaultdict(list)
    for each in some:
        by_point[each.usage_point].append(each)
    effects: dict[str, Effect] = {}
    for scope in scopes(store, access, _ranges(by_point), site.rules, sure=True):
        ground = load_ground(store, access, site, scope, now=now)
        if ground is None:
            continue
        here = [each for point in scope.points for each in by_point[point]]
        for effect in _on_ground(ground.again(), here, accepting=accepting):
            effects[effect.usage_point] = effects.get(effect.usage_point, Effect(effect.usage_point)) + effect
    return effects


def _ranges(by_point: Mapping[str, Sequence[Finding]]) -> list[DirtyRange]:
    """Return for each usage point one range of days, so that nothing is judged, and counted, in two parts."""
    return [
        DirtyRange(
            point,
            several[0].reading_type,
            date_of(min(epoch_s(each.period.start) for each in several) // DAY_S),
            date_of(-(-max(epoch_s(each.period.end) for each in several) // DAY_S)),
            number,
        )
        for number, (point, several) in enumerate(by_point.items(), 1)
    ]


def _on_ground(ground: Ground, chosen: Sequence[Finding], *, accepting: bool) -> Iterator[Effect]:
    """Yield what a decision does: both judgements are of what was loaded once."""
    doubted = frozenset(each.doubted for each in chosen)
    there = ground.store.findings.accepted(ground.access, ground.scope.points, ground.scope.context)
    before = ground.final(there, told=False)
    after = ground.final(there | doubted if accepting else there - doubted, told=False)
    for one, other in zip(before, after, strict=True):
        yield from _differences(one, other, ground.scope)
    # What a bare acceptance would let in later nobody has looked at: it may be anything.
    lost = accepting and _unfound(before, chosen)
    # Few doubts are about what was estimated or entered: those are looked for only where one is not found.
    for point in _unfound(ground.final(there), chosen) if lost else ():
        yield Effect(point, moved_wh=inf)


def _unfound(before: Sequence[Final], chosen: Sequence[Finding]) -> set[str]:
    """Return the usage points where something is not found any more, or of other values than when it was."""
    found: set[Doubted] = {finding.doubted for final in before for finding in final.findings}
    return {each.usage_point for each in chosen if each.doubted not in found} if before else set()


def _differences(before: Final, after: Final, scope: Scope) -> Iterator[Effect]:
    old, new = (final.panel.between(scope.period) for final in (before, after))
    change = _change(old, new)
    # Whoever laid an edit over a value may take it away again.
    edited = after.channel.unedited is not None
    under = np.abs(_change(*(each.under.between(scope.period) for each in (before, after))) if edited else change)
    measured = [q.has_status(panel.quality, q.MEASURED) & ~panel.missing for panel in (old, new)]
    switched = measured[0] != measured[1]
    touched, unit = switched | (change != 0), _count_wh(new)
    for row in np.flatnonzero(touched.any(axis=1) | under.any(axis=1)).tolist():
        days = _days(new, np.flatnonzero(touched[row]), before.zone)
        added, moved = (0.0, inf) if unit is None else (change[row].sum() * unit, under[row].sum() * unit)
        yield Effect(new.points[row], int(switched[row].sum()), days, float(added), float(moved))


def _change(old: Panel, new: Panel) -> Floats:
    """Return by how many counts each value differs; what is not known counts as zero."""
    return np.nan_to_num(new.values) - np.nan_to_num(old.values)


def _count_wh(panel: Panel) -> float | None:
    """Return how much energy one count stands for, as edits have it; None: for none at all."""
    kind = panel.reading_type
    if kind.quantity is Quantity.POWER:
        return kind.resolution * panel.interval_s / HOUR_S
    return kind.resolution if kind.quantity is Quantity.ENERGY else None


def _days(panel: Panel, slots: np.ndarray[tuple[int], np.dtype[np.intp]], zone: str) -> tuple[date, ...]:
    """Return the local days in which slots lie."""
    return tuple(date_of(int(day)) for day in np.unique(panel.calendar(zone).day[slots]))


def together(effects: Sequence[Effect]) -> Effect:
    """Return what several usage points make together."""
    total = Effect("")
    for effect in effects:
        total = total + replace(effect, usage_point="")
    return total

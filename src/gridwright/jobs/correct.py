"""The correction cascade: what changed is validated, estimated and added up again, and its bills wait to be rated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict
from gridwright.domain.reading_type import Quantity
from gridwright.jobs.correct_part import Outcome, keep_final, make_final
from gridwright.jobs.correct_scope import JUDGED, Scope, scopes
from gridwright.jobs.rerate import Rerated
from gridwright.jobs.trust_readings import SiteDefaults
from gridwright.store import DirtyRange, Store

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Corrected:
    """What was done: ranges dealt with, usage points looked at, new findings, final readings and days that changed.

    `waiting`: ranges that changed in the meantime and stay for the next run.
    """

    ranges: int = 0
    points: int = 0
    new: int = 0
    readings: int = 0
    days: int = 0
    rerates: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Cascaded:
    """The whole cascade: what became of the readings, and of the bills."""

    readings: Corrected
    bills: Rerated


def correct(
    store: Store,
    access: Access,
    site: SiteDefaults,
    *,
    now: datetime,
    points: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Corrected:
    """Carry every dirty range through to final images, findings, day totals and the queue of bills to rate again.

    Each part is one transaction: whoever is killed in between goes on where it stopped, and run again it does
    nothing. `points`: only of those. What is neither energy nor power has no final image; its ranges are cleared.
    """
    ranges = store.dirty.ranges(access, points=points)
    mine = [each for each in ranges if each.reading_type.quantity in JUDGED]
    done: list[Outcome] = []
    finished, waiting = 0, 0
    for scope in scopes(store, access, mine):
        outcome = correct_part(store, access, site, scope, now)
        finished += len(scope.ranges)
        waiting += 0 if outcome else len(scope.ranges)
        done += [outcome] if outcome else []
        if progress:
            progress(finished, len(mine))
    store.dirty.clear(access, [each for each in ranges if each.reading_type.quantity not in JUDGED])
    return Corrected(
        len(ranges),
        len({each.usage_point for each in mine if each.reading_type.quantity is Quantity.ENERGY}),
        sum(each.findings for each in done),
        sum(each.readings for each in done),
        sum(each.days for each in done),
        sum(each.rerates for each in done),
        waiting,
    )


def correct_part(store: Store, access: Access, site: SiteDefaults, scope: Scope, now: datetime) -> Outcome | None:
    """Carry one part through; None when its readings changed meanwhile, and nothing was kept."""
    final = make_final(store, access, site, scope, now=now)
    try:
        with store.transaction(cascade=scope.cascade):
            _claim(store, access, scope.ranges)
            return keep_final(store, access, scope, final, now=now)
    except _Overtaken:
        return None


class _Overtaken(Conflict):
    """Somebody else wrote to these days, or dealt with them, while they were judged."""


def _claim(store: Store, access: Access, ranges: Sequence[DirtyRange]) -> None:
    """Clear the ranges first: if one is not there any more, what was judged is old, and must not be kept."""
    if store.dirty.clear(access, ranges) < len(ranges):
        raise _Overtaken("the readings changed while they were judged")

"""Add up the channels of a usage point day by day, as a bill does: E1 and E2 together are its energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.day_totals import FIELDS, NO_SLOT, DayTotals, day_totals
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import load_final
from gridwright.store import Store

COUNTS = ("intervals", "measured", "estimated", "edited")


def channel_kinds(store: Store, access: Access, kind: ReadingType) -> list[ReadingType]:
    """Return the types that add up to one: all channels of its energy, where it names none; else the type itself."""
    if kind.channel or kind.quantity is not Quantity.ENERGY:
        return [kind]
    every = [each for each in store.readings.image_types(access) if _whole(each) == _whole(kind)]
    return sorted({kind, *every}, key=lambda each: each.code)


def sum_totals(
    store: Store,
    access: Access,
    home: UsagePoint,
    parts: Mapping[ReadingType, DayTotals],
    *,
    as_of: datetime | None = None,
) -> DayTotals:
    """Return the totals of several channels together, from the intervals that a bill adds up.

    Of days whose intervals are no longer in the database (archived), the totals are added up: energy is exact, the peak
    is not known, and the intervals count as those of the channel with the fewest measured ones.
    """
    added = _added(list(parts.values()))
    for panel in _panels(store, access, home, added, as_of):
        whole = day_totals(panel.rescaled(added.reading_type.exponent), home.zone)
        here = [at for at, day in enumerate(added.days) if added.known[0, at] and day in whole.days]
        for at in here:
            there = added.days[at] - whole.first_day
            if whole.known[0, there]:
                for name in FIELDS:
                    getattr(added, name)[0, at] = getattr(whole, name)[0, there]
    return added


def _whole(kind: ReadingType) -> ReadingType:
    """Return a type without what tells its channels apart: the name, and how finely each counts."""
    return replace(kind, channel="", exponent=0)


def _added(parts: Sequence[DayTotals]) -> DayTotals:
    """Return totals that are known of the days of which any part is."""
    exponent = min(part.reading_type.exponent for part in parts)
    first = parts[0]
    scales = [10 ** (part.reading_type.exponent - exponent) for part in parts]
    total = sum((part.total * scale for part, scale in zip(parts, scales, strict=True)), np.zeros_like(first.total))
    # Of the finest grid the day that is measured least: a sum is as good as its worst part.
    rank = np.stack([-part.intervals * 1000 + part.measured for part in parts])
    worst = rank.argmin(axis=0)
    counts = {
        name: np.take_along_axis(np.stack([getattr(part, name) for part in parts]), worst[None], axis=0)[0]
        for name in COUNTS
    }
    return replace(
        first,
        total=total,
        peak=np.zeros_like(first.total),
        peak_slot=np.full_like(first.total, NO_SLOT),
        **counts,
        reading_type=replace(first.reading_type, channel="", exponent=exponent),
    )


def _panels(
    store: Store, access: Access, home: UsagePoint, added: DayTotals, as_of: datetime | None
) -> Iterator[Panel]:
    """Yield the final image of the sum over the known days, if it is there."""
    known = np.flatnonzero(added.known[0])
    first, end = added.days[int(known[0])], added.days[int(known[-1])] + 1
    period = Interval(*(local_midnight(date_of(day), home.tz) for day in (first, end)))
    groups, _ = load_final(store, access, {home.id: home}, period, SiteDefaults(), as_of=as_of)
    for group in groups:
        panel = group.received_of(0) if added.reading_type.flow is Flow.RECEIVED else group.trusted
        if panel is not None:
            yield panel.regrid(period)

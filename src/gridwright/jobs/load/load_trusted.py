"""Load what forecasts, plans and settlements go by: final images, and what is not judged yet, trusted for now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel, concat_points
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, Trusted, summed, trust_readings
from gridwright.jobs.load.load_final import FinalGroup, load_final
from gridwright.jobs.load.load_stored import load_stored
from gridwright.jobs.load.main_series import main_groups
from gridwright.jobs.load.one_resolution import one_resolution
from gridwright.jobs.load.reached import reached
from gridwright.jobs.load.touched_days import touched_days, untouched, untouched_panel
from gridwright.store import Store

Mask = npt.NDArray[np.bool_]
Usable = FinalGroup | Trusted


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks for usage points, and what is assumed of them; `as_of`: as known at that instant."""

    store: Store
    access: Access
    site: SiteDefaults
    now: datetime
    as_of: datetime | None = None

    def trusted(
        self, points: Sequence[str] | None = None, period: Interval | None = None
    ) -> tuple[list[FinalGroup], list[str]]:
        """Return usage points (None: all) as bills and pages have them; the notes name series that are left out.

        What the cascade made is taken as it is, quality and all. Readings that it has not come to, new or changed, are
        validated and estimated for the moment only. Nothing stored in the period is NotFound.
        """
        stored = load_stored(self.store, self.access, points, period, as_of=self.as_of)
        material = replace(stored, panels=tuple(one_resolution(stored.panels)))
        groups, notes = main_groups(material.panels, material.zones)
        whole = period or self._whole(list(material.known))
        finals, more = load_final(self.store, self.access, material.known, whole, self.site, as_of=self.as_of)
        touched = self._touched(material)
        there = {
            point.id: final.rows([row])
            for final in (untouched(final, touched) for final in finals)
            for row, point in enumerate(final.points)
        }
        read = [summed(group.delivered, group.points) for group in groups]
        open_now = {point for panel in read for point in _not_judged(panel, there)}
        judged = [final.without(open_now) for final in finals]
        trusted = self._trusted(material, open_now) if open_now else []
        found = [group for group in judged if group.points]
        found += [part for group in trusted for part in _laid(group, there, read)]
        return found, list(dict.fromkeys([*notes, *more]))

    def _whole(self, points: Sequence[str]) -> Interval:
        """Return all the time of which something is known; a day that is estimated may lie on either side."""
        extents = reached(self.store, self.access, points)
        first, last = min(each.first_day for each in extents), max(each.last_day for each in extents)
        return Interval(from_epoch_s((first - 1) * DAY_S), from_epoch_s((last + 1) * DAY_S))

    def _touched(self, material: Material) -> dict[str, list[Interval]]:
        """Return whose days changed since they were judged; what was known earlier has no such days."""
        if self.as_of is not None:
            return {}
        names = list(dict.fromkeys(point for panel in material.panels for point in panel.points))
        return touched_days(self.store, self.access, names, [panel.reading_type for panel in material.panels])

    def _trusted(self, material: Material, names: set[str]) -> list[Trusted]:
        """Validate and estimate some of the usage points for the moment."""
        panels = tuple(
            panel.rows(rows)
            for panel in material.panels
            if (rows := np.flatnonzero([point in names for point in panel.points])).size
        )
        return trust_readings(replace(material, panels=panels), self.site, now=self.now)[0]


def load_trusted(
    store: Store, access: Access, points: Sequence[str], period: Interval, site: SiteDefaults, *, now: datetime
) -> list[FinalGroup]:
    """Return usage points within a period as bills and pages have them; none where nothing is stored."""
    try:
        return Reader(store, access, site, now).trusted(points, period)[0]
    except NotFound:
        return []


def _not_judged(read: Panel, finals: Mapping[str, FinalGroup]) -> list[str]:
    """Return the usage points of which something was read that has no final image."""
    return [
        point
        for row, point in enumerate(read.points)
        if point not in finals or (~read.missing[row] & ~_covered(finals[point], read)).any()
    ]


def _covered(final: FinalGroup, read: Panel) -> Mask:
    """Tell which intervals of `read` a final image holds; where the interval length changed it holds them all."""
    panel = final.trusted
    if panel.interval != read.interval or (panel.start - read.start) % read.interval:
        return np.ones(read.slots, np.bool_)
    known: Mask = ~panel.regrid(read.period).missing[0]
    return known


def with_final(store: Store, access: Access, read: Panel, touched: Mapping[str, Sequence[Interval]]) -> Panel:
    """Return readings of one type with their final images laid over them, where they have any on that grid.

    `touched`: days that changed since they were judged; they are as they were read.
    """
    if not read.points:
        return read
    try:
        final = store.readings.load(
            access,
            read.points,
            read.period,
            reading_type=read.reading_type,
            interval=read.interval,
            image=Image.FINAL,
        )
    except (GridMismatch, NotFound):
        return read
    if (final.start - read.start) % read.interval:
        return read
    final = untouched_panel(final, touched).regrid(read.period)
    return _chosen(~final.missing, final, read)


def _laid(group: Trusted, finals: Mapping[str, FinalGroup], read: Sequence[Panel]) -> Iterator[FinalGroup]:
    """Yield a group that was trusted for the moment, the final images there are laid over it."""
    without = [row for row, point in enumerate(group.points) if point.id not in finals]
    if without:
        yield FinalGroup(group.zone, group.points, group.trusted, group.received, group.feeds_in).rows(without)
    alike: dict[object, list[FinalGroup]] = defaultdict(list)
    for row, point in enumerate(group.points):
        if point.id in finals:
            raw = next(panel for panel in read if point.id in panel.points and panel.interval == group.trusted.interval)
            own, received = group.trusted.rows([row]), group.received_of(row)
            own, received = _over(finals[point.id], own, received, raw.row(point.id))
            feeds = frozenset({point.id} if received is not None else ())
            one = FinalGroup(group.zone, (point,), own, received, feeds)
            alike[own.period, own.reading_type, received.reading_type if received else None].append(one)
    yield from (_together(several) for several in alike.values())


def _over(final: FinalGroup, own: Panel, received: Panel | None, raw: Panel) -> tuple[Panel, Panel | None]:
    """Lay a final image over one usage point: it stands where it has a value, or its day has and nothing was read."""
    period = Interval(min(own.start, final.trusted.start), max(own.end, final.trusted.end))
    made, raw = final.trusted.regrid(period), raw.regrid(period)
    day = (epoch_s(period.start) + np.arange(made.slots) * made.interval_s) // DAY_S
    known = ~made.missing[0]
    stands = known | (raw.missing[0] & np.isin(day, day[known]))
    fed = final.received_of(0)
    if fed is None or received is None:
        beside = fed or received
        return _chosen(stands, made, own.regrid(period)), beside.regrid(period) if beside else None
    return _chosen(stands, made, own.regrid(period)), _chosen(stands, fed.regrid(period), received.regrid(period))


def _chosen(which: Mask, one: Panel, other: Panel) -> Panel:
    """Return the intervals `which` of one panel, the rest of the other, in the finer resolution of both."""
    exponent = min(one.reading_type.exponent, other.reading_type.exponent)
    one, other = one.rescaled(exponent), other.rescaled(exponent)
    return one.with_values(np.where(which, one.values, other.values), np.where(which, one.quality, other.quality))


def _together(groups: Sequence[FinalGroup]) -> FinalGroup:
    """Return groups of one usage point each, on one grid over one period, as one."""
    first = groups[0]
    return replace(
        first,
        points=tuple(group.points[0] for group in groups),
        trusted=concat_points([group.trusted for group in groups]),
        received=concat_points([group.received for group in groups if group.received is not None])
        if first.received
        else None,
        feeds_in=frozenset(point for group in groups for point in group.feeds_in),
    )

"""Add up the channels of a usage point day by day, as a bill does: E1 and E2 together are its energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.day_totals import FIELDS, NO_SLOT, DayTotals, day_totals
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.counted_once import FIRST
from gridwright.jobs.load.load_final import FinalGroup, load_final
from gridwright.store import Store
from gridwright.store.archive.reading import leaving_out

COUNTS = ("intervals", "measured", "estimated", "edited")


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """The totals of several channels together, and the kWh with which each counts, by channel and place of the day."""

    totals: DayTotals
    channels: Mapping[str, Mapping[int, float]]


def channel_kinds(store: Store, access: Access, kind: ReadingType) -> list[ReadingType]:
    """Return the types that add up to one: all channels of its energy, where it names none; else the type itself.

    Each in all resolutions, of which a usage point has its totals in one.
    """
    meaning = _whole if not kind.channel and kind.quantity is Quantity.ENERGY else _own
    every = [each for each in store.readings.image_types(access) if meaning(each) == meaning(kind)]
    return sorted({kind, *every}, key=lambda each: each.code)


def sum_totals(
    store: Store,
    access: Access,
    home: UsagePoint,
    parts: Mapping[ReadingType, DayTotals],
    *,
    as_of: datetime | None = None,
) -> Summed:
    """Return the totals of several channels together, from the intervals that a bill adds up.

    Of days whose intervals cannot be read (a lost archive file), the totals are added up: energy is exact, the peak
    is not known, and the intervals count as those of the channel with the fewest measured ones. There energy without a
    channel counts on days of which no first channel (E1) is known.
    """
    added, counts = _added(list(parts.values())), _kwh_of(parts)
    with leaving_out():
        groups = _groups(store, access, home, added, as_of)
    for panel in _panels(groups, added):
        fitted = panel.regrid(_period(added, home)).rescaled(added.reading_type.exponent)
        whole = day_totals(fitted, home.zone)
        here = [at for at, day in enumerate(added.days) if added.known[0, at] and day in whole.days]
        for at in here:
            there = added.days[at] - whole.first_day
            if whole.known[0, there]:
                for name in FIELDS:
                    getattr(added, name)[0, at] = getattr(whole, name)[0, there]
    _count_once(counts, groups, added, home)
    return Summed(added, counts)


def _kwh_of(parts: Mapping[ReadingType, DayTotals]) -> dict[str, dict[int, float]]:
    """Return what each channel has of each day, but for energy without a channel that a first channel has."""
    first = _first(list(parts.values()))
    return {
        kind.channel: {
            at: float(part.kwh[0, at])
            for at in np.flatnonzero(part.known[0]).tolist()
            if kind.channel or not first[0, at]
        }
        for kind, part in parts.items()
    }


def _count_once(
    counts: dict[str, dict[int, float]], groups: Sequence[FinalGroup], added: DayTotals, home: UsagePoint
) -> None:
    """Let channels have of each day what of their intervals counts."""
    for panel in (panel for group in groups for panel in group.channels):
        kind = panel.reading_type
        if kind.flow is added.reading_type.flow and home.id in panel.points:
            totals = day_totals(panel.row(home.id).regrid(_period(added, home)), home.zone)
            mine = counts.setdefault(kind.channel, {})
            for at, day in enumerate(added.days):
                if day in totals.days and totals.known[0, day - totals.first_day]:
                    mine[at] = float(totals.kwh[0, day - totals.first_day])


def _first(parts: Sequence[DayTotals]) -> npt.NDArray[np.bool_]:
    """Tell of which days a first channel is known."""
    known = [part.known for part in parts if FIRST.fullmatch(part.reading_type.channel)]
    return np.asarray(np.any(known, axis=0)) if known else np.zeros(parts[0].known.shape, np.bool_)


def _whole(kind: ReadingType) -> ReadingType:
    """Return a type without what tells its channels apart: the name, and how finely each counts."""
    return replace(kind, channel="", exponent=0)


def _own(kind: ReadingType) -> ReadingType:
    """Return a type without its resolution."""
    return kind.finer(0)


def _added(parts: Sequence[DayTotals]) -> DayTotals:
    """Return totals that are known of the days of which any part is."""
    exponent = min(part.reading_type.exponent for part in parts)
    first, once = parts[0], _first(parts)
    scales = [10 ** (part.reading_type.exponent - exponent) for part in parts]
    counting = [part.total if part.reading_type.channel else np.where(once, 0, part.total) for part in parts]
    total = sum((each * scale for each, scale in zip(counting, scales, strict=True)), np.zeros_like(first.total))
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


def _period(added: DayTotals, home: UsagePoint) -> Interval:
    known = np.flatnonzero(added.known[0])
    first, end = added.days[int(known[0])], added.days[int(known[-1])] + 1
    return Interval(*(local_midnight(date_of(day), home.tz) for day in (first, end)))


def _groups(
    store: Store, access: Access, home: UsagePoint, added: DayTotals, as_of: datetime | None
) -> Sequence[FinalGroup]:
    """Return the final image of the sum over the known days, if it is there."""
    return load_final(store, access, {home.id: home}, _period(added, home), SiteDefaults(), as_of=as_of)[0]


def _panels(groups: Sequence[FinalGroup], added: DayTotals) -> Iterator[Panel]:
    for group in groups:
        panel = group.received_of(0) if added.reading_type.flow is Flow.RECEIVED else group.trusted
        if panel is not None:
            yield panel

"""The event's hours beside the same hours of the days before, by the wall clock, for many usage points at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gridwright.demand_response.rules import Adjustment, BaselineRule
from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar, date_of, day_number
from gridwright.domain.errors import GridMismatch, TooLittleData
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s, zone_of
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import Quantity

Mask = npt.NDArray[np.bool_]
Slots = npt.NDArray[np.intp]
Periods = Mapping[str, Sequence[Interval]]
NONE: Periods = {}
MINUTES = 1440
SATURDAY = 5
# After the event: how long what was put off is looked for.
SNAP_BACK = timedelta(hours=2)


@dataclass(frozen=True, slots=True, eq=False)
class LikeDays:
    """Energy of n usage points in Wh, [n, 1 + days back, slots]: index 0 of axis 1 is the event's day itself.

    Axis 2 holds the windows one after the other: `before` (adjustment), `event`, `after` (snap-back). NaN = unknown; on
    the event's day also what is estimated, and what fell into an outage (`off`, [n, slots]).
    `dates`: local date of each day back; `free`: whether the event's is a weekend or holiday. `eligible`: which days
    before may be chosen, [n, days back]; `why_not`: how many like days each reason ruled out, by row.
    """

    points: tuple[str, ...]
    period: Interval
    interval: timedelta
    dates: tuple[date, ...]
    free: bool
    wh: Values
    estimated: Mask
    off: Mask
    before: slice
    event: slice
    after: slice
    eligible: Mask
    why_not: Mapping[str, npt.NDArray[np.int64]]

    @property
    def past(self) -> Values:
        """Energy of the days before, [n, days back, slots]."""
        return self.wh[:, 1:]

    @property
    def today(self) -> Values:
        """Energy of the event's day, [n, slots]."""
        return self.wh[:, 0]


def like_days(
    panel: Panel,
    period: Interval,
    rule: BaselineRule,
    *,
    zone: str,
    holidays: Collection[date] = frozenset(),
    events: Periods = NONE,
    outages: Periods = NONE,
) -> LikeDays:
    """Line up the windows of an event with the days before it.

    A repeated wall-clock hour is taken at its first pass; a day on which an hour is skipped has no value there.
    `events` and `outages` of a usage point: such days are no like days of it, and to be without power is no reduction.
    """
    if panel.reading_type.quantity is not Quantity.ENERGY:
        raise GridMismatch(f"{panel.reading_type} is no energy", remedy="hand over interval energy")
    whole = cover(panel, period, rule)
    calendar = whole.calendar(zone)
    windows = _windows(whole, period, rule)
    columns = np.concatenate(windows)
    at = _same_hours(calendar, columns, rule.look_back_days)
    values, estimated = _lined_up(whole, at)
    first = int(calendar.day[windows[1][0]])
    dates = tuple(date_of(first - back) for back in range(rule.look_back_days + 1))
    before, event, after = _slices(windows)
    alike, free = _alike(dates, frozenset(holidays))
    busy, dark = (_days_of(periods, whole.points, dates[1:], zone) for periods in (events, outages))
    off = _off(whole, columns, outages)
    values[:, 0][off] = np.nan
    compared = event if rule.adjustment is Adjustment.NONE else slice(0, event.stop)
    eligible, why_not = _eligible(values[:, 1:, compared], estimated[:, 1:, compared], (alike, busy, dark), rule)
    return LikeDays(
        points=whole.points,
        period=period,
        interval=whole.interval,
        dates=dates,
        free=free,
        wh=values,
        estimated=estimated,
        off=off,
        before=before,
        event=event,
        after=after,
        eligible=eligible,
        why_not=why_not,
    )


def cover(panel: Panel, period: Interval, rule: BaselineRule) -> Panel:
    """Return the panel from the first day looked back on to the end of the snap-back; unknown where it has nothing."""
    margin = timedelta(days=rule.look_back_days + 2) + rule.window + rule.buffer
    step, phase = panel.interval_s, epoch_s(panel.start) % panel.interval_s

    def on_grid(moment: datetime) -> datetime:
        return from_epoch_s((epoch_s(moment) - phase) // step * step + phase)

    start = on_grid(period.start - margin)
    return panel.regrid(Interval(start, on_grid(period.end + SNAP_BACK) + panel.interval))


def _windows(panel: Panel, period: Interval, rule: BaselineRule) -> tuple[Slots, Slots, Slots]:
    """Return the slots that lie whole in the adjustment window, in the event, and after it."""
    starts = epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots)

    def inside(start: datetime, end: datetime) -> Slots:
        return np.flatnonzero((starts >= epoch_s(start)) & (starts + panel.interval_s <= epoch_s(end)))

    latest = period.start - rule.buffer
    event = inside(period.start, period.end)
    if not event.size:
        raise TooLittleData(
            f"no interval of {panel.interval_s // 60} min lies within {period}",
            remedy="plan events that are at least as long as the meters' intervals",
        )
    return inside(latest - rule.window, latest), event, inside(period.end, period.end + SNAP_BACK)


def _slices(windows: Sequence[Slots]) -> tuple[slice, slice, slice]:
    """Return where each window lies when they follow one another."""
    edges = np.cumsum([0, *(len(window) for window in windows)]).tolist()
    before, event, after = (slice(begin, end) for begin, end in pairwise(edges))
    return before, event, after


def _same_hours(calendar: LocalCalendar, columns: Slots, back: int) -> npt.NDArray[np.intp]:
    """Return for 0..back days before the slot with the same wall-clock time as each column, -1 where there is none."""
    wall = calendar.day.astype(np.int64) * MINUTES + calendar.minute
    known, first = np.unique(wall, return_index=True)
    wanted = wall[columns][None, :] - MINUTES * np.arange(back + 1)[:, None]
    place = np.minimum(np.searchsorted(known, wanted), known.size - 1)
    found = np.where(known[place] == wanted, first[place], -1)
    found[0] = columns
    return found.astype(np.intp)


def _lined_up(panel: Panel, at: Slots) -> tuple[Values, Mask]:
    """Return Wh and what is estimated, [n, 1 + days back, slots], at the slots of `at` (-1 = none)."""
    unknown = q.has_status(panel.quality, q.GAPS) | np.isnan(panel.values)
    wh = np.where(unknown, np.nan, panel.values * panel.reading_type.resolution)
    there = at >= 0
    values = np.where(there, wh[:, at], np.nan)
    estimated = q.has_status(panel.quality, q.ESTIMATES)[:, at] & there
    # What a customer did in an event cannot be known from an estimate.
    values[:, 0][estimated[:, 0]] = np.nan
    return values, estimated


def _alike(dates: Sequence[date], holidays: frozenset[date]) -> tuple[Mask, bool]:
    free = np.array([day.weekday() >= SATURDAY or day in holidays for day in dates])
    return free[1:] == free[0], bool(free[0])


def _days_of(periods: Periods, points: Sequence[str], dates: Sequence[date], zone: str) -> Mask:
    """Return on which days the periods of each usage point fall, [n, days back]."""
    days = np.zeros((len(points), len(dates)), np.bool_)
    latest, tz = day_number(dates[0]), zone_of(zone)
    for row, point in enumerate(points):
        for period in periods.get(point, ()):
            first = day_number(period.start.astimezone(tz).date())
            last = day_number((period.end - timedelta(seconds=1)).astimezone(tz).date())
            # Column c is the day `latest - c`.
            days[row, max(latest - last, 0) : max(latest - first + 1, 0)] = True
    return days


def _off(panel: Panel, columns: Slots, outages: Periods) -> Mask:
    """Return in which slots each usage point was without power for a while, [n, slots]."""
    starts = epoch_s(panel.start) + panel.interval_s * columns
    off = np.zeros((len(panel.points), columns.size), np.bool_)
    for row, point in enumerate(panel.points):
        for outage in outages.get(point, ()):
            off[row] |= (starts < epoch_s(outage.end)) & (starts + panel.interval_s > epoch_s(outage.start))
    return off


def _eligible(
    past: Values, estimated: Mask, days: tuple[Mask, Mask, Mask], rule: BaselineRule
) -> tuple[Mask, dict[str, npt.NDArray[np.int64]]]:
    alike, busy, dark = days
    left = alike & ~busy
    lacking = np.isnan(past).any(axis=2)
    guessed = estimated.mean(axis=2) > rule.max_estimated
    why_not = {
        "were event days": alike & busy,
        "had an outage": left & dark,
        "lack readings": left & ~dark & lacking,
        "rest on estimates": left & ~dark & ~lacking & guessed,
    }
    return left & ~dark & ~lacking & ~guessed, {why: mask.sum(axis=1) for why, mask in why_not.items()}

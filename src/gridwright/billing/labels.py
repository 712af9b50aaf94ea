"""Compiling a time-of-use calendar: one label number for every interval, computed once for all meters."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar, date_of, day_number, local_calendar
from gridwright.domain.errors import RateError, RateRefused
from gridwright.domain.rate import Row, Season, TouCalendar

Labels = npt.NDArray[np.int8]
CELL_S = 900
DAY_MINUTES = 1440
NO_LABEL = -1


@lru_cache(maxsize=128)
def compile_labels(calendar: TouCalendar, start: datetime, interval: timedelta, slots: int, zone: str) -> Labels:
    """Return int8[slots], the index into `calendar.labels` of each interval from `start` on.

    Intervals longer than a cell are RateRefused where they straddle two labels: sharing them would be a guess.
    """
    clock = local_calendar(start, interval, slots, zone)
    if clock.interval_s <= CELL_S:
        labels = label_moments(calendar, clock)
    else:
        fine = local_calendar(start, timedelta(seconds=CELL_S), -(-slots * clock.interval_s // CELL_S), zone)
        labels = _coarse(calendar, label_moments(calendar, fine), clock)
    labels.setflags(write=False)
    return labels


def _coarse(calendar: TouCalendar, fine: Labels, clock: LocalCalendar) -> Labels:
    minutes = clock.interval_s // 60
    cells = fine.reshape(clock.slots, -1) if clock.interval_s % CELL_S == 0 else None
    if cells is None or (cells != cells[:, :1]).any():
        raise RateRefused(
            f"calendar {calendar.id}: readings of {minutes} min straddle two of its labels",
            remedy="read at 15 min, or give a calendar whose labels change between readings only",
        )
    return cells[:, 0].copy()


def label_moments(calendar: TouCalendar, clock: LocalCalendar) -> Labels:
    """Return the label index at the start of each slot: rows, then seasons, holidays and special days."""
    weekend = clock.weekday >= 5  # noqa: PLR2004 - Saturday
    holiday = np.isin(clock.day, holiday_numbers(calendar, clock)) if calendar.holidays else np.zeros_like(weekend)
    if calendar.holiday_as == "weekend":
        weekend = weekend | holiday
    elif calendar.holiday_as == "weekday":
        weekend = weekend & ~holiday
    month = clock.month % 12
    labels = np.where(weekend, _cells(calendar.weekend, month, clock), _cells(calendar.weekday, month, clock))
    for season in calendar.seasons:
        inside = _in_season(season, clock)
        rows = (_cells((row,), month, clock) for row in (season.weekend, season.weekday))
        labels = np.where(inside, np.where(weekend, *rows), labels)
    if calendar.holiday_as in calendar.labels:
        labels = np.where(holiday, calendar.labels.index(calendar.holiday_as), labels)
    return _with_special(calendar, labels.astype(np.int8), clock)


def _cells(rows: tuple[Row, ...], month: npt.NDArray[np.int32], clock: LocalCalendar) -> npt.NDArray[np.int64]:
    padded = [row if len(row) == 96 else tuple(cell for cell in row for _ in range(4)) for row in rows]  # noqa: PLR2004
    table = np.array(padded, dtype=np.int64)
    quarter = clock.minute.astype(np.int64) * 96 // DAY_MINUTES
    cells: npt.NDArray[np.int64] = table[month if len(rows) > 1 else 0, quarter]
    return cells


def _in_season(season: Season, clock: LocalCalendar) -> npt.NDArray[np.bool_]:
    month = clock.month % 12 + 1
    day = (clock.dates - clock.dates.astype("datetime64[M]")).astype(np.int64) + 1
    moment = month * 100 + day
    start, end = (edge[0] * 100 + edge[1] for edge in (season.start, season.end))
    inside: npt.NDArray[np.bool_]
    inside = (moment >= start) & (moment < end) if start < end else (moment >= start) | (moment < end)
    return inside


def _with_special(calendar: TouCalendar, labels: Labels, clock: LocalCalendar) -> Labels:
    for special in calendar.special:
        first, last = special.hours
        on_day = np.isin(clock.day, [day_number(day) for day in special.dates])
        within = (clock.minute >= first * 60) & (clock.minute < last * 60)
        labels[on_day & within] = calendar.labels.index(special.label)
    return labels


def holiday_numbers(calendar: TouCalendar, clock: LocalCalendar) -> npt.NDArray[np.int32]:
    """Return the day numbers of the calendar's holidays in the years that the clock touches."""
    if clock.slots == 0:
        return np.empty(0, np.int32)
    years = range(date_of(int(clock.day[0])).year, date_of(int(clock.day[-1])).year + 1)
    return np.array(sorted(_holidays(calendar.holidays, tuple(years))), dtype=np.int32)


def holiday_dates(name: str, years: tuple[int, ...]) -> frozenset[date]:
    """Return the dates of the holiday set `name`, such as DE-BE, in `years`; an unknown set is a RateError."""
    return frozenset(date_of(number) for number in _holidays(name, years))


@lru_cache(maxsize=64)
def _holidays(name: str, years: tuple[int, ...]) -> frozenset[int]:
    import holidays

    country, _, region = name.partition("-")
    try:
        days = holidays.country_holidays(country, subdiv=region or None, years=years)
    except NotImplementedError as error:
        raise RateError(
            f"holidays {name!r} is no known set", remedy="write COUNTRY or COUNTRY-REGION, such as DE-BE or US-CA"
        ) from error
    return frozenset(day_number(day) for day in days)

"""The fleet's mean profile: the shape lent to a usage point whose own history does not cover a part of the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.vee.like_day import mean_over, mean_profiles
from gridwright.vee.runs import Floats
from gridwright.vee.validate import Points, parts
from gridwright.vee.wall import Holidays, WallClock, wall_clock

HolidayCalendars = Holidays | Mapping[str, Holidays]
FleetProfile = Callable[[], Floats]


def holidays_of(calendars: HolidayCalendars, name: str) -> Holidays:
    """Return the holidays that apply to usage points with the holiday calendar `name`."""
    return calendars.get(name, frozenset()) if isinstance(calendars, Mapping) else calendars


def fleet_profile(panel: Panel, points: Points, zone: str, *, holidays: HolidayCalendars) -> Floats:
    """Return the mean profile of the zone's usage points, each relative to its own level, float64[3, width].

    Only those that know the whole day count; NaN where none does. Rows are taken in pieces,
    so memory does not grow with the fleet.
    """
    sums: list[Floats] = []
    counts: list[Floats] = []
    for part in parts(panel, points, None):
        if part.calendar.zone == zone:
            profiles = _relative(panel.rows(part.rows), wall_clock(part.calendar, holidays_of(holidays, part.holidays)))
            known = ~np.isnan(profiles)
            sums.append(np.where(known, profiles, 0.0).sum(axis=0))
            counts.append(known.sum(axis=0).astype(np.float64))
    total, number = np.sum(sums, axis=0), np.sum(counts, axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _relative(panel: Panel, wall: WallClock) -> Floats:
    trusted = np.where(q.has_status(panel.quality, q.TRUSTED), panel.values, np.nan)
    profiles = mean_profiles(wall.lay(trusted), wall.kind)
    # NaN unless every slot of the day is known: half a day would bend the shape of the others.
    level = mean_over(profiles, axis=1).mean(axis=1)[:, None, None]
    return np.where(level > 0, profiles / np.where(level > 0, level, 1.0), np.nan)

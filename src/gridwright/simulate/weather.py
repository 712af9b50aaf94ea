"""Weather of a mid-latitude town: temperature by season and hour, and what clouds leave of the sun."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar
from gridwright.simulate.town import Floats

LATITUDE_DEG = 51.0
LONGITUDE_DEG = 10.0
YEAR_DAYS = 365.25
MEAN_C, SEASON_C, DAILY_C = 10.0, 9.5, 4.0
COLDEST_DAY = 20  # of the year


@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """Per slot: temperature in °C, sun as a share of its noon strength overhead (0-1), both float64[slots]."""

    temperature_c: Floats
    sun: Floats


def weather(calendar: LocalCalendar, rng: np.random.Generator) -> Weather:
    """Draw a weather for the slots of `calendar`: warm and cold spells of days, clouds of hours."""
    day_of_year = (calendar.start_s / 86_400.0) % YEAR_DAYS
    season = -np.cos(2 * np.pi * (day_of_year - COLDEST_DAY) / YEAR_DAYS)
    sun_hour = (calendar.start_s / 3600.0 + LONGITUDE_DEG / 15.0 + calendar.interval_s / 7200.0) % 24
    daily = -np.cos(2 * np.pi * (sun_hour - 3.5) / 24) * (0.6 + 0.4 * season)
    spells = 2.5 * _wandering(calendar, rng, days=4.0)
    temperature = MEAN_C + SEASON_C * season + DAILY_C * daily + spells
    cover = 1 / (1 + np.exp(-1.6 * (_wandering(calendar, rng, days=1.5) + 0.6 * _wandering(calendar, rng, days=0.1))))
    return Weather(temperature, _clear_sky(day_of_year, sun_hour) * (1 - 0.8 * cover))


def _wandering(calendar: LocalCalendar, rng: np.random.Generator, *, days: float) -> Floats:
    """Return a smooth random path of unit spread that forgets itself after `days`."""
    knots = max(4, int(np.ceil(calendar.slots * calendar.interval_s / (86_400 * days))) + 3)
    at = np.arange(calendar.slots) * calendar.interval_s / (86_400 * days)
    path: Floats = np.interp(at, np.arange(knots), rng.normal(0, 1.22, knots))
    return path


def _clear_sky(day_of_year: Floats, sun_hour: Floats) -> Floats:
    """Return the sine of the sun's height, dimmed by the air it crosses (Haurwitz 1945), 0 at night."""
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (day_of_year - 80) / YEAR_DAYS)
    latitude = np.deg2rad(LATITUDE_DEG)
    hour_angle = (sun_hour - 12) * np.pi / 12
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(hour_angle)
    up = np.maximum(height, 1e-3)
    strength: Floats = np.where(height > 0, up * np.exp(-0.059 / up) / np.exp(-0.059), 0.0)
    return strength


def holidays(years: range) -> npt.NDArray[np.int64]:
    """Return days since 1970-01-01 of the holidays that most of Europe shares: New Year, Easter, 1 May, Christmas."""
    fixed = [f"{year}-{day}" for year in years for day in ("01-01", "05-01", "12-25", "12-26")]
    easter = np.array([_easter(year) for year in years], dtype="datetime64[D]").astype(np.int64)
    return np.concatenate([np.array(fixed, dtype="datetime64[D]").astype(np.int64), easter - 2, easter + 1])


def _easter(year: int) -> np.datetime64:
    """Return Easter Sunday (Gregorian computus of Butcher, 1876)."""
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    total = moon + weekday - 7 * late + 114
    return np.datetime64(f"{year}-{total // 31:02d}-{total % 31 + 1:02d}")

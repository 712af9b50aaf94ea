"""What the inhabitants switch on: standby, routines, appliances, heat pumps, opening hours and shifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar
from gridwright.simulate.town import Floats, Ints, Kind
from gridwright.simulate.weather import Weather, holidays

Bools = npt.NDArray[np.bool_]
HOMES = (Kind.HOME, Kind.PV_HOME, Kind.HEAT_PUMP_HOME)
# Share of the daily peak of activity (lights, media, kitchen) at 0, 1, ... 23 h on the wall clock.
WORKDAY = (10, 6, 5, 5, 6, 15, 45, 60, 42, 28, 25, 27, 36, 30, 26, 28, 36, 58, 82, 100, 96, 80, 52, 24)
FREE_DAY = (14, 9, 6, 5, 5, 8, 16, 32, 55, 68, 66, 66, 74, 62, 52, 50, 54, 66, 82, 96, 90, 78, 56, 30)


@dataclass(frozen=True, slots=True)
class Appliance:
    """Something that runs now and then: times a day, power, how long, and the hours in which it is started."""

    name: str
    per_day: float
    power_kw: float
    minutes: float
    hours: tuple[float, ...]
    spread_h: float = 1.2


APPLIANCES = (
    Appliance("cooking", 1.1, 1.9, 38, (12.2, 18.4, 18.9)),
    Appliance("kettle", 2.2, 2.0, 4, (7.0, 8.5, 15.5, 20.5)),
    Appliance("dishwasher", 0.55, 1.1, 75, (13.5, 20.4, 21.0)),
    Appliance("washing", 0.45, 0.9, 90, (9.5, 11.0, 17.5), 2.0),
    Appliance("shower", 0.5, 4.0, 7, (6.6, 7.2, 21.5)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """The calendar as the inhabitants see it, one value a slot: `free` on weekends and holidays, `day` from 0 on."""

    calendar: LocalCalendar
    free: Bools
    closed: Bools
    day: Ints
    hour: Floats
    days: int


def days_of(calendar: LocalCalendar) -> Days:
    """Return the free and the closed days: shops close on Sundays and holidays."""
    years = calendar.dates[[0, -1]].astype("datetime64[Y]").astype(int) + 1970
    holiday = np.isin(calendar.day, holidays(range(int(years[0]), int(years[1]) + 1)))
    day = calendar.day.astype(np.int64) - int(calendar.day[0])
    hour = (calendar.minute.astype(np.float64) + calendar.interval_s / 120.0) / 60.0
    free = holiday | (calendar.weekday >= 5)  # noqa: PLR2004 - Saturday
    return Days(calendar, free, holiday | (calendar.weekday == 6), day, hour, int(day[-1]) + 1)  # noqa: PLR2004


def home_load(n: int, days: Days, climate: Weather, rng: np.random.Generator) -> Floats:
    """Return the kW of `n` homes, float64[n, slots]: standby, routines, appliances; away in some weeks."""
    at_home = ~_away(n, days, rng)
    people = rng.choice([0.6, 0.9, 1.2, 1.5], size=n, p=[0.3, 0.33, 0.22, 0.15])
    shape = np.where(days.free, _by_hour(FREE_DAY, days), _by_hour(WORKDAY, days))
    dark = 1.25 - 0.5 * np.clip((climate.temperature_c + 2) / 24, 0, 1)
    mood = rng.lognormal(-0.03, 0.25, (n, days.days))[:, days.day]
    load = mood * (0.42 * people[:, None] * (shape * dark)[None, :])
    load *= rng.gamma(6.0, 1 / 6.0, load.shape)
    load += appliances(people, days, rng)
    load *= at_home
    load += standby(n, days, rng)
    return load


def _by_hour(percent: Sequence[int], days: Days) -> Floats:
    shape: Floats = np.interp(days.hour, np.arange(25), np.array([*percent, percent[0]]) / 100.0)
    return shape


def standby(n: int, days: Days, rng: np.random.Generator) -> Floats:
    """Return the kW that always flow, with a refrigerator that runs about a third of the time."""
    always = rng.lognormal(np.log(0.085), 0.45, n)[:, None]
    hours = (days.calendar.start_s - days.calendar.start_s[0]) / 3600.0
    cycle_h, phase = rng.uniform(0.7, 1.3, n)[:, None], rng.uniform(0, 1, n)[:, None]
    step = days.calendar.interval_s / 3600.0
    share = _running(hours[None, :] / cycle_h + phase + step / cycle_h) - _running(hours[None, :] / cycle_h + phase)
    load: Floats = always + 0.1 * share * cycle_h / step
    return load


def _running(turns: Floats) -> Floats:
    """Return how many turns a compressor has run that is on for the first third of each turn."""
    whole = np.floor(turns)
    running: Floats = whole / 3 + np.minimum(turns - whole, 1 / 3)
    return running


def _away(n: int, days: Days, rng: np.random.Generator) -> Bools:
    """Return when nobody is at home: one holiday of one to two weeks a year for most, a few short trips."""
    away = np.zeros((n, days.days + 15), np.bool_)
    for mean_trips, shortest, longest in ((0.8, 6, 15), (2.0, 2, 4)):
        trips = rng.poisson(mean_trips * days.days / 365.0, n)
        home = np.repeat(np.arange(n), trips)
        first = rng.integers(0, days.days, home.size)
        length = rng.integers(shortest, longest, home.size)
        for day in range(longest):
            went = day < length
            away[home[went], first[went] + day] = True
    return away[:, : days.days][:, days.day]


def appliances(people: Floats, days: Days, rng: np.random.Generator) -> Floats:
    """Return the kW of appliances, float64[n, slots]: random starts around their usual hours."""
    total = np.zeros((people.size, days.calendar.slots))
    for kind in APPLIANCES:
        total += _pulses(kind, people, days, rng)
    return total


def _pulses(kind: Appliance, people: Floats, days: Days, rng: np.random.Generator) -> Floats:
    n, slots, step_s = people.size, days.calendar.slots, days.calendar.interval_s
    runs = rng.poisson(kind.per_day * people * days.days)
    home = np.repeat(np.arange(n), runs)
    hour = rng.choice(kind.hours, home.size) + rng.normal(0, kind.spread_h, home.size)
    start = (rng.integers(0, days.days, home.size) + hour / 24) * 86_400 / step_s
    start -= days.calendar.minute[0] * 60 / step_s
    start -= _clock_change_s(start, days.calendar) / step_s
    end = start + kind.minutes * rng.uniform(0.7, 1.3, home.size) * 60 / step_s
    first = np.floor(start).astype(np.int64)
    power = np.zeros(n * slots)
    for offset in range(int(np.ceil(kind.minutes * 1.3 * 60 / step_s)) + 1):
        slot = first + offset
        share = np.minimum(end, slot + 1) - np.maximum(start, slot)
        hit = (share > 0) & (slot >= 0) & (slot < slots)
        power += np.bincount(home[hit] * slots + slot[hit], share[hit] * kind.power_kw, n * slots)
    return power.reshape(n, slots)


def _clock_change_s(start: Floats, calendar: LocalCalendar) -> Ints:
    """Return how far the wall clock has moved since slot 0 at each start (in slots): habits follow the wall clock."""
    near = np.clip(start, 0, calendar.slots - 1).astype(np.intp)
    return calendar.offset_s[near].astype(np.int64) - int(calendar.offset_s[0])


def heat_pump_load(n: int, climate: Weather, rng: np.random.Generator) -> Floats:
    """Return the kW of heat pumps: proportional to the cold below 15 °C, more of it per degree in frost."""
    cold = np.maximum(15.0 - climate.temperature_c, 0.0)
    size = rng.uniform(0.055, 0.1, n)[:, None]
    load: Floats = size * (cold * (1 + 0.02 * cold))[None, :] * rng.gamma(8.0, 1 / 8.0, (n, cold.size))
    return load


def shop_load(n: int, days: Days, climate: Weather, rng: np.random.Generator) -> Floats:
    """Return the kW of shops: cooling day and night, lights and tills while open, more cooling in the heat."""
    opens, closes = rng.uniform(6.5, 9.0, n)[:, None], rng.uniform(18.0, 20.5, n)[:, None]
    is_open = (days.hour >= opens) & (days.hour < closes) & ~days.closed
    size = rng.uniform(1.5, 4.0, n)[:, None]
    heat = 1 + 0.03 * np.maximum(climate.temperature_c - 12, 0)
    load: Floats = size * (0.35 * heat + is_open * (0.9 + 0.05 * rng.normal(0, 1, is_open.shape)))
    return load


def factory_load(n: int, days: Days, rng: np.random.Generator) -> Floats:
    """Return the kW of small factories: two shifts on working days, machines that come and go, a base at night."""
    early, late = rng.uniform(5.5, 6.5, n)[:, None], rng.uniform(21.0, 22.5, n)[:, None]
    at_work = (days.hour >= early) & (days.hour < late) & ~days.free
    size = rng.uniform(12.0, 40.0, n)[:, None]
    breaks = 1 - 0.35 * (np.abs(days.hour - 9.25) < 0.25) - 0.45 * (np.abs(days.hour - 12.5) < 0.3)  # noqa: PLR2004
    load: Floats = size * (0.12 + at_work * breaks * (0.7 + 0.09 * rng.normal(0, 1, at_work.shape)))
    return np.maximum(load, 0.05)


def pv_power(n: int, climate: Weather, rng: np.random.Generator) -> Floats:
    """Return the kW of roofs of 4 to 10 kW peak, less 15 % losses and a little heat."""
    peak = rng.uniform(4.0, 10.0, n)[:, None]
    warm = 1 - 0.004 * np.maximum(climate.temperature_c + 20 * climate.sun - 25, 0)
    power: Floats = peak * 0.85 * (climate.sun * warm)[None, :]
    return power

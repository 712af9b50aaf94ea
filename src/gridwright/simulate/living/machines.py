"""Machines that decide when: cars that charge when they come home, batteries that keep the sun for the evening."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gridwright.domain.calendar import LocalCalendar
from gridwright.simulate.living.site import Site
from gridwright.simulate.town import Floats

HOME_H, HOME_SPREAD_H = 17.8, 1.3
COMES_HOME_EMPTY = 0.6
NEED_KWH = (4.0, 18.0)
ONE_WAY = 0.95
# Days a car's diary holds from the start of its year on; a diary is drawn whole, so that more days change none.
DIARY_DAYS = 1500


def car_load(sites: Sequence[Site], calendar: LocalCalendar, first_day: int, seed: int) -> Floats:
    """Return the kW of the cars, float64[n, slots]: each charges at full power from coming home until it is full.

    `first_day`: days since 1970-01-01 at which the diaries begin.
    """
    step_h = calendar.interval_s / 3600.0
    hour = calendar.minute / 60.0
    day = calendar.day.astype(np.int64) - first_day
    load = np.zeros((len(sites), calendar.slots))
    for row, site in enumerate(sites):
        if not site.charger_kw:
            continue
        rng = np.random.default_rng([seed, 12, row])
        drives = rng.random(DIARY_DAYS) < COMES_HOME_EMPTY
        home = rng.normal(HOME_H, HOME_SPREAD_H, DIARY_DAYS).clip(14.0, 21.0)
        length = rng.uniform(*NEED_KWH, DIARY_DAYS) / site.charger_kw
        for back in (0, 1):  # what began yesterday may go on past midnight
            which = day - back
            begun = (hour + 24 * back) - home[which]
            share = np.clip(np.minimum(begun + step_h, length[which]) - np.maximum(begun, 0.0), 0.0, step_h) / step_h
            load[row] += drives[which] * share * site.charger_kw
    return load


def battery_power(sites: Sequence[Site], surplus_kw: Floats, step_h: float) -> Floats:
    """Return the kW into the batteries, float64[n, slots], negative when they give: they take what the sun leaves over.

    `surplus_kw`: generation less load, float64[n, slots]. They begin empty.
    """
    power = np.zeros_like(surplus_kw)
    rows = [row for row, site in enumerate(sites) if site.battery_kwh]
    if not rows:
        return power
    limit = np.array([sites[row].battery_kw for row in rows])
    size = np.array([sites[row].battery_kwh for row in rows])
    stored = np.zeros(len(rows))
    wanted = np.clip(surplus_kw[rows], -limit[:, None], limit[:, None]).T
    for slot, want in enumerate(wanted):
        charge = np.minimum(np.maximum(want, 0.0), (size - stored) / (ONE_WAY * step_h))
        give = np.minimum(np.maximum(-want, 0.0), stored * ONE_WAY / step_h)
        stored += (charge * ONE_WAY - give / ONE_WAY) * step_h
        power[rows, slot] = charge - give
    return power

"""Carry a plan out against what really happens: within the battery's bounds, and behind a local guard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridwright.dispatch.site import Floats
from gridwright.domain.plan import Battery, Plan
from gridwright.domain.rate import PriceTerms

EPSILON_KW = 1e-6
INDIFFERENT = 1e-5  # currency per kWh: more than the wear floor, less than any price step


@dataclass(frozen=True, slots=True, eq=False)
class Executed:
    """What the battery did: charging, discharging in kW and energy stored after each interval, float64[T] each."""

    charge_kw: Floats
    discharge_kw: Floats
    stored_kwh: Floats

    @property
    def net_kw(self) -> Floats:
        """Power into the battery, negative out of it."""
        return self.charge_kw - self.discharge_kw


@dataclass(frozen=True, slots=True)
class Limits:
    """Most import and export of the site in kW."""

    import_kw: float = np.inf
    export_kw: float = np.inf


def respond(plan: Plan, net_kw: Floats, prices: PriceTerms, battery: Battery, limits: Limits) -> tuple[Floats, Floats]:
    """Return charge and discharge in kW for what really flows in the first steps of `plan`, float64[T] each.

    The plan says what stored energy is worth; behind it a local guard looks at the present interval only, as a
    controller on site can. A deficit is covered where that saves more than this worth, or as much and no dearer hour
    follows, or where the plan meant to cover all of it; a surplus is stored where selling brings no more. Otherwise
    the plan's power is kept, but narrowed: discharging never feeds in, and charging never draws from the grid, unless
    the plan meant to. A site beyond its limits is helped back first.
    """
    steps = slice(0, net_kw.size)
    deficit, surplus = np.maximum(net_kw, 0.0), np.maximum(-net_kw, 0.0)
    charge, discharge, worth = plan.charge_kw[steps], plan.discharge_kw[steps], _worth(plan)[steps]
    buy, sell = prices.buy[steps], prices.sell[steps]
    feeds_in, draws = plan.received_kw[steps] > EPSILON_KW, plan.delivered_kw[steps] > EPSILON_KW
    gain = buy * battery.discharge_efficiency - worth
    dearest = buy >= np.maximum.accumulate(prices.buy[::-1])[::-1][steps] - INDIFFERENT
    covers = (gain > np.where(dearest, -INDIFFERENT, INDIFFERENT)) | ((discharge > EPSILON_KW) & ~draws)
    stores = (worth * battery.charge_efficiency >= sell - INDIFFERENT) | ((charge > EPSILON_KW) & ~feeds_in)
    out = np.where(covers, deficit, np.minimum(discharge, deficit))
    into = np.where(stores, surplus, np.minimum(charge, surplus))
    room_out = np.maximum(limits.export_kw + net_kw, 0.0)
    room_in = np.maximum(limits.import_kw - net_kw, 0.0)
    out = np.maximum(out, np.where(feeds_in, np.minimum(discharge, room_out), 0.0))
    into = np.maximum(into, np.where(draws, np.minimum(charge, room_in), 0.0))
    out = np.where(into > 0, 0.0, out)
    return np.maximum(into, surplus - limits.export_kw), np.maximum(out, deficit - limits.import_kw)


def _worth(plan: Plan) -> Floats:
    """Return the worth of a stored kWh; a plan that does not tell it is followed as it stands."""
    return np.full(plan.charge_kw.size, np.nan) if plan.stored_value is None else plan.stored_value


def execute(charge_kw: Floats, discharge_kw: Floats, battery: Battery, initial_kwh: float, hours: float) -> Executed:
    """Move a battery as asked, as far as its energy allows; each step needs the one before, hence the plain loop."""
    kept = 1.0 - battery.standing_loss_per_h * hours
    stored = initial_kwh
    charged, discharged, levels = [], [], []
    for charge, discharge in zip(charge_kw.tolist(), discharge_kw.tolist(), strict=True):
        stored *= kept
        room = max(battery.capacity_kwh - stored, 0.0) / (battery.charge_efficiency * hours)
        held = max(stored - battery.min_kwh, 0.0) * battery.discharge_efficiency / hours
        into, out = min(charge, battery.charge_kw, room), min(discharge, battery.discharge_kw, held)
        stored = max(stored + hours * (into * battery.charge_efficiency - out / battery.discharge_efficiency), 0.0)
        charged.append(into)
        discharged.append(out)
        levels.append(stored)
    return Executed(np.array(charged), np.array(discharged), np.array(levels))

"""A site to be planned: load, PV, prices, battery and limits on one grid, checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import InputError
from gridwright.domain.plan import Battery
from gridwright.domain.rate import PriceTerms

Floats = npt.NDArray[np.float64]
TERMINAL_PERCENTILE = 80
WEAR_FLOOR = 1e-6  # without any wear, idle cycling would be as good as rest


@dataclass(frozen=True, slots=True, eq=False)
class DemandCharge:
    """A price for the highest mean import of a billing period: only what rises above `so_far_kw` costs.

    `steps`: how many intervals the tariff averages over. `counts`: bool[T], where the charge's window is open.
    """

    price_per_kw: float
    so_far_kw: float = 0.0
    steps: int = 1
    counts: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """Energy stored at the start, wanted at the end, and what a kWh short of it costs."""

    initial_kwh: float
    terminal_kwh: float
    short_price: float


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """T intervals of `hours` each: kW and currency per kWh, float64[T] each; an absent limit is inf."""

    hours: float
    load_kw: Floats
    pv_kw: Floats
    buy: Floats
    sell: Floats
    import_limit_kw: Floats
    export_limit_kw: Floats
    battery: Battery
    ends: Ends
    demand: DemandCharge | None = None

    @property
    def steps(self) -> int:
        """Number of intervals."""
        return self.load_kw.size

    @property
    def most_in_kw(self) -> Floats:
        """Import with the battery charging at full power; PV is only switched off for it where drawing is paid for."""
        net = self.load_kw - np.where(self.buy < 0, 0.0, self.pv_kw)
        return np.maximum(net + self.battery.charge_kw, 0.0)

    @property
    def most_out_kw(self) -> Floats:
        """Export with the battery discharging at full power."""
        return np.maximum(
            self.pv_kw - self.load_kw + (self.battery.discharge_kw if self.battery.feeds_in else 0.0), 0.0
        )

    @property
    def most_charge_kw(self) -> Floats:
        """Charging power; a battery that may not sell takes no more than the surplus while selling is dearer."""
        surplus = np.maximum(self.pv_kw - self.load_kw, 0.0)
        only_surplus = (surplus > 0) & (self.sell > self.buy) & (not self.battery.feeds_in)
        most = np.full(self.steps, self.battery.charge_kw)
        return np.where(only_surplus, np.minimum(most, surplus), most)

    @property
    def most_discharge_kw(self) -> Floats:
        """Discharging power; a battery that may not sell covers the load at most."""
        most = np.full(self.steps, self.battery.discharge_kw)
        return most if self.battery.feeds_in else np.minimum(most, np.maximum(self.load_kw - self.pv_kw, 0.0))

    @property
    def penalty(self) -> float:
        """Price of a kWh beyond a limit: far above any gain, so that limits are kept wherever they can be."""
        return 100.0 * max(0.01, float(np.abs(self.buy).max()), float(np.abs(self.sell).max()))

    def energy_cost(self, in_kw: Floats, out_kw: Floats) -> float:
        """Return what an exchange with the grid costs, demand charge included."""
        energy = float(self.hours * (self.buy * in_kw - self.sell * out_kw).sum())
        return energy + self._demand_cost(in_kw)

    def _demand_cost(self, in_kw: Floats) -> float:
        if self.demand is None:
            return 0.0
        highest = max((float(in_kw[steps].mean()) for steps in demand_windows(self)), default=0.0)
        return self.demand.price_per_kw * max(0.0, highest - self.demand.so_far_kw)


def demand_windows(site: Site) -> list[npt.NDArray[np.intp]]:
    """Return the steps of each measuring interval that a demand charge counts."""
    demand = site.demand
    if demand is None:
        return []
    counts = np.ones(site.steps, np.bool_) if demand.counts is None else demand.counts
    groups = np.arange(site.steps) // demand.steps
    return [np.flatnonzero(groups == group) for group in np.unique(groups[counts])]


def check_battery(battery: Battery) -> None:
    """Raise InputError when a battery is impossible, naming the value."""
    rules = (
        (battery.capacity_kwh > 0, f"capacity {battery.capacity_kwh} kWh must be positive"),
        (0 <= battery.min_kwh <= battery.capacity_kwh, f"minimum {battery.min_kwh} kWh must lie within its capacity"),
        (battery.initial_kwh >= 0, f"initial energy {battery.initial_kwh} kWh must not be negative"),
        (battery.charge_kw >= 0, f"charging power {battery.charge_kw} kW must not be negative"),
        (battery.discharge_kw >= 0, f"discharging power {battery.discharge_kw} kW must not be negative"),
        (
            0 < battery.charge_efficiency <= 1,
            f"charge efficiency {battery.charge_efficiency} must be above 0, at most 1",
        ),
        (
            0 < battery.discharge_efficiency <= 1,
            f"discharge efficiency {battery.discharge_efficiency} must be above 0, at most 1",
        ),
        (
            0 <= battery.standing_loss_per_h < 1,
            f"standing loss {battery.standing_loss_per_h}/h must be from 0 to below 1",
        ),
        (battery.wear_per_kwh >= 0, f"wear {battery.wear_per_kwh} per kWh must not be negative"),
    )
    for holds, told in rules:
        if not holds:
            raise InputError(f"battery: {told}")


def series(name: str, values: npt.ArrayLike | None, prices: PriceTerms, *, absent: float = 0.0) -> Floats:
    """Return `values` as float64[T]; a single number counts for all T. A wrong length or a hole is an InputError."""
    steps = prices.buy.size
    given = np.asarray(absent if values is None else values, np.float64)
    if given.ndim == 0:
        given = np.full(steps, float(given))
    if given.shape != (steps,):
        raise InputError(f"{name} has {given.size} values for {steps} intervals with a price")
    hole = np.flatnonzero(np.isnan(given))
    if hole.size:
        at = prices.start + prices.interval * int(hole[0])
        raise InputError(f"{name} has no value", where=at.isoformat(), remedy="estimate or forecast it first")
    return given


def limit(name: str, values: npt.ArrayLike | None, prices: PriceTerms) -> Floats:
    """Return a limit as float64[T], inf where there is none; a negative one is an InputError."""
    given = series(name, values, prices, absent=np.inf)
    below = np.flatnonzero(given < 0)
    if below.size:
        at = prices.start + prices.interval * int(below[0])
        raise InputError(f"{name} {given[below[0]]:g} kW must not be negative", where=at.isoformat())
    return given


def short_price(buy: Floats, battery: Battery) -> float:
    """Return the price of a kWh that the battery lacks at the end: a high buy price, and the loss of bringing it in."""
    high = max(0.0, float(np.percentile(buy, TERMINAL_PERCENTILE)))
    return high / battery.discharge_efficiency + WEAR_FLOOR

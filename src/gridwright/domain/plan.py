"""Plan: intended power per asset and interval, with its cost and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery: usable energy, power limits, efficiencies of one way, standing loss an hour, wear a kWh moved.

    `feeds_in`: whether its energy may be sold; most feed-in tariffs pay for generated energy alone.
    """

    capacity_kwh: float
    charge_kw: float
    discharge_kw: float
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    standing_loss_per_h: float = 0.0
    wear_per_kwh: float = 1e-6
    min_kwh: float = 0.0
    initial_kwh: float = 0.0
    feeds_in: bool = True


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A limit the plan had to exceed: name, amount, when; there is always a plan, never a bare 'infeasible'."""

    name: str
    amount: float
    unit: str
    at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Power per interval in kW, float64[T] each; charging and delivery are positive in their own arrays.

    `stored_kwh`: energy in the battery at the end of each interval. `cost` and `cost_without` are of the grid
    exchange at the given prices, in `currency`; their difference is the saving. `shadow_price`: what one more kWh of
    load would cost in each interval; `stored_value`: what one more kWh in the battery would save after it.
    """

    start: datetime
    interval: timedelta
    charge_kw: npt.NDArray[np.float64]
    discharge_kw: npt.NDArray[np.float64]
    stored_kwh: npt.NDArray[np.float64]
    delivered_kw: npt.NDArray[np.float64]
    received_kw: npt.NDArray[np.float64]
    curtailed_kw: npt.NDArray[np.float64]
    cost: float
    cost_without: float
    currency: str
    relaxations: tuple[Relaxation, ...] = ()
    shadow_price: npt.NDArray[np.float64] | None = None
    stored_value: npt.NDArray[np.float64] | None = None

    @property
    def period(self) -> Interval:
        """Period the plan covers."""
        return Interval(self.start, self.start + self.interval * self.charge_kw.size)

    @property
    def saving(self) -> float:
        """What the plan saves against doing nothing."""
        return self.cost_without - self.cost

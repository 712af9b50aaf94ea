"""Rates: the rate card as published, and the price terms that dispatch needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class PriceTerms:
    """Marginal energy prices per interval from `start` on: `buy`, `sell` float64[T], currency per kWh, tax included."""

    start: datetime
    interval: timedelta
    buy: npt.NDArray[np.float64]
    sell: npt.NDArray[np.float64]
    currency: str

"""What a simulation returns: the town as its meters show it, and the truth behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Kind(StrEnum):
    """Who lives or works at a usage point."""

    HOME = "home"
    PV_HOME = "pv-home"
    HEAT_PUMP_HOME = "heat-pump-home"
    SHOP = "shop"
    FACTORY = "factory"


class FaultKind(StrEnum):
    """What can go wrong between a meter and a file."""

    GAP_SHORT = "gap-short"
    GAP_DAY = "gap-day"
    GAP_WEEK = "gap-week"
    SPIKE = "spike"
    STUCK = "stuck"
    ZERO_RUN = "zero-run"
    NEGATIVE = "negative"
    DUPLICATE = "duplicate"
    LATE = "late"
    CORRECTED = "corrected"
    RESET = "reset"
    ROLLOVER = "rollover"
    EXCHANGE = "exchange"
    DST_STAMPS = "dst-stamps"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what, where and when; `size` is its factor, value or register offset, as the kind needs."""

    kind: FaultKind
    usage_point: str
    period: Interval
    size: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What really happened, before any fault: clean panels and registers, load and PV in kW, temperature in °C.

    `load_kw`, `pv_kw`: float64[n, slots]; `temperature_c`: float64[slots].
    """

    panel: Panel
    received: Panel | None
    registers: tuple[RegisterReading, ...]
    load_kw: Floats
    pv_kw: Floats
    temperature_c: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ExtraRows:
    """Rows that a file holds beside the panel's: columns of (row of the panel, slot, value in Wh), all of one flow.

    `at_end` rows stand behind all others (late and corrected values); the rest follows its slot (duplicates).
    """

    row: Ints
    slot: Ints
    value: Floats
    at_end: npt.NDArray[np.bool_]
    flow: Flow = Flow.DELIVERED

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.row.size)


NO_ROWS = ExtraRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class Town:
    """A simulated town as its meters show it; `truth` keeps what the faults hide.

    `received` holds the usage points with PV only. A late value is missing in `panel` and comes with `extra`; a
    corrected one is first wrong in `panel` and then right in `extra`.
    """

    panel: Panel
    received: Panel | None
    registers: tuple[RegisterReading, ...]
    truth: Truth
    points: tuple[UsagePoint, ...]
    meters: tuple[Meter, ...]
    kinds: tuple[Kind, ...]
    faults: tuple[Fault, ...] = ()
    extra: ExtraRows = NO_ROWS

    @property
    def zone(self) -> str:
        """Time zone of the town."""
        return self.points[0].zone if self.points else "UTC"

    @property
    def interval(self) -> timedelta:
        """Interval length of the profiles."""
        return self.panel.interval

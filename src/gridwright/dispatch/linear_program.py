"""The site as one linear program in column arrays (dispatch reference 1.6): balance, storage, limits with slack.

Columns in blocks of T: import, import beyond its limit, export, export beyond its limit, charge, discharge, PV
curtailed, energy stored; then the shortfall at the end, the demand peak, and a binary for each exclusive step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.dispatch.site import WEAR_FLOOR, Floats, Site, demand_windows

Ints = npt.NDArray[np.int64]
Term = tuple[Ints, npt.ArrayLike]
IMPORT, OVER_IMPORT, EXPORT, OVER_EXPORT, CHARGE, DISCHARGE, CURTAIL, STORED = range(8)
BLOCKS = 8
NONE: Ints = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """min cost·x with row_low ≤ A·x ≤ row_high, low ≤ x ≤ high; A in compressed columns; `integer`: bool per column."""

    cost: Floats
    low: Floats
    high: Floats
    row_low: Floats
    row_high: Floats
    start: npt.NDArray[np.int32]
    index: npt.NDArray[np.int32]
    value: Floats
    integer: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Exclusive:
    """Steps at which a binary forbids charging with discharging, and importing with exporting."""

    battery: Ints = field(default_factory=lambda: NONE)
    grid: Ints = field(default_factory=lambda: NONE)

    @property
    def count(self) -> int:
        """Number of binaries."""
        return self.battery.size + self.grid.size

    def joined(self, other: Exclusive) -> Exclusive:
        """Return the steps of both."""
        return Exclusive(np.union1d(self.battery, other.battery), np.union1d(self.grid, other.grid))


@dataclass(slots=True)
class Rows:
    """Rows being gathered as (row, column, value) triples with their bounds."""

    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    rows: list[Ints] = field(default_factory=list)
    columns: list[Ints] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    count: int = 0

    def add(self, low: npt.ArrayLike, high: npt.ArrayLike, terms: Sequence[Term]) -> None:
        """Add one row per entry of the terms' columns; a negative column is left out (there is no step before)."""
        lows = np.atleast_1d(np.asarray(low, np.float64))
        self.low.append(lows)
        self.high.append(np.broadcast_to(np.asarray(high, np.float64), lows.shape))
        numbers = self.count + np.arange(lows.size)
        for columns, value in terms:
            kept = columns >= 0
            self.rows.append(numbers[kept])
            self.columns.append(columns[kept])
            self.values.append(np.broadcast_to(np.asarray(value, np.float64), columns.shape)[kept])
        self.count += lows.size

    def add_sum(self, low: float, high: float, columns: Ints, values: Floats) -> None:
        """Add a single row over many columns."""
        self.low.append(np.array([low]))
        self.high.append(np.array([high]))
        self.rows.append(np.full(columns.size, self.count))
        self.columns.append(columns)
        self.values.append(values)
        self.count += 1


def build(site: Site, exclusive: Exclusive, stored_bounds: tuple[Floats, Floats]) -> Program:
    """Return the program of a site; `stored_bounds`: lowest and highest energy stored at the end of each step."""
    steps = site.steps
    short, peak = BLOCKS * steps, BLOCKS * steps + 1
    first_binary = peak + (site.demand is not None)
    width = first_binary + exclusive.count
    rows = Rows()
    _balance(rows, site)
    _storage(rows, site)
    rows.add(site.ends.terminal_kwh, np.inf, [(_at(STORED, steps)[-1:], 1.0), (np.array([short]), 1.0)])
    _demand(rows, site, peak)
    _exclusive(rows, site, exclusive, first_binary)
    low, high, cost = np.zeros(width), np.full(width, np.inf), np.zeros(width)
    low[: BLOCKS * steps], high[: BLOCKS * steps] = _bounds(site, stored_bounds)
    cost[: BLOCKS * steps], cost[short] = _costs(site), site.ends.short_price
    if site.demand is not None:
        low[peak], cost[peak] = site.demand.so_far_kw, site.demand.price_per_kw
    high[first_binary:] = 1.0
    return _compressed(rows, cost, low, high, np.arange(width) >= first_binary)


def _at(block: int, steps: int) -> Ints:
    return block * steps + np.arange(steps)


def _balance(rows: Rows, site: Site) -> None:
    """Add import − export − charge + discharge − curtailed = load − PV."""
    net, steps = site.load_kw - site.pv_kw, site.steps
    signs = (
        (IMPORT, 1),
        (OVER_IMPORT, 1),
        (EXPORT, -1),
        (OVER_EXPORT, -1),
        (CHARGE, -1),
        (DISCHARGE, 1),
        (CURTAIL, -1),
    )
    rows.add(net, net, [(_at(block, steps), float(sign)) for block, sign in signs])


def kept_share(site: Site) -> float:
    """Return the share of the energy stored that one interval of standing loss leaves."""
    return 1.0 - site.battery.standing_loss_per_h * site.hours


def _storage(rows: Rows, site: Site) -> None:
    """Add stored − kept·(stored before) − η·charge·h + discharge·h/η = 0, with the initial energy before step 0."""
    battery, steps, kept = site.battery, site.steps, kept_share(site)
    right = np.zeros(steps)
    right[0] = kept * site.ends.initial_kwh
    before = _at(STORED, steps) - 1
    before[0] = -1
    rows.add(
        right,
        right,
        [
            (_at(STORED, steps), 1.0),
            (before, -kept),
            (_at(CHARGE, steps), -site.hours * battery.charge_efficiency),
            (_at(DISCHARGE, steps), site.hours / battery.discharge_efficiency),
        ],
    )


def _demand(rows: Rows, site: Site, peak: int) -> None:
    """Add peak ≥ mean import over each measuring interval."""
    for window in demand_windows(site):
        columns = np.r_[peak, window + IMPORT * site.steps, window + OVER_IMPORT * site.steps]
        rows.add_sum(0.0, np.inf, columns, np.r_[1.0, np.full(2 * window.size, -1.0 / window.size)])


def _exclusive(rows: Rows, site: Site, exclusive: Exclusive, first: int) -> None:
    """Add charge ≤ C·b and discharge ≤ D·(1 − b); import and export alike."""
    battery, steps = site.battery, site.steps
    at, b = exclusive.battery, first + np.arange(exclusive.battery.size)
    rows.add(np.full(at.size, -np.inf), 0.0, [(at + CHARGE * steps, 1.0), (b, -battery.charge_kw)])
    most = battery.discharge_kw
    rows.add(np.full(at.size, -np.inf), most, [(at + DISCHARGE * steps, 1.0), (b, most)])
    at, b = exclusive.grid, first + exclusive.battery.size + np.arange(exclusive.grid.size)
    into, out = site.most_in_kw[at], site.most_out_kw[at]
    taken: list[Term] = [(at + IMPORT * steps, 1.0), (at + OVER_IMPORT * steps, 1.0), (b, -into)]
    given: list[Term] = [(at + EXPORT * steps, 1.0), (at + OVER_EXPORT * steps, 1.0), (b, out)]
    rows.add(np.full(at.size, -np.inf), 0.0, taken)
    rows.add(np.full(at.size, -np.inf), out, given)


def _bounds(site: Site, stored_bounds: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    steps = site.steps
    into, out = site.most_in_kw, site.most_out_kw
    high = [
        np.minimum(into, site.import_limit_kw),
        np.where(np.isinf(site.import_limit_kw), 0.0, into),
        np.minimum(out, site.export_limit_kw),
        np.where(np.isinf(site.export_limit_kw), 0.0, out),
        site.most_charge_kw,
        site.most_discharge_kw,
        np.maximum(site.pv_kw, 0.0),
        stored_bounds[1],
    ]
    return np.r_[np.zeros(STORED * steps), stored_bounds[0]], np.concatenate(high)


def _costs(site: Site) -> Floats:
    """Return the cost of each block: energy, penalties beyond limits, wear, a trifle against curtailing."""
    wear = np.full(site.steps, max(site.battery.wear_per_kwh, WEAR_FLOOR))
    blocks = [
        site.buy,
        site.buy + site.penalty,
        -site.sell,
        site.penalty - site.sell,
        wear,
        wear,
        np.full(site.steps, WEAR_FLOOR),
        np.zeros(site.steps),
    ]
    return np.concatenate(blocks) * site.hours


def _compressed(rows: Rows, cost: Floats, low: Floats, high: Floats, integer: npt.NDArray[np.bool_]) -> Program:
    columns, numbers, values = (np.concatenate(parts) for parts in (rows.columns, rows.rows, rows.values))
    order = np.argsort(columns, kind="stable")
    start = np.searchsorted(columns[order], np.arange(cost.size + 1))
    return Program(
        cost,
        low,
        high,
        np.concatenate(rows.low),
        np.concatenate(rows.high),
        start.astype(np.int32),
        numbers[order].astype(np.int32),
        values[order].astype(np.float64),
        integer,
    )

"""Plan a site: the cheapest use of a battery over the intervals that have a price; there is always a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.dispatch.linear_program import (
    BLOCKS,
    CHARGE,
    CURTAIL,
    DISCHARGE,
    EXPORT,
    IMPORT,
    OVER_EXPORT,
    OVER_IMPORT,
    STORED,
    Exclusive,
    build,
    kept_share,
)
from gridwright.dispatch.site import DemandCharge, Ends, Floats, Site, check_battery, limit, series, short_price
from gridwright.dispatch.solver import Solution, solve
from gridwright.domain.errors import InputError
from gridwright.domain.plan import Battery, Plan, Relaxation
from gridwright.domain.rate import PriceTerms

EPSILON_KW = 1e-6
VISIBLE = 1e-5
ROUNDS = 3


def plan_site(
    load_kw: npt.ArrayLike,
    prices: PriceTerms,
    battery: Battery,
    *,
    pv_kw: npt.ArrayLike | None = None,
    import_limit_kw: npt.ArrayLike | None = None,
    export_limit_kw: npt.ArrayLike | None = None,
    terminal_kwh: float | None = None,
    demand: DemandCharge | None = None,
) -> Plan:
    """Plan the battery for the least cost over the T intervals of `prices` (dispatch reference 1.6).

    `load_kw`: float64[T], negative = feeds in whatever happens; `pv_kw`: float64[T], may be curtailed; limits: a number
    or float64[T]. The battery starts with `battery.initial_kwh` and should end with `terminal_kwh` (left out: the
    same). What cannot be kept - a limit, that end, the battery's own bounds at the start - is exceeded as little as
    possible and named in `relaxations`. `cost` is that of the grid exchange (demand charge included), wear and
    penalties left out; `cost_without` is the same site's best without the battery. Impossible input is an InputError,
    a failing solver a PlanError.
    """
    check_battery(battery)
    if not prices.buy.size:
        raise InputError("there is no interval with a price to plan for")
    end = battery.initial_kwh if terminal_kwh is None else terminal_kwh
    buy, sell = series("buy price", prices.buy, prices), series("sell price", prices.sell, prices)
    site = Site(
        hours=prices.interval.total_seconds() / 3600,
        load_kw=series("load", load_kw, prices),
        pv_kw=np.maximum(series("PV", pv_kw, prices), 0.0),
        buy=buy,
        sell=sell,
        import_limit_kw=limit("import limit", import_limit_kw, prices),
        export_limit_kw=limit("export limit", export_limit_kw, prices),
        battery=battery,
        ends=Ends(battery.initial_kwh, min(end, battery.capacity_kwh), short_price(buy, battery)),
        demand=demand,
    )
    return _as_plan(site, prices, best(site))


def best(site: Site) -> Solution:
    """Solve as a linear program; where it charges while discharging, or imports while exporting, forbid that."""
    bounds = stored_bounds(site)
    exclusive = Exclusive()
    solution = solve(build(site, exclusive, bounds))
    for attempt in range(ROUNDS):
        violated = both_ways(site, solution)
        if not violated.count:
            break
        exclusive = exclusive.joined(violated) if attempt < ROUNDS - 1 else _everywhere(site)
        solution = solve(build(site, exclusive, bounds))
    return _with_prices(site, solution, exclusive, bounds) if exclusive.count else solution


def both_ways(site: Site, solution: Solution) -> Exclusive:
    """Return the steps at which the battery or the grid runs both ways at once."""
    x = _blocks(site, solution)
    battery = np.minimum(x[CHARGE], x[DISCHARGE]) > EPSILON_KW
    grid = np.minimum(x[IMPORT] + x[OVER_IMPORT], x[EXPORT] + x[OVER_EXPORT]) > EPSILON_KW
    return Exclusive(np.flatnonzero(battery), np.flatnonzero(grid))


def _everywhere(site: Site) -> Exclusive:
    return Exclusive(np.arange(site.steps), np.arange(site.steps))


def _with_prices(site: Site, solution: Solution, exclusive: Exclusive, bounds: tuple[Floats, Floats]) -> Solution:
    """Solve again with the directions that the binaries chose held fast: a linear program has shadow prices."""
    x = _blocks(site, solution)
    program = build(site, Exclusive(), bounds)
    high = program.high.copy()
    charges = x[CHARGE, exclusive.battery] >= x[DISCHARGE, exclusive.battery]
    high[exclusive.battery + np.where(charges, DISCHARGE, CHARGE) * site.steps] = 0.0
    takes = x[IMPORT, exclusive.grid] + x[OVER_IMPORT, exclusive.grid] >= EPSILON_KW
    for into, out in ((IMPORT, EXPORT), (OVER_IMPORT, OVER_EXPORT)):
        high[exclusive.grid + np.where(takes, out, into) * site.steps] = 0.0
    return solve(replace(program, high=high))


def _blocks(site: Site, solution: Solution) -> Floats:
    return solution.columns[: BLOCKS * site.steps].reshape(BLOCKS, site.steps)


def stored_bounds(site: Site) -> tuple[Floats, Floats]:
    """Return the lowest and highest energy allowed after each step, float64[T] each.

    A battery that starts outside its bounds gets them widened along its fastest way back.
    """
    battery, kept = site.battery, kept_share(site)
    up, down = battery.charge_kw * battery.charge_efficiency, battery.discharge_kw / battery.discharge_efficiency
    if not battery.feeds_in:
        # It may have nowhere to go, or nothing to draw: then it need not move at all.
        idle = _fastest(site, kept, 0.0)
        return np.minimum(battery.min_kwh, idle), np.maximum(battery.capacity_kwh, idle)
    low = np.minimum(battery.min_kwh, _fastest(site, kept, site.hours * up))
    return low, np.maximum(battery.capacity_kwh, _fastest(site, kept, -site.hours * down))


def _fastest(site: Site, kept: float, a_step: float) -> Floats:
    """Return the energy after each step when every step adds `a_step` kWh."""
    steps = np.arange(1, site.steps + 1)
    decay = kept**steps
    gained = a_step * steps if kept == 1.0 else a_step * (1 - decay) / (1 - kept)
    path: Floats = site.ends.initial_kwh * decay + gained
    return path


def _as_plan(site: Site, prices: PriceTerms, solution: Solution) -> Plan:
    x = np.maximum(_blocks(site, solution), 0.0)
    x[np.abs(x) < EPSILON_KW / 10] = 0.0
    into, out = x[IMPORT] + x[OVER_IMPORT], x[EXPORT] + x[OVER_EXPORT]
    short = float(solution.columns[BLOCKS * site.steps])
    return Plan(
        start=prices.start,
        interval=prices.interval,
        charge_kw=x[CHARGE],
        discharge_kw=x[DISCHARGE],
        stored_kwh=x[STORED],
        delivered_kw=into,
        received_kw=out,
        curtailed_kw=x[CURTAIL],
        cost=site.energy_cost(into, out),
        cost_without=site.energy_cost(*without_battery(site)),
        currency=prices.currency,
        relaxations=tuple(_relaxations(site, prices, x, short)),
        shadow_price=solution.row_dual[: site.steps] / site.hours,
        stored_value=-solution.row_dual[site.steps : 2 * site.steps],
    )


def _relaxations(site: Site, prices: PriceTerms, x: Floats, short: float) -> Iterator[Relaxation]:
    battery = site.battery
    exceeded = (
        ("import limit", x[OVER_IMPORT], "kW"),
        ("export limit", x[OVER_EXPORT], "kW"),
        ("battery minimum", battery.min_kwh - x[STORED], "kWh"),
        ("battery capacity", x[STORED] - battery.capacity_kwh, "kWh"),
    )
    for name, amounts, unit in exceeded:
        for first, last in _runs(amounts > VISIBLE):
            at = prices.start + prices.interval * first
            yield Relaxation(name, float(amounts[first:last].max()), unit, at)
    if short > VISIBLE:
        yield Relaxation("energy stored at the end", short, "kWh", prices.start + prices.interval * site.steps)


def _runs(where: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.r_[False, where, False].astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def without_battery(site: Site) -> tuple[Floats, Floats]:
    """Return import and export in kW of the same site without battery, PV curtailed where that is cheaper or must be.

    Cost is piecewise linear in the curtailed power, so the best lies at a corner: none, all, net zero, a limit.
    """
    net = site.load_kw - site.pv_kw
    corners = np.stack([np.zeros(site.steps), site.pv_kw, -net, -net - site.export_limit_kw])
    curtailed = np.clip(np.where(np.isfinite(corners), corners, 0.0), 0.0, site.pv_kw)
    after = net + curtailed
    into, out = np.maximum(after, 0.0), np.maximum(-after, 0.0)
    over = np.maximum(into - site.import_limit_kw, 0.0) + np.maximum(out - site.export_limit_kw, 0.0)
    cost = site.buy * into - site.sell * out + site.penalty * over + 1e-9 * curtailed
    which = np.argmin(cost, axis=0)
    every = np.arange(site.steps)
    return into[which, every], out[which, every]

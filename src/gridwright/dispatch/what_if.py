"""What would a battery do here? The last weeks again, planned on the forecast, and once with hindsight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.dispatch.execute import Executed, Limits, execute, respond
from gridwright.dispatch.plan import plan_site
from gridwright.dispatch.site import Floats, short_price
from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch, InputError, TooLittleData
from gridwright.domain.forecast import Forecast
from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery, Plan
from gridwright.domain.rate import PriceTerms

ROUND_TRIP = 0.9
HOME_BATTERY = Battery(10.0, 5.0, 5.0, ROUND_TRIP**0.5, ROUND_TRIP**0.5, feeds_in=False)
DAYS = 28
HORIZON_H = 48
DayAhead = Callable[[datetime], npt.NDArray[np.float64]]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """One local day's cost of the grid exchange: without a battery, with it on the forecast, and with hindsight."""

    day: date
    cost_without: float
    cost_on_forecast: float
    cost_perfect: float


@dataclass(frozen=True, slots=True, eq=False)
class AverageDay:
    """The mean over the days by wall-clock slot, float64[slots a day]; NaN where no day has the slot."""

    without_kw: Floats
    with_kw: Floats
    stored_kwh: Floats
    buy: Floats


@dataclass(frozen=True, slots=True, eq=False)
class WhatIf:
    """What a battery would have changed over whole local days, in `currency`; savings are against no battery.

    Energy missing at the end against the start is paid for in all savings, energy left over is not credited.
    `saving_rule` is that of the simple rule, without forecast or prices: store each surplus, cover each deficit.
    Arrays have one value an interval, float64[T]: `net_kw` delivered less received without a battery, `grid_kw` with
    it on the forecast, `stored_kwh` and `stored_perfect_kwh` after the interval. `slot_of_day`: on the wall clock.
    """

    battery: Battery
    currency: str
    cost_without: float
    saving_on_forecast: float
    saving_perfect: float
    saving_rule: float
    days: tuple[DayOutcome, ...]
    at_s: Ints
    slot_of_day: npt.NDArray[np.int32]
    slots_per_day: int
    buy: Floats
    net_kw: Floats
    grid_kw: Floats
    stored_kwh: Floats
    stored_perfect_kwh: Floats
    cycles: float
    notes: tuple[str, ...] = ()

    @property
    def share_of_perfect(self) -> float:
        """Saving on the forecast as a share of the saving with hindsight; NaN when there is none to be had."""
        return self.saving_on_forecast / self.saving_perfect if self.saving_perfect > 0 else float("nan")

    @property
    def average_day(self) -> AverageDay:
        """The average day, for a picture."""
        count = np.bincount(self.slot_of_day, minlength=self.slots_per_day)
        means = []
        for values in (self.net_kw, self.grid_kw, self.stored_kwh, self.buy):
            mean = np.full(self.slots_per_day, np.nan)
            np.divide(np.bincount(self.slot_of_day, values, self.slots_per_day), count, out=mean, where=count > 0)
            means.append(mean)
        return AverageDay(*means)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The days that are played again: T intervals, one after the other, with what happened and what it cost."""

    hours: float
    at_s: Ints
    net_kw: Floats
    prices: PriceTerms
    day_starts: tuple[int, ...]
    dates: tuple[date, ...]
    slot_of_day: npt.NDArray[np.int32]
    limits: Limits

    def cost(self, grid_kw: Floats) -> Floats:
        """Return the cost of each interval of a net exchange with the grid."""
        prices = self.prices
        return self.hours * (prices.buy * np.maximum(grid_kw, 0) - prices.sell * np.maximum(-grid_kw, 0))

    def terms(self, first: int, last: int) -> PriceTerms:
        """Return the prices of the intervals from `first` to before `last`."""
        prices = self.prices
        start = from_epoch_s(int(self.at_s[first]))
        return replace(prices, start=start, buy=prices.buy[first:last], sell=prices.sell[first:last])


def day_ahead(forecasts: Iterable[Forecast], *, row: int = 0, received: Iterable[Forecast] = ()) -> DayAhead:
    """Turn forecasts into what a plan at a given instant knows: mean kW from there on, received taken off.

    Each forecast serves the instant at which it starts; an instant that none serves is a TooLittleData.
    """
    known = {forecast.start.astimezone(UTC): forecast.kw(forecast.mean[row]) for forecast in forecasts}
    fed_in = {forecast.start.astimezone(UTC): forecast.kw(forecast.mean[row]) for forecast in received}

    def ahead(moment: datetime) -> npt.NDArray[np.float64]:
        if moment not in known:
            raise TooLittleData(
                f"no forecast begins on {moment:%Y-%m-%d at %H:%M} UTC, so that day cannot be planned",
                remedy="bring readings from at least a day before it, or give day_ahead a forecast of each midnight",
            )
        load = known[moment]
        pv = fed_in.get(moment)
        return load if pv is None else load[: pv.size] - pv[: load.size]

    return ahead


def battery_what_if(
    actual: Panel,
    ahead: DayAhead,
    prices: PriceTerms,
    zone: ZoneInfo | str,
    battery: Battery = HOME_BATTERY,
    *,
    received: Panel | None = None,
    days: int = DAYS,
    limits: Limits | None = None,
) -> WhatIf:
    """Play the last `days` complete local days of one usage point again with a battery.

    `actual`, `received`: one-row panels; `ahead`: see `day_ahead`; `prices` must cover the days on the panel's grid.
    Each day is planned at its local midnight on the forecast (up to 48 h, the energy stored carried on) and executed
    against what happened behind a local guard; once more, all days are planned together with perfect foresight. Days
    with a missing value are left out; none left is TooLittleData, prices off the grid a GridMismatch.
    """
    window = window_of(actual, received, prices, zone, (days, limits or Limits()))
    on_forecast = replay(window, ahead, battery)
    perfect = _better(window, battery, _hindsight(window, battery), on_forecast)
    costs = [window.cost(window.net_kw + moved) for moved in (np.zeros(1), on_forecast.net_kw, perfect.net_kw)]
    return WhatIf(
        battery=battery,
        currency=prices.currency,
        cost_without=float(costs[0].sum()),
        saving_on_forecast=_saving(window, battery, on_forecast),
        saving_perfect=_saving(window, battery, perfect),
        saving_rule=_saving(window, battery, simple_rule(window, battery)),
        days=tuple(_outcomes(window, costs)),
        at_s=window.at_s,
        slot_of_day=window.slot_of_day,
        slots_per_day=actual.slots_per_day,
        buy=window.prices.buy,
        net_kw=window.net_kw,
        grid_kw=window.net_kw + on_forecast.net_kw,
        stored_kwh=on_forecast.stored_kwh,
        stored_perfect_kwh=perfect.stored_kwh,
        cycles=float(
            on_forecast.discharge_kw.sum() * window.hours / battery.discharge_efficiency / battery.capacity_kwh
        ),
        notes=tuple(notes_of(window, battery, days)),
    )


def window_of(
    actual: Panel, received: Panel | None, prices: PriceTerms, zone: ZoneInfo | str, extent: tuple[int, Limits]
) -> Window:
    """Cut the last complete days out of a panel; `extent`: how many days, and the site's limits."""
    _check_panels(actual, received)
    days, limits = extent
    net = actual.kw[0] if received is None else actual.kw[0] - received.kw[0]
    calendar = actual.calendar(zone)
    starts, expected = calendar.day_starts, calendar.expected_slots()
    lengths = np.diff(np.r_[starts, actual.slots])
    known = np.add.reduceat(np.isfinite(net), starts, dtype=np.int64) if starts.size else np.empty(0, np.int64)
    chosen = np.flatnonzero((known == lengths) & (lengths == expected))[-days:] if days > 0 else starts[:0]
    if not chosen.size:
        raise TooLittleData(
            "no local day is complete", where=actual.points[0], remedy="estimate the missing values first"
        )
    slots = np.concatenate([np.arange(starts[day], starts[day] + lengths[day]) for day in chosen])
    return Window(
        hours=actual.interval_s / 3600,
        at_s=calendar.start_s[slots],
        net_kw=net[slots],
        prices=_prices_at(calendar.start_s[slots], actual, prices),
        day_starts=tuple(np.r_[0, np.cumsum(lengths[chosen])].tolist()),
        dates=tuple(date_of(int(calendar.day[starts[day]])) for day in chosen),
        slot_of_day=calendar.slot_of_day[slots],
        limits=limits,
    )


def _check_panels(actual: Panel, received: Panel | None) -> None:
    if len(actual.points) != 1:
        raise GridMismatch(
            f"{actual!r} has {len(actual.points)} rows", remedy="one usage point at a time: panel.row(id)"
        )
    if received is not None and (received.start, received.slots, len(received.points)) != (
        actual.start,
        actual.slots,
        1,
    ):
        raise GridMismatch(f"{received!r} is not on the grid of {actual!r}", remedy="regrid it first")


def _prices_at(at_s: Ints, actual: Panel, prices: PriceTerms) -> PriceTerms:
    offset = at_s - epoch_s(prices.start)
    if prices.interval != actual.interval or (offset % actual.interval_s).any():
        raise GridMismatch(f"prices every {prices.interval} do not fit readings every {actual.interval}")
    at = offset // actual.interval_s
    if at[0] < 0 or at[-1] >= prices.buy.size:
        first, last = from_epoch_s(int(at_s[0])), from_epoch_s(int(at_s[-1]))
        raise InputError(f"prices do not cover {first.isoformat()} to {last.isoformat()}")
    return replace(prices, start=from_epoch_s(int(at_s[0])), buy=prices.buy[at], sell=prices.sell[at])


def replay(window: Window, ahead: DayAhead, battery: Battery) -> Executed:
    """Plan each day at its midnight on the forecast and execute it against what happened."""
    stored, done = battery.initial_kwh, []
    for first, last in zip(window.day_starts[:-1], window.day_starts[1:], strict=True):
        expected = _expected(window, ahead, first, last)
        terms = window.terms(first, first + expected.size)
        plan = plan_site(
            expected,
            terms,
            replace(battery, initial_kwh=stored),
            import_limit_kw=window.limits.import_kw,
            export_limit_kw=window.limits.export_kw,
            terminal_kwh=battery.initial_kwh,
        )
        charge, discharge = respond(plan, window.net_kw[first:last], terms, battery, window.limits)
        done.append(execute(charge, discharge, battery, stored, window.hours))
        stored = float(done[-1].stored_kwh[-1])
    return _joined(done)


def _expected(window: Window, ahead: DayAhead, first: int, last: int) -> Floats:
    """Return the forecast from a midnight on, up to the horizon; where it ends early, its last day is repeated."""
    known = np.asarray(ahead(from_epoch_s(int(window.at_s[first]))), np.float64)
    day = last - first
    if known.size < day:
        raise TooLittleData(f"the forecast has {known.size} of the {day} intervals of {window.dates[0].isoformat()}")
    wanted = min(round(HORIZON_H / window.hours), window.at_s.size - first)
    if known.size < wanted:
        a_day = known[-round(24 / window.hours) :]
        known = np.r_[known, np.tile(a_day, wanted // a_day.size + 1)]
    return known[:wanted]


def _joined(parts: list[Executed]) -> Executed:
    return Executed(
        np.concatenate([part.charge_kw for part in parts]),
        np.concatenate([part.discharge_kw for part in parts]),
        np.concatenate([part.stored_kwh for part in parts]),
    )


def _hindsight(window: Window, battery: Battery) -> Executed:
    plan: Plan = plan_site(
        window.net_kw,
        window.prices,
        battery,
        import_limit_kw=window.limits.import_kw,
        export_limit_kw=window.limits.export_kw,
    )
    return Executed(plan.charge_kw, plan.discharge_kw, plan.stored_kwh)


def _better(window: Window, battery: Battery, planned: Executed, done: Executed) -> Executed:
    """Return the cheaper of two ways: with hindsight, what was done is a plan too (a solver may run out of time)."""
    return max((planned, done), key=lambda way: _saving(window, battery, way))


def simple_rule(window: Window, battery: Battery) -> Executed:
    """Return what a battery does that knows neither prices nor forecasts: store each surplus, cover each deficit."""
    surplus, deficit = np.maximum(-window.net_kw, 0.0), np.maximum(window.net_kw, 0.0)
    return execute(surplus, deficit, battery, battery.initial_kwh, window.hours)


def _saving(window: Window, battery: Battery, done: Executed) -> float:
    saved = window.cost(window.net_kw) - window.cost(window.net_kw + done.net_kw)
    return float(saved.sum()) - _shortfall(window, battery, done)


def _shortfall(window: Window, battery: Battery, done: Executed) -> float:
    missing = max(0.0, battery.initial_kwh - float(done.stored_kwh[-1]))
    return missing * short_price(window.prices.buy, battery) if missing > 1e-6 else 0.0  # noqa: PLR2004 - solver's dust


def _outcomes(window: Window, costs: list[Floats]) -> Iterable[DayOutcome]:
    by_day = [np.add.reduceat(cost, window.day_starts[:-1]).tolist() for cost in costs]
    return map(DayOutcome, window.dates, *by_day)


def notes_of(window: Window, battery: Battery, days: int) -> Iterable[str]:
    """Say what a reader must know of the figures: fewer days, and why a battery may have nothing to do."""
    prices, round_trip = window.prices, battery.charge_efficiency * battery.discharge_efficiency
    if len(window.dates) < days:
        yield f"{len(window.dates)} complete days instead of {days}: the others have missing values or do not exist."
    feeds_in = bool((window.net_kw < 0).any())
    low, high = float(prices.buy.min()), float(prices.buy.max())
    if low >= high * round_trip and low >= 0 and not feeds_in:
        flat = "is the same at all hours" if low == high else f"varies only from {low:.4g} to {high:.4g}"
        yield (
            f"The price {flat} and nothing is fed in: there is nothing to shift, since {1 - round_trip:.0%} of what "
            "goes through a battery is lost. It would pay with time-of-use prices or a roof with PV."
        )
    if feeds_in and float(prices.sell.min()) >= high * round_trip:
        yield "What is fed in earns nearly what is drawn costs: storing it gains nothing."
    if not battery.feeds_in and float(prices.sell.max()) * round_trip > low:
        yield "The battery sells nothing: feed-in prices are taken to be paid for generated energy alone."

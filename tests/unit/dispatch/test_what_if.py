from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.dispatch import HOME_BATTERY, Limits, battery_what_if, day_ahead, execute, plan_site, respond
from gridwright.domain.errors import GridMismatch, InputError, TooLittleData
from gridwright.domain.forecast import Forecast
from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery
from gridwright.domain.rate import PriceTerms

ZONE = "Europe/Berlin"
HOUR = timedelta(hours=1)
Floats = npt.NDArray[np.float64]
Ahead = Callable[[datetime], Floats]


def home(period: str, seed: int = 1, low: float = 0.2, high: float = 2.0) -> Panel:
    span = parse_period(period, zone_of(ZONE))
    calendar = Panel(("UP-1",), span.start, HOUR, np.zeros((1, span.slots(HOUR)))).calendar(ZONE)
    shape = 0.3 + (calendar.minute >= 1020) * 1.2
    kw = shape * np.random.default_rng(seed).uniform(low, high, calendar.slots)
    return Panel(("UP-1",), span.start, HOUR, np.rint(kw * 1000)[None, :])


def tou(panel: Panel, sell: float = 0.05) -> PriceTerms:
    minute = panel.calendar(ZONE).minute
    buy = np.where((minute >= 1020) & (minute < 1260), 0.45, np.where(minute < 360, 0.15, 0.3))
    return PriceTerms(panel.start, panel.interval, buy, np.full(buy.size, sell), "EUR")


def knowing(panel: Panel, received: Panel | None = None, hours: int = 48) -> Ahead:
    net: Floats = panel.kw[0] - (0 if received is None else received.kw[0])

    def ahead(moment: datetime) -> Floats:
        first = (moment - panel.start) // panel.interval
        known: Floats = net[first : first + hours]
        return known

    return ahead


def yesterday(panel: Panel) -> Ahead:
    def ahead(moment: datetime) -> Floats:
        first = (moment - panel.start) // panel.interval
        known: Floats = panel.kw[0, first - 25 : first]
        return known

    return ahead


def test_foresight_two_days_long_comes_close_to_hindsight() -> None:
    panel = home("2025-03-01/2025-04-12")
    found = battery_what_if(panel, knowing(panel), tou(panel), ZONE)
    assert len(found.days) == 28
    assert found.saving_perfect > 10
    assert found.share_of_perfect > 0.97
    assert found.saving_on_forecast <= found.saving_perfect + 1e-3
    assert found.net_kw.size == 28 * 24 - 1  # 30 March has 23 hours
    assert found.notes == ()
    assert found.saving_rule == 0  # without a roof there is nothing to store


def test_a_poor_forecast_saves_less_and_energy_is_conserved() -> None:
    panel = home("2025-03-01/2025-04-12")
    found = battery_what_if(panel, yesterday(panel), tou(panel), ZONE)
    assert 0 < found.saving_on_forecast < found.saving_perfect
    moved = found.grid_kw - found.net_kw
    root = HOME_BATTERY.charge_efficiency
    gained = np.where(moved > 0, moved * root, moved / root)
    assert found.stored_kwh == pytest.approx(np.cumsum(gained), abs=1e-6)
    assert found.stored_kwh.min() >= 0
    assert found.stored_kwh.max() <= 10 + 1e-9
    assert np.abs(moved).max() <= 5 + 1e-9
    assert (found.grid_kw >= -1e-9).all()  # nothing is fed in: selling does not pay
    for total, name in ((found.cost_without, "cost_without"),):
        assert sum(getattr(day, name) for day in found.days) == pytest.approx(total)
    paid = sum(day.cost_without - day.cost_on_forecast for day in found.days)
    assert paid == pytest.approx(found.saving_on_forecast)
    assert sum(day.cost_without - day.cost_perfect for day in found.days) == pytest.approx(found.saving_perfect)


@given(seed=st.integers(0, 500), initial=st.sampled_from([0.0, 5.0]), sell=st.sampled_from([0.0, 0.12, 0.2]))
@settings(max_examples=6)
def test_no_forecast_beats_hindsight(seed: int, initial: float, sell: float) -> None:
    panel = home("2025-03-27/2025-04-02", seed)
    battery = replace(HOME_BATTERY, initial_kwh=initial)
    found = battery_what_if(panel, yesterday(panel), tou(panel, sell), ZONE, battery, days=4)
    assert found.saving_on_forecast <= found.saving_perfect + 1e-2
    assert found.saving_rule <= found.saving_perfect + 1e-2
    assert len(found.days) == 4


def test_flat_price_without_a_roof_saves_nothing_and_says_why() -> None:
    panel = home("2025-03-01/2025-04-12")
    flat = replace(tou(panel), buy=np.full(panel.slots, 0.3))
    found = battery_what_if(panel, yesterday(panel), flat, ZONE)
    assert (found.saving_on_forecast, found.saving_perfect, found.cycles) == (0, 0, 0)
    assert np.isnan(found.share_of_perfect)
    assert "is the same at all hours" in found.notes[0]
    nearly = replace(flat, buy=np.where(np.arange(panel.slots) % 24 < 12, 0.29, 0.3))
    assert "varies only from 0.29 to 0.3" in battery_what_if(panel, yesterday(panel), nearly, ZONE).notes[0]


def test_a_roof_makes_a_battery_pay_at_a_flat_price() -> None:
    panel = home("2025-03-01/2025-04-12")
    minute = panel.calendar(ZONE).minute
    sun = Panel(panel.points, panel.start, HOUR, np.where((minute >= 600) & (minute < 900), 2000.0, 0.0)[None, :])
    drawn = panel.with_values(np.where(sun.values > 0, 0.0, panel.values))
    flat = replace(tou(panel), buy=np.full(panel.slots, 0.3))
    found = battery_what_if(drawn, knowing(drawn, sun), flat, ZONE, received=sun)
    assert found.share_of_perfect > 0.95
    assert found.saving_perfect > 20
    assert 20 < found.saving_rule <= found.saving_perfect + 1e-3
    dear = replace(flat, sell=np.full(panel.slots, 0.29))
    nothing = battery_what_if(drawn, knowing(drawn, sun), dear, ZONE, received=sun)
    assert nothing.saving_perfect == pytest.approx(0, abs=1e-3)
    assert "storing it gains nothing" in nothing.notes[0]
    richer = battery_what_if(
        drawn, knowing(drawn, sun), replace(flat, sell=np.full(panel.slots, 0.5)), ZONE, received=sun
    )
    assert richer.saving_perfect == pytest.approx(0, abs=1e-3)  # what was drawn is not sold as if it were the roof's
    assert "sells nothing" in richer.notes[1]


def test_the_average_day_is_by_the_wall_clock() -> None:
    panel = home("2025-03-28/2025-04-02")
    found = battery_what_if(panel, knowing(panel), tou(panel), ZONE, days=3)
    assert len(found.days) == 3
    assert found.net_kw.size == 71  # 30 March has 23 hours
    day = found.average_day
    assert day.without_kw.shape == (24,)
    at_two = (found.slot_of_day == 2).sum()
    assert at_two == 2
    assert day.without_kw[2] == pytest.approx(found.net_kw[found.slot_of_day == 2].mean())
    assert day.buy[18] == 0.45


def test_days_with_holes_are_left_out() -> None:
    panel = home("2025-03-01/2025-03-11")
    values = panel.values.copy()
    values[0, 24 * 5 + 3] = np.nan
    holed = panel.with_values(values)
    found = battery_what_if(holed, knowing(panel), tou(panel), ZONE)
    assert [day.day.day for day in found.days] == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    assert "9 complete days instead of 28" in found.notes[0]
    with pytest.raises(TooLittleData, match="no local day is complete"):
        battery_what_if(panel.with_values(np.full_like(values, np.nan)), knowing(panel), tou(panel), ZONE)
    with pytest.raises(TooLittleData, match="no local day is complete"):
        battery_what_if(panel.slice(0, 0), knowing(panel), tou(panel), ZONE)


def test_what_does_not_fit_is_refused() -> None:
    panel = home("2025-03-01/2025-03-05")
    terms = tou(panel)
    with pytest.raises(GridMismatch, match="do not fit readings"):
        battery_what_if(panel, knowing(panel), replace(terms, interval=timedelta(minutes=30)), ZONE)
    with pytest.raises(InputError, match="prices do not cover"):
        battery_what_if(panel, knowing(panel), replace(terms, start=panel.start + HOUR), ZONE)
    with pytest.raises(GridMismatch, match="one usage point at a time"):
        battery_what_if(panel.rows([0, 0]), knowing(panel), terms, ZONE)
    with pytest.raises(GridMismatch, match="not on the grid"):
        battery_what_if(panel, knowing(panel), terms, ZONE, received=panel.slice(1, 20))
    with pytest.raises(TooLittleData, match="the forecast has 5 of the 24 intervals"):
        battery_what_if(panel, knowing(panel, hours=5), terms, ZONE)


def forecast_of(panel: Panel, kw: float, start: datetime) -> Forecast:
    mean = np.full((1, 24), kw * 1000)
    return Forecast(panel.points, start, HOUR, np.repeat(mean[:, :, None], 9, axis=2), mean, ("naive",), start)


def test_forecasts_serve_the_midnight_at_which_they_start() -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    panel = home("2025-03-01")
    ahead = day_ahead([forecast_of(panel, 2.0, start)], received=[forecast_of(panel, 0.5, start)])
    assert ahead(start).tolist() == [1.5] * 24
    with pytest.raises(TooLittleData, match="no forecast begins on 2025-03-02"):
        ahead(start + timedelta(days=1))


def test_a_battery_moves_only_what_it_has() -> None:
    battery = Battery(2.0, 5.0, 5.0, 0.9, 0.8, min_kwh=0.5)
    asked_in, asked_out = np.array([9.0, 0, 0, 0]), np.array([0, 9.0, 9.0, 0])
    done = execute(asked_in, asked_out, battery, 1.0, 1.0)
    assert done.charge_kw.tolist() == pytest.approx([1 / 0.9, 0, 0, 0])
    assert done.discharge_kw.tolist() == pytest.approx([0, 1.5 * 0.8, 0, 0])
    assert done.stored_kwh.tolist() == pytest.approx([2, 0.5, 0.5, 0.5])


def test_the_guard_covers_deficits_and_helps_back_within_limits() -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    terms = PriceTerms(start, HOUR, np.array([0.1, 0.4, 0.4, 0.1, 0.4]), np.zeros(5), "EUR")
    plan = plan_site(np.ones(5), terms, HOME_BATTERY)
    happened = np.array([1.0, 3.0, -2.0, 9.0])
    into, out = respond(plan, happened, terms, HOME_BATTERY, Limits(import_kw=6.0))
    assert out.tolist() == pytest.approx([0, 3, 0, 3])  # the last one is cheap: only what passes the limit
    assert into[2] == pytest.approx(2)  # a surplus that would earn nothing
    assert into[0] == pytest.approx(plan.charge_kw[0])
    unknown, _ = respond(replace(plan, stored_value=None), happened, terms, HOME_BATTERY, Limits())
    assert unknown[2] == 0

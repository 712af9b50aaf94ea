"""A seeded town: who lives there, what they use and feed in, and what their meters count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from gridwright.domain.calendar import LocalCalendar, local_calendar
from gridwright.domain.errors import InputError
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.simulate import loads
from gridwright.simulate.town import Floats, Kind, Town, Truth
from gridwright.simulate.weather import weather

QUARTER_HOUR = timedelta(minutes=15)
MIX = (*(Kind.HOME,) * 3, Kind.PV_HOME, Kind.HOME, Kind.HOME, Kind.HEAT_PUMP_HOME, Kind.HOME, Kind.PV_HOME, Kind.SHOP)
DEFAULT_MIX = (*MIX, *MIX[:-1], Kind.FACTORY)
CLASS_OF_KIND = {Kind.SHOP: "commercial", Kind.FACTORY: "industrial"}
CAPACITY_KW = {Kind.SHOP: 30.0, Kind.FACTORY: 100.0}
Reads = Literal["monthly", "daily"]


def simulate_homes(
    n: int,
    period: Interval,
    seed: int,
    interval: timedelta = QUARTER_HOUR,
    zone: str = "Europe/Berlin",
    *,
    kinds: Sequence[Kind] = DEFAULT_MIX,
    register_reads: Reads = "monthly",
    first_id: int = 1001,
) -> Town:
    """Simulate `n` usage points over `period`; the same arguments give the same town, to the watt-hour.

    `kinds` is repeated over the points, called UP-`first_id` and so on. Energy is whole Wh; load and PV are netted
    within an interval. Registers are read at the first and last instant and at each local month's (or day's) midnight
    between, and match the profiles exactly. A period that is not a whole number of intervals on the local clock's grid
    is an InputError.
    """
    _check(n, period, interval, kinds)
    calendar = local_calendar(period.start, interval, period.slots(interval), zone)
    of = tuple(kinds[i % len(kinds)] for i in range(n))
    load, pv, temperature = _powers(of, calendar, seed)
    net_wh = (load - pv) * (interval / timedelta(hours=1)) * 1000
    sites = _usage_points(of, zone, first_id)
    meters = tuple(Meter(f"M-{first_id + i}", "Example", "EM300", dials=8) for i in range(n))
    panel = _counted(np.maximum(net_wh, 0), sites, period.start, interval, DELIVERED_ENERGY)
    exporting = [i for i, site in enumerate(sites) if site.exports]
    fed_in = _counted(np.maximum(-net_wh, 0), sites, period.start, interval, RECEIVED_ENERGY)
    received = fed_in.rows(exporting) if exporting else None
    opening = np.random.default_rng([seed, 99]).integers(1_000_000, 40_000_000, (2, n)).astype(float)
    at = read_slots(calendar, register_reads)
    registers = (*read_registers(panel, meters, at, opening[0]),)
    if received is not None:
        registers += (*read_registers(received, [meters[i] for i in exporting], at, opening[1][exporting]),)
    truth = Truth(panel, received, registers, load, pv, temperature)
    return Town(panel, received, registers, truth, sites, meters, of)


def _check(n: int, period: Interval, interval: timedelta, kinds: Sequence[Kind]) -> None:
    seconds = int(interval.total_seconds())
    if n < 1 or not kinds:
        raise InputError(f"{n} usage points of {len(kinds)} kinds cannot be simulated", remedy="ask for at least one")
    if seconds <= 0 or DAY_S % seconds or seconds > DAY_S // 24:
        raise InputError(f"interval {interval} does not divide an hour", remedy="use 15, 30 or 60 minutes")
    if period.seconds < seconds or period.seconds % seconds:
        raise InputError(f"period {period} is no whole number of intervals of {interval}")


def _powers(of: Sequence[Kind], calendar: LocalCalendar, seed: int) -> tuple[Floats, Floats, Floats]:
    """Return load and PV in kW, float64[n, slots], and the temperature, float64[slots]."""
    climate = weather(calendar, np.random.default_rng([seed, 0]))
    days = loads.days_of(calendar)
    load, pv = np.zeros((2, len(of), calendar.slots))

    def rows(*kinds: Kind) -> list[int]:
        return [i for i, kind in enumerate(of) if kind in kinds]

    def draw(stream: int) -> np.random.Generator:
        return np.random.default_rng([seed, stream])

    homes, pumps, roofs = rows(*loads.HOMES), rows(Kind.HEAT_PUMP_HOME), rows(Kind.PV_HOME)
    shops, factories = rows(Kind.SHOP), rows(Kind.FACTORY)
    load[homes] = loads.home_load(len(homes), days, climate, draw(1))
    load[pumps] += loads.heat_pump_load(len(pumps), climate, draw(2))
    load[shops] = loads.shop_load(len(shops), days, climate, draw(3))
    load[factories] = loads.factory_load(len(factories), days, draw(4))
    pv[roofs] = loads.pv_power(len(roofs), climate, draw(5))
    return load, pv, climate.temperature_c


def _usage_points(of: Iterable[Kind], zone: str, first_id: int) -> tuple[UsagePoint, ...]:
    return tuple(
        UsagePoint(
            id=f"UP-{first_id + i}",
            zone=zone,
            customer_class=CLASS_OF_KIND.get(kind, "residential"),
            capacity_kw=CAPACITY_KW.get(kind, 17.0),
            exports=kind is Kind.PV_HOME,
            attributes={"kind": kind.value},
        )
        for i, kind in enumerate(of)
    )


def _counted(wh: Floats, sites: Sequence[UsagePoint], start: datetime, interval: timedelta, kind: ReadingType) -> Panel:
    return Panel(tuple(site.id for site in sites), start, interval, whole_counts(wh), reading_type=kind)


def whole_counts(wh: Floats) -> Floats:
    """Round as a meter does: the register counts whole Wh, an interval is the difference of two counts."""
    counts: Floats = np.diff(np.floor(np.cumsum(wh, axis=1) + 1e-6), axis=1, prepend=0.0)
    return counts


def read_slots(calendar: LocalCalendar, reads: Reads) -> list[int]:
    """Return the slot numbers before which registers are read: both ends and each local midnight asked for."""
    steps = calendar.month if reads == "monthly" else calendar.day
    return [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), calendar.slots]


def read_registers(
    panel: Panel, meters: Sequence[Meter], at: Sequence[int], opening: Floats
) -> Iterable[RegisterReading]:
    """Yield each meter's reads before the slots `at`, from `opening` counts on; they wrap at the meter's digits."""
    counted = np.cumsum(panel.values, axis=1)
    reads = opening[:, None] + np.concatenate([np.zeros((len(meters), 1)), counted], axis=1)[:, list(at)]
    first_s, step_s = int(panel.start.timestamp()), panel.interval_s
    instants = [from_epoch_s(first_s + step_s * slot) for slot in at]
    register = panel.reading_type.register()
    for point, meter, values in zip(panel.points, meters, reads.tolist(), strict=True):
        wrap = meter.range_wh
        for moment, value in zip(instants, values, strict=True):
            yield RegisterReading(point, moment, value % wrap, meter.serial, reading_type=register)

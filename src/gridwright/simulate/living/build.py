"""Build a living town: live through its years, meter them, carry them through the network, and break some meters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np

from gridwright.domain.calendar import LocalCalendar, local_calendar
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.simulate.faults import Bools, draw_faults, with_faults
from gridwright.simulate.homes import read_registers, read_slots, simulate_homes, whole_counts
from gridwright.simulate.living.machines import battery_power, car_load
from gridwright.simulate.living.network import Flows, carried, master_panels, topology_of, voltages
from gridwright.simulate.living.site import Site, sites_of
from gridwright.simulate.living.town import Excursion, LivingTown, Outage, Response, Theft
from gridwright.simulate.town import FaultKind, Floats, Kind, Town, Truth

ZONE = "Europe/Berlin"
# A town's life is drawn for two whole calendar years, and the period is cut out of it: a longer period changes no past.
YEARS = 2
# A point two digits astray: more than any car draws, which a tenth of it need not be.
SPIKE = 100.0
FAULTS = (
    FaultKind.GAP_SHORT,
    FaultKind.GAP_DAY,
    FaultKind.SPIKE,
    FaultKind.STUCK,
    FaultKind.ZERO_RUN,
    FaultKind.NEGATIVE,
    FaultKind.DUPLICATE,
    FaultKind.LATE,
    FaultKind.CORRECTED,
)
LESS_IN_EVENT, BACK_LATER, REBOUND = 0.55, 0.3, timedelta(hours=2)
STOLEN_SHARE, THIEF = 0.6, 2
LOOSE_NEUTRAL_V = 32.0
# Example cards that come with Gridwright, so that any server can price a town; a utility lays its own beside them.
HOME_CARD = "residential-tou"
CARDS = {Kind.SHOP: "shop-demand", Kind.FACTORY: "shop-demand"}
OPENING_WH = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Life:
    """What happens behind the meters of the period, kW, float64[n, slots]: load with cars, sun, cars, batteries."""

    start: datetime
    load_kw: Floats
    pv_kw: Floats
    ev_kw: Floats
    battery_kw: Floats
    temperature_c: Floats


def living_town(
    n: int,
    period: Interval,
    seed: int,
    *,
    zone: str = ZONE,
    first_id: int = 1001,
    responses: Sequence[Response] = (),
    faults_until: datetime | None = None,
    faults: Sequence[FaultKind] = FAULTS,
) -> LivingTown:
    """Live through `period`: the same arguments give the same town to the watt-hour, and a later end the same past.

    Faults lie before `faults_until` (the end, when left out; give it to continue a town), a theft begins after a third
    of the time before it; an outage and a loose neutral happen in its last week. A period longer than two
    calendar years is an InputError.
    """
    sites = sites_of(n, seed, first_id=first_id)
    base = _years(n, period, seed, zone, sites)
    until = faults_until or period.end
    third = Interval(period.start, until).seconds // 3 // 900 * 900
    thefts = (
        (Theft(sites[THIEF].usage_point, period.start + timedelta(seconds=third), STOLEN_SHARE),) if n > THIEF else ()
    )
    outages, excursions = (_outage(sites, period, until),), (_excursion(sites, period, until),)
    life = _life(base, sites, period, seed, Events(responses, outages))
    clean, flows = _metered(base, sites, life, thefts)
    topology = topology_of(sites, period)
    network = carried(sites, topology, flows, clean.interval)
    masters, back = master_panels(network, clean.panel)
    return LivingTown(
        town=_broken(clean, seed, Interval(period.start, until), faults),
        sites=sites,
        topology=topology,
        masters=masters,
        masters_back=back,
        voltage=_off(voltages(sites, network, clean.panel, life.pv_kw, seed), excursions),
        ev_kw=life.ev_kw,
        battery_kw=life.battery_kw,
        network=network,
        thefts=thefts,
        outages=outages,
        responses=tuple(responses),
        clean_until=until,
        excursions=excursions,
    )


def _years(n: int, period: Interval, seed: int, zone: str, sites: Sequence[Site]) -> Town:
    tz = zone_of(zone)
    year = period.start.astimezone(tz).year
    whole = Interval(local_midnight(date(year, 1, 1), tz), local_midnight(date(year + YEARS, 1, 1), tz))
    if period.end > whole.end:
        raise InputError(f"a town lives for {YEARS} calendar years at most", where=str(period), remedy="simulate less")
    kinds = [site.kind for site in sites]
    first = int(sites[0].usage_point.rpartition("-")[2])
    return simulate_homes(n, whole, seed, zone=zone, kinds=kinds, first_id=first)


def _outage(sites: Sequence[Site], period: Interval, until: datetime) -> Outage:
    """Return the hour in which the last transformer goes dark, five days before the end."""
    start = max(period.start, until - timedelta(days=5, hours=3))
    aligned = start - timedelta(seconds=start.timestamp() % 900)
    return Outage(sites[-1].transformer, Interval(aligned, aligned + timedelta(minutes=45)))


def _excursion(sites: Sequence[Site], period: Interval, until: datetime) -> Excursion:
    """Return the evening on which a neutral comes loose at the end of the first street, four days before the end."""
    start = max(period.start, until - timedelta(days=4))
    aligned = start - timedelta(seconds=start.timestamp() % 900)
    last = [site for site in sites if site.transformer == sites[0].transformer][-1]
    return Excursion(last.usage_point, Interval(aligned, aligned + timedelta(hours=1)), LOOSE_NEUTRAL_V)


def _off(voltage: Panel, excursions: Sequence[Excursion]) -> Panel:
    values = voltage.values.copy()
    for each in excursions:
        values[voltage.index(each.usage_point), _in(voltage, each.period)] += each.volts * 10
    return voltage.with_values(values)


@dataclass(frozen=True, slots=True)
class Events:
    """What happens to the town as a whole."""

    responses: Sequence[Response]
    outages: Sequence[Outage]


def _life(base: Town, sites: Sequence[Site], period: Interval, seed: int, events: Events) -> Life:
    span = base.panel.between(period)
    at = (span.start - base.panel.start) // base.interval
    cut = slice(at, at + span.slots)
    calendar = local_calendar(span.start, span.interval, span.slots, base.zone)
    pv = base.truth.pv_kw[:, cut].copy()
    ev = car_load(sites, calendar, _first_day(base, calendar), seed)
    load = base.truth.load_kw[:, cut] + ev
    for response in events.responses:
        _respond(load, sites, response, span)
    for outage in events.outages:
        dark = np.array([site.transformer == outage.transformer for site in sites])[:, None] & _in(span, outage.period)
        load[dark] = pv[dark] = ev[dark] = 0.0
    battery = battery_power(sites, pv - load, span.interval / timedelta(hours=1))
    return Life(span.start, load, pv, ev, battery, base.truth.temperature_c[cut])


def _first_day(base: Town, calendar: LocalCalendar) -> int:
    """Return the day before the town's first, so that a diary has a yesterday."""
    start = base.panel.start.astimezone(zone_of(base.zone)).date()
    return min(start.toordinal() - date(1970, 1, 1).toordinal(), int(calendar.day[0])) - 1


def _in(panel: Panel, period: Interval) -> Bools:
    """Tell of each slot whether it lies in a period."""
    first, last = ((moment - panel.start) // panel.interval for moment in (period.start, period.end))
    slot = np.arange(panel.slots)
    inside: Bools = (slot >= first) & (slot < last)
    return inside


def _respond(load: Floats, sites: Sequence[Site], response: Response, span: Panel) -> None:
    """Use less in the event, and some of what was put off in the two hours after it."""
    follows = np.array([site.usage_point in response.points for site in sites])
    during = _in(span, response.period)
    after = _in(span, Interval(response.period.end, response.period.end + REBOUND))
    saved = np.where(follows[:, None] & during, load * LESS_IN_EVENT, 0.0)
    load -= saved
    if after.any():
        load += saved.sum(axis=1, keepdims=True) * BACK_LATER * after / after.sum()


def _metered(base: Town, sites: Sequence[Site], life: Life, thefts: Sequence[Theft]) -> tuple[Town, Flows]:
    """Count as the meters do: whole Wh of what flows through them, each direction for itself."""
    net_wh = (life.load_kw + life.battery_kw - life.pv_kw) * (base.interval / timedelta(hours=1)) * 1000
    tapped = np.zeros_like(net_wh)
    for theft in thefts:
        row = next(i for i, site in enumerate(sites) if site.usage_point == theft.usage_point)
        since = max((theft.since - life.start) // base.interval, 0)
        tapped[row, since:] = theft.share * np.maximum(net_wh[row, since:], 0.0)
    through = net_wh - tapped
    into, back = whole_counts(np.maximum(through, 0.0)), whole_counts(np.maximum(-through, 0.0))
    names = tuple(site.usage_point for site in sites)
    panel = Panel(names, life.start, base.interval, into, reading_type=DELIVERED_ENERGY)
    fed = [i for i, site in enumerate(sites) if site.kind is Kind.PV_HOME]
    received = Panel(names, life.start, base.interval, back, reading_type=RECEIVED_ENERGY).rows(fed) if fed else None
    registers = tuple(_registers(base, panel, received))
    truth = Truth(panel, received, registers, life.load_kw, life.pv_kw, life.temperature_c)
    points = tuple(_described(point, site) for point, site in zip(base.points, sites, strict=True))
    town = Town(panel, received, registers, truth, points, base.meters, tuple(site.kind for site in sites))
    return town, Flows(into - back, whole_counts(tapped))


def _registers(base: Town, panel: Panel, received: Panel | None) -> Iterator[RegisterReading]:
    """Yield the reads of every local midnight, and of both ends."""
    at = read_slots(panel.calendar(base.zone), "daily")
    opening = np.full(len(panel.points), OPENING_WH, np.float64)
    yield from read_registers(panel, base.meters, at, opening)
    if received is not None:
        meters = [base.meters[panel.index(name)] for name in received.points]
        yield from read_registers(received, meters, at, opening[: len(meters)])


def _described(point: UsagePoint, site: Site) -> UsagePoint:
    """Add what the utility knows: the rate card, and the battery that may be planned."""
    more = {"rate_card": CARDS.get(site.kind, HOME_CARD), "transformer": site.transformer}
    if site.kind in CARDS:
        more["contract_kw"] = f"{point.capacity_kw or 0:g}"
    if site.battery_kwh:
        more |= {"battery_kwh": f"{site.battery_kwh:g}", "battery_kw": f"{site.battery_kw:g}"}
    if site.charger_kw:
        more["charger_kw"] = f"{site.charger_kw:g}"
    return replace(point, attributes={**point.attributes, **more})


def _broken(clean: Town, seed: int, where: Interval, kinds: Sequence[FaultKind]) -> Town:
    """Put one fault of each kind where the meters may break; the rest of the town stays as it is."""
    if not kinds:
        return clean
    part = clean.panel.between(where)
    drawn = draw_faults(replace(clean, panel=part), seed, kinds=kinds)
    return with_faults(clean, [replace(f, size=SPIKE) if f.kind is FaultKind.SPIKE else f for f in drawn])

"""The living town obeys its own physics: what goes in comes out, is lost, or is stolen, to the watt-hour."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.domain.reading_type import Flow
from gridwright.domain.topology import NodeKind
from gridwright.simulate import Fault, FaultKind, with_faults
from gridwright.simulate.living import LivingTown, Response, living_town, registry_of
from gridwright.simulate.living.build import FAULTS
from gridwright.simulate.living.truth_file import truth_document

BERLIN = zone_of("Europe/Berlin")
HOUR = timedelta(hours=1)
AUTUMN = parse_period("2026-10-01/2026-11-10", BERLIN)
ALL = (*FAULTS, FaultKind.RESET, FaultKind.EXCHANGE)


@pytest.fixture(scope="module")
def town() -> LivingTown:
    return living_town(24, AUTUMN, 5, faults=ALL)


def test_the_same_arguments_give_the_same_town(town: LivingTown) -> None:
    again = living_town(24, AUTUMN, 5, faults=ALL)
    assert np.array_equal(town.town.panel.values, again.town.panel.values, equal_nan=True)
    assert np.array_equal(town.voltage.values, again.voltage.values)
    assert town.town.registers == again.town.registers
    assert truth_document(town) == truth_document(again)
    other = living_town(24, AUTUMN, 6, faults=ALL)
    assert not np.array_equal(town.truth.panel.values, other.truth.panel.values)


@pytest.mark.parametrize("more", [1, 20, 60])
def test_a_longer_life_changes_no_past(more: int) -> None:
    until = AUTUMN.end - timedelta(days=3)
    short = living_town(12, AUTUMN, 8, faults_until=until)
    longer = living_town(12, Interval(AUTUMN.start, AUTUMN.end + timedelta(days=more)), 8, faults_until=until)
    pairs = [
        (short.town.panel, longer.town.panel),
        (short.truth.panel, longer.truth.panel),
        (short.masters, longer.masters),
        (short.masters_back, longer.masters_back),
        (short.voltage, longer.voltage),
    ]
    for before, after in pairs:
        assert np.array_equal(before.values, after.values[:, : before.slots], equal_nan=True)
    assert (short.town.faults, short.thefts, short.outages) == (longer.town.faults, longer.thefts, longer.outages)
    assert (short.sites, short.excursions) == (longer.sites, longer.excursions)
    kept = {read for read in longer.town.registers if read.at < AUTUMN.end}
    assert {read for read in short.town.registers if read.at < AUTUMN.end} == kept


def test_what_the_master_meters_count_is_metered_lost_or_stolen(town: LivingTown) -> None:
    network, truth = town.network, town.truth
    assert np.array_equal(network.net_wh, network.metered_wh + network.stolen_wh + network.lost_wh)
    assert np.array_equal(town.masters.values - town.masters_back.values, network.net_wh)
    assert (np.minimum(town.masters.values, town.masters_back.values) == 0).all()
    assert truth.received is not None
    net = dict(zip(truth.panel.points, truth.panel.values.copy(), strict=True))
    for name, back in zip(truth.received.points, truth.received.values, strict=True):
        net[name] = net[name] - back
    for node in town.topology.nodes:
        if node.kind is NodeKind.SUBSTATION:
            continue
        row = network.nodes.index(node.id)
        below = (
            [network.net_wh[network.nodes.index(child.id)] for child in town.topology.children(node.id)]
            if node.kind is NodeKind.FEEDER
            else [net[site.usage_point] for site in town.sites if site.transformer == node.id]
        )
        assert np.array_equal(network.metered_wh[row], np.sum(below, axis=0)), node.id
        assert (network.lost_wh[row] >= 0).all()


def test_a_network_loses_a_few_percent_and_more_under_load(town: LivingTown) -> None:
    rows = [row for row, name in enumerate(town.network.nodes) if name.startswith("T-")]
    lost, net = town.network.lost_wh[rows], town.network.net_wh[rows]
    assert 0.005 < lost.sum() / net.sum() < 0.08
    order = np.argsort(net[0])
    assert lost[0, order[-100:]].mean() > lost[0, order[:100]].mean()


def test_registers_tell_the_same_as_profiles(town: LivingTown) -> None:
    truth = town.truth
    for panel, flow in ((truth.panel, Flow.DELIVERED), (truth.received, Flow.RECEIVED)):
        assert panel is not None
        for row, point in enumerate(panel.points):
            reads = [r for r in truth.registers if r.usage_point == point and r.reading_type.flow is flow]
            assert reads[-1].value - reads[0].value == panel.values[row].sum()
            for before, after in pairwise(reads):
                span = panel.between(Interval(before.at, after.at)).values[row]
                assert after.value - before.value == span.sum()


def test_sun_and_battery_are_netted_behind_the_meter(town: LivingTown) -> None:
    truth = town.truth
    assert truth.received is not None
    stolen_from = town.thefts[0].usage_point
    for name, back in zip(truth.received.points, truth.received.values, strict=True):
        row = truth.panel.index(name)
        assert name != stolen_from
        wh = (truth.load_kw[row] + town.battery_kw[row] - truth.pv_kw[row]) * 250
        assert abs((truth.panel.values[row] - back).sum() - wh.sum()) <= 2
        assert back.sum() > 0


def test_batteries_and_cars_stay_within_what_they_are(town: LivingTown) -> None:
    assert any(site.battery_kwh for site in town.sites)
    assert any(site.charger_kw for site in town.sites)
    for row, site in enumerate(town.sites):
        power = town.battery_kw[row]
        assert (np.abs(power) <= site.battery_kw + 1e-9).all()
        stored = np.cumsum(np.where(power > 0, power * 0.95, power / 0.95)) * 0.25
        assert stored.min(initial=0) >= -1e-6
        assert stored.max(initial=0) <= site.battery_kwh + 1e-6
        assert (town.ev_kw[row] <= site.charger_kw + 1e-9).all()
        assert site.charger_kw == 0 or town.ev_kw[row].sum() > 0
        assert (town.ev_kw[row] <= town.truth.load_kw[row] + 1e-9).all()


def test_the_day_on_which_the_clock_goes_back_has_a_hundred_quarters(town: LivingTown) -> None:
    days = town.town.panel.calendar(BERLIN).day
    assert np.unique(days, return_counts=True)[1].max() == 100
    point = town.sites[0].usage_point
    local = [read.at.astimezone(BERLIN) for read in town.truth.registers if read.usage_point == point]
    assert all((moment.hour, moment.minute) == (0, 0) for moment in local)


def test_the_day_on_which_the_clock_goes_forward_has_ninety_two() -> None:
    spring = living_town(6, parse_period("2026-03-28/2026-04-10", BERLIN), 5, faults=())
    assert np.unique(spring.town.panel.calendar(BERLIN).day, return_counts=True)[1].min() == 92
    assert np.array_equal(
        spring.network.net_wh, spring.network.metered_wh + spring.network.stolen_wh + spring.network.lost_wh
    )


def test_a_thief_is_metered_less_from_a_moment_on_and_the_network_notices(town: LivingTown) -> None:
    theft = town.thefts[0]
    row = town.truth.panel.index(theft.usage_point)
    since = (theft.since - town.period.start) // town.town.interval
    used = (town.truth.load_kw[row] + town.battery_kw[row] - town.truth.pv_kw[row]) * 250
    metered = town.truth.panel.values[row]
    assert abs(metered[:since].sum() - used[:since].sum()) <= 1
    assert metered[since:].sum() == pytest.approx(used[since:].sum() * (1 - theft.share), rel=1e-4)
    stolen = town.network.stolen_wh
    assert stolen.sum() == pytest.approx(used[since:].sum() * theft.share, rel=1e-4)
    assert stolen[:, :since].sum() == 0


def test_an_outage_takes_all_below_a_transformer_and_nobody_else(town: LivingTown) -> None:
    outage = town.outages[0]
    dark = [row for row, site in enumerate(town.sites) if site.transformer == outage.transformer]
    during = town.truth.panel.between(outage.period).values
    assert dark
    assert during[dark].sum() == 0
    assert (np.delete(during, dark, axis=0).sum(axis=1) > 0).all()


def test_voltage_keeps_its_band_but_where_a_neutral_is_loose(town: LivingTown) -> None:
    excursion = town.excursions[0]
    row = town.voltage.index(excursion.usage_point)
    inside = town.voltage.between(excursion.period).values[row] / 10
    assert (inside > 253).all()
    volts = town.voltage.values / 10
    assert (volts > 253).sum() == inside.size
    assert volts.min() > 207


def test_voltage_sags_with_load_and_rises_with_sun(town: LivingTown) -> None:
    far = max((s for s in town.sites if s.kind.value == "home"), key=lambda s: s.distance)
    carried = town.network.net_wh[town.network.nodes.index(far.transformer)]
    volts = town.voltage.row(far.usage_point).values[0]
    assert np.corrcoef(volts, carried)[0, 1] < -0.5


@pytest.mark.parametrize("kind", ALL)
def test_each_fault_is_in_the_data_and_in_the_truth(town: LivingTown, kind: FaultKind) -> None:
    faults = [fault for fault in town.town.faults if fault.kind is kind]
    assert len(faults) == 1
    fault = faults[0]
    assert fault.period.end <= town.clean_until
    row = town.town.panel.index(fault.usage_point)
    first, last = (
        (moment - town.period.start) // town.town.interval for moment in (fault.period.start, fault.period.end)
    )
    told, true = town.town.panel.values[row, first:last], town.truth.panel.values[row, first:last]
    if kind in (FaultKind.RESET, FaultKind.EXCHANGE):
        epochs = {read.epoch for read in town.town.registers if read.usage_point == fault.usage_point}
        assert max(epochs) >= 1
    elif kind is FaultKind.DUPLICATE:
        assert row in town.town.extra.row
    else:
        assert not np.array_equal(told, true, equal_nan=True)
    listed = [each for each in truth_document(town)["faults"] if each["kind"] == kind.value]
    assert [each["usage_point"] for each in listed] == [fault.usage_point]


def test_a_meter_exchange_is_registered_with_both_reads(town: LivingTown) -> None:
    change = registry_of(town).changes[0]
    serials = {r.end_device for r in town.town.registers if r.usage_point == change.usage_point}
    assert change.serial in serials
    assert len(serials) == 2
    assert change.opening_wh < change.final_wh
    after = [r for r in town.town.registers if r.usage_point == change.usage_point and r.at > change.at]
    assert {read.end_device for read in after} == {change.serial}


def test_an_exchange_at_the_time_of_an_ordinary_read_has_two_reads_each_way() -> None:
    quiet = living_town(6, AUTUMN, 2, faults=())
    point = quiet.truth.received.points[0] if quiet.truth.received else ""
    at = max(read.at for read in quiet.town.registers if read.usage_point == point)
    town = with_faults(quiet.town, [Fault(FaultKind.EXCHANGE, point, Interval(at, at + HOUR), 12)])
    told = [read for read in town.registers if read.usage_point == point and read.at == at]
    assert sorted((read.reading_type.flow, read.epoch) for read in told) == [
        (flow, epoch) for flow in (Flow.DELIVERED, Flow.RECEIVED) for epoch in (0, 1)
    ]


def test_the_registry_knows_everybody_who_is_measured(town: LivingTown) -> None:
    registry = registry_of(town)
    points = {point.id for point in registry.points}
    assert {*town.town.panel.points, *town.masters.points} == points
    assert {each.end_device for each in registry.installations} == {meter.serial for meter in registry.meters}
    assert {node.meter for node in registry.nodes if node.meter} == set(town.masters.points)


def test_who_follows_an_event_uses_less_in_it_and_some_of_it_later() -> None:
    evening = parse_period("2026-11-05T17:00/2026-11-05T19:00", BERLIN)
    quiet = living_town(12, AUTUMN, 5, faults=())
    followers = quiet.participants[:4]
    lively = living_town(12, AUTUMN, 5, faults=(), responses=[Response(evening, followers)])
    rows = [quiet.truth.panel.index(point) for point in followers]
    saved = quiet.truth.load_kw - lively.truth.load_kw
    span = slice(*((moment - AUTUMN.start) // quiet.town.interval for moment in (evening.start, evening.end)))
    after = slice(span.stop, span.stop + 8)
    assert (saved[rows, span] > 0).all()
    assert saved[rows, after].sum() == pytest.approx(-0.3 * saved[rows, span].sum())
    saved[rows, span.start : after.stop] = 0
    assert np.abs(saved).max() < 1e-9


def test_a_life_of_more_than_two_years_is_refused() -> None:
    with pytest.raises(InputError, match="2 calendar years"):
        living_town(6, parse_period("2025-01-01/2027-02-01", BERLIN), 1)

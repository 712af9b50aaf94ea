"""Marks: a perfect reader gets full marks, a blind one none, and a nervous one is told so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gridwright.domain.errors import NotFound
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.simulate import FaultKind
from gridwright.simulate.living import LivingTown, living_town
from gridwright.simulate.score import FOUND_BY, score_energy, score_findings, score_losses, true_loss_kwh

PERIOD = parse_period("2026-10-01/2026-10-31", zone_of("Europe/Berlin"))


@pytest.fixture(scope="module")
def town() -> LivingTown:
    return living_town(12, PERIOD, 3)


def perfect(town: LivingTown) -> list[Finding]:
    return [
        Finding(f"{FOUND_BY[fault.kind][0]}_x", fault.usage_point, fault.period, Severity.WARN, "seen")
        for fault in town.town.faults
        if fault.kind in FOUND_BY
    ]


def test_a_perfect_reader_finds_all_and_raises_no_false_alarm(town: LivingTown) -> None:
    scores = score_findings(perfect(town), town)
    assert all(scores.recall(kind) == 1 for kind in scores.faults)
    assert scores.false_alarms == 0
    assert scores.meter_days == pytest.approx(12 * PERIOD.length / timedelta(days=1))


def test_a_blind_reader_finds_nothing(town: LivingTown) -> None:
    scores = score_findings([], town)
    assert scores.recall(FaultKind.SPIKE) == 0
    with pytest.raises(NotFound, match="rollover"):
        scores.recall(FaultKind.ROLLOVER)


def test_a_doubt_of_another_kind_or_place_or_time_finds_nothing(town: LivingTown) -> None:
    spike = next(fault for fault in town.town.faults if fault.kind is FaultKind.SPIKE)
    other = next(point for point in town.town.panel.points if point != spike.usage_point)
    wrong = [
        Finding("V17_stuck", spike.usage_point, spike.period, Severity.WARN, ""),
        Finding("V18_spike", other, spike.period, Severity.WARN, ""),
        Finding("V18_spike", spike.usage_point, Interval(PERIOD.start, PERIOD.start), Severity.WARN, ""),
    ]
    assert score_findings(wrong, town).recall(FaultKind.SPIKE) == 0


def test_doubts_where_nothing_happened_are_counted_but_information_is_not(town: LivingTown) -> None:
    touched = {fault.usage_point for fault in town.town.faults} | {theft.usage_point for theft in town.thefts}
    calm = next(point for point in town.town.panel.points if point not in touched)
    hour = Interval(PERIOD.start + timedelta(days=2), PERIOD.start + timedelta(days=2, hours=1))
    alarms = [Finding("V17_stuck", calm, hour, severity, "") for severity in Severity]
    scores = score_findings(alarms, town)
    assert scores.false_alarms == 2
    assert scores.false_alarms_per_meter_day == pytest.approx(2 / scores.meter_days)


def test_energy_is_compared_with_what_went_through_the_meter(town: LivingTown) -> None:
    true = dict(zip(town.truth.panel.points, town.truth.panel.total_kwh().tolist(), strict=True))
    assert score_energy(true, town, PERIOD).worst == 0
    name = next(iter(true))
    assert score_energy({name: true[name] * 1.1}, town, PERIOD).worst == pytest.approx(0.1)


def test_losses_are_those_between_a_master_meter_and_the_meters_below(town: LivingTown) -> None:
    net = dict(zip(town.network.nodes, town.network.net_wh.sum(axis=1) / 1000, strict=True))
    truth = town.truth
    assert truth.received is not None
    used = dict(zip(truth.panel.points, truth.panel.total_kwh().tolist(), strict=True))
    for name, back in zip(truth.received.points, truth.received.total_kwh().tolist(), strict=True):
        used[name] -= back
    said = {
        node: float(net[node] - sum(used[point] for point in town.topology.below(node, PERIOD.start))) for node in net
    }
    assert score_losses(said, town, PERIOD).worst < 1e-9
    assert true_loss_kwh(town, "F-1", PERIOD) > true_loss_kwh(town, "T-1", PERIOD) > 0

"""The network's figures against a simulated town's truth: losses, the one thief, the loose neutral."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.domain.interval import Interval
from gridwright.domain.panel import concat_points
from gridwright.grid import GridBalance, balance, voltage_report
from gridwright.simulate.living import LivingTown, living_town

PERIOD = Interval(datetime(2025, 2, 1, tzinfo=UTC), datetime(2025, 3, 15, tzinfo=UTC))


@pytest.fixture(scope="module", params=[1, 2])
def town(request: pytest.FixtureRequest) -> LivingTown:
    return living_town(40, PERIOD, request.param)


@pytest.fixture(scope="module")
def found(town: LivingTown) -> GridBalance:
    received = [town.masters_back, *([town.town.received] if town.town.received is not None else [])]
    return balance(town.topology, concat_points([town.town.panel, town.masters]), concat_points(received))


def test_only_the_thiefs_transformer_gets_a_hint_and_the_thief_is_named(town: LivingTown, found: GridBalance) -> None:
    (theft,) = town.thefts
    (each,) = found.hints
    assert theft.usage_point in town.topology.below(each.node.id, PERIOD.start)
    assert each.hint is not None
    (related,) = each.hint.related
    stolen = town.network.stolen_wh[town.network.nodes.index(each.node.id)].sum() / 1000
    assert related.usage_point == theft.usage_point
    assert related.hidden_kwh == pytest.approx(stolen, rel=0.15)
    assert each.hint.since is not None
    assert abs((each.hint.since - theft.since).days) <= 1


def test_losses_of_transformers_are_what_was_lost_and_stolen(town: LivingTown, found: GridBalance) -> None:
    truth = town.network
    for each in found.nodes:
        if each.node.id in truth.nodes and each.node.kind == "transformer":
            at = truth.nodes.index(each.node.id)
            real = (truth.lost_wh[at].sum() + truth.stolen_wh[at].sum()) / 1000
            assert each.loss_kwh is not None
            # Readings hold faults that nobody has judged yet (spikes, dead channels): most balances are close.
            if each.inputs.missing == 0:
                assert each.loss_kwh == pytest.approx(real, abs=0.5 * real + each.uncertainty_kwh)


def test_a_loose_neutral_is_the_worst_voltage(town: LivingTown) -> None:
    (excursion,) = town.excursions
    worst = voltage_report(town.voltage).events[0]
    assert worst.usage_point == excursion.usage_point
    assert worst.period.overlaps(excursion.period)

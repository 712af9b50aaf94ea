"""Placebo events on real homes: nobody was asked for anything, so every baseline should equal what was used."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.baselines import Score, homes, placebo_days, score
from gridwright.demand_response import BASELINES

RULES = ("10-of-10", "10-of-10-unadjusted", "10-of-10-additive", "5-of-10-unadjusted")


@pytest.fixture(scope="module")
def scores(shared_data: Path) -> dict[tuple[str, str], Score]:
    panel = homes(shared_data)
    highest, ordinary = placebo_days(panel)
    return {
        (name, kind): score(panel, days, BASELINES[name])
        for name in RULES
        for kind, days in (("peak", highest), ("ordinary", ordinary))
    }


def test_without_adjustment_days_of_high_load_are_underestimated(scores: dict[tuple[str, str], Score]) -> None:
    assert scores["10-of-10-unadjusted", "peak"].bias < -8
    assert abs(scores["10-of-10-unadjusted", "ordinary"].bias) < 2


def test_the_hours_before_tell_how_high_the_load_of_a_day_is(scores: dict[tuple[str, str], Score]) -> None:
    assert abs(scores["10-of-10-additive", "peak"].bias) < abs(scores["10-of-10-unadjusted", "peak"].bias) / 2
    assert scores["10-of-10-additive", "peak"].cvrmse < scores["10-of-10-unadjusted", "peak"].cvrmse


def test_the_five_highest_days_of_a_home_pay_for_nothing(scores: dict[tuple[str, str], Score]) -> None:
    assert scores["5-of-10-unadjusted", "ordinary"].home_bias > 25


def test_a_single_home_is_far_less_certain_than_all_together(scores: dict[tuple[str, str], Score]) -> None:
    for each in scores.values():
        assert each.home_cvrmse > 50
        assert each.cvrmse < 50

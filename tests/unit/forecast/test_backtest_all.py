"""Several panels backtested as one: each keeps its own origins, and the pooled scores are over all readings."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.errors import TooLittleData
from gridwright.domain.panel import Panel
from gridwright.forecast import backtest, backtest_all

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def a_panel(name: str, days: int, level: float) -> Panel:
    rng = np.random.default_rng(days)
    shape = level * (1 + np.sin(np.arange(days * 24) / 24 * 2 * np.pi)) + rng.gamma(1.0, level, days * 24)
    return Panel((name,), START, HOUR, np.rint(shape)[None, :])


def test_panels_keep_their_own_origins_and_scores() -> None:
    long, short = a_panel("long", 90, 500), a_panel("short", 60, 90)
    both = backtest_all([long, short], zones=["UTC", "Europe/Berlin"], horizon=DAY)
    alone = backtest(long, horizon=DAY, zone="UTC"), backtest(short, horizon=DAY, zone="Europe/Berlin")
    assert both.points == ("long", "short")
    for model, scores in both.per_point.items():
        assert scores == (*alone[0].per_point[model], *alone[1].per_point[model])
    assert both.served == (*alone[0].served, *alone[1].served)
    assert set(both.origins) == {*alone[0].origins, *alone[1].origins}


def test_pooled_scores_weigh_readings_not_panels() -> None:
    long, short = a_panel("long", 90, 500), a_panel("short", 60, 90)
    apart = backtest_all([long, short], zones=["UTC", "UTC"], horizon=DAY)
    scored = [sum(s.scored for s in apart.per_point[model]) for model in apart.pooled]
    assert [scores.scored for scores in apart.pooled.values()] == scored
    for model, scores in apart.pooled.items():
        mean = np.mean([s.mase for s in apart.per_point[model]])
        assert scores.mase == pytest.approx(mean)
    assert apart.pooled_served.wql <= min(scores.wql for scores in apart.pooled.values()) * 1.0001


def test_nothing_to_backtest_says_so() -> None:
    with pytest.raises(TooLittleData, match="no usage point"):
        backtest_all([], zones=[], horizon=DAY)
    with pytest.raises(TooLittleData, match="needs a local midnight"):
        backtest_all([a_panel("tiny", 1, 5)], zones=["UTC"], horizon=DAY)

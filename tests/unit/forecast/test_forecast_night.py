"""Where nothing has flowed at a time of day for four weeks, nothing is forecast: solar power at night."""

from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.panel import Panel
from gridwright.forecast import LEAST_SQUARES
from gridwright.forecast.history import history_of
from gridwright.forecast.words import spelled

START = datetime(2025, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 60


def solar() -> Panel:
    hour = np.arange(24 * DAYS) % 24
    clouds = np.random.default_rng(1).uniform(0.2, 1.0, DAYS).repeat(24)
    return Panel(("PV",), START, HOUR, np.rint(2000 * clouds * np.maximum(np.sin((hour - 6) / 12 * np.pi), 0))[None, :])


def test_there_is_no_sun_at_night() -> None:
    history, issue = history_of(solar()), 24 * DAYS
    found = LEAST_SQUARES.fit(history, issue, 48).predict(history, issue, 48)
    hour = np.arange(48) % 24
    night = (hour < 6) | (hour > 19)
    assert (found.mean[0, night] == 0).all()
    assert (found.quantiles[0, night] == 0).all()
    assert (found.mean[0, (hour > 8) & (hour < 16)] > 0).all()


def test_a_single_flow_at_night_in_four_weeks_is_not_forgotten() -> None:
    panel = solar()
    panel.values[0, 24 * (DAYS - 10) + 2] = 50
    silent = history_of(panel).silent(24 * DAYS, 24)
    assert not silent[0, 1:4].any()
    assert silent[0, 22]


def test_a_gap_is_not_silence() -> None:
    panel = solar()
    empty = Panel(panel.points, START, HOUR, np.full_like(panel.values, np.nan))
    assert not history_of(empty).silent(24 * DAYS, 24).any()


def test_lengths_of_time_are_spelled() -> None:
    assert [spelled(timedelta(hours=h)) for h in (0.5, 24, 48, 96, 24 * 400)] == [
        "30 min",
        "24 h",
        "48 h",
        "4 days",
        "400 days",
    ]

"""Panels of one series in two resolutions are one panel of it, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY
from gridwright.jobs.load.one_resolution import one_resolution

START, HOUR = datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=1)
FINE = DELIVERED_ENERGY.finer(-3)


def test_rows_join_across_panels_of_other_usage_points_and_times() -> None:
    coarse = Panel(("a", "b", "c"), START, HOUR, np.array([[1.0, 2, np.nan], [3, 4, 5], [6, np.nan, np.nan]]))
    fine = Panel(
        ("c", "a"), START + HOUR, HOUR, np.array([[7500.0, 8000, 9000], [np.nan, 3500, 4000]]), reading_type=FINE
    )
    found = one_resolution([coarse, fine])
    rows = {point: (panel, panel.row(point).values[0].tolist()) for panel in found for point in panel.points}
    assert rows["a"] == (rows["a"][0], [1000, 2000, 3500, 4000])
    assert rows["c"][1] == [6000, 7500, 8000, 9000]
    assert rows["b"][1] == [3, 4, 5]
    assert [rows[point][0].reading_type for point in "abc"] == [FINE, DELIVERED_ENERGY, FINE]
    assert sorted(point for panel in found for point in panel.points) == ["a", "b", "c"]


def test_other_meanings_and_other_grids_stay_apart() -> None:
    ones = np.ones((1, 4))
    panels = [
        Panel(("a",), START, HOUR, ones),
        Panel(("a",), START, HOUR / 4, ones, reading_type=FINE),
        Panel(("a",), START, HOUR, ones, reading_type=RECEIVED_ENERGY.finer(-3)),
        Panel(("b",), START, HOUR, ones, reading_type=FINE),
    ]
    assert sorted(map(id, one_resolution(panels))) == sorted(map(id, panels))
    assert one_resolution([]) == []

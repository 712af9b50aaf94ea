"""Registers by time of use beside intervals of all energy are parts of it: they part no day, and add nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, ReadingType
from gridwright.jobs.load.main_series import every_series

START, QUARTER, HOUR = datetime(2025, 1, 6, tzinfo=UTC), timedelta(minutes=15), timedelta(hours=1)


def of(channel: str, kind: ReadingType = DELIVERED_ENERGY) -> ReadingType:
    return ReadingType(flow=kind.flow, channel=channel)


def whole(points: tuple[str, ...] = ("a", "b"), quality: int = q.ACTUAL) -> Panel:
    """Return a day of quarter-hours of which two hours were lost."""
    values = np.full((len(points), 96), 100.0)
    values[:, 32:40] = np.nan
    return Panel(points, START, QUARTER, values, np.where(np.isnan(values), q.MISSING, quality).astype(np.uint8))


def hour(channel: str, quality: int = q.OF_REGISTER, kind: ReadingType = DELIVERED_ENERGY) -> Panel:
    """Return an hour of one of the points, within what was lost."""
    one = np.full((1, 1), quality, np.uint8)
    return Panel(("a",), START + 8 * HOUR, HOUR, np.full((1, 1), 400.0), one, of(channel, kind))


@pytest.mark.parametrize("channel", ["T1", "HT"])
def test_what_reads_of_a_tariff_tell_parts_no_day_of_the_whole(channel: str) -> None:
    groups, beside = every_series([whole(), hour(channel)], {})
    assert [(group.period.start, group.points) for group in groups] == [(START, ("a", "b"))]
    assert beside == []


@pytest.mark.parametrize(
    "panels",
    [
        [whole(), hour("T1", q.ACTUAL)],  # measured by itself
        [whole(("b",)), hour("T1")],  # nothing else is known of the point
        [whole(quality=q.OF_REGISTER), hour("T1")],  # the whole is told by reads as well
    ],
)
def test_any_other_channel_is_energy_of_its_own(panels: list[Panel]) -> None:
    groups, _ = every_series(panels, {})
    assert HOUR in {panel.interval for group in groups for panel in group.delivered if "a" in panel.points}


def test_so_is_what_is_fed_in() -> None:
    _, beside = every_series([whole(), hour("T1", kind=RECEIVED_ENERGY)], {})
    assert [panel.interval for panel in beside] == [HOUR]

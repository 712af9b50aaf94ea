"""What the simulator writes, the readers read: to the watt-hour, faults and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.jobs.files.read_file import read_file
from gridwright.simulate import (
    FaultKind,
    Kind,
    Town,
    inject,
    simulate_homes,
    to_long_csv,
    to_nem12,
    to_wide_csv,
)

BERLIN = zone_of("Europe/Berlin")
KINDS = (FaultKind.GAP_DAY, FaultKind.SPIKE, FaultKind.NEGATIVE, FaultKind.DUPLICATE)


@pytest.fixture(scope="module")
def town() -> Town:
    clean = simulate_homes(2, parse_period("2025-03-01/2025-04-15", BERLIN), 4, kinds=[Kind.HOME, Kind.PV_HOME])
    return inject(clean, 1, kinds=KINDS)


def assert_same(read: Panel, written: Panel) -> None:
    grid = written.regrid(read.period).values
    assert np.array_equal(read.values, grid, equal_nan=True)


@pytest.mark.parametrize("writer", [to_long_csv, to_nem12])
def test_panels_come_back(town: Town, tmp_path: Path, writer: type) -> None:
    path = tmp_path / "town.csv"
    path.write_bytes(writer(town))
    read = {panel.reading_type.flow: panel for panel in read_file(path).panels}
    assert town.received is not None
    for written in (town.panel, town.received):
        found = read[written.reading_type.flow]
        assert len(found.points) == len(written.points)
        assert_same(found, written)


def test_rows_a_day_come_back_by_their_numbers(town: Town, tmp_path: Path) -> None:
    path = tmp_path / "town.csv"
    path.write_bytes(to_wide_csv(town))
    read = {panel.reading_type.flow: panel for panel in read_file(path).panels}
    for written in filter(None, (town.panel, town.received)):
        assert np.nansum(read[written.reading_type.flow].values) == np.nansum(written.values)

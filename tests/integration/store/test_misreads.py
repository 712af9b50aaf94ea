"""Register reads that are wrong once: by whatever entrance and in whatever order they come, they make no energy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter
from gridwright.store import Store
from tests.integration.store.test_rollovers import HOUR, SINGLE, START, Place, Read, a_place

# What counts on, or contradicts, is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)

WH = Meter("M-1", dials=9, lsb_wh=1)
QUARTER = HOUR / 4


@pytest.fixture
def home(store: Store) -> Place:
    """A meter in Wh behind a transformer of 2, whose connection nobody has told: V32 takes it for 100 kW."""
    return a_place(store, WH, None)


def quarters(*values: float) -> list[Read]:
    return [(START + QUARTER * slot, value) for slot, value in enumerate(values)]


def stored(place: Place, count: int) -> list[float | None]:
    """Return the energy of quarter-hours in Wh, None where there is none."""
    period = Interval(START, START + count * QUARTER)
    panel = place.store.readings.load(ME, "UP-1", period, interval=QUARTER)
    return [None if value != value else value for value in panel.values[0].tolist()]  # noqa: PLR0124 - NaN


# 900 kWh too low: from 115.0 to 1015.1 kWh in a quarter of an hour are 7,200 kW, and half of 200 kW is still too much.
FALLEN = quarters(1014.7, 1014.8, 1014.9, 115.0, 1015.1, 1015.2)


@pytest.mark.parametrize("entrance", SINGLE)
def test_a_rise_that_no_connection_carries_is_no_energy(home: Place, entrance: str) -> None:
    home.post_each(FALLEN, SINGLE[entrance])
    assert stored(home, 5) == [200.0, 200.0, None, None, 200.0]


def test_what_waits_in_the_journal_gives_no_such_energy_either(home: Place) -> None:
    for read in FALLEN:
        home.post(SINGLE["json"]([read]), journal=True)
    assert stored(home, 5) == [200.0, 200.0, None, None, 200.0]


@pytest.mark.parametrize(("rise_kwh", "energy"), [(12.5, 25_000.0), (12.501, None)])
def test_the_limit_of_derived_energy_is_that_of_v32_with_the_factor(
    home: Place, tmp_path: Path, rise_kwh: float, energy: float | None
) -> None:
    """100 kW carry 25 kWh in a quarter of an hour, which a register behind a factor of 2 counts as 12.5."""
    reads = quarters(100.0, 100.1, 100.1 + rise_kwh, 100.2 + rise_kwh)
    home.import_file(tmp_path, reads)
    assert stored(home, 3) == [200.0, energy, 200.0]


@pytest.mark.parametrize(("rise_kwh", "energy"), [(12.5, 25_000.0), (12.501, None)])
def test_a_batch_knows_the_same_limit(home: Place, rise_kwh: float, energy: float | None) -> None:
    home.post(SINGLE["json"](quarters(100.0, 100.1, 100.1 + rise_kwh, 100.2 + rise_kwh)))
    assert stored(home, 3) == [200.0, energy, 200.0]


def test_a_capacity_that_was_told_is_the_limit(store: Store) -> None:
    home = a_place(store, WH, 400.0)
    home.post_each(quarters(100.0, 150.0, 200.001))
    assert stored(home, 2) == [100_000.0, None]

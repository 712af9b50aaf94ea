"""Five real homes over a year against figures reached by another implementation (dispatch reference 1.4)."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gridwright.dispatch import battery_what_if, plan_site
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery
from gridwright.domain.rate import PriceTerms

START = datetime(2016, 7, 31, 23, tzinfo=UTC)
HOUR = timedelta(hours=1)
PV_KW = 4.0
CONTEST = Battery(6.4, 5.0, 5.0, 0.9**0.5, 0.9**0.5)
Floats = npt.NDArray[np.float64]


def column(path: Path, name: str) -> Floats:
    with path.open(encoding="utf-8") as file:
        return np.array([float(row[name]) for row in csv.DictReader(file)])


def net_kw(folder: Path, home: int) -> Floats:
    path = folder / f"Building_{home}.csv"
    return column(path, "non_shiftable_load") - column(path, "solar_generation") / 1000 * PV_KW


def prices(folder: Path) -> PriceTerms:
    buy = column(folder / "pricing.csv", "electricity_pricing")
    return PriceTerms(START, HOUR, buy, np.zeros(buy.size), "USD")


@pytest.mark.shared
def test_a_year_of_five_homes_costs_what_others_found(shared_data: Path) -> None:
    folder = shared_data / "citylearn_2022"
    terms = prices(folder)
    plans = [plan_site(net_kw(folder, home), terms, CONTEST) for home in range(1, 6)]
    assert sum(plan.cost_without for plan in plans) == pytest.approx(8949, abs=0.5)
    assert sum(plan.cost for plan in plans) == pytest.approx(5425, abs=1)


@pytest.mark.shared
@pytest.mark.parametrize("home", [1, 3])
def test_two_months_on_last_weeks_mean_keep_most_of_the_saving(shared_data: Path, home: int) -> None:
    folder = shared_data / "citylearn_2022"
    net = net_kw(folder, home)
    panel = Panel(("UP-1",), START, HOUR, np.rint(net * 1000)[None, :])

    def last_week(moment: datetime) -> Floats:
        first = (moment - START) // HOUR
        mean: Floats = net[first - 168 : first].reshape(7, 24).mean(axis=0)
        return mean

    found = battery_what_if(panel, last_week, prices(folder), "UTC", CONTEST, days=60)
    assert len(found.days) == 60
    assert 0.75 < found.share_of_perfect <= 1

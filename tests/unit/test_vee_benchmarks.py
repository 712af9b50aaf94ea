"""What the accuracy table and the end-to-end benchmark rest on, small and on simulated homes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks import end_to_end, vee_accuracy
from benchmarks.accuracy.faults import Alarms, alarms, recalls
from benchmarks.accuracy.gaps import LADDER, METHODS, beaten_by, ladder_bias, measure
from benchmarks.accuracy.homes import PER_DAY, graded, split
from gridwright.domain.finding import Severity
from gridwright.domain.panel import Panel
from gridwright.vee import validate
from gridwright.vee.circumstances import Circumstances, ClockCheck

START = datetime(2012, 1, 2, tzinfo=UTC)
DAYS = 150


@pytest.fixture(scope="module")
def homes() -> Panel:
    """Four homes with an evening, noise, and a hole of a day."""
    rng = np.random.default_rng(5)
    shape = 80 + 400 * np.exp(-(((np.arange(PER_DAY) - 38) / 6) ** 2))
    values = np.rint(np.tile(shape, DAYS) * rng.gamma(6, 1 / 6, (4, DAYS * PER_DAY)))
    values[2, 500:548] = np.nan
    return graded(Panel(tuple(f"H{row}" for row in range(4)), START, timedelta(minutes=30), values))


def test_the_split_is_the_same_every_time_and_leaves_nobody_out(homes: Panel) -> None:
    tune, judge = split(homes)
    assert sorted(tune.points + judge.points) == list(homes.points)
    assert split(homes)[1].points == judge.points


def test_gaps_are_measured_against_the_truth(homes: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.accuracy.gaps.LEAST_GAPS", 16)
    free, closed = (measure(homes, 48, closed=closed) for closed in (False, True))
    assert set(free) == set(METHODS)
    assert free[LADDER].size >= 16
    assert 5 < free[LADDER].absolute.mean() < 60
    assert closed[LADDER].energy_wh.max() == 0
    best, worse, noise = beaten_by(free)
    assert best in METHODS
    assert noise > 0
    assert worse < 5
    assert free["E02 linear"].absolute.mean() > free[LADDER].absolute.mean()


def test_a_bias_is_measured_over_many_gaps_and_told_with_its_error(
    homes: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.accuracy.gaps.BATCH", 40)
    monkeypatch.setattr("benchmarks.accuracy.gaps.BIAS_GAPS", 120)
    found = ladder_bias(homes, 2)
    bias, error = found.bias
    assert found.size == 120
    assert np.unique(found.signed).size > 100, "each batch has gaps of its own"
    assert abs(bias) < 3 * error < 20


def test_seeded_faults_are_found(homes: Panel) -> None:
    found = recalls(homes, rounds=1)
    sure = ("missing", "negative", "stuck ≥ 12 h", "duplicate", "rollover", "×10 spike, with registers")
    assert {name: found[name].percent for name in sure} == dict.fromkeys(sure, 100.0)
    assert found["clock (told by the device)"].percent == found["clock (stamps shifted)"].percent == 100
    assert all(recall.seeded for recall in found.values())


def test_false_alarms_count_days_without_a_gap(homes: Panel) -> None:
    quiet = alarms(homes)
    assert quiet.days == 4 * DAYS - 2
    values = homes.values.copy()
    values[1, 100 * PER_DAY + 10] = -5
    doubted = alarms(graded(homes, values))
    assert doubted.doubted["fail", "V11_negative"] == 1
    assert doubted.percent(Severity.FAIL) > quiet.percent(Severity.FAIL)


def test_a_usage_point_without_a_clock_check_is_no_trouble(homes: Panel) -> None:
    told = Circumstances(clock={"H1": [ClockCheck(START + timedelta(days=3), 600.0)]})
    assert {
        each.usage_point for each in validate(homes, [], circumstances=told).findings if each.code == "V01_clock"
    } == {"H1"}


def test_the_page_shows_every_figure(homes: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.accuracy.gaps.LEAST_GAPS", 8)
    monkeypatch.setattr("benchmarks.accuracy.gaps.BIAS_GAPS", 1)
    monkeypatch.setattr("benchmarks.accuracy.gaps.BATCH", 12)
    open_, closed = ({"1 h": measure(homes, 2, closed=told)} for told in (False, True))
    bias = {"1 h": ladder_bias(homes, 2)}
    found, doubted = recalls(homes, rounds=1), {"town": Alarms(9, {("warn", ""): 3})}
    result = vee_accuracy.Measured(open_, closed, open_, closed, bias, found, doubted, {"town": 4}, 4)
    page = vee_accuracy.page_of(result)
    assert "| clean meter-days warned, town | 33.3 % | <= 3 | **missed** |" in page
    assert "| recall of missing | 100 % | >= 99 | met |" in page
    assert "| 12 gaps a length | {:+.1f} ± {:.1f} |".format(*bias["1 h"].bias) in page
    assert "| warn | any rule | 33.333 |" in page
    assert all(name in page for name in METHODS)
    assert "4 homes, 8 gaps a length" in page
    names = [row.name for row in vee_accuracy.rows_of(result)]
    assert len(names) == len(set(names))
    assert "energy error of gaps between registers, largest" in names


@pytest.mark.parametrize("name", list(end_to_end.FORMATS))
def test_a_fleet_arrives_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "PIECE", 20)
    monkeypatch.setattr(end_to_end, "MISSING", 0.01)
    file, write = end_to_end.FORMATS[name]
    write(tmp_path / file, 50)
    done, wall, cpu, peak = end_to_end.judged(tmp_path / file, tmp_path)
    assert len(done.imported.points) == 50
    assert done.imported.new + done.estimated == done.final <= 50 * end_to_end.PER_DAY
    assert done.estimated > 20
    assert min(wall, cpu) > 0
    assert peak >= 0, "what fits in memory that is there already needs none more"

"""Laws of validation and estimation that hold for any input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.finding import Doubted
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Circumstances, estimate, judge, validate
from gridwright.vee.closure import close_to, shift_to
from gridwright.vee.days import recent_count, recent_max, trailing_max
from gridwright.vee.runs import equal_runs, runs_of

# A fortnight that holds the spring change of Berlin's clocks.
START = datetime(2025, 3, 20, 3, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"])


def a_panel(seed: int, *, rows: int = 5, days: int = 20, gaps: float = 0.05) -> Panel:
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, 200, (rows, days * 24)).round()
    values[rng.random(values.shape) < 0.02] *= -1
    values[rng.random(values.shape) < gaps] = np.nan
    for row in range(rows):
        at = int(rng.integers(0, days * 24 - 30))
        values[row, at : at + int(rng.integers(1, 60))] = rng.choice([np.nan, 0.0, 300.0])
    quality = np.where(np.isnan(values), q.MISSING, rng.choice([0, 1, 2, 5, 6, 7, 0x25], values.shape))
    return Panel(tuple(f"P{row}" for row in range(rows)), START, timedelta(hours=1), values, quality.astype(np.uint8))


def points(panel: Panel, zone: str) -> list[UsagePoint]:
    classes = ["residential", "commercial"]
    return [UsagePoint(name, zone, classes[i % 2], capacity_kw=2.0) for i, name in enumerate(panel.points)]


SEEDS = st.integers(0, 10_000)


@given(SEEDS, ZONES)
@settings(max_examples=25)
def test_validating_twice_changes_nothing(seed: int, zone: str) -> None:
    panel = a_panel(seed)
    once = validate(panel, points(panel, zone))
    twice = validate(once.panel, points(panel, zone))
    assert twice.findings == once.findings
    assert np.array_equal(twice.panel.quality, once.panel.quality)
    assert np.array_equal(twice.flags, once.flags)


@given(SEEDS, ZONES, st.integers(1, 3))
@settings(max_examples=25)
def test_doubts_that_are_kept_are_graded_as_if_they_were_asked_for_anew(seed: int, zone: str, every: int) -> None:
    panel = a_panel(seed)
    reads = {
        name: [
            RegisterReading(name, START, 0),
            RegisterReading(name, START + timedelta(days=6), int(np.nansum(panel.values[row, : 6 * 24])) + 7 * row),
        ]
        for row, name in enumerate(panel.points)
    }
    kept = judge(panel, points(panel, zone), registers=reads)
    doubted = [each.doubted for each in validate(panel, points(panel, zone), registers=reads).findings]
    for accepted in (frozenset(doubted[::every]), frozenset[Doubted](), frozenset(doubted)):
        anew = validate(panel, points(panel, zone), registers=reads, circumstances=Circumstances(accepted=accepted))
        again = kept.graded(accepted)
        assert again.findings == anew.findings
        assert np.array_equal(again.panel.quality, anew.panel.quality)
        assert np.array_equal(again.flags, anew.flags)


@given(SEEDS, ZONES)
@settings(max_examples=25)
def test_validation_changes_no_value_and_respects_decisions(seed: int, zone: str) -> None:
    panel = a_panel(seed)
    done = validate(panel, points(panel, zone))
    assert np.array_equal(done.panel.values, panel.values, equal_nan=True)
    decided = q.has_status(panel.quality, (*q.ESTIMATES, q.Status.EDITED)) & ~panel.missing
    assert np.array_equal(done.panel.quality[decided], panel.quality[decided])
    assert not done.flags[decided].any()


@given(SEEDS, ZONES, st.permutations(range(5)))
@settings(max_examples=25)
def test_the_order_of_meters_does_not_matter(seed: int, zone: str, order: list[int]) -> None:
    panel = a_panel(seed)
    members = points(panel, zone)
    straight = estimate(validate(panel, members).panel, members)
    mixed = estimate(validate(panel.rows(order), members).panel, members)
    assert np.array_equal(mixed.panel.values, straight.panel.values[order], equal_nan=True)
    assert np.array_equal(mixed.panel.quality, straight.panel.quality[order])
    assert sorted(map(str, mixed.findings)) == sorted(map(str, straight.findings))


@given(SEEDS, ZONES)
@settings(max_examples=25)
def test_estimation_fills_gaps_with_whole_counts_and_touches_nothing_else(seed: int, zone: str) -> None:
    panel = a_panel(seed)
    checked = validate(panel, points(panel, zone)).panel
    done = estimate(checked, points(panel, zone))
    gaps = q.has_status(checked.quality, q.GAPS)
    assert np.array_equal(done.filled, gaps)
    assert np.array_equal(done.panel.values[~gaps], checked.values[~gaps])
    assert np.array_equal(done.panel.quality[~gaps], checked.quality[~gaps])
    assert np.array_equal(done.panel.values[gaps], np.rint(done.panel.values[gaps]))
    assert sum(done.by_method.values()) == gaps.sum()
    again = estimate(done.panel, points(panel, zone))
    assert not again.filled.any()


@given(SEEDS, ZONES, st.floats(0, 3))
@settings(max_examples=25)
def test_intervals_and_registers_agree_to_the_count(seed: int, zone: str, more: float) -> None:
    panel = a_panel(seed, gaps=0.1)
    panel = Panel(panel.points, panel.start, panel.interval, np.abs(panel.values))
    edges = [0, 100, 101, 250, panel.slots]
    known = np.nan_to_num(panel.values)
    reads: dict[str, list[RegisterReading]] = {}
    for row, name in enumerate(panel.points):
        total, reads[name] = 0.0, [RegisterReading(name, START, 0.0)]
        for first, last in pairwise(edges):
            gaps = int(np.isnan(panel.values[row, first:last]).sum())
            total += known[row, first:last].sum() + round(gaps * more * 200)
            reads[name].append(RegisterReading(name, START + panel.interval * last, total))
    members = [UsagePoint(name, zone, capacity_kw=1e6) for name in panel.points]
    done = estimate(panel, members, registers=reads)
    assert [finding for finding in done.findings if finding.code == "V30_sum"] == []
    assert not done.panel.missing.any()
    for row, name in enumerate(panel.points):
        sums = [done.panel.values[row, a:b].sum() for a, b in pairwise(edges)]
        assert sums == np.diff([read.value for read in reads[name]]).tolist()


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=40), st.integers(0, 10**12), st.integers(1, 5))
def test_closure_is_exact(shape: list[float], residual: int, parts: int) -> None:
    segment = np.arange(len(shape)) % min(parts, len(shape))
    wanted = np.full(int(segment.max()) + 1, float(residual))
    for fit in (close_to, shift_to):
        closed = fit(np.array(shape), segment, wanted)
        assert np.bincount(segment, closed).tolist() == wanted.tolist()
        assert np.array_equal(closed, np.rint(closed))


@given(SEEDS, st.integers(1, 12), st.integers(1, 40))
def test_trailing_windows_are_what_they_say(seed: int, days: int, window: int) -> None:
    values = np.random.default_rng(seed).integers(0, 50, (3, days)).astype(np.float64)
    largest, counted = trailing_max(values, window), recent_count(values > 25, window, days)
    for day in range(days):
        before = values[:, max(0, day - window) : day]
        assert largest[:, day].tolist() == before.max(axis=1, initial=-np.inf).tolist()
        assert counted[:, day].tolist() == (before > 25).sum(axis=1).tolist()
    for last in (1, days):
        assert recent_max(values, window, last).tolist() == largest[:, days - last :].tolist()


@given(SEEDS, st.integers(1, 5))
def test_runs_are_what_they_say(seed: int, at_least: int) -> None:
    values = np.random.default_rng(seed).integers(0, 2, (4, 17)).astype(np.float64)
    ones = runs_of(values == 1)
    rebuilt = np.zeros_like(values)
    rebuilt[ones.cells()] = 1
    assert np.array_equal(rebuilt, values)
    equal = equal_runs(values, at_least)
    assert (equal.length >= at_least).all()
    for row, first, last in zip(equal.row, equal.first, equal.last, strict=True):
        assert np.unique(values[row, first:last]).size == 1

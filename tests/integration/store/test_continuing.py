"""Findings that go on: a window that moves on and a run that grows stay one finding, with who is to decide it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.store.findings import FindingFilter, StoredFinding

START, DAY = datetime(2026, 3, 1, tzinfo=UTC), timedelta(days=1)


@pytest.fixture
def filled(store: Store) -> Store:
    store.registry.save_points(ME, [UsagePoint("a"), UsagePoint("b")])
    return store


def load_factor(day: int, factor: float = 0.009) -> Finding:
    """What is found when a day was judged: 28 days up to its end."""
    period = Interval(START + (day - 27) * DAY, START + (day + 1) * DAY)
    return Finding("V35_load_factor", "a", period, Severity.INFO, f"load factor {factor}", slots=672)


def judge(store: Store, day: int, *found: Finding) -> int:
    judged = Interval(START + day * DAY, START + (day + 1) * DAY)
    return store.findings.save(ME, found, known_at=judged.end, points=["a", "b"], period=judged)


def every(store: Store) -> list[StoredFinding]:
    return store.findings.page(ME, FindingFilter(resolved=True))


def test_a_window_that_moves_on_is_one_finding_and_keeps_who_decides_it(filled: Store) -> None:
    assert [judge(filled, 0, load_factor(0)), judge(filled, 0, load_factor(0))] == [1, 0]
    (first,) = every(filled)
    filled.findings.assign(ME, [first.id], "Ada", now=START)
    news = [judge(filled, day, load_factor(day, day / 1000)) for day in range(1, 40)]
    assert news == [0] * 39
    (now,) = every(filled)
    assert (now.id, now.assigned_to, now.known_at) == (first.id, "Ada", first.known_at)
    assert now.finding.period == Interval(START - 27 * DAY, START + 40 * DAY)
    assert now.finding.message == "load factor 0.039"


def test_judging_the_same_day_again_writes_nothing(filled: Store) -> None:
    for day in range(3):
        judge(filled, day, load_factor(day))
    written = filled.audit.records(ME)
    judge(filled, 2, load_factor(2))
    assert filled.audit.records(ME) == written


def test_an_acceptance_holds_while_the_doubt_lasts_and_not_beyond(filled: Store) -> None:
    judge(filled, 0, load_factor(0))
    filled.findings.resolve(ME, [every(filled)[0].id], reason="a holiday home", now=START)
    assert [judge(filled, day, load_factor(day)) for day in range(1, 30)] == [0] * 29
    (accepted,) = every(filled)
    assert (accepted.resolution, accepted.finding.period.end) == ("a holiday home", START + 30 * DAY)
    assert judge(filled, 90, load_factor(90)) == 1


def test_it_goes_when_the_doubt_does(filled: Store) -> None:
    judge(filled, 0, load_factor(0))
    judge(filled, 1)
    (gone,) = every(filled)
    assert gone.resolved_at == START + 2 * DAY


def test_an_older_day_that_is_judged_again_does_not_shorten_it(filled: Store) -> None:
    for day in range(3):
        judge(filled, day, load_factor(day, day / 1000))
    judge(filled, 1, load_factor(1, 0.5))
    (now,) = every(filled)
    assert (now.finding.period.end, now.finding.message) == (START + 3 * DAY, "load factor 0.002")


def test_those_that_piled_up_before_are_merged_into_one(filled: Store) -> None:
    for day in (0, 40, 80):
        judge(filled, day, load_factor(day))
    filled.findings.assign(ME, [every(filled)[-1].id], "Ada", now=START)
    wide = replace(load_factor(81), period=Interval(START - DAY, START + 82 * DAY))
    judge(filled, 81, wide)
    (now,) = filled.findings.page(ME)
    assert now.assigned_to == "Ada"


def run_of(hours: tuple[int, int], point: str = "a", code: str = "V16_zero_run") -> Finding:
    period = Interval(START + timedelta(hours=hours[0]), START + timedelta(hours=hours[1]))
    return Finding(code, point, period, Severity.WARN, f"{hours[1] - hours[0]} h of zeros", slots=hours[1] - hours[0])


def test_a_run_that_grew_past_midnight_stays_the_finding_that_it_was(filled: Store) -> None:
    judge(filled, 0, run_of((12, 24)), run_of((12, 24), "b"))
    mine, other = every(filled)
    filled.findings.assign(ME, [mine.id], "Ada", now=START)
    assert judge(filled, 1, run_of((12, 40)), run_of((12, 24), "b")) == 0
    assert [(one.id, one.assigned_to, one.finding.slots) for one in every(filled)] == [
        (mine.id, "Ada", 28),
        (other.id, "", 12),
    ]


def test_what_was_accepted_of_a_run_is_so_for_its_period_alone(filled: Store) -> None:
    judge(filled, 0, run_of((12, 24)))
    filled.findings.resolve(ME, [every(filled)[0].id], reason="away", now=START)
    assert judge(filled, 1, run_of((12, 40))) == 1


def test_another_run_of_the_day_is_another_finding(filled: Store) -> None:
    judge(filled, 0, run_of((0, 5)))
    assert judge(filled, 0, run_of((0, 5)), run_of((12, 24))) == 1
    assert len(filled.findings.page(ME)) == 2


def test_the_cascade_of_each_day_leaves_one_load_factor(filled: Store) -> None:
    """A flat load: its peak is its mean, day after day, and nothing new comes up once it was told."""
    news = []
    for first, days in ((0, 30), (30, 1), (31, 1), (32, 2)):
        values = (500 + np.arange(24 * days)[None] % 3).astype(np.float64)
        panel = Panel(("a",), START + first * DAY, timedelta(hours=1), values)
        now = panel.end + timedelta(hours=1)
        filled.readings.save(ME, panel, known_at=now)
        correct(filled, ME, SiteDefaults(), now=now)
        news.append([one.id for one in filled.findings.page(ME, FindingFilter(code="V35_load_factor", resolved=True))])
    assert news == [news[0]] * 4
    (one,) = filled.findings.page(ME, FindingFilter(code="V35_load_factor"))
    assert one.finding.period.end == START + 34 * DAY

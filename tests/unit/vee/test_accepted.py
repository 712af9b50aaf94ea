"""What people accepted: found again, and kept; of other values it is doubted as ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.finding import REJECTING, Doubted, Finding
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Circumstances, Registers, validate
from gridwright.vee.fingerprints import of_runs, of_values
from gridwright.vee.ruleset import FLAG_BITS
from gridwright.vee.runs import Runs

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
POINT = UsagePoint("UP-1", capacity_kw=17.0)


def panel_of(*at_noon: float) -> Panel:
    """Some days of 400 Wh an hour, each with a value of its own at noon."""
    values = 400.0 + np.arange(24.0 * len(at_noon))[None, :] % 5
    values[0, 12::24] = at_noon
    return Panel(("UP-1",), START, HOUR, values)


def judged(panel: Panel, accepted: frozenset[Doubted] = frozenset()) -> tuple[list[q.Status], tuple[Finding, ...]]:
    done = validate(panel, [POINT], circumstances=Circumstances(accepted=accepted))
    return [q.Status(int(each)) for each in q.status_of(done.panel.quality[0, 12::24])], done.findings


def test_the_rules_that_reject_intervals_are_those_that_mark_them() -> None:
    assert FLAG_BITS.keys() - {"V10_missing"} == REJECTING


def test_what_was_accepted_is_found_again_and_kept() -> None:
    panel = panel_of(50_000.0, 60_000.0)
    before, found = judged(panel)
    assert before == [q.Status.REJECTED] * 2
    first = next(each for each in found if each.code == "V12_capacity")
    after, again = judged(panel, frozenset({first.doubted}))
    assert after == [q.Status.ACCEPTED, q.Status.REJECTED]
    assert [(each, each.fingerprint) for each in again] == [(each, each.fingerprint) for each in found]


@pytest.mark.parametrize(
    "other", [{"code": "V18_spike"}, {"usage_point": "UP-2"}, {"fingerprint": ""}, {"fingerprint": "other"}]
)
def test_nothing_else_is_kept_by_it(other: dict[str, Any]) -> None:
    panel = panel_of(50_000.0)
    _, (found, *_) = judged(panel)
    after, _ = judged(panel, frozenset({replace(found, **other).doubted}))
    assert after == [q.Status.REJECTED]


def test_other_values_are_not_those_that_were_accepted() -> None:
    _, (found, *_) = judged(panel_of(50_000.0))
    assert judged(panel_of(50_001.0), frozenset({found.doubted}))[0] == [q.Status.REJECTED]


def test_a_sum_that_was_accepted_rejects_nothing() -> None:
    """Each on its own keeps the value out: the spike, and the register that contradicts the day."""
    days = 70
    panel = panel_of(*[410.0] * days)
    at_midnight = np.r_[0.0, np.cumsum(panel.values[0].reshape(days, 24).sum(axis=1))]
    reads = [RegisterReading("UP-1", START + timedelta(days=day), float(read)) for day, read in enumerate(at_midnight)]
    panel.values[0, 65 * 24 + 12] = 16_000.0

    def status(codes: set[str]) -> q.Status:
        registers, accepted = Registers({"UP-1": reads}), frozenset[Doubted]()
        first = validate(panel, [POINT], registers=registers)
        accepted = frozenset(each.doubted for each in first.findings if each.code in codes)
        done = validate(panel, [POINT], registers=registers, circumstances=Circumstances(accepted=accepted))
        assert done.findings == first.findings
        return q.Status(int(done.panel.quality[0, 65 * 24 + 12]) & 15)

    assert status(set()) is status({"V18_spike"}) is status({"V30_sum"}) is q.Status.REJECTED
    assert status({"V18_spike", "V30_sum"}) is q.Status.ACCEPTED


def test_a_read_that_is_other_by_now_is_another_doubt() -> None:
    panel = panel_of(410.0, 410.0, 410.0)
    reads = [RegisterReading("UP-1", START + timedelta(days=day), 20_000.0 * day) for day in range(4)]

    def seen(*, last: float) -> list[str]:
        registers = Registers({"UP-1": [*reads[:3], replace(reads[3], value=last)]})
        found = validate(panel, [POINT], registers=registers).findings
        return [each.fingerprint for each in found if each.code == "V30_sum"]

    one, other = seen(last=60_000.0), seen(last=60_100.0)
    assert one[:2] == other[:2]
    assert one[2] != other[2]


def test_a_fingerprint_is_of_the_values_however_they_are_counted() -> None:
    values = np.array([[1.0, np.nan, 0.0, 3.0]])
    told = of_values(values[0], 1.0)
    assert told == of_values(np.array([1.0, -np.nan, -0.0, 3.0]), 1.0) == of_values(values[0] * 10, 0.1)
    assert told != of_values(np.array([1.0, 0.0, np.nan, 3.0]), 1.0)
    assert told != of_values(values[0, :3], 1.0)
    runs = Runs(np.array([0, 0]), np.array([0, 3]), np.array([2, 4]))
    assert of_runs(values, runs, 1.0) == [of_values(values[0, :2], 1.0), of_values(values[0, 3:], 1.0)]

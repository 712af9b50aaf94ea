"""A claim of many readings in portions ends as one transaction would, also where it is ended and repeated."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters import claim_meter as module
from gridwright.jobs.meters.claim_meter import ClaimedMeter, claim_in_portions, claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.store import Store, open_store

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW, DAYS = START + 60 * DAY, 6
WHOLE = Interval(START - 30 * DAY, NOW)
Claims = Callable[[Store, MeterClaim], ClaimedMeter]


class Killed(Exception):
    """What ends a claim between two portions."""


def reading(slot: int, value: float, interval_s: int) -> QuarantinedReading:
    kind = DELIVERED_ENERGY if interval_s else DELIVERED_REGISTER
    return QuarantinedReading("M-9", START + slot * HOUR, value, interval_s, kind)


def a_store(waiting: list[list[QuarantinedReading]], hung: str) -> Store:
    """Return a store where readings came in some batches; `hung`: what hangs at the usage point already."""
    store = open_store("sqlite://")
    store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=100.0)])
    if hung:
        store.registry.save_meter(ME, Meter(hung))
        store.registry.exchange_meter(ME, install("UP-1", hung, START - 9 * DAY))
    for number, batch in enumerate(waiting):
        store.quarantine.save(ME, batch, received=NOW + number * HOUR)
    return store


def state(store: Store) -> dict[str, Any]:
    """Return all that a claim leaves."""
    found: dict[str, Any] = {
        "installed": store.registry.installations(ME, "UP-1"),
        "waiting": sorted(map(repr, store.quarantine.readings(ME, "M-9"))),
        "reads": [(one.at, one.value, one.epoch, one.end_device) for one in store.registers.load(ME, "UP-1", WHOLE)],
        "doubts": sorted(
            (one.finding.code, one.finding.period.start, one.finding.slots) for one in store.findings.page(ME)
        ),
    }
    for length in (HOUR, HOUR / 4):
        with suppress(GridwrightError):
            for day in range(-1, DAYS + 2):
                period = Interval(START + day * DAY, START + (day + 1) * DAY)
                with suppress(GridwrightError):
                    values = store.readings.load(ME, "UP-1", period, interval=length).values
                    found[f"{length} {day}"] = np.nan_to_num(values, nan=-1.0).tolist()
    return found


INTERVALS = st.builds(
    reading, st.integers(0, DAYS * 24 - 1), st.integers(0, 3).map(float), st.sampled_from([3600, 3600, 3600, 900])
)
READS = st.integers(0, DAYS * 24 - 1).map(lambda slot: reading(slot, 1000.0 + 50 * slot, 0))
# Which of several wrong reads side by side is one hangs on what was stored before (ADR 17): one stands in an example.
WAITING = st.lists(st.lists(st.one_of(INTERVALS, READS, READS), min_size=1, max_size=25), min_size=1, max_size=3)


def of_size(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for name in ("FIRST", "FEWEST", "MOST"):
        monkeypatch.setattr(module, name, size)


# The read that proves another one wrong is the first of the next portion.
FOUND = [
    reading(24 * day + hour, value, 0)
    for day, hour, value in ((2, 0, 3400.0), (2, 17, 4250.0), (2, 18, 9000.0), (3, 0, 4600.0), (5, 4, 7200.0))
]


@example(waiting=[FOUND], size=2, hung="M-9", killed=0, since=True)
@settings(max_examples=400 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 6, deadline=None)
@given(
    waiting=WAITING,
    size=st.integers(1, 12),
    hung=st.sampled_from(["", "OLD", "M-9"]),
    killed=st.integers(0, 5),
    since=st.booleans(),
)
def test_portions_leave_what_the_whole_leaves(
    waiting: list[list[QuarantinedReading]], size: int, hung: str, killed: int, *, since: bool
) -> None:
    claim = MeterClaim("M-9", "UP-1", since=START if since else None)
    with a_store(waiting, hung) as whole, a_store(waiting, hung) as parts, pytest.MonkeyPatch.context() as patching:
        expected = counted(whole, claim, claim_meter)
        of_size(patching, size)
        if killed:
            end_after(patching, parts, killed)
            with suppress(Killed, GridwrightError):
                claim_in_portions(parts, ME, claim, now=NOW)
            patching.undo()
            of_size(patching, size)
        told = counted(parts, claim, claim_in_portions)
        assert state(parts) == state(whole)
        if not killed:
            assert told == expected


def counted(store: Store, claim: MeterClaim, act: Callable[..., ClaimedMeter]) -> tuple[int, int]:
    """Return how many readings a claim moved, and how many of them were reads; none where it is refused."""
    try:
        done = act(store, ME, claim, now=NOW)
    except GridwrightError:
        return 0, 0
    return done.moved, done.registers


def end_after(patching: pytest.MonkeyPatch, store: Store, portions: int) -> None:
    """End a claim within its transaction, when so many portions are through."""
    first_days, seen = store.quarantine.first_days, []

    def ending(*given: Any, **more: Any) -> datetime | None:  # noqa: ANN401 - as the store's
        seen.append(1)
        if len(seen) > portions:
            raise Killed
        return first_days(*given, **more)

    patching.setattr(store.quarantine, "first_days", ending)


def test_many_are_moved_in_several_transactions_and_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [reading(slot, 5.0, 3600) for slot in range(DAYS * 24)]
    reads = [reading(slot, 1000.0 + slot, 0) for slot in range(DAYS * 24)]
    with a_store([[*many, *reads]], "") as store:
        of_size(monkeypatch, 40)
        done = claim_in_portions(store, ME, MeterClaim("M-9", "UP-1"), now=NOW)
        assert (done.moved, done.intervals, done.registers) == (2 * DAYS * 24, DAYS * 24, DAYS * 24)
        portions = [one.detail["claimed"] for one in store.audit.records(ME) if "claimed" in one.detail]
        assert portions == [48] * DAYS, "each of whole days"
        assert store.quarantine.meters(ME) == []


def test_a_time_that_is_over_is_claimed_at_once_and_no_more_than_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_store([[reading(slot, 5.0, 3600) for slot in range(DAYS * 24)]], "") as store:
        store.registry.save_meter(ME, Meter("M-9"))
        store.registry.exchange_meter(ME, install("UP-1", "M-9", START - DAY))
        store.registry.save_meter(ME, Meter("NEW"))
        store.registry.exchange_meter(ME, install("UP-1", "NEW", START + 2 * DAY))
        of_size(monkeypatch, 10)
        done = claim_in_portions(store, ME, MeterClaim("M-9", "UP-1"), now=NOW)
        assert (done.moved, store.quarantine.waiting(ME, "M-9")) == (48, (DAYS - 2) * 24)

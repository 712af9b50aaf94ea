"""A look at an exchange, or at a claim, refuses what the act refuses, in the same words, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridwrightError
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store, open_store

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = START + 9 * DAY
NUMBERS = count(1)

# (claim?, usage point, meter, day, factor, with reads): the points' own ids are waiting names as well.
ACTS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(("P1", "P2")),
        st.sampled_from(("M1", "M2", "M3", "P1")),
        st.integers(0, 10),
        st.sampled_from((1, 20)),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with open_store("sqlite://", clock=lambda: NOW) as opened:
        yield opened


def said(work: Callable[[], object]) -> str:
    try:
        work()
    except GridwrightError as error:
        return f"{type(error).__name__}: {error.message} {error.remedy}"
    return ""


@settings(max_examples=300 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 25, deadline=None)
@given(acts=ACTS)
def test_preview_and_act_agree(store: Store, acts: list[tuple[bool, str, str, int, int, bool]]) -> None:
    town = f"T{next(NUMBERS)}-"
    waiting = [
        QuarantinedReading(f"{town}{name}", START + day * DAY, 100.0, 3600, DELIVERED_ENERGY)
        for name in ("M1", "M2", "M3", "P1")
        for day in range(8)
    ]
    store.quarantine.save(ME, waiting, received=NOW)
    store.registry.save_points(ME, [UsagePoint(f"{town}{name}", capacity_kw=17.0) for name in ("P1", "P2")])
    for claims, point, meter, day, factor, with_reads in acts:
        at, serial, place = START + day * DAY, f"{town}{meter}", f"{town}{point}"
        if claims:
            claim = MeterClaim(serial, place, at, Decimal(factor))
            looked = said(lambda claim=claim: preview_claim(store, ME, claim, now=NOW))  # type: ignore[misc]
            done = said(lambda claim=claim: claim_meter(store, ME, claim, now=NOW))  # type: ignore[misc]
            if "wait from" in done:  # all that waits is from before: the look says that none of it would move in
                assert preview_claim(store, ME, claim, now=NOW).moving == 0
                continue
        else:
            kwh = Decimal(5) if with_reads else None
            order = MeterExchange(place, Meter(serial), at, kwh, kwh, Decimal(factor))
            looked = said(lambda order=order: preview_exchange(store, ME, order, now=NOW))  # type: ignore[misc]
            done = said(lambda order=order: exchange_meter(store, ME, order, now=NOW))  # type: ignore[misc]
        assert looked == done

"""Ids sort by time, and within one instant by the order in which they were made; none comes twice."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gridwright.jobs.new_id import new_id

MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it


@given(MOMENTS, st.integers(1, 10**9))
def test_ids_sort_by_time(now: datetime, later_us: int) -> None:
    first, second = new_id("C", now), new_id("C", now + timedelta(microseconds=later_us))
    assert first < second
    assert re.fullmatch(r"C-[0-9a-f]{24}", first)


def test_ids_of_one_instant_sort_by_their_making() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    made = [new_id("J", now) for _ in range(1000)]
    assert len(set(made)) == 1000
    # The count of a process starts anew after 65,536.
    assert sum(one > other for one, other in pairwise(made)) <= 1

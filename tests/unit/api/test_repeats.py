"""Readings of one request that say the same are counted, however many there are, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.repeats import repeats_in

NOW = datetime(2025, 4, 1, tzinfo=UTC)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)


def record(at: int, kwh: float = 0.25, point: str = "UP-1") -> dict[str, object]:
    return {"usage_point": point, "start": (FIRST + at * timedelta(minutes=15)).isoformat(), "kwh": kwh}


@pytest.mark.parametrize("many", [2, 60], ids=["few", "many"])
def test_what_a_request_says_again_is_accepted_and_counted(many: int) -> None:
    plain = [record(at) for at in range(many)]
    for more, repeated in (
        ([], 0),
        ([record(0)], 1),
        ([record(0), record(0), record(1)], 3),
        ([record(0, 0.5)], 0),
        ([record(0, point="UP-2")], 0),
    ):
        body = json.dumps([*plain, *more]).encode()
        told = decode_json(body, Said(interval_s=900), NOW).verdicts
        assert (told.accepted, told.rejected, told.repeated) == (many + len(more), 0, repeated)
        assert told.to_dict().get("repeated", 0) == repeated


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), max_size=30))
def test_it_is_what_a_set_would_lose(rows: list[tuple[int, int, int]]) -> None:
    point, at, value = (np.array([row[part] for row in rows]) for part in range(3))
    found = repeats_in(point.astype(np.int32), at.astype(np.int64), value.astype(np.float64))
    assert found == len(rows) - len(set(rows))

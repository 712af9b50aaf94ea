"""Reads that lie evenly: their days keep their grid, and to see that each interval is looked at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from gridwright.domain.interval import epoch_s
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters import even_reads
from gridwright.jobs.meters.even_reads import uneven_days
from gridwright.jobs.meters.place_reads import Placed
from gridwright.jobs.meters.reads_tell import Key, Tells, Told, key_between

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def placed(minutes: list[int]) -> Placed:
    reads = [RegisterReading("UP-1", START + MINUTE * minute, 10.0 * minute) for minute in minutes]
    return Placed(reads, [], [], reads, frozenset(), frozenset())


def told(found: Placed) -> Tells:
    keys = (key_between(epoch_s(one.at), epoch_s(other.at)) for one, other in pairwise(found.after))
    return {key: Told(10.0, guess=False, direct=True, quality=0) for key in keys if key is not None}


def test_of_very_many_reads_each_interval_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[int, int]]()

    def counted(begin: int, end: int) -> Key | None:
        asked.append((begin, end))
        return key_between(begin, end)

    found = placed(list(range(600)))
    tells = told(found)
    monkeypatch.setattr(even_reads, "key_between", counted)
    uneven_days("UP-1", found, tells)
    assert len(asked) == len(set(asked)) == 599


@pytest.mark.parametrize(
    ("minutes", "uneven"),
    [
        (list(range(0, 600, 15)), False),
        ([*range(0, 300, 15), *range(300, 600, 30)], True),
        ([*range(0, 300, 15), *range(2_010, 2_310, 30)], False),  # far apart
        ([*range(0, 300, 15), 307, *range(315, 600, 15)], True),
    ],
)
def test_days_whose_reads_are_of_two_grids_are_derived_anew(minutes: list[int], uneven: bool) -> None:
    found = placed(minutes)
    assert bool(uneven_days("UP-1", found, told(found))) is uneven

"""An interval lies between two reads of a register, whatever others lie within it and in whatever order all come."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.jobs.meters.reads_beyond import reaches_past
from gridwright.store import Store
from tests.integration.store.test_misreads import QUARTER, a_meter, quarters_of, send
from tests.integration.store.test_rollovers import HOUR, NOW, START, Place, Read

# What the reads tell is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(2)


def of_quarters(store: Store, name: str) -> None:
    """A usage point whose day is one of quarter-hours, and whose meter reads in Wh."""
    a_meter(store, name)
    evening = Panel((name,), START + 20 * HOUR, QUARTER, np.full((1, 1), 100.0))
    store.readings.save(ME, evening, known_at=NOW)


def reads(*minutes: float) -> list[Read]:
    """Reads that count 10 Wh a minute."""
    return [(START + timedelta(minutes=minute), round(1000 + minute / 100, 3)) for minute in minutes]


def test_reads_at_0_7_and_15_minutes_tell_a_quarter(store: Store) -> None:
    of_quarters(store, "UP-1")
    for read in reads(0, 7, 15, 30):
        send(Place(store), "UP-1", read)
    assert quarters_of(store, "UP-1") == [150, 150, None, None]


@pytest.mark.few_on_servers(1)
@pytest.mark.parametrize("first", range(5))
def test_in_whatever_order_they_come(store: Store, first: int) -> None:
    minutes = [0, 7, 15, 22, 30]
    begins = reads(minutes.pop(first))
    for number, order in enumerate(permutations(reads(*minutes))):
        name = f"UP-{number}"
        of_quarters(store, name)
        for read in (*begins, *order):
            send(Place(store), name, read)
        assert quarters_of(store, name) == [150, 150, None, None], order


@pytest.mark.parametrize("late", [0, 15])
def test_however_many_lie_within_it(store: Store, late: float) -> None:
    of_quarters(store, "A")
    within = [1.5, 3.5, 5.5, 7, 10.6, 13, 13.5]  # from none of which to an edge an interval lies
    for read in reads(*(minute for minute in (0, *within, 15, 16.4) if minute != late), late):
        send(Place(store), "A", read)
    assert quarters_of(store, "A")[0] == 150


def test_a_read_within_it_that_falls_and_comes_back_changes_nothing(store: Store) -> None:
    of_quarters(store, "A")
    (wrong,) = reads(7)
    for read in (reads(0)[0], (wrong[0], 900.0), reads(15)[0]):
        send(Place(store), "A", read)
    assert quarters_of(store, "A") == [150, None, None, None]


def test_no_energy_reaches_over_a_reset(store: Store) -> None:
    """From 1,000 kWh to nothing at seven past, and on from there: nobody knows what the quarter holds."""
    of_quarters(store, "A")
    for at, kwh in zip([at for at, _ in reads(0, 7, 15, 22, 30)], [1000.0, 0.0, 0.08, 0.15, 0.23], strict=True):
        send(Place(store), "A", (at, kwh))
    assert quarters_of(store, "A") == [None, 150, None, None]


@pytest.mark.parametrize(
    ("near", "read", "past"),
    [
        (420, 900, True),  # seven past, and the quarter
        (0, 900, False),  # one quarter, as nearly always
        (840, 900, False),  # a minute
        (3, 900, False),  # within five per cent of it
        (420, 917, True),
        (420, 1000, False),  # no interval ends there
        (0, 5400, False),  # too far away
        (1320, 900, True),  # the one behind
    ],
)
def test_few_reads_need_a_look_past_the_one_beside_them(near: int, read: int, past: bool) -> None:
    assert reaches_past(near, read) is past

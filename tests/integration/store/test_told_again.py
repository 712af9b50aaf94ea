"""Stored energy between register reads is what the stored reads tell now, whatever came first."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from tests.integration.store.test_misreads import QUARTER, a_meter, quarters, quarters_of, send
from tests.integration.store.test_rollovers import HOUR, NOW, START, Place

# What the reads tell is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(2)
DAY = Interval(START, START + timedelta(days=1))


@pytest.fixture
def place(store: Store) -> Place:
    """A usage point whose day is one of quarter-hours, and whose meter reads in Wh."""
    a_meter(store, "A")
    evening = Panel(("A",), START + 20 * HOUR, QUARTER, np.full((1, 1), 100.0))
    store.readings.save(ME, evening, known_at=NOW)
    return Place(store)


def send_each(place: Place, *values: float) -> None:
    for read in quarters(*values):
        send(place, "A", read)


def test_a_correction_follows_what_was_derived_under_another_limit(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1020.2, 1020.3, 1020.4)
    assert quarters_of(place.store, "A") == [100, 20_100, 100, 100]
    place.store.registry.save_points(ME, [UsagePoint("A", capacity_kw=30.0)])
    for read in quarters(1000.0, 1000.1, 1000.2, 1000.3, 1000.4)[2:]:
        send(place, "A", read)
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]


def test_what_the_reads_tell_no_more_is_not_known_until_they_tell_it_again(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
    send(place, "A", (START, 900.0))  # 100.1 kWh in a quarter of an hour are no connection's
    assert quarters_of(place.store, "A") == [None, 100, 100, 100]
    (before, *_) = place.store.readings.versions(ME, "A", START.date())
    assert before.block.panel.values[0, 0] == 100
    correct(place.store, ME, SiteDefaults(), now=NOW)
    gaps = place.store.readings.load(ME, "A", DAY, interval=QUARTER)
    assert gaps.quality[0, 0] == gaps.quality[0, 5]  # as where nothing ever was
    send(place, "A", (START, 1000.0))
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]


def test_a_read_within_an_interval_hides_it_from_no_correction(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
    send(place, "A", (START + timedelta(minutes=7), 1000.05))
    send(place, "A", (START + QUARTER, 1000.15))
    assert quarters_of(place.store, "A") == [150, 50, 100, 100]


def test_what_was_measured_is_never_taken_back(place: Place) -> None:
    measured = Panel(("A",), START, QUARTER, np.array([[101.0]]))
    place.store.readings.save(ME, measured, known_at=NOW)
    send_each(place, 1000.0, 1000.1, 1000.2)
    send(place, "A", (START, 900.0))
    assert quarters_of(place.store, "A") == [101, 100, None, None]

"""A key that a transaction gave a new reading type counts for others once that ended, and never if it was undone."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store

START = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def some_readings() -> Readings:
    at = epoch_s(START) + 900 * np.arange(4)
    return Readings(
        ("H",), np.zeros(4, np.int32), at, np.arange(4.0), np.zeros(4, np.uint8), np.arange(4), 900, DELIVERED_ENERGY
    )


def test_who_puts_readings_in_the_journal_beside_it_waits_and_gives_one_itself(postgres_url: str) -> None:
    """As where the database restarts while one thread stores the first readings of a type, and others go on."""
    with open_store(postgres_url) as store:
        store.registry.save_points(ME, [UsagePoint("H")])

        def put() -> None:
            with store.transaction():
                accepted = store.journal.accept(ME, some_readings())
                assert accepted is not None
                store.journal.put([accepted], received=START)

        beside = threading.Thread(target=put)
        panel = Panel(("H",), START + timedelta(days=3), QUARTER, np.full((1, 4), 5.0))

        def save() -> None:
            with store.transaction():
                store.readings.save(ME, panel, known_at=START)
                beside.start()
                time.sleep(0.5)
                store.registry.points(ME, ["nobody"])  # and all is undone

        with pytest.raises(NotFound):
            save()
        beside.join()
        waits = store.journal.waiting(ME)
        assert (waits.readings, waits.aside_readings) == (4, 0)
        stored = store.readings.load(ME, "H", Interval(START, START + 4 * QUARTER))
        assert stored.values.tolist() == [[0.0, 1.0, 2.0, 3.0]]
        assert store.journal.waiting(ME).aside_readings == 0

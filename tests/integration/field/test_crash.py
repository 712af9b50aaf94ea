"""The head-end killed at any step: what was reported is on record, the rest is done again, nothing is there twice."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.device import LinkState
from gridwright.domain.interval import Interval
from tests.integration.field.street import QUARTER, START, SYSTEM, Street
from tests.quick_processes import run

ROOT = Path(__file__).resolve().parents[3]


def killed(street: Street, *words: str) -> bool:
    """Run the doomed head-end on the street's store; tell whether it was killed."""
    path = street.store.place.removeprefix("sqlite:///")
    command = [sys.executable, "-m", "tests.integration.field.doomed_collector", path, street.now.isoformat(), *words]
    done = run(command, cwd=ROOT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def test_commissioning_killed_after_each_step(street: Street) -> None:
    street.meter("M-1")
    street.add("M-1", "UP-1")
    for state in (LinkState.DISCOVERED, LinkState.CLOCK_CHECKED, LinkState.CAPABILITIES_READ, LinkState.IN_SERVICE):
        assert killed(street, "commission", state)
        assert street.link("M-1").state is state
    assert street.commission("M-1").in_service == 1


@pytest.mark.parametrize(("place", "sessions"), [("before", 0), ("after", 1)])
def test_collecting_killed_around_the_commit(street: Street, place: str, sessions: int) -> None:
    meter = street.serve("M-1", "UP-1")
    assert killed(street, "collect", place)
    assert len(street.store.devices.sessions(SYSTEM, "M-1")) == sessions
    assert len(street.store.readings.series(SYSTEM, "UP-1")) == 2 * sessions, "all of it, or nothing"
    street.later(timedelta(hours=1))
    assert street.collect("M-1").read == 1
    hours = Interval(START, START + timedelta(hours=6, minutes=45))
    kept = street.store.readings.load(SYSTEM, "UP-1", hours, interval=QUARTER)
    assert np.array_equal(kept.values[0], meter.measured(hours))
    street.store.audit.verify(SYSTEM)

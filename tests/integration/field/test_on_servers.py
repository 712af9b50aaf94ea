"""The same street on each database: read, asked for by several people at once, disconnected by several workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.control import ControlPolicy
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import LinkState
from gridwright.domain.errors import ControlRefused, GridwrightError
from gridwright.domain.interval import Interval
from gridwright.jobs.field.approve_control import approve_control
from gridwright.jobs.field.execute_controls import execute_controls
from gridwright.jobs.field.request_control import request_control
from gridwright.simulate.virtual_meter import RelayLie
from tests.integration.field.street import BOB, QUARTER, START, SYSTEM, Street, open_street
from tests.integration.store.conftest import emptied

HOUR = timedelta(hours=1)
POLICY = ControlPolicy(look_pause_s=0.01)


@pytest.fixture(params=["sqlite", "postgres_url", "mysql_url"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Street]:
    name = str(request.param)
    place = tmp_path / "gridwright.db" if name == "sqlite" else str(request.getfixturevalue(name))
    if name != "sqlite":
        emptied(str(place))
    street = open_street(place)
    try:
        yield street
    finally:
        street.server.stop()
        street.store.close()


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """Do something in many threads together; returns what each got, or the error it got."""
    results: list[object] = [None] * count
    start = threading.Barrier(count)

    def one(n: int) -> None:
        start.wait()
        try:
            results[n] = act(n)
        except GridwrightError as error:
            results[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def ask(street: Street, who: str, device: str) -> EndDeviceControl:
    return request_control(
        street.store,
        Access(who, Role.OPERATOR),
        device=device,
        command=Command.DISCONNECT,
        reason="r",
        expires=street.now + HOUR,
        now=street.now,
    )


def test_read_and_disconnect(anywhere: Street) -> None:
    meter = anywhere.serve("S-1", "US-1")
    assert anywhere.link("S-1").state is LinkState.IN_SERVICE
    assert anywhere.collect("S-1").read == 1
    anywhere.later(HOUR)
    assert anywhere.collect("S-1").read == 1
    hours = Interval(START, START + 6 * HOUR)
    kept = anywhere.store.readings.load(SYSTEM, "US-1", hours, interval=QUARTER)
    assert np.array_equal(kept.values[0], meter.measured(hours))

    asked = at_once(6, lambda n: ask(anywhere, f"p{n}", "S-1"))
    (control,) = [each for each in asked if isinstance(each, EndDeviceControl)]
    assert [type(each) for each in asked].count(ControlRefused) == 5
    approved = at_once(4, lambda n: approve_control(anywhere.store, _boss(n), control.id, now=anywhere.now))
    assert sum(isinstance(each, EndDeviceControl) for each in approved) == 1
    at_once(4, lambda _: execute_controls(anywhere.store, SYSTEM, anywhere.lines, anywhere.clock, policy=POLICY))
    for _ in range(3):
        anywhere.later(timedelta(seconds=5))
        execute_controls(anywhere.store, SYSTEM, anywhere.lines, anywhere.clock, policy=POLICY)
    end = anywhere.store.controls.control(SYSTEM, control.id)
    assert (end.state, end.attempts) == (ControlState.CONFIRMED, 1)
    assert meter.relay == "disconnected"
    assert len(anywhere.store.controls.steps(SYSTEM, control.id)) == 5
    anywhere.store.audit.verify(SYSTEM)


def _boss(number: int) -> Access:
    return Access(f"boss{number}", Role.OPERATOR)


def test_a_lie_is_a_failure(anywhere: Street) -> None:
    meter = anywhere.serve("S-2", "US-2")
    meter.faults.relay = RelayLie.IGNORES
    control = ask(anywhere, "ann", "S-2")
    approve_control(anywhere.store, BOB, control.id, now=anywhere.now)
    for _ in range(40):
        execute_controls(anywhere.store, SYSTEM, anywhere.lines, anywhere.clock, policy=POLICY)
        anywhere.later(timedelta(seconds=31))
    end = anywhere.store.controls.control(SYSTEM, control.id)
    assert (end.state, end.attempts, meter.relay) == (ControlState.FAILED, 3, "connected")

"""What a server asks before it stores what a meter sends: who hangs where, and the reads before and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import EndDevice, UsagePoint, install
from gridwright.store import Store

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_reads_before_and_after_are_found(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a"), UsagePoint("b")])
    reads = [RegisterReading("a", START + HOUR * n, 100.0 * n, "M1") for n in range(4)]
    again = replace(reads[1], value=7.0, epoch=1)
    store.registers.save(ME, [*reads, again], known_at=START)
    between = {"a": (START + HOUR, START + HOUR), "b": (START, START)}
    assert store.registers.neighbours(ME, between, DELIVERED_REGISTER) == {"a": (again, reads[2]), "b": (None, None)}
    around = {"a": (START - HOUR, START + 3 * HOUR)}
    assert store.registers.neighbours(ME, around, DELIVERED_REGISTER) == {"a": (None, None)}
    assert store.registers.neighbours(ME, between, RECEIVED_REGISTER)["a"] == (None, None)
    with pytest.raises(NotFound):
        store.registers.neighbours(ME, {"c": (START, START)}, DELIVERED_REGISTER)


def test_those_of_many_usage_points_are_found_together(store: Store) -> None:
    names = [f"UP-{number}" for number in range(120)]
    store.registry.save_points(ME, [UsagePoint(name) for name in names])
    reads = {
        name: [RegisterReading(name, START + HOUR * n, 10.0 * number + n, f"M-{number}", n // 2) for n in range(4)]
        for number, name in enumerate(names)
    }
    store.registers.save(ME, [read for some in reads.values() for read in some], known_at=START)
    last = dict.fromkeys(names, (START + 2 * HOUR, START + 2 * HOUR))
    found = store.registers.neighbours(ME, last, DELIVERED_REGISTER)
    assert found == {name: (some[2], some[3]) for name, some in reads.items()}


def test_each_usage_point_is_read_within_a_period_of_its_own(store: Store) -> None:
    names = [f"UP-{number}" for number in range(120)]
    store.registry.save_points(ME, [UsagePoint(name) for name in names])
    reads = [RegisterReading(name, START + HOUR * n, 10.0 + n, "M") for n in range(4) for name in names]
    again = RegisterReading(names[1], START + HOUR, 7.0, "M", 1)
    store.registers.save(ME, [*reads, again], known_at=START)
    store.exchange_reads.withdraw(ME, [RegisterReading(names[2], START + HOUR, 11.0, "M")], known_at=START)
    periods = {name: Interval(START + HOUR * (at % 3), START + HOUR * 3) for at, name in enumerate(names)}
    found = store.registers.load_each(ME, periods)
    assert found == {name: list(store.registers.load(ME, name, period)) for name, period in periods.items()}
    assert [read.value for read in found[names[1]]] == [11.0, 7.0, 12.0, 13.0]
    nothing = store.registers.load_each(ME, {"UP-0": periods["UP-0"]}, RECEIVED_REGISTER)
    assert nothing == {"UP-0": []}
    anna = Access("anna", Role.CUSTOMER, frozenset({"UP-0"}))
    with pytest.raises(AccessDenied):
        store.registers.load_each(anna, {"UP-1": periods["UP-1"]})
    with pytest.raises(NotFound):
        store.registers.load_each(ME, {"c": periods["UP-1"]})


def test_every_installation_is_told_to_those_who_may_see_it(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a"), UsagePoint("b")])
    for serial in ("M1", "M2", "M3"):
        store.registry.save_meter(ME, EndDevice(serial))
    first, second = install("a", "M2", START), install("b", "M1", START)
    for installation in (first, second):
        store.registry.save_installation(ME, installation)
    assert store.registry.installed(ME) == (second, first)
    before = store.registry.fingerprint(ME)
    assert store.registry.fingerprint(ME) == before
    store.registry.exchange_meter(ME, replace(first, end_device="M3", period=install("", "", START + HOUR).period))
    exchanged = store.registry.fingerprint(ME)
    store.registry.save_points(ME, [UsagePoint("c")])
    assert len({before, exchanged, store.registry.fingerprint(ME)}) == 3
    anna = Access("anna", Role.CUSTOMER, frozenset({"a"}))
    assert {one.end_device for one in store.registry.installed(anna)} == {"M2", "M3"}
    with pytest.raises(AccessDenied):
        store.registry.installed(Access("meters", Role.DEVICE))

"""What a server asks before it stores what a meter sends: who hangs where, and the reads before and after."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, NotFound
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

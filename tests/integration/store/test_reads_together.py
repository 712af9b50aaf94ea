"""Register reads of many meters in one batch: each takes its place, and the database is asked about all at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.store import Store
from gridwright.store.session import Session
from tests.integration.store.test_rollovers import ALL_TIME, NOW, START, Place

# How many there are makes no difference in what is asked, on every database.
pytestmark = pytest.mark.few_on_servers(1)

QUARTER = timedelta(minutes=15)
FEW, MANY = 2, 12


def meters(store: Store, group: str, count: int) -> list[str]:
    names = [f"{group}-{number}" for number in range(count)]
    store.registry.save_points(ME, [UsagePoint(name) for name in names])
    for name in names:
        store.registry.save_meter(ME, Meter(f"M-{name}", dials=9, lsb_wh=1))
        store.registry.exchange_meter(ME, install(name, f"M-{name}", ALL_TIME.start))
    return names


def post(store: Store, names: list[str], slot: int, kwh: float, key: str = "meter") -> None:
    prefix = "M-" if key == "meter" else ""
    at = (START + slot * QUARTER).isoformat()
    records = [{key: f"{prefix}{name}", "at": at, "register_kwh": kwh} for name in names]
    Place(store).post(decode_json(msgspec.json.encode(records), Said(), NOW))


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> Iterator[None]:
    """Note each unit in which the store reads."""
    reading = Session.reading

    def noted(self: Session, **options: Any) -> Any:  # noqa: ANN401 - as it came
        asked.append("read")
        return reading(self, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Session, "reading", noted)
        yield


# Slots and kWh that are stored of each meter, and what the batch brings: one slot, its kWh, and by which key.
CASES = {
    "in order": ((0, 1, 2, 3), (4, 100.4), "meter"),
    "late": ((0, 1, 2, 3, 5, 6, 7, 8), (4, 100.4), "meter"),
    "fallen": ((0, 1, 2, 3), (4, 50.0), "meter"),
    "without a meter": ((0, 1, 2, 3), (4, 100.4), "usage_point"),
    "late without a meter": ((0, 1, 2, 3, 5, 6), (4, 100.4), "usage_point"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_batch_of_many_meters_asks_as_often_as_one_of_few(
    store: Store, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    slots, (slot, kwh), key = CASES[case]
    times = []
    for count in (FEW, MANY):
        names = meters(store, f"{case}-{count}", count)
        for each in slots:
            post(store, names, each, 100 + each / 10, key)
        asked: list[str] = []
        with counting(monkeypatch, asked):
            post(store, names, slot, kwh, key)
        times.append(len(asked))
        assert all(slot in slots_of(store, name) for name in names)
    assert times[0] == times[1]


def slots_of(store: Store, name: str) -> list[int]:
    return [(read.at - START) // QUARTER for read in store.registers.load(ME, name, ALL_TIME)]


def test_a_right_read_in_place_of_a_wrong_one_moves_later_ones_of_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []
    for count in (FEW, MANY):
        names = meters(store, f"G{count}", count)
        values = (1000.0, 1000.1, 115.0, 1000.3, 1000.4, 1000.5, 1000.6, 1000.7)
        store.registers.save(
            ME,
            [
                RegisterReading(name, START + slot * QUARTER, kwh * 1000 // 1, f"M-{name}", int(slot > 1))
                for name in names
                for slot, kwh in enumerate(values)
            ],
            known_at=NOW,
        )
        asked: list[str] = []
        with counting(monkeypatch, asked):
            post(store, names, 2, 1000.2)
        times.append(len(asked))
        for name in names:
            reads = store.registers.load(ME, name, ALL_TIME)
            assert [(read.value, read.epoch) for read in reads[1:4]] == [(1_000_100, 0), (1_000_200, 0), (1_000_300, 0)]
            assert {read.epoch for read in reads} == {0}
    assert times[0] == times[1]


def test_places_that_are_learnt_together_are_those_that_are_learnt_one_by_one(store: Store) -> None:
    names = [*meters(store, "A", 3), "nobody"]
    store.registry.save_points(ME, [UsagePoint("bare", capacity_kw=7.0)])
    together = Rollovers(store, ME)
    together.learn([*names, "bare"])
    for name in (*names, "bare"):
        alone = Rollovers(store, ME)
        reads = [RegisterReading(name, START + n * QUARTER, value, f"M-{name}") for n, value in enumerate((10.0, 1e4))]
        assert together.counts_on(*reads) == alone.counts_on(*reads) == (name not in {"nobody", "bare"})
        unnamed = RegisterReading(name, START, 10.0)
        assert together.named(unnamed) == alone.named(unnamed)


def test_a_device_that_may_write_but_not_read_moves_later_reads(store: Store) -> None:
    """Its post was refused: it may not read."""
    (name,) = meters(store, "D", 1)
    read = RegisterReading(name, START, 1000.0, f"M-{name}", 1)
    store.registers.save(ME, [read], known_at=NOW)
    store.exchange_reads.move(Access("meter-1", Role.DEVICE), [(read, 0)], known_at=NOW)
    assert [one.epoch for one in store.registers.load(ME, name, ALL_TIME)] == [0]

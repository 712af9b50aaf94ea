"""A server killed under load, again and again: every reading it acknowledged is there, exactly once, with its value."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import Store, open_store
from tests.integration.server_process import Server, serving, start
from tests.integration.store.conftest import empty

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 20 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 3  # each start costs seconds
CLIENTS = 8
START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@dataclass(slots=True)
class Sender:
    """A meter that counts up: it sends register reads, intervals, or lines, and notes which were acknowledged."""

    number: int
    by_register: bool
    by_lines: bool = False
    next_slot: int = 0
    acknowledged: list[int] = field(default_factory=list)

    def value(self, slot: int) -> int:
        return 1000 * self.number + 3 * slot

    async def send(self, client: httpx.AsyncClient) -> None:
        """Send the next reading; a failed connection leaves it open whether it arrived."""
        if self.by_lines:
            await self.send_lines(client)
            return
        slot, self.next_slot = self.next_slot, self.next_slot + 1
        at = (START + QUARTER * slot).isoformat()
        kwh = self.value(slot) / 1000
        if self.by_register:
            form = {"meter_id": f"M-{self.number}", "reading": str(kwh), "at": at}
            answer = await client.post("/meter_reading", data=form)
            taken = answer.text == "OK"
        else:
            record = {"usage_point": f"UP-{self.number}", "start": at, "kwh": kwh, "interval_s": 900}
            answer = await client.post("/v1/readings", json=[record], headers={"Idempotency-Key": f"{slot}-{kwh}"})
            taken = answer.status_code == 200 and answer.json()["accepted"] == 1
        if taken:
            self.acknowledged.append(slot)
        else:
            assert answer.status_code == 503, answer.text

    async def send_lines(self, client: httpx.AsyncClient) -> None:
        """Send the next readings as line protocol, which the journal takes; of the last ones every other again."""
        first, self.next_slot = self.next_slot, self.next_slot + LINES
        slots = [*range(max(first - LINES, 0), first, 2), *range(first, first + LINES)]
        begin = int(START.timestamp())
        lines = (
            f"energy,usage_point=UP-{self.number} kwh={self.value(slot) / 1000} {begin + 900 * slot}" for slot in slots
        )
        answer = await client.post("/api/v2/write", params={"precision": "s"}, content="\n".join(lines))
        if answer.status_code == 204:
            self.acknowledged += range(first, first + LINES)
        else:
            assert answer.status_code == 503, answer.text


LINES = 7


def senders() -> list[Sender]:
    """Return meters of three kinds; those that send lines are alone most of the time, so that the journal is used."""
    kinds = ("register", "interval", "lines", "lines")
    return [
        Sender(number, by_register=kinds[number % 4] == "register", by_lines=kinds[number % 4] == "lines")
        for number in range(CLIENTS)
    ]


async def load(server: Server, every: list[Sender], stop: threading.Event) -> None:
    """Send from all meters at once until the server is gone, or `stop` is set."""
    headers = {"Authorization": f"Bearer {server.admin_key}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as client:

        async def one(sender: Sender) -> None:
            with suppress(httpx.TransportError):
                while not stop.is_set():
                    await sender.send(client)

        await asyncio.gather(*map(one, every))


def prepare(store: Store) -> None:
    with store.transaction():
        store.registry.save_points(ME, [UsagePoint(f"UP-{number}") for number in range(CLIENTS)])
        for number in range(CLIENTS):
            store.registry.save_meter(ME, Meter(f"M-{number}"))
            store.registry.save_installation(ME, install(f"UP-{number}", f"M-{number}", START))


def assert_nothing_lost(store: Store, every: list[Sender]) -> None:
    """Compare what is stored with what was acknowledged, and nothing else than what was sent is there."""
    for sender in every:
        whole = Interval(START, START + QUARTER * max(sender.next_slot, 1))
        if sender.by_register:
            reads = store.registers.load(ME, f"UP-{sender.number}", whole)
            times = Counter((read.at - START) // QUARTER for read in reads)
            found = {(read.at - START) // QUARTER: read.value for read in reads}
            assert set(times.values()) <= {1}
        else:
            panel = store.readings.load(ME, f"UP-{sender.number}", whole, interval=QUARTER)
            found = {slot: value for slot, value in enumerate(panel.values[0].tolist()) if not np.isnan(value)}
        assert set(sender.acknowledged) <= set(found)
        assert set(found) <= set(range(sender.next_slot))
        assert all(value == sender.value(slot) for slot, value in found.items())
    assert store.audit.verify(ME) > 0


@pytest.mark.slow
def test_kill_9_under_load(tmp_path: Path) -> None:
    data, every = tmp_path / "data", senders()
    data.mkdir()
    with open_store(data / "gridwright.db") as store:
        prepare(store)
    chance = random.Random(4)  # noqa: S311 - a seeded choice of moments
    key = ""
    for _ in range(KILLS):
        server = start(data, "--no-worker", key=key)
        key = server.admin_key
        before = sum(len(sender.acknowledged) for sender in every)
        sending = threading.Thread(target=asyncio.run, args=(load(server, every, threading.Event()),))
        sending.start()
        enough = before + chance.randint(1, 60)
        while sum(len(sender.acknowledged) for sender in every) < enough and sending.is_alive():
            sending.join(chance.uniform(0.0, 0.01))
        server.kill()
        sending.join(60)
        assert not sending.is_alive()
        assert server.stderr == ""
    with open_store(data / "gridwright.db") as store:
        assert_nothing_lost(store, every)
    assert min(len(sender.acknowledged) for sender in every) > 0
    with serving(data, "--no-worker", key=key) as server, server.client() as client:
        assert client.get("/readyz").json()["status"] == "ready"


def test_a_clean_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    data, every, stop = tmp_path / "data", senders(), threading.Event()
    data.mkdir()
    with open_store(data / "gridwright.db") as store:
        prepare(store)
    server = start(data, "--no-worker")
    sending = threading.Thread(target=asyncio.run, args=(load(server, every, stop),))
    sending.start()
    while min(len(sender.acknowledged) for sender in every) < 5:
        sending.join(0.01)
    assert server.stop() == 0
    stop.set()
    sending.join(60)
    assert server.stderr == ""
    with open_store(data / "gridwright.db") as store:
        assert_nothing_lost(store, every)


def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    data, every, stop = tmp_path / "data", senders(), threading.Event()
    data.mkdir()
    with open_store(data / "gridwright.db") as store:
        prepare(store)
        with serving(data, "--no-worker") as server:
            sending = threading.Thread(target=asyncio.run, args=(load(server, every, stop),))
            sending.start()
            for _ in range(3):
                with store.transaction():  # another process writes, and takes its time
                    store.registry.save_points(ME, [UsagePoint(f"UP-other-{_}")])
                    sending.join(0.2)
                seen = sum(len(sender.acknowledged) for sender in every)
                while sum(len(sender.acknowledged) for sender in every) < seen + CLIENTS:
                    sending.join(0.01)
                    assert sending.is_alive()
            stop.set()
            sending.join(60)
        assert_nothing_lost(store, every)


def test_a_server_database_that_hangs_up_in_mid_load_loses_nothing(tmp_path: Path, postgres_url: str) -> None:
    data, every, stop = tmp_path / "data", senders(), threading.Event()
    with open_store(postgres_url) as store:
        empty(store)  # the database is the worker's: another test may have left something
        prepare(store)
    database = make_url(postgres_url).database
    engine = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    cut = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid <> :mine")
    # The driver itself may say that its connection was lost.
    with serving(data, "--no-worker", env={"GRIDWRIGHT_STORE__URL": postgres_url}, quiet=False) as server:
        sending = threading.Thread(target=asyncio.run, args=(load(server, every, stop),))
        sending.start()
        for _ in range(10):
            seen = sum(len(sender.acknowledged) for sender in every)
            while sum(len(sender.acknowledged) for sender in every) < seen + 2 * CLIENTS:
                sending.join(0.01)
                assert sending.is_alive()
            with engine.connect() as connection:
                mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                connection.execute(cut, {"name": database, "mine": mine})
        stop.set()
        sending.join(60)
    with open_store(postgres_url) as store:
        assert_nothing_lost(store, every)

"""A server of databases whose machine or network is gone says nothing: its senders are told soon, and nothing is lost.

What is under way, and connecting, is taken in by a proxy which then says nothing, as the last router before it would.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import URL, make_url

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directory, resolve
from gridwright.api.problems import problem_of
from gridwright.api.write.batch import Batch
from gridwright.api.write.writer import Writer
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreError
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.fault_drill_places import Proxy
from tests.integration.store.conftest import emptied

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2026, 11, 25, 8, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TIMEOUT_S = 2  # the least that libpq knows
PATIENCE_S = 4.0  # of the writer, of which half is left for who says nothing
BOUND_S = 10.0
TOWN = Directory({"UP-1": 1})
SLEEP = {"postgresql": "SELECT pg_sleep(2.6)", "mysql": "SELECT SLEEP(2.6)"}


class Place:
    """A store behind a proxy that can fall silent, and the address of the same database without one."""

    def __init__(self, address: str) -> None:
        self.direct = address
        url = make_url(address)
        self.proxy = Proxy(int(url.port or {"postgresql": 5432, "mysql": 3306}[url.get_backend_name()]))
        behind = url.set(host="127.0.0.1", port=self.proxy.port)
        self.url: URL = behind.update_query_dict({"connect_timeout": str(TIMEOUT_S)})
        self.store: Store = open_store(self.url.render_as_string(hide_password=False))
        self.store.registry.save_points(ME, [UsagePoint("UP-1")])

    def hang(self) -> None:
        self.proxy.speaks.clear()

    def speak(self) -> None:
        self.proxy.speaks.set()

    def stored(self) -> list[float]:
        with open_store(self.direct) as store:
            day = Interval(START, START + 4 * QUARTER)
            values = store.readings.load(ME, "UP-1", day, interval=QUARTER).values
        return [float(value) for value in values.ravel() if not math.isnan(value)]


@pytest.fixture(params=["postgres", "mysql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(emptied(str(request.getfixturevalue(f"{request.param}_url"))))
    yield made
    made.proxy.close()
    made.store.close()


def batch(slot: int, kwh: float) -> Batch:
    start = (START + QUARTER * slot).isoformat()
    record = {"usage_point": "UP-1", "start": start, "kwh": kwh, "interval_s": 900}
    decoded = decode_json(msgspec.json.encode([record]), Said(), NOW)
    return Batch(ME, NOW, decoded, resolve(decoded, TOWN, ME), TOWN, tell_readings, None)


def posted(writer: Writer, slots: list[int]) -> list[Any]:
    """Post a reading for each slot, one after another within seconds, and return what became of each."""

    async def all_of_them() -> list[Any]:
        waiting = []
        for slot in slots:
            waiting.append(asyncio.ensure_future(timed(writer.put(batch(slot, slot / 10)))))
            await asyncio.sleep(0.5 if len(slots) > 1 else 0)
        return await asyncio.gather(*waiting)

    return asyncio.run(all_of_them())


async def timed(answer: asyncio.Future[Answer]) -> tuple[object, float]:
    began = time.monotonic()
    try:
        told: object = await answer
    except StoreError as error:
        told = error
    return told, time.monotonic() - began


def in_thread(act: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    came: list[object] = []

    def run() -> None:
        try:
            came.append(act())
        except StoreError as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_senders_and_readers_are_told_soon_and_what_they_send_again_is_stored_once(place: Place) -> None:
    writer = Writer(place.store, lambda: NOW, patience_s=PATIENCE_S)
    writer.start()
    try:
        ((answer, _),) = posted(writer, [0])
        assert isinstance(answer, Answer)
        assert answer.status == 200
        place.hang()
        reading, read = in_thread(lambda: place.store.registry.points(ME))
        for told, took in posted(writer, [1, 2, 3]):
            assert isinstance(told, StoreError)
            assert took < BOUND_S
            problem = problem_of(told, "/v1/readings")
            assert (problem.status_code, problem.headers["Retry-After"]) == (503, "2")
        reading.join(BOUND_S)
        assert isinstance(read[0], StoreError)
        began = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            place.store.registry.points(ME)
        assert time.monotonic() - began < BOUND_S / 2, "it is known to be silent, or found to be while connecting"
        place.speak()
        until = time.monotonic() + BOUND_S
        while isinstance((outcome := posted(writer, [1]))[0][0], StoreError):
            assert time.monotonic() < until
        assert outcome[0][0].status == 200
        assert all(answer.status == 200 for answer, _ in posted(writer, [2, 3]))
        assert place.stored() == [0.0, 100.0, 200.0, 300.0]
    finally:
        place.speak()
        writer.stop()


def test_a_statement_that_takes_long_is_not_cut(place: Place) -> None:
    with place.store._session.writing(settled=False) as unit:
        assert len(unit.fetch(SLEEP[unit.dialect])) == 1
    assert [point.id for point in place.store.registry.points(ME)] == ["UP-1"]

"""One message through the listener: what the database refuses for ever is put away, and what passes is waited for."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gridwright.api.entrance import ONE_TAKEN
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.listen import listener as module
from gridwright.listen.broker import Arrived
from gridwright.listen.listener import Listener, folder_of
from gridwright.listen.rejected import read_rejected
from gridwright.listen.turns import Turns
from gridwright.settings import MqttSettings, Settings, StoreSettings
from tests.unit.protocols.sparkplug_writer import metric, payload

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from gridwright.api.answer import Answer


class Source:
    """A connection whose acknowledgements are noted."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, message: Arrived) -> None:
        self.acknowledged.append(message.number)


def play(folder: Path, failures: list[Exception]) -> tuple[Listener, Source, list[str]]:
    """Let a message arrive whose writing fails so often, and return what is kept of it."""
    settings = Settings(
        store=StoreSettings(url=str(folder / "gridwright.db")), mqtt=MqttSettings(host="broker.example")
    )

    async def arrive(platform: Platform) -> tuple[Listener, Source]:
        listener, source = Listener(platform, settings.mqtt), Source()

        async def written() -> Answer:
            await asyncio.sleep(0)
            if failures:
                raise failures.pop(0)
            return ONE_TAKEN

        async def queued(_access: object, _decoded: object) -> Awaitable[Answer]:
            return written()

        listener._entrance.queued = queued  # type: ignore[assignment,method-assign]
        body = b'{"value": 1.5, "at": "2025-01-01T00:00:00Z"}'
        listener.arrived(Arrived("gridwright/UP-1/kwh", body, 1, 7, 1, source))  # type: ignore[arg-type]
        await asyncio.gather(*listener._under_way)
        return listener, source

    with closing(Platform(settings)) as platform:
        listener, source = asyncio.run(arrive(platform))
        kept = read_rejected(folder_of(platform))
    return listener, source, [one["verdicts"][0]["reason"] for one in kept]


def test_a_database_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_S", (0.0,))
    listener, source, kept = play(tmp_path, [StoreLocked("it is locked"), StoreError("the database is away")])
    assert (listener.figures.accepted, listener.figures.rejected) == (1, 0)
    assert (source.acknowledged, kept) == ([7], [])


def test_what_the_database_refuses_for_ever_stands_in_nobody_s_way(tmp_path: Path) -> None:
    listener, source, kept = play(tmp_path, [StoreError("the database refused it: no such value", remedy="look")])
    assert (listener.figures.accepted, listener.figures.rejected) == (0, 1)
    assert (source.acknowledged, kept) == ([7], ["the database refused it: no such value"])


def test_a_fault_of_our_own_is_put_away_too(tmp_path: Path) -> None:
    listener, source, kept = play(tmp_path, [ZeroDivisionError("no")])
    assert (listener.figures.rejected, source.acknowledged) == (1, [7])
    assert "a fault of Gridwright's own" in kept[0]


def test_metrics_that_mean_nothing_are_counted_and_kept_once(tmp_path: Path) -> None:
    settings = Settings(store=StoreSettings(url=str(tmp_path / "gridwright.db")), mqtt=MqttSettings(host="broker"))
    names = [f"vendor/thing{number}" for number in range(200)]

    async def arrive(platform: Platform) -> Listener:
        listener, source = Listener(platform, settings.mqtt), Source()
        listener._broker.publish = lambda *_: None  # type: ignore[method-assign]
        for number, kind in enumerate(("DBIRTH", "DDATA", "DDATA", "DBIRTH")):
            body = payload(1_735_689_600_000, number, [metric(name, double=1.0) for name in names])
            topic = f"spBv1.0/plant/{kind}/gateway/UP-1"
            listener.arrived(Arrived(topic, body, 1, number, 1, source))  # type: ignore[arg-type]
            await asyncio.gather(*listener._under_way)
        assert source.acknowledged == [0, 1, 2, 3]
        return listener

    with closing(Platform(settings)) as platform:
        listener = asyncio.run(arrive(platform))
        (kept,) = read_rejected(folder_of(platform))
    assert (listener.figures.ignored, listener.figures.rejected) == (800, 0)
    assert (kept["ignored"], kept["rejected"], len(kept["verdicts"])) == (200, 0, 200)
    assert {one["field"] for one in kept["verdicts"]} == set(names)
    assert {one["remedy"] for one in kept["verdicts"]} == {"name it in [line_protocol.fields], or in ignore"}


@pytest.mark.parametrize("failing", [(), (0,), (1,)])
def test_messages_are_written_in_the_order_in_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: tuple[int, ...]
) -> None:
    """After an idle time each finds the registry stale; whichever read of it takes longest, the last value counts."""
    monkeypatch.setattr(module, "PAUSES_S", (0.0,))
    settings = Settings(store=StoreSettings(url=str(tmp_path / "gridwright.db")), mqtt=MqttSettings(host="broker"))

    async def arrive(platform: Platform) -> None:
        listener, source = Listener(platform, settings.mqtt), Source()
        directories, reads = listener._entrance._directories, []
        read = directories.read

        def slow(asked: float) -> None:
            reads.append(asked)
            if len(reads) - 1 in failing:
                raise StoreError("the database is away")
            if len(reads) == 1 + len(failing):
                time.sleep(0.2)  # before it is read: whoever comes behind it would be through first
            read(asked)

        directories.read = slow  # type: ignore[method-assign]
        listener._writer.start()
        for value in range(1, 7):
            body = f'{{"value": {value}, "at": "2025-01-01T00:00:00Z"}}'.encode()
            listener.arrived(Arrived("gridwright/UP-1/kwh", body, 1, value, 1, source))  # type: ignore[arg-type]
        await asyncio.gather(*listener._under_way)
        await asyncio.to_thread(listener._writer.stop)
        assert sorted(source.acknowledged) == [1, 2, 3, 4, 5, 6]

    with closing(Platform(settings)) as platform:
        platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        asyncio.run(arrive(platform))
        start = datetime(2025, 1, 1, tzinfo=UTC)
        kept = platform.store.readings.load(LOCAL_OWNER, "UP-1", Interval(start, start + timedelta(minutes=15)))
    assert kept.values.tolist() == [[6000]]


def test_who_has_to_come_again_comes_before_those_who_wait_and_arrived_later() -> None:
    async def play() -> list[int]:
        turns, order = Turns(), list[int]()

        async def take(number: int, *, again: bool = False) -> None:
            async with turns.of(number):
                await asyncio.sleep(0)
                order.append(number)
            if again:
                await take(number)

        cancelled = asyncio.create_task(take(5))
        tasks = [asyncio.create_task(take(number, again=number == 1)) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, *tasks, return_exceptions=True)
        return order

    assert asyncio.run(play()) == [1, 2, 1, 3]

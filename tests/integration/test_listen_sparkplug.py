"""Sparkplug B over restarts of the listener: aliases mean what they meant, and data waits for the birth it needs."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.listen import held
from gridwright.listen.listener import Listener, folder_of
from gridwright.listen.rejected import read_rejected
from gridwright.settings import MqttSettings, Settings, StoreSettings
from gridwright.store import open_store
from tests.integration.listen_site import WITHIN_S, Mosquitto, there_is_a_broker, until
from tests.unit.protocols.sparkplug_writer import metric, payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
NODE = "spBv1.0/plant/{}/gateway"


def at_ms(slot: int) -> int:
    return int((START + timedelta(minutes=15 * slot)).timestamp() * 1000)


class Node:
    """An edge node with one meter, UP-0, that answers a rebirth; the aliases of energy and voltage may be swapped."""

    def __init__(self, port: int, *, answers: bool = True) -> None:
        self.energy, self.voltage = 1, 2
        self.seq, self.asked, self._answers = 0, 0, answers
        self.client = Client(CallbackAPIVersion.VERSION2, "gateway", protocol=MQTTv5)
        self.client.on_message = self._commanded
        self.client.on_connect = lambda client, *_: client.subscribe(NODE.format("NCMD"), 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _commanded(self, *_: object) -> None:
        self.asked += 1
        if self._answers:
            self.born(qos=0)

    def born(self, qos: int) -> None:
        self.seq = 0
        now = int(datetime.now(UTC).timestamp() * 1000)
        self._say("NBIRTH", payload(now, 0, [metric("bdSeq", datatype=4, whole=0)]), qos)
        energy = metric("Meter/energy_kwh", alias=self.energy, datatype=10, at_ms=at_ms(0), double=1.0)
        voltage = metric("Meter/voltage", alias=self.voltage, datatype=10, at_ms=at_ms(0), double=230.0)
        self._say("DBIRTH", payload(now, self._next(), [energy, voltage]), qos)

    def data(self, slot: int, kwh: float, qos: int) -> None:
        now = int(datetime.now(UTC).timestamp() * 1000)
        self._say("DDATA", payload(now, self._next(), [metric(alias=self.energy, at_ms=at_ms(slot), double=kwh)]), qos)

    def _next(self) -> int:
        self.seq = (self.seq + 1) % 256
        return self.seq

    def _say(self, kind: str, body: bytes, qos: int) -> None:
        topic = NODE.format(kind) + ("/UP-0" if kind[0] == "D" else "")
        info = self.client.publish(topic, body, qos=qos)
        if qos:
            info.wait_for_publish(WITHIN_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(settings: Settings) -> Iterator[Listener]:
    """Listen in a thread of its own."""
    there: list[Any] = []
    ready = threading.Event()

    async def run() -> None:
        with closing(Platform(settings)) as platform:
            listener, stop = Listener(platform, settings.mqtt), asyncio.Event()
            there.extend((listener, asyncio.get_running_loop(), stop))
            running = asyncio.create_task(listener.run(stop))
            await asyncio.wait_for(listener.up.wait(), WITHIN_S)
            ready.set()
            await running

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(WITHIN_S)
    listener, loop, stop = there
    try:
        yield listener
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(WITHIN_S)
        assert not thread.is_alive()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with open_store(tmp_path / "gridwright.db") as store:
        store.registry.save_points(ME, [UsagePoint("UP-0")])
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.kill()


def settings_of(broker: Mosquitto) -> Settings:
    chosen = MqttSettings(host="127.0.0.1", port=broker.port, sparkplug_groups=("plant",))
    return Settings(store=StoreSettings(url=str(broker.folder / "gridwright.db")), mqtt=chosen)


def values(broker: Mosquitto) -> dict[int, float]:
    with open_store(broker.folder / "gridwright.db") as store:
        whole = Interval(START, START + timedelta(days=1))
        panel = store.readings.load(ME, "UP-0", whole, interval=timedelta(minutes=15))
    return {slot: value for slot, value in enumerate(panel.values[0].tolist()) if value == value}  # noqa: PLR0124 - NaN


def test_aliases_outlive_a_restart_of_the_listener(broker: Mosquitto) -> None:
    settings = settings_of(broker)
    node = Node(broker.port)
    with listening(settings):
        node.born(qos=1)
        node.data(1, 1.5, qos=1)
        until(lambda: values(broker) == {0: 1000, 1: 1500}, "birth and data")
    node.data(2, 2.5, qos=1)  # nobody listens: the broker keeps it
    with listening(settings) as listener:
        node.data(3, 3.5, qos=1)
        until(lambda: values(broker) == {0: 1000, 1: 1500, 2: 2500, 3: 3500}, "data with aliases")
        assert (node.asked, listener.figures.rejected, listener.figures.rebirths) == (0, 0, 0)
    node.close()


def test_where_a_birth_may_have_passed_unseen_data_waits_for_a_new_one(broker: Mosquitto) -> None:
    settings = settings_of(broker)
    node = Node(broker.port)
    with listening(settings):
        node.born(qos=0)
        until(lambda: values(broker) == {0: 1000}, "the birth")
    node.energy, node.voltage = node.voltage, node.energy
    node.born(qos=0)  # nobody hears it: the broker keeps nothing of QoS 0
    with listening(settings) as listener:
        for slot in range(1, 6):
            node.data(slot, slot + 0.5, qos=0)
        until(lambda: len(values(broker)) == 6, "what waited")
        assert values(broker) == {0: 1000, **{slot: slot * 1000 + 500 for slot in range(1, 6)}}
        assert (node.asked, listener.figures.rebirths, listener.figures.rejected) == (1, 1, 0)
    node.close()


def test_a_node_that_never_answers_is_given_up_and_its_data_is_kept_to_be_seen(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "HOLD_S", 0.5)
    settings = settings_of(broker)
    node = Node(broker.port, answers=False)
    with listening(settings) as listener:
        node.data(1, 1.5, qos=1)
        until(lambda: listener.figures.rejected == 1, "data that is given up")
        assert node.asked == 1
    (kept,) = read_rejected(folder_of(Platform(settings)))
    assert (kept["topic"], kept["verdicts"][0]["field"]) == ("spBv1.0/plant/DDATA/gateway/UP-0", "alias")
    node.close()

"""MQTT to the store through a real Mosquitto: acknowledged is stored, once, through kills of both sides."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.unit.protocols.sparkplug_writer import metric, payload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
pytestmark = pytest.mark.skipif(not os.path.exists(MOSQUITTO), reason="there is no mosquitto")  # noqa: PTH110 - a word
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
POINTS = 20
KILLS, MESSAGES = (30, 6_000) if os.environ.get("GRIDWRIGHT_TEST_LONG") else (2, 800)
WITHIN_S = 30.0


@dataclass(slots=True)
class Drill:
    """A broker and a listener that can be killed and started again."""

    folder: Path
    port: int
    broker: subprocess.Popen[bytes] | None = None
    listener: subprocess.Popen[str] | None = None
    errors: list[str] = field(default_factory=list)

    def start_broker(self) -> None:
        settings = self.folder / "mosquitto.conf"
        place = (
            f"persistence true\npersistence_location {self.folder}/\nautosave_interval 1\nautosave_on_changes true\n"
        )
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n{place}")
        self.broker = subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.DEVNULL)
        until(lambda: answers(self.port))

    def start_listener(self) -> None:
        command = [sys.executable, "-m", "gridwright", "listen", "--data", str(self.folder), "--json"]
        env = {**os.environ, "GRIDWRIGHT_MQTT__HOST": "127.0.0.1", "GRIDWRIGHT_MQTT__PORT": str(self.port)}
        env |= {"GRIDWRIGHT_MQTT__SPARKPLUG_GROUPS": '["plant"]', "GRIDWRIGHT_MQTT__GROUP": "centre"}
        self.listener = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=self.folder
        )
        assert self.listener.stdout is not None
        assert "listening" in self.listener.stdout.readline()

    def stop_listener(self) -> dict[str, int]:
        assert self.listener is not None
        self.listener.send_signal(signal.SIGTERM)
        out, _ = self.listener.communicate(timeout=WITHIN_S)
        assert self.listener.returncode == 0
        told: dict[str, int] = json.loads(out)
        return told

    def kill_listener(self) -> None:
        assert self.listener is not None
        self.listener.kill()
        self.listener.communicate()

    def values(self, point: str) -> list[float]:
        with open_store(self.folder / "gridwright.db") as store:
            period = Interval(START, START + timedelta(days=3))
            panel = store.readings.load(ME, point, period, interval=timedelta(minutes=15))
        return [value for value in panel.values[0].tolist() if value == value]  # noqa: PLR0124 - NaN

    def stored(self) -> int:
        with open_store(self.folder / "gridwright.db") as store:
            return sum(one.readings for one in store.readings.freshness(ME))

    def sender(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.max_inflight_messages_set(20)
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        return client


def until(true: Callable[[], bool], what: str = "it") -> None:
    """Wait until something holds."""
    last = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < last, f"{what} did not come true"
        time.sleep(0.1)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open_store(tmp_path / "gridwright.db") as store:
        store.registry.save_points(ME, [UsagePoint(f"UP-{at}") for at in range(POINTS)])
    drill = Drill(tmp_path, port)
    drill.start_broker()
    drill.start_listener()
    yield drill
    for process in (drill.listener, drill.broker):
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def stamp(slot: int) -> str:
    return (START + timedelta(minutes=15 * slot)).isoformat()


def sent(client: Client, topic: str, body: bytes | str) -> None:
    client.publish(topic, body, qos=1).wait_for_publish(WITHIN_S)


def test_every_kind_of_message_and_none_that_stops_the_stream(drill: Drill) -> None:
    client = drill.sender()
    record = {"usage_point": "UP-0", "start": stamp(0), "kwh": 0.25, "interval_s": 900}
    sent(client, "gridwright/readings", json.dumps([record, record | {"start": stamp(1), "kwh": "no"}]))
    for hostile in (
        b"",
        b"\xff\xfe",
        b"[" * 10_000,
        b"{}",
        b"x" * 5_000_000,
        json.dumps(record | {"kwh": -1e300}).encode(),
    ):
        sent(client, "gridwright/readings", hostile)
    sent(client, "gridwright/UP-1/kwh", json.dumps({"value": 0.5, "at": stamp(2)}))
    sent(client, "gridwright/UP-1/kwh", "nonsense")
    sent(client, "gridwright/UP-1/blood_pressure", "1")
    sent(client, "gridwright/M-nobody/register_kwh", "12.5")
    sent(client, "gridwright/UP-1/voltage", "230.1")
    at_ms = int((START + timedelta(minutes=45)).timestamp() * 1000)
    birth = [
        metric("Meter/energy_kwh", alias=7, datatype=10, at_ms=at_ms, double=1.5),
        metric("Uptime", datatype=12, text="x"),
    ]
    sent(client, "spBv1.0/plant/NBIRTH/gateway", payload(at_ms, 0, []))
    sent(client, "spBv1.0/plant/DBIRTH/gateway/UP-2", payload(at_ms, 1, birth))
    sent(
        client,
        "spBv1.0/plant/DDATA/gateway/UP-2",
        payload(at_ms, 2, [metric(alias=7, at_ms=at_ms + 900_000, double=2.5)]),
    )
    sent(client, "spBv1.0/plant/DDATA/gateway/UP-2", payload(at_ms, 9, [metric(alias=99, at_ms=at_ms, double=2.5)]))
    sent(client, "spBv1.0/plant/WHAT/gateway", b"\x08")
    client.loop_stop()
    until(lambda: drill.stored() >= 5, "five readings")
    told = drill.stop_listener()
    assert drill.values("UP-0") == [250.0]
    assert drill.values("UP-1") == [500.0]
    assert drill.values("UP-2") == [1500.0, 2500.0]
    assert (told["accepted"], told["quarantined"], told["rebirths"]) == (5, 1, 1)
    assert told["rejected"] >= 10
    with open_store(drill.folder / "gridwright.db") as store:
        assert [one.value for one in store.quarantine.readings(ME, "M-nobody")] == [12_500.0]


def test_nothing_is_lost_or_doubled_by_kills_of_listener_and_broker(drill: Drill) -> None:
    client = drill.sender()
    done, may_send = threading.Event(), threading.Event()
    may_send.set()

    def send() -> None:
        for at in range(MESSAGES):
            may_send.wait()
            slot, point = divmod(at, POINTS)
            body = json.dumps({"value": slot / 1000, "at": stamp(slot)})
            info = client.publish(f"gridwright/UP-{point}/kwh", body, qos=1)
            if at % POINTS == 0 or at == MESSAGES - 1:
                # Published while the broker is away, a message waits for it; only waiting for that is an error.
                with contextlib.suppress(RuntimeError):
                    info.wait_for_publish(WITHIN_S)
        done.set()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    for number in range(KILLS):
        time.sleep(0.5)
        if number % 2:
            # The broker saves what it holds every second; what it took and had not saved would be its own loss.
            may_send.clear()
            time.sleep(1.5)
            assert drill.broker is not None
            drill.broker.kill()
            drill.broker.wait()
            drill.start_broker()
            may_send.set()
        else:
            drill.kill_listener()
            time.sleep(0.2)
            drill.start_listener()
    assert done.wait(WITHIN_S * 2)
    until(lambda: drill.stored() == MESSAGES, "all that was sent")
    client.loop_stop()
    drill.stop_listener()
    for point in range(POINTS):
        assert drill.values(f"UP-{point}") == [float(slot) for slot in range(MESSAGES // POINTS)]

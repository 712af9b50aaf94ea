"""MQTT to the store through a real Mosquitto: acknowledged is stored, once, through kills of both sides."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.integration.fault_drill_broker import play_broker
from tests.integration.fault_drill_row import table
from tests.integration.listen_site import ListenProcess, Mosquitto, there_is_a_broker, until
from tests.unit.protocols.sparkplug_writer import metric, payload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
POINTS = 3
WITHIN_S = 30.0
LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))


@dataclass(slots=True)
class Site:
    """A broker, a listener, and the store behind it."""

    folder: Path
    broker: Mosquitto
    listener: ListenProcess

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
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        return client


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_store(tmp_path / "gridwright.db") as store:
        store.registry.save_points(ME, [UsagePoint(f"UP-{at}") for at in range(POINTS)])
    broker = Mosquitto(tmp_path)
    broker.start()
    env = {"GRIDWRIGHT_MQTT__SPARKPLUG_GROUPS": '["plant"]', "GRIDWRIGHT_MQTT__GROUP": "centre"}
    listener = ListenProcess(tmp_path, broker.port, env)
    listener.start()
    yield Site(tmp_path, broker, listener)
    for process in (listener.process, broker.process):
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def stamp(slot: int) -> str:
    return (START + timedelta(minutes=15 * slot)).isoformat()


def sent(client: Client, topic: str, body: bytes | str) -> None:
    client.publish(topic, body, qos=1).wait_for_publish(WITHIN_S)


def test_every_kind_of_message_and_none_that_stops_the_stream(site: Site) -> None:
    client = site.sender()
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
    until(lambda: site.stored() >= 5, "five readings")
    told = site.listener.stop()
    assert site.values("UP-0") == [250.0]
    assert site.values("UP-1") == [500.0]
    assert site.values("UP-2") == [1500.0, 2500.0]
    assert (told["accepted"], told["quarantined"], told["rebirths"]) == (5, 1, 1)
    assert told["rejected"] >= 10
    with open_store(site.folder / "gridwright.db") as store:
        assert [one.value for one in store.quarantine.readings(ME, "M-nobody")] == [12_500.0]


@pytest.mark.parametrize(
    "fault",
    ["broker and listener of a group killed", *(["broker and listener killed"] if LONG else [])],
)
def test_nothing_that_the_broker_took_is_lost_or_doubled_by_kills(tmp_path: Path, fault: str) -> None:
    row = play_broker(fault, 10 if LONG else 1, tmp_path)
    assert row.is_well, table([row])
    assert row.stored == row.acknowledged

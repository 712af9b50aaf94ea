"""Values without a time through a real Mosquitto: what waited there, or is retained, is never taken for one of now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.listen.rejected import rejected_here
from gridwright.store import open_store
from tests.integration.listen_site import ListenProcess, Mosquitto, there_is_a_broker, until

pytestmark = pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")
WITHIN_S = 30.0
TOPIC = "gridwright/UP-1/register_kwh"


class Site:
    """A broker, a listener, and a sender."""

    def __init__(self, folder: Path, more: tuple[str, ...] = ("allow_anonymous true",)) -> None:
        with open_store(folder / "gridwright.db") as store:
            store.registry.save_points(ME, [UsagePoint("UP-1")])
        self.folder, self.broker = folder, Mosquitto(folder, more)
        self.broker.start()
        self.listener = ListenProcess(folder, self.broker.port)
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self.client.connect("127.0.0.1", self.broker.port)
        self.client.loop_start()

    def send(self, value: object, *, retain: bool = False) -> None:
        body = json.dumps(value)
        self.client.publish(TOPIC, body, qos=1, retain=retain).wait_for_publish(WITHIN_S)

    def reads(self) -> list[float]:
        with open_store(self.folder / "gridwright.db") as store:
            now, day = datetime.now(UTC).replace(microsecond=0), timedelta(days=1)
            found = store.registers.load(ME, "UP-1", Interval(now - day, now + day))
            return sorted(float(each.value) for each in found)

    def put_aside(self) -> list[str]:
        return [str(one["payload"]) for one in self.refused()]

    def refused(self) -> list[dict[str, Any]]:
        return rejected_here(self.folder)

    def close(self) -> None:
        self.client.loop_stop()
        if self.listener.process is not None and self.listener.process.poll() is None:
            self.listener.kill()
        self.broker.kill()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.close()


def test_values_that_waited_at_the_broker_are_kept_aside_and_those_of_now_taken(site: Site) -> None:
    site.listener.start()
    site.send(499)
    until(lambda: len(site.reads()) == 1, "a live read")
    site.listener.stop()
    timed = {"value": 500, "at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    for value in (timed, 501, 502, 503):
        site.send(value)
    site.listener.start()
    until(lambda: len(site.put_aside()) == 3, "three values that waited")
    assert site.put_aside() == ["501", "502", "503"]
    assert {one["verdicts"][0]["field"] for one in site.refused()} == {"timestamp"}
    time.sleep(1)  # the mark has come back: what is sent from now on is of now
    site.send(504)
    until(lambda: len(site.reads()) == 3, "the live read behind them")
    assert len(site.put_aside()) == 3


def test_a_retained_value_is_no_new_reading_and_comes_once(site: Site) -> None:
    site.send(500, retain=True)
    site.listener.start()
    until(lambda: site.put_aside() == ["500"], "the retained value")
    assert "retain" in site.refused()[0]["verdicts"][0]["reason"]
    time.sleep(1)  # and is acknowledged: else the broker gives it again
    site.listener.stop()
    site.listener.start()
    time.sleep(1)
    site.send(501, retain=True)  # live, though the broker retains it too
    until(lambda: len(site.reads()) == 1, "the live value")
    assert site.put_aside() == ["500"]


def test_of_a_broker_that_forbids_marks_live_values_are_taken(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite gridwright/+/register_kwh\ntopic read gridwright/readings\n")
    site = Site(tmp_path, ("allow_anonymous true", f"acl_file {acl}"))
    try:
        site.listener.start()
        site.listener.stop()
        site.send(500)
        site.listener.start()
        time.sleep(1)
        site.send(501)
        until(lambda: 501_000 in site.reads(), "the live read")
        assert "501" not in site.put_aside()
    finally:
        site.close()

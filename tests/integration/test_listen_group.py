"""Two listeners of a group share the messages; one is killed, and the other takes its share over, what waits too."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.listener_status import read_listeners
from gridwright.listen.rejected import rejected_here
from gridwright.store import open_store
from tests.integration.listen_site import ListenProcess, Message, Mosquitto, Sender, there_is_a_broker, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")
START = datetime(2025, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def messages() -> Iterator[Message]:
    for slot in count():
        body = json.dumps({"value": slot / 1000, "at": (START + QUARTER * slot).isoformat()})
        yield Message(slot, "gridwright/UP-0/kwh", body)


def values(folder: Path) -> list[float]:
    with open_store(folder / "gridwright.db") as store:
        panel = store.readings.load(ME, "UP-0", Interval(START, START + timedelta(days=600)), interval=QUARTER)
    return [value for value in panel.values[0].tolist() if value == value]  # noqa: PLR0124 - NaN


def listeners_tell(port: int) -> dict[str, list[bytes]]:
    """Return what will be told of each listener, in the order in which it is."""
    told: dict[str, list[bytes]] = defaultdict(list)
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = lambda _client, _data, message: told[message.topic.rpartition("/")[2]].append(
        bytes(message.payload)
    )
    client.connect("127.0.0.1", port)
    client.subscribe("gridwright/listeners/centre/+")
    client.loop_start()
    return told


def test_a_group_shares_the_messages_and_takes_over_what_a_killed_one_leaves(tmp_path: Path) -> None:
    with open_store(tmp_path / "gridwright.db") as store:
        store.registry.save_points(ME, [UsagePoint("UP-0")])
    broker = Mosquitto(tmp_path)
    broker.start()
    first, second = (
        ListenProcess(
            tmp_path, broker.port, {"GRIDWRIGHT_MQTT__GROUP": "centre", "GRIDWRIGHT_MQTT__CLIENT_ID": f"listener-{at}"}
        )
        for at in (1, 2)
    )
    sender = None
    try:
        told = listeners_tell(broker.port)
        first.launch()
        second.launch()
        first.ready()
        second.ready()
        sender = Sender(broker.port, messages(), pace_s=0.002)
        sender.more(200)
        until(lambda: all(one.accepted for one in read_listeners(tmp_path)), "both that take some")
        first.kill()
        sender.more(100)  # half of these wait for the one that was killed
        sender.stop()
        accepted = len(sender.accepted)
        until(lambda: len(values(tmp_path)) == accepted, f"{accepted} that are stored")
        assert values(tmp_path) == [float(slot) for slot in range(accepted)]
        until(lambda: told["listener-1"] == [b"here", b"gone", b""], "the end of the session of the one that is gone")
        figures = second.stop()
        assert figures["accepted"] > 100
        assert (figures["rejected"], rejected_here(tmp_path)) == (0, [])  # what they tell each other is no reading
    finally:
        for process in (first.process, second.process, broker.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

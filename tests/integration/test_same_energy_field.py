"""What an MQTT broker or the collector brings and a file has too is billed once, whichever of the two came first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import Flow
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.settings import Settings, StoreSettings
from gridwright.store import open_store
from gridwright.work import tasks
from tests.integration.field.street import START, Street, open_street, wh_of
from tests.integration.listen_site import ListenProcess, Mosquitto, there_is_a_broker, until

QUARTER = timedelta(minutes=15)
KWH = [(slot % 7 + 1) / 10 for slot in range(96)]
TYPE = "electricity/delivered/energy/delta/0"
TWICE = "energy without a channel is that of channel E1 a second time, and counts only where that is not measured"
DATABASE = "gridwright.db"
both_orders = pytest.mark.parametrize("file_first", [True, False], ids=["file first", "file last"])


@contextmanager
def platform_on(folder: Path, now: datetime) -> Iterator[Platform]:
    """Open the site for an act of its own, as the command line does."""
    platform = Platform(Settings(store=StoreSettings(url=str(folder / DATABASE))), clock=lambda: now)
    try:
        yield platform
    finally:
        platform.close()


def by_file(folder: Path, day: datetime, now: datetime, kwh: Sequence[float]) -> None:
    """Import the day under channel E1."""
    path = folder / "day.csv"
    rows = [f"HOME,{(day + slot * QUARTER).isoformat()},{TYPE}/E1,{one}" for slot, one in enumerate(kwh)]
    path.write_text("\n".join(["usage_point,start,reading_type,kwh", *rows]))
    with platform_on(folder, now) as platform:
        assert platform.import_file(path).intake.accepted == 96


def billed(folder: Path, day: datetime, now: datetime) -> tuple[float, list[str], set[str]]:
    """Return the day's energy as a bill has it, what is told of energy under two names, and the channels stored."""
    with platform_on(folder, now) as platform:
        tasks.correct(platform)
        card = platform.rate_card("residential-flat")
        order = BillOrder(["HOME"], day.date().isoformat(), dry_run=True)
        run = run_billing(platform.store, ME, order, lambda _: card, platform.site, now=now)
        assert run.bills, run.notes
        findings = platform.store.findings.load(ME, ["HOME"])
        channels = {
            one.reading_type.channel
            for one in platform.store.readings.extents(ME, ["HOME"])
            if one.reading_type.flow is Flow.DELIVERED
        }
        return (
            float(run.bills[0].energy_kwh),
            [one.message.split(";")[0] for one in findings if one.code == "V00_same_energy"],
            channels,
        )


def expected(kwh: Sequence[float], *, file_first: bool) -> tuple[object, list[str], set[str]]:
    """The file's only channel joins what is there without one; what comes without one stays a series, and is told."""
    told = [TWICE] if file_first else []
    return pytest.approx(sum(kwh)), told, {"", "E1"} if file_first else {""}


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    there = open_street(tmp_path / DATABASE)
    try:
        yield there
    finally:
        there.server.stop()
        there.store.close()


@both_orders
def test_what_the_collector_read_and_a_file_has_counts_once(
    street: Street, tmp_path: Path, *, file_first: bool
) -> None:
    """A virtual meter behind a real port, commissioned and read by the collector."""
    kwh = [float(one) / 1000 for one in wh_of(Interval(START, START + timedelta(days=1)), Flow.DELIVERED)]
    street.serve("M-1", "HOME")
    street.later(timedelta(days=1))

    def by_collector() -> None:
        assert street.collect().failed == 0

    def from_file() -> None:
        by_file(tmp_path, START, street.now, kwh)

    for step in (from_file, by_collector) if file_first else (by_collector, from_file):
        step()
    assert billed(tmp_path, START, street.now) == expected(kwh, file_first=file_first)


@pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")
@both_orders
def test_what_came_by_mqtt_and_a_file_has_counts_once(tmp_path: Path, *, file_first: bool) -> None:
    """A real Mosquitto and a real `gridwright listen`; what the broker has taken is in the database."""
    now = datetime.now(UTC)
    day = datetime.fromtimestamp(now.timestamp() // DAY_S * DAY_S, UTC) - timedelta(days=3)
    with open_store(tmp_path / DATABASE) as store:
        store.registry.save_points(ME, [UsagePoint("HOME", "UTC")])

    def from_file() -> None:
        by_file(tmp_path, day, now, KWH)

    def from_broker() -> None:
        by_mqtt(tmp_path, day)

    for step in (from_file, from_broker) if file_first else (from_broker, from_file):
        step()
    assert billed(tmp_path, day, now) == expected(KWH, file_first=file_first)


def by_mqtt(folder: Path, day: datetime) -> None:
    """Publish the day without a channel, half as a list and half a reading each, and stop when all is acknowledged."""
    broker = Mosquitto(folder)
    broker.start()
    listener = ListenProcess(folder, broker.port)
    try:
        listener.start()
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        records = [
            {"usage_point": "HOME", "start": (day + slot * QUARTER).isoformat(), "kwh": one, "interval_s": 900}
            for slot, one in enumerate(KWH)
        ]
        for body in (records[:48], *records[48:]):
            client.publish("gridwright/readings", json.dumps(body), qos=1).wait_for_publish(30)
        until(lambda: readings_in(folder, day) >= 96, "a day of readings")
        client.loop_stop()
        assert listener.stop()["accepted"] == 96
    finally:
        for process in (listener.process, broker.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()


def readings_in(folder: Path, day: datetime) -> int:
    """Return how many readings without a channel are stored."""
    with open_store(folder / DATABASE) as store:
        panel = store.readings.load(ME, "HOME", Interval(day, day + timedelta(days=1)), interval=QUARTER)
    return int(np.count_nonzero(~panel.missing))

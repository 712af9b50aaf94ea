"""The listener beside the server: started with it, again when it dies, and ended with it; poison stays visible."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.jobs.upkeep.listener_status import read_listeners
from tests.integration.listen_site import Mosquitto, there_is_a_broker, until
from tests.integration.server_process import start
from tests.quick_processes import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not there_is_a_broker(), reason="there is no mosquitto")


def said(folder: Path, env: dict[str, str], *words: str) -> Any:  # noqa: ANN401 - JSON
    command = [sys.executable, "-m", "gridwright", *words, "--json"]
    done = run(command, env=os.environ | env, cwd=folder)
    return json.loads(done.stdout)


def runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def connected(data: Path) -> int:
    """Return the process of the listener that is connected, 0 where there is none."""
    found = [one for one in read_listeners(data) if one.connected and one.runs(datetime.now(UTC))]
    return found[0].pid if found and runs(found[0].pid) else 0


def test_a_listener_runs_beside_the_server_and_neither_takes_the_other_down(tmp_path: Path) -> None:
    data = tmp_path / "data"
    broker = Mosquitto(tmp_path)
    broker.start()
    env = {"GRIDWRIGHT_MQTT__HOST": "127.0.0.1", "GRIDWRIGHT_MQTT__PORT": str(broker.port)}
    env["GRIDWRIGHT_LOG__LEVEL"] = "error"
    server = start(data, "--no-worker", env=env)
    sender = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    try:
        until(lambda: connected(data) > 0, "a listener that is connected")
        first = connected(data)
        os.kill(first, signal.SIGKILL)
        sender.connect("127.0.0.1", broker.port)
        sender.loop_start()
        at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        sender.publish("gridwright/M-1/register_kwh", json.dumps({"value": 1.0, "at": at}), qos=1)
        sender.publish("gridwright/M-1/register_kwh", "nonsense", qos=1)
        with server.client() as client:
            assert client.get("/healthz").is_success, "the server does not mind"
            until(lambda: connected(data) not in {0, first}, "another listener")
            told: dict[str, Any] = {}

            def counted() -> bool:
                (listener,) = client.get("/v1/status").json()["listeners"]
                told.update(listener)
                return bool(listener["quarantined"] and listener["rejected"])

            until(counted, "what was sent meanwhile")
        assert (told["listener"], told["running"], told["connected"], told["waiting"]) == ("gridwright", True, True, 0)
        (check,) = (
            one for one in said(tmp_path, env, "--data", "data", "doctor")["checks"] if "listener" in one["name"]
        )
        assert (check["state"], "1 refused" in check["found"]) == ("warn", True)
        (kept,) = said(tmp_path, env, "listen", "rejected", "--data", "data")
        assert (kept["topic"], kept["payload"]) == ("gridwright/M-1/register_kwh", "nonsense")
        other = env | {"GRIDWRIGHT_MQTT__CLIENT_ID": "another"}
        assert said(tmp_path, other, "listen", "rejected", "--data", "data") == [kept | {"listener": "gridwright"}]
        second = connected(data)
        server.kill()
        until(lambda: not runs(second), "a listener that ends in good order after its server")
        (status,) = said(tmp_path, env, "listen", "status", "--data", "data")
        assert (status["running"], status["connected"], status["problem"]) == (False, False, "")
    finally:
        sender.loop_stop()
        if server.process.poll() is None:
            server.stop()
        broker.kill()


def test_a_server_may_be_told_not_to_listen_and_one_that_listens_ends_it(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    env = {"GRIDWRIGHT_MQTT__HOST": "127.0.0.1", "GRIDWRIGHT_MQTT__PORT": str(broker.port)}
    try:
        server = start(tmp_path / "data", "--no-worker", "--no-listen", env=env)
        with server.client() as client:
            assert client.get("/v1/status").json()["listeners"] == []
        assert server.stop() == 0
        server = start(tmp_path / "data", "--no-worker", env=env, key=server.admin_key)
        until(lambda: connected(tmp_path / "data") > 0, "a listener that is connected")
        listener = connected(tmp_path / "data")
        assert server.stop() == 0
        assert not runs(listener)
        assert [one.stopped for one in read_listeners(tmp_path / "data")] == [True]
    finally:
        broker.kill()

"""A broker, a listener and a careful sender, as processes and threads that can be killed and started again."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import multiprocessing
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gridwright.cli.serve import settings_in, wire
from gridwright.listen.run import listen
from tests.integration.patience import await_progress
from tests.integration.server_process import UP_WITHIN_S
from tests.quick_processes import Process

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
WITHIN_S = 60.0
WINDOW = 20  # messages that a sender has under way
SAVED_WITHIN_S = 1.0  # the longest that a broker may need to save what it has acknowledged
SAID = "listener.log"  # what listeners that are forked write to stderr
TAKEN, NOBODY = "Success", "No matching subscribers"


def there_is_a_broker() -> bool:
    return Path(MOSQUITTO).exists()


def until(true: Callable[[], bool], what: str = "it", within_s: float = WITHIN_S) -> None:
    """Wait until something holds."""
    last = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < last, f"{what} did not come true"
        time.sleep(0.02)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Mosquitto:
    """A Mosquitto of our own that saves what changes; `more`: further lines of its configuration.

    Started by root it would become another user, who may not write to a test's folder, and lose everything unsaid.
    """

    folder: Path
    more: tuple[str, ...] = ("allow_anonymous true",)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        lines = ["user root"] if os.geteuid() == 0 else []
        lines += [f"listener {self.port} 127.0.0.1", *self.more, "max_queued_messages 0"]
        lines += ["persistence true", f"persistence_location {self.folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 1"]
        settings = self.folder / "mosquitto.conf"
        settings.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(settings)], stderr=subprocess.DEVNULL)
        until(lambda: answers(self.port), "a broker that answers")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class ListenProcess:
    """A real `gridwright listen`, and what it said when it was stopped."""

    data: Path
    port: int
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it is connected."""
        self.launch()
        self.ready()

    def launch(self) -> None:
        env = {"GRIDWRIGHT_MQTT__HOST": "127.0.0.1", "GRIDWRIGHT_MQTT__PORT": str(self.port)}
        command = [sys.executable, "-m", "gridwright", "listen", "--data", str(self.data), "--json"]
        pipe, env = subprocess.PIPE, os.environ | env | self.env
        self.process = Process(command, env=env, stdout=pipe, stderr=subprocess.DEVNULL, cwd=self.data)

    def ready(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        assert "listening" in self.process.stdout.readline()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> dict[str, Any]:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=WITHIN_S)
        assert self.process.returncode == 0
        told: dict[str, Any] = json.loads(out)
        return told


@dataclass(slots=True)
class ForkedListener:
    """A listener as a process of its own, forked from one that has loaded everything: to be killed again and again."""

    data: Path
    port: int
    env: dict[str, str] = field(default_factory=dict)
    process: BaseProcess | None = None

    def start(self) -> None:
        """Start it, and wait until it is connected."""
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(["gridwright.listen.run", "gridwright.cli.serve", "paho.mqtt.client"])
        env = {"GRIDWRIGHT_MQTT__HOST": "127.0.0.1", "GRIDWRIGHT_MQTT__PORT": str(self.port)}
        near, far = forks.Pipe()
        self.process = forks.Process(target=listen_until_told, args=(self.data, env | self.env, far), daemon=True)
        self.process.start()
        far.close()  # so that it is told when the process has ended
        assert near.poll(UP_WITHIN_S), f"not listening after {UP_WITHIN_S} s: {self.said}"
        with contextlib.suppress(EOFError):
            assert near.recv() == "listening"
            return
        raise AssertionError(f"the listener has ended: {self.said}")

    @property
    def said(self) -> str:
        """All that it wrote to stderr, at every start."""
        file = self.data / SAID
        return file.read_text() if file.exists() else ""

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.join(WITHIN_S)
        assert self.process.exitcode == 0


def listen_until_told(data: Path, env: dict[str, str], ready: Connection) -> None:
    os.environ.update(env)
    os.dup2(os.open(data / SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    faulthandler.dump_traceback_later(WITHIN_S, file=2)  # where it stands, if it is still not up

    def up() -> None:
        faulthandler.cancel_dump_traceback_later()
        ready.send("listening")

    wired = wire(settings_in(data))
    listen(wired, up)
    wired.close()


@dataclass(frozen=True, slots=True)
class Message:
    """One message, and by which number whoever made it knows it."""

    number: int
    topic: str
    body: str | bytes


class Sender:
    """Publishes with QoS 1 as a careful meter does, from a thread of its own.

    A message is delivered when the broker answers `Success`. `No matching subscribers` is a success for MQTT too, but
    the broker has thrown the message away: it is sent again. So is, when the connection breaks, what was delivered in
    the last second: Mosquitto answers before it has saved.
    """

    def __init__(self, port: int, messages: Iterator[Message], *, pace_s: float = 0.0) -> None:
        self.accepted: list[Message] = []
        self.refused = self.repeated = 0
        self.odd: list[str] = []
        self._messages, self._pace_s = messages, pace_s
        self._answers: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        self._under_way: dict[int, Message] = {}
        self._again: deque[Message] = deque()
        self._times: deque[float] = deque()
        self._stopping, self._broken = threading.Event(), threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.max_inflight_messages_set(WINDOW)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = lambda _client, _data, mid, reason, _more: self._answers.put((mid, str(reason)))
        self._client.on_disconnect = lambda *_: self._broken.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        more = True
        while self._under_way or self._again or (more and not self._stopping.is_set()):
            if self._broken.is_set():
                self._repeat()
            fresh = more and not self._stopping.is_set()
            may_send = len(self._under_way) < WINDOW and (fresh or bool(self._again))
            self._hear(0.0 if may_send else 0.05)
            if not may_send:
                continue
            message = self._again.popleft() if self._again else next(self._messages, None)
            if message is None:
                more = False
                continue
            self._under_way[self._client.publish(message.topic, message.body, qos=1).mid] = message
            time.sleep(self._pace_s)
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, wait_s: float) -> None:
        """Take the broker's answers; wait for the first where there is nothing else to do."""
        with contextlib.suppress(queue.Empty):
            while True:
                number, reason = self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
                wait_s = 0.0
                message = self._under_way.pop(number)
                if reason == TAKEN:
                    self.accepted.append(message)
                    self._times.append(time.monotonic())
                    continue
                self._again.append(message)
                self.refused += 1
                if reason != NOBODY:
                    self.odd.append(reason)
                time.sleep(0.02)

    def _repeat(self) -> None:
        """Take back what was accepted just before the connection broke; whoever has it already will not mind."""
        self._broken.clear()
        self._hear(0.0)  # what was answered before it broke
        since = time.monotonic() - SAVED_WITHIN_S
        while self._times and self._times[-1] >= since:
            self._times.pop()
            self._again.append(self.accepted.pop())
            self.repeated += 1

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    @property
    def under_way(self) -> int:
        """How many messages were published, and not answered yet."""
        return len(self._under_way)

    def more(self, count: int) -> None:
        """Wait until so many more were accepted."""
        enough = len(self.accepted) + count
        await_progress(lambda: len(self.accepted), lambda now: now >= enough or self.done, "what is accepted")

    def stop(self) -> None:
        """Send nothing new, and wait until everything under way was accepted."""
        self._stopping.set()
        await_progress(lambda: len(self.accepted), lambda _: self.done, "what was under way")

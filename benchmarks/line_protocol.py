"""Line protocol: our server, InfluxDB 1 and VictoriaMetrics take the same lines, one after the other, in one run.

We answer when the readings are on the disk, each judged and its usage point known, and lay them in their day-blocks
when somebody reads, or a moment later; a row says how fast that is with it. Lines are read by machine code where numba
is installed, as it is in a clone; for all servers the keys are new, and met one after another. InfluxDB answers when
the lines are in its write-ahead log, synced (`wal-fsync-delay` is 0), and compacts later; VictoriaMetrics answers from
memory and writes seconds later. Each server takes a few batches before its clock starts, and batches for two seconds
or more are made for ours. The peers are the programs `influxd` and `victoria-metrics` (packages of Debian), run in
temporary folders on free ports of this machine; a row says it where one is not installed. What we acknowledged is
counted in the store. Small batches come from few clients, and from more: with few, each waits for a write of the disk
that VictoriaMetrics does not wait for, and as many batches share one write as there are clients.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import http_ingest
from benchmarks.harness import Row, main, more_than
from benchmarks.http_ingest import CHILDREN, gridwright, request
from gridwright.api.ingest.compiled import is_installed
from gridwright.domain.access import LOCAL_OWNER
from gridwright.store import open_store

METERS, INTERVAL_S = 10_000, 900
FEW, SOME = 4, 16  # connections; each sends its next batch when the last is answered
WARM = 16  # batches that a server takes before its clock starts
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=60)
UP_WITHIN_S = 30.0
INFLUX, VICTORIA = "InfluxDB 1", "VictoriaMetrics"
INFLUX_SETTINGS = """
reporting-disabled = true
bind-address = "127.0.0.1:{other}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "error"
"""


@dataclass(frozen=True, slots=True)
class Lines:
    """A kind of load: `count` batches of `size` lines after WARM more, made by `batch` from their number."""

    name: str
    count: int
    size: int
    batch: Callable[[int, int], str]
    goal: str
    connections: int = FEW


# --- what is sent -----------------------------------------------------------------------------------------------------


def meter_days(number: int, size: int) -> str:
    """Return whole days of meters: 96 lines of one meter, then of the next; a meter-day is in one batch only."""
    begin, lines = int(START.timestamp()), []
    kwh = np.random.default_rng(number).integers(0, 900, size).tolist()
    first = number * -(-size // 96)
    for at in range(size):
        day, meter = divmod(first + at // 96, METERS)
        stamp = begin + day * 86_400 + at % 96 * INTERVAL_S
        lines.append(f"energy,usage_point=UP-{meter:06d} energy_kwh={kwh[at] / 1000} {stamp}000000000\n")
    return "".join(lines)


def instants(number: int, size: int) -> str:
    """Return one instant of many meters; the next batch is the next quarter of an hour, or other meters."""
    per_instant = METERS // size
    instant, part = divmod(number, per_instant)
    stamp = int(START.timestamp()) + instant * INTERVAL_S
    kwh = np.random.default_rng(number).integers(0, 900, size).tolist()
    meters = range(part * size, (part + 1) * size)
    return "".join(
        f"energy,usage_point=UP-{meter:06d} energy_kwh={value / 1000} {stamp}000000000\n"
        for meter, value in zip(meters, kwh, strict=True)
    )


def loads(*, quick: bool) -> tuple[Lines, ...]:
    """Return the kinds of load."""
    some = 1 if quick else 8
    return (
        Lines("10k-line batches, 96 readings a meter-day", 50 * some, 10_000, meter_days, ">= 5e5"),
        Lines("10k-line batches, one instant of 10k meters", 25 * some, 10_000, instants, ">= 6e4"),
        Lines("1k-line batches, 96 readings a meter-day", 300 * some, 1_000, meter_days, ""),
        Lines("1k-line batches of 16 clients, 96 readings a meter-day", 600 * some, 1_000, meter_days, "", SOME),
    )


# --- clients ----------------------------------------------------------------------------------------------------------


class LineClient(http_ingest.Client):
    """Sends the next batch when the last one is answered with 204."""

    def data_received(self, data: bytes) -> None:
        """Wait for the head: such an answer has no body."""
        self._answer += data
        head, found, _ = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        if b" 204 " not in head[:20]:
            self.done.set_exception(RuntimeError(self._answer[:500]))
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._answer = b""
        self._next()


def send_all(pipe: Any, port: int, requests: Sequence[bytes], connections: int) -> None:  # noqa: ANN401 - a pipe's end
    """Send batches in a process of its own."""
    import uvloop

    http_ingest.Client, plain = LineClient, http_ingest.Client  # type: ignore[misc]
    try:
        warm, measured = requests[:WARM], requests[WARM:]
        uvloop.run(http_ingest._send(port, warm, connections))  # noqa: SLF001 - its other client
        load = uvloop.run(http_ingest._send(port, measured, connections))  # noqa: SLF001
        pipe.send((load.rate, time.monotonic()))
    finally:
        http_ingest.Client = plain  # type: ignore[misc]


def measure(port: int, requests: Sequence[bytes], connections: int) -> tuple[float, float]:
    """Return the batches a second that a process of clients measures, and when the last was answered."""
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=send_all, args=(theirs, port, list(requests), connections))
    child.start()
    theirs.close()
    try:
        rate, ended = ours.recv()
    finally:
        child.join()
    return rate, ended


def batches(load: Lines, path: str, key: str) -> list[bytes]:
    """Render the requests of a load."""
    media = "text/plain; charset=utf-8"
    return [request(path, load.batch(at, load.size).encode(), media, key) for at in range(WARM + load.count)]


# --- servers ----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[int]:
    """Run a peer until the block ends; yields its port once it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + UP_WITHIN_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if time.monotonic() > until or process.poll() is not None:
                        raise
                    time.sleep(0.1)
            yield port
        finally:
            process.terminate()


@contextmanager
def influx(folder: Path) -> Iterator[int]:
    """Run InfluxDB 1 with a database."""
    folder.mkdir()
    port = free_port()
    settings = folder / "influxdb.conf"
    settings.write_text(INFLUX_SETTINGS.format(folder=folder, port=port, other=free_port()))
    with running([program("influxd") or "", "-config", str(settings)], port):
        httpx.post(f"http://127.0.0.1:{port}/query", data={"q": "CREATE DATABASE bench"}).raise_for_status()
        yield port


@contextmanager
def victoria(folder: Path) -> Iterator[int]:
    """Run VictoriaMetrics."""
    folder.mkdir()
    port = free_port()
    place = (f"-storageDataPath={folder / 'data'}", f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR")
    command = [program("victoria-metrics") or "", *place, "-retentionPeriod=100y"]
    with running(command, port):
        yield port


PEERS = {INFLUX: ("influxd", influx), VICTORIA: ("victoria-metrics", victoria)}


def program(name: str) -> str | None:
    """Return where a program is."""
    return shutil.which(name)


# --- figures ----------------------------------------------------------------------------------------------------------


def ours(folder: Path, load: Lines) -> tuple[float, float]:
    """Return our lines a second until they are answered, and until they can be read from their day-blocks."""
    with gridwright(folder) as (url, key):
        await_compiler(url, key, load)
        rate, ended = measure(int(url.rpartition(":")[2]), batches(load, "/write?db=bench", key), load.connections)
        series = f"{url}/v1/usage-points/UP-000000/series"
        httpx.get(series, headers={"Authorization": f"Bearer {key}"}, timeout=600).raise_for_status()
        folded_s = time.monotonic() - ended
    with open_store(folder / "gridwright.db") as store:
        stored = sum(one.readings for one in store.readings.freshness(LOCAL_OWNER))
    sent = (WARM + load.count) * load.size
    if stored != sent:
        raise RuntimeError(f"{sent} lines were acknowledged, {stored} are stored")
    lines = load.count * load.size
    return rate * load.size, lines / (load.count / rate + folded_s)


def await_compiler(url: str, key: str, load: Lines) -> None:
    """Wait until plain lines are read by machine code, where numba is installed: the first lines have it loaded."""
    until, shown = time.monotonic() + UP_WITHIN_S, {"Authorization": f"Bearer {key}"}
    first = load.batch(0, load.size).encode()  # comes again among those that are measured, and counts once
    httpx.post(f"{url}/write?db=bench", headers=shown, content=first, timeout=UP_WITHIN_S).raise_for_status()
    while is_installed() and time.monotonic() < until:
        told = httpx.get(f"{url}/v1/status", headers=shown).raise_for_status().json()
        if told["writer"]["compiled"]:
            return
        time.sleep(0.1)


def theirs(name: str, folder: Path, load: Lines) -> float | None:
    """Return a peer's lines a second; None where it is not installed."""
    binary, server = PEERS[name]
    if program(binary) is None:
        return None
    with server(folder) as port:
        return measure(port, batches(load, "/write?db=bench", ""), load.connections)[0] * load.size


def rows_of(folder: Path, load: Lines) -> Iterator[Row]:
    """Measure one load on each server, and say how many times the peer's rate we reach."""
    kept = http_ingest.METERS
    http_ingest.METERS = METERS
    try:
        rate, readable = ours(folder / "ours", load)
    finally:
        http_ingest.METERS = kept
    goal = load.goal
    for name in PEERS:
        other = theirs(name, folder / PEERS[name][0], load)
        if other is None:
            yield Row(f"{load.name}: {name} is not installed, so not compared", rate, "lines/s", goal)
        else:
            yield Row(load.name, rate, "lines/s", goal, more_than(name, other, rate))
        goal = ""
        if other is not None:
            yield Row(f"the same, ratio to {name}", rate / other, "", "> 1" if name == INFLUX else ">= 0.8")
    yield Row("the same, until they are readable in their day-blocks", readable, "lines/s")


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure; the load of the machine before tells how much the figures are worth."""
    before = os.getloadavg()[0]
    for load in loads(quick=quick):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            yield from rows_of(folder, load)
    yield Row("load of the machine before, by others", before, "")


if __name__ == "__main__":
    main(partial(rows))

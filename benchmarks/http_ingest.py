"""Readings by HTTP: single posts from 64 connections, batches in JSON and Arrow; durable when they are answered.

The naive peer is what people write first: a threaded server, SQLite, a commit a request. It is Flask where this Python
has it, or the one that BENCHMARK_FLASK_PYTHON names, else the server of the standard library; the row tells which.
"""

from __future__ import annotations

import asyncio
import io
import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from benchmarks.harness import Row, faster_than, main, more_than
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import open_store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

METERS, CONNECTIONS, INTERVAL_S = 2_000, 64, 900
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=300)
FORM, JSON, ARROW = "application/x-www-form-urlencoded", "application/json", "application/vnd.apache.arrow.stream"
CHILDREN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients measured: requests a second, and the latency half and 99 % of them stayed within."""

    rate: float
    p50_ms: float
    p99_ms: float


# --- clients ----------------------------------------------------------------------------------------------------------


class Client(asyncio.Protocol):
    """Sends the next request when the last one is answered with 200; connects anew where the server hangs up then."""

    def __init__(self, requests: Sequence[bytes], latencies: list[float]) -> None:
        self._requests, self._latencies = iter(requests), latencies
        self._answer, self._sent, self._ended = b"", 0.0, 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's transports
        """Begin to send."""
        self._transport = transport
        self._next(began=self._sent or None)

    def _next(self, began: float | None = None) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent = began or time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Wait for the whole answer."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        if b" 200 " not in head[:20] or (b'"rejected":0' not in body and body != b"OK"):
            self.done.set_exception(RuntimeError(self._answer[:500]))
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._answer = b""
        if b"connection: close" in head.lower():
            self._again()
        else:
            self._next()

    def _again(self) -> None:
        """Connect anew; the time that takes belongs to the next request."""
        host, port = self._transport.get_extra_info("peername")[:2]
        self._ended, self._sent = self._ended + 1, time.perf_counter()
        self._transport.close()
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(loop.create_connection(lambda: self, host, port))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that the server hung up, if it was not our own end."""
        if self._ended and exc is None:
            self._ended -= 1
        elif not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))


def request(path: str, body: bytes, media: str, key: str) -> bytes:
    """Render one request."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: {media}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _send(port: int, requests: Sequence[bytes], connections: int) -> Load:
    loop, latencies = asyncio.get_running_loop(), list[float]()
    shares = [requests[at::connections] for at in range(connections)]
    began = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda share=share: Client(share, latencies), "127.0.0.1", port))[1]  # type: ignore[misc]
        for share in shares
    ]
    await asyncio.gather(*(client.done for client in clients))
    rate = len(requests) / (time.perf_counter() - began)
    p50, p99 = (float(value) * 1000 for value in np.percentile(latencies, (50, 99)))
    return Load(rate, p50, p99)


def send_all(pipe: Connection, port: int, requests: Sequence[bytes], connections: int) -> None:
    """Send requests over that many connections, in a process of its own."""
    import uvloop

    pipe.send(uvloop.run(_send(port, requests, connections)))


def measure(url: str, requests: Sequence[bytes], connections: int = CONNECTIONS) -> Load:
    """Return what a process of clients measures."""
    ours, theirs = CHILDREN.Pipe()
    port = urlsplit(url).port
    child = CHILDREN.Process(target=send_all, args=(theirs, port, list(requests), connections))
    child.start()
    theirs.close()
    try:
        load: Load = ours.recv()
    finally:
        child.join()
    return load


# --- servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def gridwright(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a server with METERS installed meters; yields its URL and a key."""
    folder.mkdir()
    with open_store(folder / "gridwright.db") as store, store.transaction():
        store.registry.save_points(LOCAL_OWNER, [UsagePoint(f"UP-{at:06d}") for at in range(METERS)])
        for at in range(METERS):
            store.registry.save_meter(LOCAL_OWNER, Meter(f"M-{at:06d}"))
            store.registry.save_installation(LOCAL_OWNER, install(f"UP-{at:06d}", f"M-{at:06d}", START))
    command = [sys.executable, "-m", "gridwright", "serve", "--data", str(folder), "--port", "0", "--json"]
    with subprocess.Popen([*command, "--no-worker"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        told = json.loads(process.stdout.readline())
        if "url" not in told:
            raise RuntimeError(told)
        try:
            yield told["url"], told["admin_key"]
        finally:
            process.terminate()


class Naive(BaseHTTPRequestHandler):
    """Takes a form, inserts a row and commits, as a first server does; one thread a connection."""

    protocol_version = "HTTP/1.1"
    database = ""
    here = threading.local()

    def do_POST(self) -> None:
        """Store one reading."""
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if not hasattr(self.here, "connection"):
            self.here.connection = sqlite3.connect(self.database, timeout=60)
            self.here.connection.execute("PRAGMA synchronous=FULL")
        with self.here.connection as connection:
            row = (form["meter_id"][0], form["at"][0], float(form["reading"][0]))
            connection.execute("INSERT INTO reading VALUES (?, ?, ?)", row)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


FLASK = """
import sqlite3, sys, threading
from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

app, here = Flask("naive"), threading.local()
WSGIRequestHandler.log_request = lambda *_: None
WSGIRequestHandler.protocol_version = "HTTP/1.1"


@app.post("/meter_reading")
def meter_reading():
    if not hasattr(here, "connection"):
        here.connection = sqlite3.connect(sys.argv[1], timeout=60)
        here.connection.execute("PRAGMA synchronous=FULL")
    form = request.form
    with here.connection as connection:
        row = (form["meter_id"], form["at"], float(form["reading"]))
        connection.execute("INSERT INTO reading VALUES (?, ?, ?)", row)
    return "OK"


server = make_server("127.0.0.1", 0, app, threaded=True)
server.socket.listen(128)
print(server.server_port, flush=True)
server.serve_forever()
"""


def flask_python() -> str | None:
    """Return a Python that has Flask: the one that is named, or this one; None where neither does."""
    named = os.environ.get("BENCHMARK_FLASK_PYTHON")
    return named or (sys.executable if find_spec("flask") else None)


def make_table(database: str) -> None:
    """Make the naive server's table, with the write-ahead log that helps it most."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE reading (meter TEXT, at TEXT, kwh REAL, PRIMARY KEY (meter, at))")


def serve_naively(pipe: Connection, database: str) -> None:
    """Serve in a process of its own until it is terminated."""
    Naive.database = database
    ThreadingHTTPServer.request_queue_size = 128
    with ThreadingHTTPServer(("127.0.0.1", 0), Naive) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def naive(folder: Path) -> Iterator[tuple[str, str]]:
    """Run the naive server; yields its URL, and what it is."""
    database, python = str(folder / "naive.db"), flask_python()
    make_table(database)
    if python:
        command = [python, "-c", FLASK, database]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            try:
                yield f"http://127.0.0.1:{int(process.stdout.readline())}", "Flask + SQLite, a commit a request"
            finally:
                process.terminate()
        return
    ours, theirs = CHILDREN.Pipe()
    child = CHILDREN.Process(target=serve_naively, args=(theirs, database))
    child.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}", "threaded http.server + SQLite, a commit a request"
    finally:
        child.terminate()
        child.join()


# --- what is sent -----------------------------------------------------------------------------------------------------


def stamp(slot: int) -> str:
    """Return the start of the n-th quarter of an hour."""
    return (START + timedelta(seconds=INTERVAL_S * slot)).strftime("%Y-%m-%dT%H:%M:%SZ")


def forms(count: int, key: str) -> list[bytes]:
    """Return posts of one register each: every meter in turn, a quarter of an hour after its last."""
    bodies = (
        f"meter_id=M-{at % METERS:06d}&reading={100 + at / METERS // 1 * 0.25}&at={stamp(at // METERS)}"
        for at in range(count)
    )
    return [request("/meter_reading", body.encode(), FORM, key) for body in bodies]


def singles(count: int, key: str) -> list[bytes]:
    """Return posts of one interval each."""
    bodies = (
        [{"usage_point": f"UP-{at % METERS:06d}", "start": stamp(9600 + at // METERS), "kwh": 0.25, "interval_s": 900}]
        for at in range(count)
    )
    return [request("/v1/readings", json.dumps(body).encode(), JSON, key) for body in bodies]


def days(size: int, first: int) -> Iterator[tuple[str, str, float]]:
    """Yield whole days of meters, one meter after the other, from day `first` on."""
    rng = np.random.default_rng(first)
    every = ((f"UP-{meter:06d}", stamp(96 * (first + 110) + slot)) for meter in range(METERS) for slot in range(96))
    kwh = (rng.integers(0, 900, size) / 1000).tolist()
    yield from ((point, start, value) for (point, start), value in zip(islice(every, size), kwh, strict=True))


def json_batches(count: int, size: int, key: str) -> list[bytes]:
    """Return batches of canonical records."""
    return [
        request(
            "/v1/readings",
            json.dumps(
                [
                    {"usage_point": point, "start": start, "kwh": kwh, "interval_s": 900, "flow": "delivered"}
                    for point, start, kwh in days(size, batch)
                ]
            ).encode(),
            JSON,
            key,
        )
        for batch in range(count)
    ]


def arrow_batches(count: int, size: int, key: str) -> list[bytes]:
    """Return Arrow streams with usage points in a dictionary."""
    import pyarrow as pa

    requests = []
    for batch in range(count):
        point = pa.array([f"UP-{meter:06d}" for meter in range(METERS)])
        which = np.arange(size) // 96 % METERS
        day = 120 + batch * -(-size // (96 * METERS)) + np.arange(size) // (96 * METERS)
        start = int(START.timestamp()) + (day * 96 + np.arange(size) % 96) * INTERVAL_S
        kwh = np.random.default_rng(batch).integers(0, 900, size) / 1000
        columns = {
            "usage_point": pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32)), point),
            "start": pa.array(start, pa.timestamp("s", tz="UTC")),
            "kwh": pa.array(kwh),
        }
        table, out = pa.table(columns), io.BytesIO()
        with pa.ipc.new_stream(out, table.schema) as writer:
            writer.write_table(table)
        requests.append(request("/v1/readings?interval_s=900", out.getvalue(), ARROW, key))
    return requests


# --- figures ----------------------------------------------------------------------------------------------------------


def single_rows(folder: Path, count: int) -> Iterator[Row]:
    """Measure posts of one reading, ours and the naive server's."""
    with naive(folder) as (url, peer):
        theirs = measure(url, forms(count // 8, ""))
    with gridwright(folder / "single") as (url, key):
        measure(url, forms(METERS, key))  # the first read of each meter
        ours = measure(url, forms(count + METERS, key)[METERS:])
        records = measure(url, singles(count, key))
    for name, load in (("POST /meter_reading", ours), ("POST /v1/readings, one record", records)):
        label = f"{name}, {CONNECTIONS} connections"
        yield Row(label, load.rate, "posts/s", ">= 5e3", more_than(peer, theirs.rate, load.rate))
        yield Row(f"{label}, ratio to the naive server", load.rate / theirs.rate, "", ">= 8")
        yield Row(f"{label}, p50", load.p50_ms, "ms")
        yield Row(f"{label}, p99", load.p99_ms, "ms", "<= 50", faster_than("the same, p99", theirs.p99_ms, load.p99_ms))


def batch_rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Measure batches, on four connections and on one."""
    with gridwright(folder / "batch") as (url, key):
        count, size = (8, 20_000) if quick else (24, 50_000)
        load = measure(url, json_batches(count, size, key), 4)
        yield Row(f"JSON batches of {size:,} readings", load.rate * size, "readings/s", ">= 3e5")
        count, size = (6, 500_000) if quick else (12, 500_000)
        load = measure(url, arrow_batches(count, size, key), 2)
        yield Row(f"Arrow batches of {size:,} readings", load.rate * size, "readings/s", ">= 1e6")


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure; the load of the machine before and after tells how much the figures are worth."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.getloadavg()[0]
        yield from chain(single_rows(Path(folder), 12_000 if quick else 40_000), batch_rows(Path(folder), quick=quick))
        yield Row("load of the machine before, by others", before, "")


if __name__ == "__main__":
    main(rows)

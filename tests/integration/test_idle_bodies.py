"""Bodies that are announced and never come, on raw connections: they keep no room, and no turn, from anybody else."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import pytest

from gridwright.api.edge.wire import MEDIA, EdgeBatch, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.integration.server_process import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
LINES = "application/octet-stream"
MIB = 1 << 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idle") / "data"
    folder.mkdir()
    with open_store(folder / "gridwright.db") as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    with serving(data, "--no-worker") as server:
        yield server


def begun(server: Server, path: str, length: int, media: str, come: bytes = b"") -> socket.socket:
    """Send a head, and of its body only what comes."""
    place = urlsplit(server.url)
    assert place.hostname is not None
    line = socket.create_connection((place.hostname, place.port or 80), 30)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.admin_key}\r\n"
    line.sendall(f"{head}Content-Type: {media}\r\nContent-Length: {length}\r\n\r\n".encode() + come)
    return line


def body_of(slots: int, kwh: float) -> bytes:
    records = [
        {"usage_point": "UP-1", "start": (DAY + timedelta(minutes=15) * slot).isoformat(), "kwh": kwh}
        for slot in range(slots)
    ]
    return json.dumps(records).encode()


def test_idle_bodies_keep_no_room_from_others(server: Server) -> None:
    with ExitStack() as idle, server.client() as client:
        known = "/write?precision=s"
        line = f"energy,usage_point=UP-1 kwh=1 {int(DAY.timestamp())}"
        for _ in range(3):  # as a head that is known
            assert client.post(known, content=line, headers={"Content-Type": LINES}).status_code == 204
        for _ in range(12):
            idle.enter_context(begun(server, "/v1/readings", 60 * MIB, "application/json"))
            idle.enter_context(begun(server, "/v1/readings", 60 * MIB, "application/json", b"["))
        for _ in range(300):
            idle.enter_context(begun(server, known, MIB - 1, LINES))
        padded = body_of(96, 0.5) + b" " * (30 * MIB)
        answer = client.post("/v1/readings", content=padded, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["accepted"]) == (200, 96)


def test_idle_edges_keep_no_turn_from_others(server: Server) -> None:
    with ExitStack() as idle, server.client() as client:
        for name in ("a", "a", "b", "c", "d", "e", "f"):
            idle.enter_context(begun(server, f"/v1/edges/{name}/batches", 4 * MIB, MEDIA))
        batch = EdgeBatch("e1", 1, 0, [], Report(int(time.time() * 1_000_000)))
        for name in ("a", "z"):
            told = client.post(
                f"/v1/edges/{name}/batches", content=msgspec.msgpack.encode(batch), headers={"Content-Type": MEDIA}
            )
            assert told.status_code == 200, told.text


def test_a_device_at_9600_baud_is_taken(server: Server, data: Path) -> None:
    """2 kB, a hundred bytes each tenth of a second."""
    body = body_of(24, 0.25)
    body += b" " * (2_000 - len(body))
    with begun(server, "/v1/readings", len(body), "application/json") as line:
        for at in range(0, len(body), 100):
            line.sendall(body[at : at + 100])
            time.sleep(0.1)
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")
    with open_store(data / "gridwright.db") as store:
        panel = store.readings.load(ME, "UP-1", Interval(DAY, DAY + timedelta(hours=6)))
    assert panel.values[0].tolist() == [250.0] * 24

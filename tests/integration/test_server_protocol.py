"""Single posts on raw connections: the short way gives the answers of the long one, and keeps the rules of HTTP/1.1."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from select import select
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import pytest

from gridwright.api.quick import SHORT, Quick
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import open_store
from tests.integration.server_process import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTALLED = datetime(2024, 1, 1, tzinfo=UTC)
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "data"
    folder.mkdir()
    with open_store(folder / "gridwright.db") as store, store.transaction():
        for at in range(9):
            store.registry.save_points(ME, [UsagePoint(f"UP-{at}")])
            store.registry.save_meter(ME, Meter(f"M-{at}"))
            store.registry.save_installation(ME, install(f"UP-{at}", f"M-{at}", INSTALLED))
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    with serving(data, "--no-worker", quiet=False) as server:
        with server.client() as client:
            # From here on the key is known.
            assert client.post("/meter_reading", data={"meter_id": "M-0", "reading": "1"}).status_code == 200
        yield server


def post(server: Server, path: str, body: bytes, media: str, *, more: str = "", version: str = "1.1") -> bytes:
    head = f"POST {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {server.admin_key}\r\n{more}"
    return f"{head}Content-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def form(server: Server, meter: str, slot: int, value: float, *, more: str = "", version: str = "1.1") -> bytes:
    at = (START + timedelta(minutes=15) * slot).strftime("%Y-%m-%dT%H:%M:%SZ")
    return post(
        server, "/meter_reading", f"meter_id={meter}&reading={value}&at={at}".encode(), FORM, more=more, version=version
    )


class Line:
    """A connection, and the answers that come on it."""

    def __init__(self, server: Server) -> None:
        where = urlsplit(server.url)
        self.socket = socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=20)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline()) != b"\r\n":
            name, _, value = line.decode().partition(":")
            assert name not in headers
            headers[name] = value.strip()
        return status, headers, self._file.read(int(headers["content-length"]))

    def ended(self) -> bool:
        return self._file.read(1) == b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()


def record(**more: object) -> bytes:
    return json.dumps(
        [{"usage_point": "UP-2", "start": START.isoformat(), "kwh": 0.25, "interval_s": 900} | more]
    ).encode()


BODIES = {
    "a register": ("/meter_reading", b"meter_id=M-1&reading=5&at=1700000000", FORM),
    "no number": ("/meter_reading", b"meter_id=M-1&reading=five", FORM),
    "a register below zero": ("/meter_reading", b"meter_id=M-1&reading=-5", FORM),
    "nobody's meter": ("/meter_reading", b"meter_id=M-77&reading=5&at=1700000000", FORM),
    "no name": ("/meter_reading", b"reading=5", FORM),
    "empty": ("/meter_reading", b"", FORM),
    "no form": ("/meter_reading", b"\xff\xfe", FORM),
    "another type": ("/meter_reading", b"<a/>", "text/xml"),
    "a record": ("/v1/readings", record(), JSON),
    "one that is rounded": ("/v1/readings", record(kwh=0.12345), JSON),
    "one from the future": ("/v1/readings", record(start="2099-01-01T00:00:00Z"), JSON),
    "one of an unknown name": ("/v1/readings", record(usage_point="UP-88"), JSON),
    "no JSON": ("/v1/readings", b"[{", JSON),
    "an empty list": ("/v1/readings", b"[]", JSON),
    "another type of records": ("/v1/readings", b"<a/>", "text/xml"),
}


@pytest.mark.parametrize("name", BODIES)
def test_both_ways_answer_alike(server: Server, name: str) -> None:
    path, body, media = BODIES[name]
    with Line(server) as line:
        answers = []
        # The first way is taken once a name is known, the last two are never short; nothing new comes after the first.
        for more in ("", "", f"X-API-Key: {server.admin_key}\r\n", "Content-Encoding: identity\r\n"):
            line.send(post(server, path, body, media, more=more))
            status, headers, told = line.answer()
            assert headers.pop("date")
            answers.append((status, headers, told))
    assert answers[1:] == answers[:1] * 3
    assert answers[0][1]["cache-control"] == "no-store"
    assert answers[0][1]["x-content-type-options"] == "nosniff"


def test_a_body_may_come_in_pieces(server: Server) -> None:
    whole = form(server, "M-3", 0, 10.0)
    with Line(server) as line:
        for cut in (20, len(whole) - 60, len(whole) - 3, len(whole)):
            line.send(whole[:cut])
            if cut < len(whole):
                assert select([line.socket], [], [], 0.05)[0] == []
                line.send(whole[cut:])
            assert line.answer()[0] == 200


def test_pipelined_posts_are_answered_in_order(server: Server, data: Path) -> None:
    with Line(server) as line:
        values = [10.0, 11.0, 12.0, 13.0]
        posts = [form(server, "M-4", slot, value) for slot, value in enumerate(values)]
        line.send(
            posts[0] + form(server, "M-99", 0, 1.0) + posts[1] + form(server, "", 0, 1.0) + posts[2] + posts[3][:90]
        )
        assert [line.answer()[0] for _ in range(5)] == [200, 202, 200, 400, 200]
        line.send(posts[3][90:] + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [line.answer()[0] for _ in range(2)] == [200, 200]
    with open_store(data / "gridwright.db") as store:
        period = Interval(START, START + timedelta(days=1))
        stored = store.registers.load(ME, "UP-4", period, DELIVERED_REGISTER)
    assert [read.value * DELIVERED_REGISTER.resolution / 1000 for read in stored] == values


@pytest.mark.parametrize(("more", "version"), [("Connection: close\r\n", "1.1"), ("", "1.0")])
def test_a_connection_ends_where_it_is_asked_to(server: Server, more: str, version: str) -> None:
    with Line(server) as line:
        line.send(form(server, "M-5", 0, 10.0, more=more, version=version))
        status, headers, body = line.answer()
        assert (status, headers["connection"], body) == (200, "close", b"OK")
        assert line.ended()


def test_what_is_no_http_is_refused_and_ends(server: Server) -> None:
    with Line(server) as line:
        line.send(form(server, "M-5", 1, 11.0))
        assert line.answer()[0] == 200
        line.send(form(server, "M-5", 2, 12.0).replace(b"Content-Length: ", b"Content-Length: 3\r\nContent-Length: "))
        assert line.answer()[0] == 400
        assert line.ended()


def test_a_client_that_hangs_up_costs_nobody_else_the_answer(server: Server) -> None:
    with Line(server) as other:
        for slot in range(20):
            with Line(server) as line:
                line.send(form(server, "M-6", slot, 10.0 + slot))
            other.send(form(server, "M-7", slot, 10.0 + slot))
            assert other.answer()[2] == b"OK"


def test_only_the_usual_goes_the_short_way() -> None:
    quick = Quick.__new__(Quick)
    quick._posts = {"/meter_reading": (lambda *_: None, lambda _: None)}  # type: ignore[dict-item]
    usual = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json"), (b"content-length", b"9")]
    scope = {"path": "/meter_reading", "method": "POST", "query_string": b"", "headers": usual}
    assert quick.read_head(scope) is not None
    for more in (b"idempotency-key", b"content-encoding", b"transfer-encoding", b"expect", b"upgrade", b"x-api-key"):
        assert quick.read_head(scope | {"headers": [*usual, (more, b"1")]}) is None
    long = [*usual[:2], (b"content-length", str(SHORT + 1).encode())]
    for unlike in (
        {"path": "/v1/x"},
        {"method": "PUT"},
        {"query_string": b"a=1"},
        {"headers": long},
        {"headers": usual[1:]},
    ):
        assert quick.read_head(scope | unlike) is None

"""Single posts on raw connections: the short way gives the answers of the long one, and keeps the rules of HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from select import select
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gridwright.api.answer import Answer, Scope
from gridwright.api.authenticate import Credential, doorkeeper
from gridwright.api.ingest.form import decode_form
from gridwright.api.protocol import QuickProtocol
from gridwright.api.quick import SHORT, Post, Quick
from gridwright.api.write.batch import Waiter
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
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
FORM, JSON, TEXT = "application/x-www-form-urlencoded", "application/json", "text/plain; charset=utf-8"


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
        return status, headers, self._file.read(int(headers.get("content-length", 0)))

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


def line_of(point: str, kwh: object, at_s: float = START.timestamp()) -> bytes:
    return f"energy,usage_point={point} energy_kwh={kwh} {at_s:.0f}000000000\n".encode()


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
    "lines": ("/write?db=x", line_of("UP-3", 0.25) + line_of("UP-4", 0.5), TEXT),
    "lines of which one is wrong": ("/write?db=x", line_of("UP-3", 0.25) + line_of("UP-4", "nan"), TEXT),
    "lines of which one is from the future": ("/api/v2/write?precision=ns", line_of("UP-3", 1, at_s=4e9), TEXT),
    "lines of an unknown name": ("/api/v2/write", line_of("UP-77", 0.25), TEXT),
    "lines that are not alike": ("/write", line_of("UP-3", 0.25) + b"what is this\n", TEXT),
    "no lines": ("/write", b"", TEXT),
    "lines of an unknown precision": ("/write?precision=weeks", line_of("UP-3", 0.25), TEXT),
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


def test_a_known_head_leaves_the_rules_of_a_connection_as_they_are(server: Server, data: Path) -> None:
    """The third of posts that differ in their bodies alone is not parsed; what comes beside or in it still is."""
    at = f"{START:%Y-%m-%dT%H:}"
    posts = [
        post(server, "/meter_reading", f"meter_id=M-8&reading={value}.0&at={at}{minute}:00Z".encode(), FORM)
        for value, minute in (("11", "15"), ("12", "30"), ("13", "45"), ("14", "50"), ("15", "51"), ("16", "52"))
    ]
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with Line(server) as line:
        for one in posts[:2]:
            line.send(one)
            assert line.answer()[::2] == (200, b"OK")
        # The next one arrives while it is under way; in pieces; behind it another; with a body that is wrong.
        line.send(posts[2] + get)
        line.send(posts[3][:-7])
        assert [line.answer()[0] for _ in range(2)] == [200, 200]
        line.send(posts[3][-7:])
        assert line.answer()[0] == 200
        line.send(posts[4])
        line.send(get + posts[5])
        assert [line.answer()[0] for _ in range(3)] == [200, 200, 200]
        line.send(posts[5].replace(b"reading=16.0", b"reading=-6.0"))
        assert line.answer()[0] == 422
        line.send(posts[5].replace(b"meter_id=M-8", b"meter_id=M-?"))
        assert line.answer()[0] == 202
        line.send(posts[5].replace(server.admin_key.encode(), b"k" * len(server.admin_key)))
        assert line.answer()[0] == 401
    with open_store(data / "gridwright.db") as store:
        stored = store.registers.load(ME, "UP-8", Interval(START, START + timedelta(hours=1)), DELIVERED_REGISTER)
    assert [read.value / 1000 for read in stored] == [11, 12, 13, 14, 15, 16]


def test_a_known_head_opens_nothing_once_its_key_is_forgotten() -> None:
    taken: list[object] = []

    class Platform:
        store = type("Store", (), {})()
        clock = staticmethod(lambda: START)

    platform = cast("Any", Platform())
    quick = Quick.__new__(Quick)
    quick.large = {}
    quick._platform, quick._heads, quick._posts = platform, {}, {"/meter_reading": (decode_form, lambda _: taken)}  # type: ignore[dict-item]
    headers = [(b"authorization", b"Bearer k"), (b"content-type", FORM.encode()), (b"content-length", b"22")]
    read = quick.read_head({"path": "/meter_reading", "method": "POST", "query_string": b"", "headers": headers})
    assert read is not None
    quick.remember(b"head", read)
    known = quick.known(b"head")
    assert known == read
    keeper = doorkeeper(platform)
    keeper._known[Credential("k").digest] = (Access("eve", Role.VIEWER), float("inf"))
    assert keeper.remembered_by(known.sender) is not None
    # Whoever may not write, or is no longer known, is left to the entrance, which asks the store and answers.
    assert not quick.take(known, b"meter_id=M-1&reading=5", cast("Any", None))
    keeper.forget()
    assert quick._batch(known, b"meter_id=M-1&reading=5") is None
    assert all(len(digest) == 32 for digest in quick._heads)
    assert b"k" not in {*quick._heads}


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
    quick.large = {}
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


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written, self.closing = list[bytes](), False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def get_extra_info(self, name: str) -> None:
        del name

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...


class Asked(Quick):
    """Takes posts without a server behind, and keeps who waits for their answers."""

    def __init__(self) -> None:
        self._heads, self._posts = {}, {"/meter_reading": (decode_form, lambda _: None)}  # type: ignore[dict-item]
        self.large = {}
        self.read, self.waiting = 0, list[Waiter]()

    def read_head(self, scope: Scope) -> Post | None:
        self.read += 1
        return super().read_head(scope)

    def take(self, post: Post, body: bytes, done: Waiter) -> bool:
        del post, body
        self.waiting.append(done)
        return True


HEAD_OF_THREE = (
    f"POST /meter_reading HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Type: {FORM}\r\nContent-Length: 3\r\n\r\n"
)


def configured(app: Asked) -> Config:
    config = Config(cast("Any", SimpleNamespace(quick=app)), log_config=None, interface="asgi3")
    config.load()
    config.loaded_app = config.app
    return config


def connected(config: Config, state: ServerState) -> tuple[QuickProtocol, Wire]:
    line, wire = QuickProtocol(config, state, {}), Wire()
    line.connection_made(cast("Any", wire))
    return line, wire


def test_one_timer_sees_to_a_connection_and_hangs_up_once_nothing_came_for_long() -> None:
    async def talk() -> None:
        app = Asked()
        line, wire = connected(configured(app), ServerState())

        def ask() -> None:
            line.data_received(f"{HEAD_OF_THREE}a=b".encode())

        def answer() -> None:
            app.waiting[-1].set_result(Answer(200, b"OK"))

        for _ in range(2):
            ask()
            answer()
        timer = line.timeout_keep_alive_task
        ask()
        assert line.timeout_keep_alive_task is timer
        line.timeout_keep_alive_handler()  # it is due while a request is under way
        assert [line.timeout_keep_alive_task, wire.closing] == [None, False]
        answer()
        line.timeout_keep_alive_handler()  # due, but something came meanwhile
        assert [line.timeout_keep_alive_task is None, wire.closing] == [False, False]
        line._rests_since -= line.timeout_keep_alive
        line.timeout_keep_alive_handler()
        assert wire.closing
        line.connection_lost(None)

    asyncio.run(talk())


def test_an_answer_is_rendered_anew_with_the_date_and_when_it_is_another() -> None:
    async def talk() -> None:
        app, state = Asked(), ServerState()
        line, wire = connected(configured(app), state)
        one, other = Answer(200, b"OK"), Answer(422, b"no")
        for date, answer in ((b"Mon", one), (b"Mon", one), (b"Tue", one), (b"Tue", other), (b"Tue", one)):
            if state.default_headers[-1:] != [(b"date", date)]:
                state.default_headers = [(b"date", date)]
            line.data_received(f"{HEAD_OF_THREE}a=b".encode())
            app.waiting[-1].set_result(answer)
        told = [(answer.split()[1], answer.partition(b"date: ")[2][:3], answer[-2:]) for answer in wire.written]
        ok, no = (b"200", b"OK"), (b"422", b"no")
        assert [(status, body) for status, _, body in told] == [ok, ok, ok, no, ok]
        assert [date for _, date, _ in told] == [b"Mon", b"Mon", b"Tue", b"Tue", b"Tue"]
        line.connection_lost(None)

    asyncio.run(talk())


def test_a_head_is_read_once_and_a_closing_server_ends_the_connection() -> None:
    async def talk() -> None:
        app = Asked()
        config, state = configured(app), ServerState()
        line, wire = connected(config, state)
        head = HEAD_OF_THREE
        for count in range(1, 4):
            line.data_received(f"{head}a=b".encode())
            assert (app.read, len(app.waiting), len(wire.written)) == (1, count, count - 1)
            app.waiting[-1].set_result(Answer(200, b"OK"))
            assert (len(wire.written), app.waiting[-1].done()) == (count, True)
        line.data_received(f"{head}a=b".encode())
        line.shutdown()  # while it is under way: it is answered, and then the connection ends
        app.waiting[-1].set_result(Answer(200, b"OK"))
        assert b"connection: close" in wire.written[-1]
        assert wire.closing
        line.connection_lost(None)

        line, wire = connected(config, state)
        line.data_received(f"{head}a=b".encode())
        assert app.read == 1  # the head is known on every connection
        line.connection_lost(ConnectionResetError())
        assert app.waiting[-1].done()

    asyncio.run(talk())


@pytest.mark.parametrize("begin", [b"GET /", b"POST /write HTTP/1.1\r\nHost: x\r\nX: ", b"POST /write HTTP/1.1\r\n"])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(server: Server, begin: bytes) -> None:
    with Line(server) as line:
        line.send(begin)
        with suppress(OSError):  # it hangs up meanwhile
            for _ in range(64):
                line.send(b"X: y\r\n" * 4_096 if begin.endswith(b"\n") else b"a" * 65_536)
        with suppress(ConnectionResetError):
            assert line.answer()[0] in {400, 431}
    with Line(server) as line:
        line.send(f"GET /healthz HTTP/1.1\r\nHost: x\r\nX: {'a' * 60_000}\r\n\r\n".encode())
        assert line.answer()[0] == 200


def test_trailers_without_end_are_refused(server: Server) -> None:
    with Line(server) as line:
        line.send(
            post(server, "/write", b"", FORM, more="Transfer-Encoding: chunked\r\n").replace(
                b"Content-Length: 0\r\n", b""
            )
        )
        line.send(b"0\r\nX: ")
        with suppress(OSError):
            for _ in range(64):
                line.send(b"a" * 65_536)
            assert line.ended()

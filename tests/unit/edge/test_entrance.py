"""The edge's entrances answer as the centre's do, once the reading is on the edge's disk; what is refused is told."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from gridwright.domain.errors import ConfigError, StoreError, StoreFull
from gridwright.edge.bounds import MIB, USUAL, Bounds, OnFull
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.entrance import EdgeEntrance
from gridwright.edge.entry import Entry
from gridwright.edge.keeper import Keeper
from gridwright.edge.run import device_keys
from gridwright.settings import EdgeSettings, Settings
from gridwright.telemetry import configure_log

if TYPE_CHECKING:
    from pathlib import Path

RECORD = {"usage_point": "UP-1", "start": "2026-11-25T10:00:00Z", "kwh": 0.25}


@dataclass
class Standing:
    """An edge without a server around it."""

    buffer: Buffer
    keeper: Keeper
    app: EdgeEntrance
    address: str = "127.0.0.1"

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self.address, 123))
            async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def kept(self) -> list[Entry]:
        self.buffer.rewind()
        piece = self.buffer.read(1 << 20, 1000)
        return [msgspec.msgpack.decode(payload, type=Entry) for _, payload in piece.records] if piece else []


@contextmanager
def standing(folder: Path, *keys: str, bounds: Bounds = USUAL) -> Iterator[Standing]:
    with Buffer(folder / "edge", bounds) as buffer:
        keeper = Keeper(buffer)
        digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        keeper.start()
        try:
            yield Standing(buffer, keeper, EdgeEntrance(Settings(), keeper, EdgeClock(folder / "edge"), keys=digests))
        finally:
            keeper.stop()


@pytest.fixture(autouse=True, scope="module")
def quiet() -> None:
    configure_log("error", json_lines=False)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Standing]:
    with standing(tmp_path) as found:
        yield found


def test_a_reading_is_kept_as_it_came(edge: Standing) -> None:
    told = edge.ask("POST", "/meter_reading", data={"meter_id": "M-1", "reading": "12.5"})
    assert (told.status_code, told.text) == (200, "OK")
    told = edge.ask("POST", "/v1/readings", params={"interval_s": "900"}, json=[RECORD])
    assert told.json() == {"accepted": 1, "rejected": 0, "quarantined": 0, "verdicts": []}
    line = "energy,usage_point=UP-1 kwh=0.25 1764064800"
    assert edge.ask("POST", "/api/v2/write", params={"precision": "s"}, content=line).status_code == 204
    assert edge.ask("POST", "/write", content="energy,usage_point=UP-1 register_kwh=7").status_code == 204
    form, record, dated, plain = edge.kept()
    assert (form.path, form.body, form.stamped) == ("/meter_reading", b"meter_id=M-1&reading=12.5", True)
    assert (record.path, record.query, record.stamped) == ("/v1/readings", "interval_s=900", False)
    assert (dated.path, dated.query, dated.stamped, plain.stamped) == ("/api/v2/write", "precision=s", False, True)


def test_a_packed_body_is_kept_unpacked(edge: Standing) -> None:
    content = gzip.compress(msgspec.json.encode([RECORD]))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert edge.ask("POST", "/v1/readings", content=content, headers=headers).json()["accepted"] == 1
    assert msgspec.json.decode(edge.kept()[0].body) == [RECORD]


def test_a_body_larger_than_the_buffer_is_refused_and_costs_nothing_that_waits(tmp_path: Path) -> None:
    line = b"energy,usage_point=UP-1 kwh=0.25 1764064800000000000\n"
    with standing(tmp_path, bounds=Bounds(MIB, MIB // 8, OnFull.DROP_OLDEST)) as edge:
        assert edge.ask("POST", "/write", content=line).status_code == 204
        told = edge.ask("POST", "/write", content=line * (MIB // len(line)))
        assert (told.status_code, told.json()["code"]) == (413, "request too large")
        assert [one.body for one in edge.kept()] == [line]
        assert edge.buffer.dropped == 0


def test_many_bodies_at_once_are_no_more_than_a_small_buffer_holds(tmp_path: Path) -> None:
    with Buffer(tmp_path, Bounds(MIB, MIB // 8, OnFull.DROP_OLDEST)) as buffer:
        keeper = Keeper(buffer)

        async def put() -> None:
            waiting = [keeper.put(bytes(100_000)) for _ in range(20)]
            keeper.start()
            await asyncio.gather(*waiting)

        asyncio.run(put())
        keeper.stop()
        assert 5 < buffer.level.waiting < 20 == buffer.level.waiting + buffer.dropped


def test_the_future_of_a_wrong_clock_is_the_centres_matter(edge: Standing) -> None:
    record = RECORD | {"start": "2150-01-01T00:00:00Z"}
    assert edge.ask("POST", "/v1/readings", json=[record]).json()["accepted"] == 1


@pytest.mark.parametrize(
    ("path", "more", "status", "told"),
    [
        ("/meter_reading", {"data": {"meter_id": "M-1", "reading": "much"}}, 422, "reading: this is no number"),
        ("/meter_reading", {"data": {"reading": "1"}}, 400, "meter_id is missing"),
        ("/v1/readings", {"content": "[", "headers": {"Content-Type": "application/json"}}, 200, "it is not JSON"),
        ("/v1/readings", {"content": "x", "headers": {"Content-Type": "text/html"}}, 415, "is not taken here"),
        ("/v1/readings?nonsense=1", {"json": [RECORD]}, 400, "'nonsense' is not known"),
        ("/api/v2/write", {"content": "no line"}, 400, "unable to parse"),
        ("/write?precision=year", {"content": "m kwh=1"}, 422, "precision"),
    ],
)
def test_what_no_entrance_takes_is_refused_and_not_kept(
    edge: Standing, path: str, more: dict[str, Any], status: int, told: str
) -> None:
    answer = edge.ask("POST", path, **more)
    assert answer.status_code == status, answer.text
    assert told in answer.text or status == 200
    assert edge.kept() == []


def test_what_is_half_wrong_is_told_and_kept_whole(edge: Standing) -> None:
    told = edge.ask("POST", "/v1/readings", json=[RECORD, RECORD | {"start": "soon"}]).json()
    assert (told["accepted"], told["rejected"]) == (1, 1)
    assert len(msgspec.json.decode(edge.kept()[0].body)) == 2


@pytest.mark.parametrize(
    ("error", "status", "wait"),
    [(StoreFull("the buffer is full"), 507, "30"), (StoreError("read-only file system"), 503, "2")],
)
def test_a_full_disk_is_told_to_the_device_and_to_whoever_watches(
    edge: Standing, monkeypatch: pytest.MonkeyPatch, error: StoreError, status: int, wait: str
) -> None:
    def no(_: object) -> int:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(edge.buffer, "append", no)
        for path in ("/meter_reading", "/v1/readings", "/write"):
            more: dict[str, Any] = (
                {"data": {"meter_id": "M", "reading": "1"}} if "meter" in path else {"json": [RECORD]}
            )
            more = {"content": "m,usage_point=U kwh=1 1764064800000000000"} if path == "/write" else more
            answer = edge.ask("POST", path, **more)
            assert (answer.status_code, answer.headers["Retry-After"]) == (status, wait), answer.text
        assert edge.ask("GET", "/readyz").status_code == 503
    assert edge.ask("POST", "/meter_reading", data={"meter_id": "M", "reading": "1"}).text == "OK"
    assert edge.ask("GET", "/readyz").json() == {"status": "ready", "problem": ""}


def test_a_request_that_is_sent_again_is_kept_once(edge: Standing) -> None:
    headers = {"Idempotency-Key": "k-1", "X-API-Key": "shown"}
    first = edge.ask("POST", "/v1/readings", json=[RECORD], headers=headers)
    again = edge.ask("POST", "/v1/readings", json=[RECORD], headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert edge.ask("POST", "/v1/readings", json=[], headers=headers).status_code == 422
    assert len(edge.kept()) == 1


def test_devices_have_a_space_of_idempotency_keys_each(tmp_path: Path) -> None:
    def post(edge: Standing, value: float, **shown: str) -> int:
        headers = {"Idempotency-Key": "1"} | shown
        return edge.ask("POST", "/v1/readings", json=[RECORD | {"kwh": value}], headers=headers).status_code

    with standing(tmp_path / "keys", "one", "two") as edge:
        answers = [post(edge, value, **{"X-API-Key": key}) for value, key in ((1, "one"), (2, "two"), (3, "two"))]
        assert (answers, len(edge.kept())) == ([200, 200, 422], 2)
        edge.address = "10.0.0.2"
        assert (post(edge, 3, **{"X-API-Key": "two"}), len(edge.kept())) == (200, 3)
    with standing(tmp_path / "none") as edge:
        assert ([post(edge, value) for value in (1, 2, 2)], len(edge.kept())) == ([200, 200, 200], 2)


def test_other_addresses_are_refused(edge: Standing) -> None:
    assert edge.ask("GET", "/v1/readings").status_code == 405
    assert edge.ask("GET", "/v1/usage-points").status_code == 404
    assert edge.ask("GET", "/healthz").json() == {"status": "ok"}
    assert edge.ask("HEAD", "/readyz").text == ""
    assert edge.ask("GET", "/ping").status_code == 204


def test_what_influxdb_clients_ask_first_is_answered_as_by_the_centre(tmp_path: Path) -> None:
    with standing(tmp_path, "secret") as edge:
        shown = {"headers": {"Authorization": "Token secret"}}
        assert edge.ask("GET", "/api/v2/ping").status_code == 204
        assert edge.ask("GET", "/health").json()["status"] == "pass"
        assert edge.ask("GET", "/ready").json()["status"] == "ready"
        assert edge.ask("GET", "/query", params={"q": "SHOW DATABASES", "p": "secret"}).json()["results"][0]["series"]
        assert edge.ask("POST", "/query", data={"q": "CREATE DATABASE x"}, **shown).status_code == 200
        (bucket,) = edge.ask("GET", "/api/v2/buckets", params={"name": "b"}, **shown).json()["buckets"]
        (org,) = edge.ask("GET", "/api/v2/orgs", params={"org": "o"}, **shown).json()["orgs"]
        assert (bucket["name"], bucket["orgID"], org["name"]) == ("b", org["id"], "o")
        for path in ("/query", "/api/v2/buckets", "/api/v2/orgs"):
            refused = edge.ask("GET", path)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
        other = edge.ask("POST", "/api/v2/query", **shown)
        assert (other.status_code, other.json()["code"]) == (404, "not found")
        edge.keeper.stop()
        assert edge.ask("GET", "/health").status_code == 503
        assert edge.ask("GET", "/ready").status_code == 503
        edge.keeper = Keeper(edge.buffer)
        edge.keeper.start()


def test_without_keys_the_questions_ask_for_none(edge: Standing) -> None:
    assert edge.ask("GET", "/api/v2/buckets").json()["buckets"][0]["name"] == "gridwright"
    assert edge.ask("POST", "/query", data={"q": "DROP DATABASE x"}).status_code == 400


def test_many_at_once_share_a_sync(edge: Standing) -> None:
    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(edge.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            forms = [{"meter_id": f"M-{number}", "reading": "1"} for number in range(100)]
            return await asyncio.gather(*(client.post("/meter_reading", data=form) for form in forms))

    assert {answer.text for answer in asyncio.run(all_of_them())} == {"OK"}
    assert len(edge.kept()) == 100
    assert edge.buffer.appended < 100


def test_too_many_at_once_are_told_to_come_again(edge: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.edge.keeper.WAITING", 0)
    answer = edge.ask("POST", "/meter_reading", data={"meter_id": "M-1", "reading": "1"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


def test_devices_show_a_key_where_there_are_keys(tmp_path: Path) -> None:
    with standing(tmp_path, "one", "two") as edge:
        form = {"meter_id": "M-1", "reading": "1"}
        assert edge.ask("POST", "/meter_reading", data=form).status_code == 401
        assert edge.ask("POST", "/meter_reading", data=form, headers={"X-API-Key": "three"}).status_code == 401
        assert edge.ask("POST", "/meter_reading", data=form, headers={"X-API-Key": "two"}).text == "OK"
        assert (
            edge.ask(
                "POST", "/write", content="m,usage_point=U kwh=1 1764064800000000000", params={"p": "one"}
            ).status_code
            == 204
        )
        assert edge.ask("POST", "/write", content="m,usage_point=U kwh=1 1764064800000000000").status_code == 401
        assert len(edge.kept()) == 2


def test_without_keys_only_this_machine_may_send(tmp_path: Path) -> None:
    assert device_keys(EdgeSettings(host="127.0.0.1")) == ()
    assert device_keys(EdgeSettings(host="::1")) == ()
    assert device_keys(EdgeSettings(host="0.0.0.0", anyone=True)) == ()  # noqa: S104 - checked, not bound
    with pytest.raises(ConfigError, match="anybody who reaches"):
        device_keys(EdgeSettings(host="0.0.0.0"))  # noqa: S104 - checked, not bound
    keys = tmp_path / "keys"
    keys.write_text("# of the meters\none\n\ntwo\n")
    assert len(device_keys(EdgeSettings(host="192.0.2.1", device_keys=keys))) == 2
    keys.write_text("# none\n")
    with pytest.raises(ConfigError, match="there is no key in it"):
        device_keys(EdgeSettings(device_keys=keys))
    with pytest.raises(ConfigError, match="cannot be read"):
        device_keys(EdgeSettings(device_keys=tmp_path))


def test_the_keeper_answers_also_after_a_fault_of_its_own(edge: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> int:
        raise ZeroDivisionError

    ask: Callable[[], httpx.Response] = lambda: edge.ask("POST", "/v1/readings", json=[RECORD])  # noqa: E731
    with monkeypatch.context() as patch:
        patch.setattr(edge.buffer, "append", broken)
        assert ask().status_code == 503
    assert ask().status_code == 200

"""Line protocol to a real server, as Telegraf and devices send it: durable at 204, and told where it is not."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Role
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import VOLTAGE
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import Store, open_store
from tests.integration.listen_site import until
from tests.integration.server_process import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
SETTINGS = {
    "GRIDWRIGHT_LINE_PROTOCOL__IGNORE": '["uptime", "cpu"]',
    "GRIDWRIGHT_LINE_PROTOCOL__FIELDS": '{"shop/oven": {"unit": "Wh"}}',
}
KEYS: dict[str, str] = {}
LEFT_OUT = ("energy/status", "energy/firmware")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines") / "data"
    folder.mkdir()
    with open_store(folder / "gridwright.db") as store, store.transaction():
        store.registry.save_points(ME, [UsagePoint(f"UP-{at}") for at in range(40)])
        store.registry.save_meter(ME, Meter("M-1"))
        store.registry.save_installation(ME, install("UP-1", "M-1", START - timedelta(days=30)))
        for name, role in (("device", Role.DEVICE), ("viewer", Role.VIEWER), ("admin", Role.ADMIN)):
            store.identities.save_user(ME, User(name, role))
            KEYS[name] = store.identities.create_key(ME, name)[1]
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    with serving(data, "--no-worker", env=SETTINGS, quiet=False) as server:
        yield server
    # Each field once, and nothing else.
    told = [line for line in server.stderr.splitlines() if "a text field of lines is left out" in line]
    assert len(told) == len(server.stderr.splitlines()) == len(LEFT_OUT), server.stderr
    assert all(name in line for name, line in zip(LEFT_OUT, told, strict=True))


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client("") as client:
        client.headers["Authorization"] = f"Token {KEYS['device']}"
        yield client


@pytest.fixture
def store(data: Path, server: Server) -> Iterator[Store]:
    with open_store(data / "gridwright.db") as store:
        yield store


def second(slot: int, day: int = 0) -> int:
    return int((START + timedelta(days=day, minutes=15 * slot)).timestamp())


def values(store: Store, point: str, day: int = 0) -> list[float]:
    """Return the delivered energy that is stored of a day."""
    begin = START + timedelta(days=day)
    panel = store.readings.load(ME, point, Interval(begin, begin + timedelta(days=1)), interval=timedelta(minutes=15))
    return [value for value in panel.values[0].tolist() if value == value]  # noqa: PLR0124 - NaN


@pytest.mark.parametrize("path", ["/api/v2/write?org=o&bucket=b&precision=s", "/write?db=telegraf&precision=s&rp=a"])
def test_204_means_stored(client: httpx.Client, store: Store, path: str) -> None:
    point = "UP-2" if "v2" in path else "UP-3"
    body = "".join(f"energy,usage_point={point} energy_kwh=0.25 {second(slot)}\n" for slot in range(96))
    answer = client.post(path, content=gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-length", "content-type", "transfer-encoding"} & set(answer.headers)
    assert client.get("/ping").headers.keys().isdisjoint({"content-length", "transfer-encoding"})
    assert values(store, point) == [250.0] * 96


def test_tags_and_fields_are_understood(client: httpx.Client, store: Store) -> None:
    lines = [
        f"meter,meter=M-1,host=box delivered=0.5,register_kwh=1234.567 {second(4)}",
        f"shop,usage_point=UP-4 oven=250i {second(0)}",
        f"energy,usage_point=UP-4,unit=Wh value=125 {second(1)}",
        f"anything,usage_point=UP-4,unit=kWh,interval_s=900 power_meter=0.5 {second(2)}",
        "voltage,usage_point=UP-4 value=230.1",
        f"cpu,host=box usage=0.5 {second(1)}",
        f'energy,usage_point=UP-4 kwh=0.25,uptime="3 days" {second(3)}',
    ]
    answer = client.post("/write?db=x&precision=s", content="\n".join(lines))
    assert answer.status_code == 204, answer.text
    assert values(store, "UP-1") == [500.0]
    assert values(store, "UP-4") == [250.0, 125.0, 500.0, 250.0]
    (register,) = store.registers.load(ME, "UP-1", Interval(START, START + timedelta(days=1)))
    assert register.value == 1_234_567
    today = datetime.now(UTC).replace(microsecond=0)
    panel = store.readings.load(
        ME, "UP-4", Interval(today - timedelta(hours=1), today + timedelta(minutes=1)), reading_type=VOLTAGE
    )
    assert np.nanmax(panel.values) == 2301


def test_text_beside_numbers_is_left_out_and_named(client: httpx.Client, store: Store) -> None:
    lines = [f'energy,usage_point=UP-26 kwh=0.25,status="ok",firmware="v1.2" {second(slot)}' for slot in range(8)]
    answer = client.post("/api/v2/write?precision=s", content="\n".join(lines))
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["x-gridwright-left-out"] == ", ".join(LEFT_OUT)
    assert values(store, "UP-26") == [250.0] * 8
    message = client.post("/write?precision=s", content=f'energy,usage_point=UP-26 kwh="0.25" {second(9)}').json()
    assert "field kwh '0.25': it is text, not a number" in message["message"]


def test_a_partial_write_keeps_the_good_and_names_the_others(client: httpx.Client, store: Store) -> None:
    good = [f"energy,usage_point=UP-5 kwh=0.25 {second(slot)}" for slot in range(3)]
    bad = [
        f"energy,usage_point=UP-5 kwh=nan {second(4)}",
        f"energy kwh=1 {second(5)}",
        f"energy,usage_point=UP-5 blood_pressure=120 {second(6)}",
        f"energy,usage_point=UP-5 kwh=1 {second(7) + 1}",
        "what is this",
    ]
    answer = client.post("/api/v2/write?precision=s", content="\n".join([*good, *bad]))
    told = answer.json()
    assert (answer.status_code, told["code"], told["line"]) == (400, "invalid", 4)
    assert told["message"].startswith("partial write: line 4, field kwh 'nan': there is no finite number")
    assert told["message"].endswith("dropped=5")
    assert "field blood_pressure '120': nothing tells what this field means" in told["message"]
    off = (START + timedelta(minutes=105, seconds=1)).isoformat()
    assert f"line 7, field kwh at '{off}': it does not start on the grid" in told["message"]
    assert told["error"] == told["message"]
    assert values(store, "UP-5") == [250.0] * 3


@pytest.mark.parametrize("path", ["/write", "/api/v2/write", "/query", "/v1/readings"])
def test_a_parameter_that_is_there_twice_is_refused(client: httpx.Client, path: str) -> None:
    name, told = ("interval_s", ("1800", "900")) if path == "/v1/readings" else ("precision", ("s", "ms"))
    twice = "&".join(f"{name}={value}" for value in told)
    line = f"energy,usage_point=UP-5 kwh=1 {second(4)}"
    answer = client.post(f"{path}?{twice}", content=line, headers={"Content-Type": "application/json"})
    assert (answer.status_code, name in answer.text, "twice" in answer.text) == (400, True, True)


def test_nothing_good_is_no_partial_write(client: httpx.Client) -> None:
    answer = client.post("/write?precision=s", content=f"energy,usage_point=UP-5 kwh=oops {second(4)}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("unable to parse: line 1, field kwh 'oops'")


def test_unknown_meters_wait_and_are_no_error(client: httpx.Client, store: Store) -> None:
    answer = client.post("/write?precision=s", content=f"energy,meter=M-new kwh=1 {second(4)}")
    assert answer.status_code == 204
    assert [one.value for one in store.quarantine.readings(ME, "M-new")] == [1000.0]


def test_sent_again_it_changes_nothing(client: httpx.Client, store: Store) -> None:
    body = f"energy,usage_point=UP-6 kwh=1 {second(0)}"
    for _ in range(3):
        assert client.post("/write?precision=s", content=body).status_code == 204
    assert len(store.readings.versions(ME, "UP-6", START.date())) == 1


def test_every_way_to_show_a_key(server: Server) -> None:
    key = KEYS["device"]
    basic = base64.b64encode(f"telegraf:{key}".encode()).decode()
    line = f"energy,usage_point=UP-7 kwh=1 {second(0)}"
    with server.client("") as client:
        for shown in (f"Token {key}", f"Token telegraf:{key}", f"Bearer {key}", f"Basic {basic}"):
            answer = client.post("/write?precision=s", content=line, headers={"Authorization": shown})
            assert answer.status_code == 204
        assert client.post("/write", params={"u": "x", "p": key, "precision": "s"}, content=line).status_code == 204
        for shown, status, code in (("", 401, "unauthorized"), ("Token no", 401, "unauthorized")):
            answer = client.post("/api/v2/write", content=line, headers={"Authorization": shown} if shown else {})
            assert (answer.status_code, answer.json()["code"]) == (status, code)
        answer = client.post("/api/v2/write", content=line, headers={"Authorization": f"Token {KEYS['viewer']}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_what_clients_ask_before_they_write(server: Server, client: httpx.Client) -> None:
    assert client.get("/ping").status_code == 204
    assert client.get("/ping").headers["x-influxdb-version"].startswith("1.")
    assert client.get("/health").json()["status"] == "pass"
    created = client.post("/query", content='q=CREATE+DATABASE+"telegraf"')
    assert (created.status_code, created.json()) == (200, {"results": [{"statement_id": 0}]})
    assert client.get("/query", params={"q": "SHOW DATABASES"}).json()["results"][0]["series"]
    assert client.get("/query", params={"q": "SELECT * FROM cpu"}).status_code == 400
    with server.client("") as nobody:
        assert nobody.post("/query", content='q=CREATE DATABASE "x"').status_code == 401


def test_what_clients_of_version_2_ask_before_they_write(server: Server, client: httpx.Client) -> None:
    for method in ("GET", "HEAD"):
        for path in ("/api/v2/ping", "/ping"):
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["x-influxdb-build"]) == (204, "gridwright")
        assert client.request(method, "/ready").status_code == 200
    ready = client.get("/ready").json()
    assert (ready["status"], set(ready)) == ("ready", {"status", "started", "up"})
    (bucket,) = client.get("/api/v2/buckets", params={"name": "telegraf", "org": "o"}).json()["buckets"]
    (org,) = client.get("/api/v2/orgs", params={"org": "o"}).json()["orgs"]
    assert (bucket["name"], bucket["orgID"], org["name"]) == ("telegraf", org["id"], "o")
    assert [one["name"] for one in client.get("/api/v2/buckets").json()["buckets"]] == ["gridwright"]
    other = client.post("/api/v2/query", json={"query": "from(bucket: 1)"})
    assert (other.status_code, other.json()["code"]) == (404, "not found")
    assert "interval-blocks" in other.json()["message"]
    with server.client("") as nobody:
        assert nobody.get("/ready").json()["status"] == "ready"
        for path in ("/api/v2/buckets", "/api/v2/orgs"):
            assert (nobody.get(path).status_code, nobody.get(path).json()["code"]) == (401, "unauthorized")


def test_other_wrong_requests(client: httpx.Client) -> None:
    answer = client.post("/write?precision=fortnight", content="m f=1")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert "fortnight" in answer.json()["message"]
    assert client.get("/api/v2/write").status_code == 405
    assert client.post("/write", content=b"\x1f\x8b no gzip", headers={"Content-Encoding": "gzip"}).status_code == 400
    assert client.post("/write", content=b"").status_code == 204


@pytest.mark.parametrize("as_json", [False, True])
def test_a_meter_that_moved_hangs_where_it_was_put_for_whoever_was_told_so(server: Server, *, as_json: bool) -> None:
    """An exchange that was answered holds for the very next reading: no copy of the registry is older than that."""
    old, new, meter = (f"{name}-{as_json}" for name in ("OLD", "NEW", "MOVES"))
    with server.client(KEYS["admin"]) as admin:
        for point in (old, new):
            admin.post("/v1/usage-points", json={"id": point}).raise_for_status()
        hang(admin, old, meter, 0)
        assert post_energy(admin, meter, 0, as_json=as_json)
        hang(admin, old, f"{meter}-2", 4)
        hang(admin, new, meter, 8)
        assert post_energy(admin, meter, 8, as_json=as_json)
        begin, end = ((START + timedelta(minutes=15 * slot)).isoformat() for slot in (0, 9))
        asked = {"from": begin, "to": end}
        kept = [admin.get(f"/v1/usage-points/{one}/interval-blocks", params=asked).json() for one in (old, new)]
    assert [[value for value in one["values"] if value is not None] for one in kept] == [[0.5], [0.5]]


def hang(admin: httpx.Client, point: str, meter: str, slot: int) -> None:
    at = (START + timedelta(minutes=15 * slot)).isoformat()
    admin.post(f"/v1/usage-points/{point}/meter-exchange", json={"serial": meter, "at": at}).raise_for_status()


def post_energy(admin: httpx.Client, meter: str, slot: int, *, as_json: bool) -> bool:
    if as_json:
        record = {"meter": meter, "start": second(slot), "kwh": 0.5, "interval_s": 900}
        return bool(admin.post("/v1/readings", json=[record]).json()["accepted"] == 1)
    line = f"energy,meter={meter} energy_kwh=0.5 {second(slot)}\n"
    return admin.post("/write?precision=s", content=line).status_code == 204


def test_the_first_lines_have_the_machine_code_loaded_whatever_way_they_go(data: Path) -> None:
    pytest.importorskip("numba", reason="lines are compiled where numba is installed")
    with serving(data, "--no-worker", env=SETTINGS) as server, server.client("") as client:
        client.headers["Authorization"] = f"Token {KEYS['admin']}"
        client.post("/write?db=d&precision=s", content=f"energy,usage_point=UP-9 energy_kwh=1 {second(0)}\n")
        until(lambda: client.get("/v1/status").json()["writer"]["compiled"], "the machine code")


@pytest.mark.parametrize("path", ["/api/v2/write?precision=s", "/write?precision=s"])
@pytest.mark.parametrize("odd", ["\x00", "\x01", "\x1b[31m", "\x7f", "\t", "\r", "\x0bSet-Cookie: a=b"])
def test_what_cannot_stand_in_a_header_is_answered_all_the_same(client: httpx.Client, path: str, odd: str) -> None:
    body = f"energy,usage_point=UP-4 kwh=0.25 {second(8)}\nenergy,usage_point=UP-4 a{odd}b=1 {second(8)}\n"
    for _ in range(2):  # the second one by the head that is known
        answer = client.post(path, content=body.encode())
        assert answer.status_code == 400
        assert answer.json()["line"] == 2
        assert (
            "".join(filter(str.isprintable, answer.headers["x-influxdb-error"])) == answer.headers["x-influxdb-error"]
        )
        assert "set-cookie" not in answer.headers

"""Readings by HTTP to a real server: every format, every way to show a key, every kind of bad input."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pyarrow as pa
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Role
from gridwright.domain.identity import User
from gridwright.domain.interval import Interval
from gridwright.domain.quality import Status
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.export_readings import Wanted, plan_export
from gridwright.store import Store, open_store
from tests.integration.server_process import Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gridwright.domain.panel import Panel

POINTS = 80
INSTALLED = datetime(2024, 1, 1, tzinfo=UTC)
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
QUARTER = timedelta(minutes=15)
KEYS: dict[str, str] = {}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "data"
    folder.mkdir()
    with open_store(folder / "gridwright.db") as store, store.transaction():
        store.registry.save_points(ME, [UsagePoint(f"UP-{at}") for at in range(POINTS)])
        for at in range(POINTS):
            store.registry.save_meter(ME, Meter(f"M-{at}"))
            store.registry.save_installation(ME, install(f"UP-{at}", f"M-{at}", INSTALLED))
    return folder


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Server]:
    with serving(data, "--no-worker") as server:
        with open_store(data / "gridwright.db") as store:
            for role in (Role.DEVICE, Role.VIEWER, Role.OPERATOR):
                store.identities.save_user(ME, User(role.value, role))
            store.identities.save_user(ME, User("few", Role.DEVICE, frozenset({"UP-1"})))
            for name in ("device", "viewer", "operator", "few"):
                KEYS[name] = store.identities.create_key(ME, name)[1]
            store.identities.save_user(ME, User("gone", Role.DEVICE))
            revoked, KEYS["revoked"] = store.identities.create_key(ME, "gone")
            store.identities.revoke_key(ME, revoked.id)
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def store(data: Path, server: Server) -> Iterator[Store]:
    with open_store(data / "gridwright.db") as store:
        yield store


def stamp(slot: int, day: int = 0) -> str:
    return (START + timedelta(days=day) + QUARTER * slot).strftime("%Y-%m-%dT%H:%M:%SZ")


def record(point: int, slot: int, kwh: float = 0.25, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"usage_point": f"UP-{point}", "start": stamp(slot), "kwh": kwh, "interval_s": 900} | more


def stored(store: Store, point: str, slot: int, slots: int = 1) -> Panel:
    begin = START + QUARTER * slot
    return store.readings.load(ME, point, Interval(begin, begin + QUARTER * slots), interval=QUARTER)


def post(client: httpx.Client, content: bytes | str, media: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = client.post("/v1/readings", content=content, headers={"Content-Type": media}, **options)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_export_of_hours_that_is_posted_back_says_the_same(client: httpx.Client, store: Store) -> None:
    """Without its ends it became quarter hours with holes, which were estimated up to four times as much."""
    day = START - timedelta(days=20)
    hours = [
        {"usage_point": "UP-48", "start": (day + timedelta(hours=hour)).isoformat(), "kwh": 1.0, "interval_s": 3600}
        | {"quality": "estimated:linear" if hour == 3 else "raw:register" if hour == 4 else "raw"}
        for hour in range(24)
    ]
    assert post(client, json.dumps(hours), "application/json")["accepted"] == len(hours)
    period = Interval(day, day + timedelta(days=1))

    def series(point: str) -> bytes:
        plan = plan_export(store, ME, writer_named("csv"), Wanted((point,), period=period))
        return b"".join(plan.pieces())

    told = post(client, series("UP-48").replace(b"UP-48", b"UP-49"), "text/csv")
    assert (told["accepted"], told["rejected"], told["verdicts"]) == (len(hours), 0, [])
    assert series("UP-49") == series("UP-48").replace(b"UP-48", b"UP-49")


# --- formats ----------------------------------------------------------------------------------------------------------


def arrow(columns: dict[str, Any], *, file: bool = False) -> bytes:
    table, out = pa.table(columns), io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def columns(point: int, first: int) -> dict[str, Any]:
    return {
        "usage_point": pa.array([f"UP-{point}"] * 2).dictionary_encode(),
        "start": pa.array([START + QUARTER * first, START + QUARTER * (first + 1)], pa.timestamp("ms", "UTC")),
        "kwh": pa.array([0.25, 0.5]),
        "interval_s": pa.array([900, 900], pa.int32()),
    }


STREAM, FILE = "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"
TWO = [record(2, 0), record(2, 1, 0.5)]
CSV = f"usage_point,start,kwh,interval_s\nUP-2,{stamp(0)},0.25,900\nUP-2,{stamp(1)},0.5,900\n"
FORMATS: dict[str, tuple[Callable[[], str | bytes], str]] = {
    "list": (lambda: json.dumps(TWO), "application/json"),
    "object": (lambda: json.dumps({"readings": TWO}), "application/json; charset=utf-8"),
    "ndjson": (lambda: "\n\n".join(map(json.dumps, TWO)), "application/x-ndjson"),
    "csv": (lambda: CSV, "text/csv"),
    "semicolons": (lambda: "\ufeff" + CSV.replace(",", ";"), "text/csv"),
    "stream": (lambda: arrow(columns(2, 0)), STREAM),
    "file": (lambda: arrow(columns(2, 0), file=True), FILE),
    "block": (
        lambda: json.dumps({"usage_point": "UP-2", "start": stamp(0), "interval_s": 900, "kwh": [0.25, 0.5, None]}),
        "application/json",
    ),
    "watt-hours": (
        lambda: json.dumps(
            [
                {"meter": "M-2", "timestamp": START.timestamp(), "value": 250, "unit": "Wh", "interval_s": 900},
                {"meter_id": "M-2", "time": (START.timestamp() + 900) * 1000, "value": 0.0005, "unit": "MWh",
                 "interval_s": 900},
            ]
        ),
        "application/json",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_says_the_same(client: httpx.Client, store: Store, name: str) -> None:
    make, media = FORMATS[name]
    assert post(client, make(), media) == {"accepted": 2, "rejected": 0, "quarantined": 0, "verdicts": []}
    np.testing.assert_array_equal(stored(store, "UP-2", 0, 2).values, [[250, 500]])


def test_gzip_is_unpacked(client: httpx.Client) -> None:
    body = gzip.compress(json.dumps(TWO[:1]).encode()) + gzip.compress(b" ")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert client.post("/v1/readings", content=body, headers=headers).json()["accepted"] == 1


def test_the_query_says_what_the_records_do_not(client: httpx.Client, store: Store) -> None:
    body = f"usage_point,start,value\nUP-3,{stamp(0)},125\n"
    assert post(client, body, "text/csv", params={"interval_s": "900", "unit": "Wh"})["accepted"] == 1
    assert stored(store, "UP-3", 0).values.item() == 125
    answer = client.post("/v1/readings?intervall=900", content=body, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 400
    assert "interval_s" in answer.json()["remedy"]


def test_every_kind_of_reading_is_kept_by_its_type(client: httpx.Client, store: Store) -> None:
    said = [
        record(4, 0, flow="received"),
        record(4, 0, quality="estimated"),
        {"usage_point": "UP-4", "start": stamp(0), "value": 1.5, "unit": "kW", "interval_s": 900},
        {"usage_point": "UP-4", "start": stamp(0), "value": 229.9, "unit": "V", "interval_s": 900},
        {"usage_point": "UP-4", "start": stamp(0), "value": 21.55, "unit": "°C", "interval_s": 900},
        {"usage_point": "UP-4", "start": stamp(0), "kwh": 0.1234567, "interval_s": 900,
         "reading_type": "electricity/delivered/energy/delta/-6/fine"},
    ]  # fmt: skip
    assert post(client, json.dumps(said), "application/json")["accepted"] == 6
    found = {series.reading_type.code for series in store.readings.series(ME, "UP-4")}
    assert found == {
        "electricity/received/energy/delta/0",
        "electricity/delivered/energy/delta/0",
        "electricity/net/power/instantaneous/0",
        "electricity/none/voltage/instantaneous/-1",
        "electricity/none/temperature/instantaneous/-2",
        "electricity/delivered/energy/delta/-6/fine",
    }


# --- records that are wrong -------------------------------------------------------------------------------------------

SOUND = record(5, 40)
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "future": (record(5, 0) | {"start": TOMORROW}, "start"),
    "ancient": (record(5, 0) | {"start": "1999-12-31T23:45:00Z"}, "start"),
    "no offset": (record(5, 0) | {"start": "2026-01-01T00:00:00"}, "start"),
    "no date": (record(5, 0) | {"start": "yesterday"}, "start"),
    "off the grid": (record(5, 0) | {"start": stamp(0).replace(":00Z", ":07Z")}, "start"),
    "no such interval": (record(5, 0, interval_s=7), "interval_s"),
    "too long an interval": (record(5, 0, interval_s=7200), "interval_s"),
    "no value": ({"usage_point": "UP-5", "start": stamp(0), "interval_s": 900}, "kwh"),
    "a word for a number": (record(5, 0) | {"kwh": "much"}, "kwh"),
    "too large": (record(5, 0, 1e300), "kwh"),
    "no name": ({"start": stamp(0), "kwh": 1, "interval_s": 900}, "usage_point"),
    "a name with NUL": (record(5, 0) | {"usage_point": "UP\0"}, "usage_point"),
    "half a character": (record(5, 0) | {"usage_point": "\ud800"}, "record"),
    "long type": (record(5, 0, reading_type="electricity/delivered/energy/delta/0/" + "x" * 300), "reading_type"),
    "long name": (record(5, 0) | {"usage_point": "x" * 121}, "usage_point"),
    "unit": ({"usage_point": "UP-5", "start": stamp(0), "value": 1, "unit": "furlong", "interval_s": 900}, "unit"),
    "flow": (record(5, 0, flow="sideways"), "flow"),
    "quality": (record(5, 0, quality="superb"), "quality"),
    "type": (record(5, 0, reading_type="nonsense"), "reading_type"),
    "negative register": ({"meter": "M-5", "at": stamp(0), "register_kwh": -1}, "register_kwh"),
    "not an object": ({}, "record"),
}


@pytest.mark.parametrize("many", [1, 30], ids=["few", "many"])
def test_what_a_request_says_again_is_counted_in_the_answer_and_in_the_status(client: httpx.Client, many: int) -> None:
    def so_far() -> int:
        told = client.get("/v1/status", headers={"X-API-Key": KEYS["operator"]}).json()
        return int(told["writer"]["repeated"])

    before = so_far()
    records = [record(8, 40 + at) for at in range(many)]
    told = post(client, json.dumps([*records, *records]), "application/json")
    assert (told["accepted"], told["rejected"], told["repeated"], told["verdicts"]) == (2 * many, 0, many, [])
    assert so_far() == before + many


@pytest.mark.parametrize("many", [1, 30], ids=["few", "many"])
def test_what_is_finer_than_the_series_is_rounded_and_told(client: httpx.Client, many: int) -> None:
    records = [record(7, 40 + at) for at in range(many)] + [record(7, 0, 0.12345)]
    told = post(client, json.dumps(records), "application/json")
    assert (told["accepted"], told["rejected"], told["rounded"]) == (many + 1, 0, 1)
    (verdict,) = told["verdicts"]
    assert (verdict["index"], verdict["status"], verdict["field"], verdict["value"]) == (
        many,
        "rounded",
        "kwh",
        "0.12345",
    )
    assert "reading_type" in verdict["remedy"]


def test_an_interval_that_nothing_tells_is_that_of_the_settings(client: httpx.Client) -> None:
    told = post(client, json.dumps([{"usage_point": "UP-5", "start": stamp(3), "kwh": 1}]), "application/json")
    assert (told["accepted"], told["verdicts"]) == (1, [])


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("many", [1, 30], ids=["few", "many"])
def test_a_wrong_record_is_named_and_its_neighbours_are_kept(client: httpx.Client, name: str, many: int) -> None:
    wrong, field = WRONG[name]
    records: list[Any] = [record(5, 40 + at) for at in range(many)] + [wrong or 17]
    told = post(client, json.dumps(records), "application/json")
    assert (told["accepted"], told["rejected"], told["quarantined"]) == (many, 1, 0)
    (verdict,) = told["verdicts"]
    assert (verdict["index"], verdict["line"], verdict["status"]) == (many, many + 1, "rejected")
    assert verdict["field"] in {field, ""} or (field == "record" and verdict["field"])
    assert verdict["reason"]
    assert verdict["remedy"]


def test_broken_json_in_record_7_of_1000_costs_that_record_alone(client: httpx.Client) -> None:
    records = [json.dumps(record(at % POINTS, at // POINTS)) for at in range(1000)]
    for broken in ('{"usage_point": "UP-1", "start": , "kwh": 1}', '{"usage_point": "UP-1', '{"kwh": NaN}'):
        records[6] = broken + ("}" if broken.endswith("1") else "")
        told = post(client, f'{{"readings": [{", ".join(records)}]}}', "application/json")
        assert (told["accepted"], told["rejected"]) == (999, 1)
        assert (told["verdicts"][0]["index"], told["verdicts"][0]["line"]) == (6, 7)
        lines = post(client, "\n".join(records), "application/x-ndjson")
        assert (lines["accepted"], lines["verdicts"][0]["line"]) == (999, 7)


def test_lines_of_a_csv_are_counted_as_an_editor_does(client: httpx.Client) -> None:
    body = (
        f"usage_point,start,kwh,interval_s\nUP-6,{stamp(0)},x,900\n\r\n\nUP-6,{stamp(1)}\nUP-6,never,1,900\n"
        f"UP-6,{stamp(2)},1,900\nUP-6,{stamp(3)},,900\n,{stamp(4)},1,900\nUP-6,{stamp(5)},inf,900\n"
    )
    told = post(client, body, "text/csv")
    assert told["accepted"] == 1
    assert [one["line"] for one in told["verdicts"]] == [2, 5, 6, 8, 9, 10]


def test_at_most_a_thousand_verdicts_are_listed_and_all_are_counted(client: httpx.Client) -> None:
    told = post(client, json.dumps([record(5, 0, quality="bad")] * 1500), "application/json")
    assert (told["rejected"], len(told["verdicts"]), told["verdicts_omitted"]) == (1500, 1000, 500)


def test_the_same_twice_counts_and_of_two_values_the_later_wins(client: httpx.Client, store: Store) -> None:
    body = [record(7, 0, 0.25), record(7, 0, 0.25), record(7, 1, 0.25), record(7, 1, 0.75)]
    assert post(client, json.dumps(body), "application/json")["accepted"] == 4
    np.testing.assert_array_equal(stored(store, "UP-7", 0, 2).values, [[250, 750]])


def test_an_interval_that_does_not_fit_the_stored_ones_is_refused_alone(client: httpx.Client) -> None:
    assert post(client, json.dumps([record(8, 0)]), "application/json")["accepted"] == 1
    told = post(client, json.dumps([record(8, 4, interval_s=1800), record(9, 4)]), "application/json")
    assert (told["accepted"], told["rejected"]) == (1, 1)
    assert "do not fit the stored" in told["verdicts"][0]["reason"]


@pytest.mark.parametrize("change", [{"kwh": pa.array(["a", "b"])}, {"usage_point": pa.array([1.5, 2.5])},
                                    {"start": pa.array([True, False])}])  # fmt: skip
def test_arrow_columns_of_another_type_are_told(client: httpx.Client, change: dict[str, Any]) -> None:
    answer = client.post("/v1/readings", content=arrow(columns(2, 0) | change), headers={"Content-Type": STREAM})
    assert answer.status_code in {200, 422}
    told = answer.json()
    assert told.get("rejected", 2) + told.get("quarantined", 0) == 2


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", "application/json", 400),
        (b"17", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"", "application/x-ndjson", 400),
        (b"", "text/csv", 400),
        (b"a,b\n1,2\n", "text/csv", 422),
        (b"nonsense", STREAM, 400),
        (b"nonsense", FILE, 400),
        (b"[]", "", 415),
        (b"[]", "application/xml", 415),
    ],
)
def test_a_body_that_is_none_is_a_problem(client: httpx.Client, body: bytes, media: str, status: int) -> None:
    answer = client.post("/v1/readings", content=body, headers={"Content-Type": media})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["remedy"]


# --- one meter, one reading -------------------------------------------------------------------------------------------


def test_a_meter_reading_is_ok(client: httpx.Client, store: Store) -> None:
    answer = client.post("/meter_reading", data={"meter_id": "M-10", "reading": "1234.567", "at": stamp(0)})
    assert (answer.status_code, answer.text) == (200, "OK")
    as_json = {"meter_id": "M-10", "reading": 1234.817, "at": stamp(1)}
    assert client.post("/meter_reading", json=as_json).text == "OK"
    files = {"meter_id": (None, "M-10"), "reading": (None, "1235067"), "unit": (None, "Wh"), "at": (None, stamp(2))}
    assert client.post("/meter_reading", files=files).text == "OK"
    assert client.post("/meter_reading", data={"meter_id": "M-10", "reading": "1236"}).text == "OK"
    reads = store.registers.load(ME, "UP-10", Interval(START, datetime.now(UTC).replace(microsecond=0) + QUARTER))
    assert [(read.value, read.end_device) for read in reads][:3] == [
        (1234567, "M-10"),
        (1234817, "M-10"),
        (1235067, "M-10"),
    ]
    assert len(reads) == 4
    np.testing.assert_array_equal(stored(store, "UP-10", 0, 2).values, [[250, 250]])  # nobody else measured them


def test_what_a_meter_measured_itself_is_not_derived_anew(client: httpx.Client, store: Store) -> None:
    post(client, json.dumps([record(11, 0, 0.333)]), "application/json")
    for slot, reading in ((0, 10), (1, 10.5)):
        client.post("/meter_reading", data={"meter_id": "M-11", "reading": str(reading), "at": stamp(slot)})
    assert stored(store, "UP-11", 0).values.item() == 333


@pytest.mark.parametrize("several", [False, True])
def test_a_corrected_read_corrects_the_energy_that_was_derived_from_it(
    client: httpx.Client, store: Store, *, several: bool
) -> None:
    point = "UP-43" if several else "UP-44"
    meter = point.replace("UP", "M")

    def send(*reads: tuple[int, float]) -> None:
        if several:
            rows = [{"meter": meter, "at": stamp(slot), "register_kwh": value} for slot, value in reads]
            assert client.post("/v1/readings", json=rows).json()["rejected"] == 0
            return
        for slot, value in reads:
            form = {"meter_id": meter, "reading": f"{value}", "at": stamp(slot)}
            assert client.post("/meter_reading", data=form).text == "OK"

    first = 260
    post(client, json.dumps([record(int(point[3:]), first + 2, 0.333)]), "application/json")  # measured
    send((first, 10), (first + 1, 10.25), (first + 2, 10.5), (first + 3, 10.75), (first + 4, 11))
    assert stored(store, point, first, 4).values.tolist() == [[250, 250, 333, 250]]
    send((first + 2, 10.6), (first + 4, 11.5))
    assert stored(store, point, first, 4).values.tolist() == [[250, 350, 333, 750]]
    versions = store.readings.versions(ME, point, (START + first * QUARTER).date())
    assert len(versions) > 1  # what was known before is kept
    send((first + 2, 10.6), (first + 4, 11.5))
    assert stored(store, point, first, 4).values.tolist() == [[250, 350, 333, 750]]
    assert len(store.readings.versions(ME, point, (START + first * QUARTER).date())) == len(versions)


def test_a_profile_of_another_interval_keeps_no_corrected_read_of_others_out(
    client: httpx.Client, store: Store
) -> None:
    first = 260
    post(client, json.dumps([record(46, first, 0.7, interval_s=1800)]), "application/json")

    def send(middle: float) -> None:
        values = ((0, 10.0), (1, middle), (2, 10.5))
        rows = [
            {"meter": meter, "at": stamp(first + slot), "register_kwh": value}
            for meter in ("M-45", "M-46")
            for slot, value in values
        ]
        assert client.post("/v1/readings", json=rows).json()["rejected"] == 0

    send(10.25)
    assert stored(store, "UP-45", first, 2).values.tolist() == [[250, 250]]
    send(10.3)
    assert stored(store, "UP-45", first, 2).values.tolist() == [[300, 200]]


def test_a_register_that_runs_backwards_is_kept_and_flagged(client: httpx.Client, store: Store) -> None:
    for slot, reading in ((252, 500), (253, 3), (254, 3.25)):
        form = {"meter_id": "M-12", "reading": str(reading), "at": stamp(slot)}
        assert client.post("/meter_reading", data=form).text == "OK"
    since = START + QUARTER * 252
    reads = store.registers.load(ME, "UP-12", Interval(since, since + QUARTER * 3))
    assert [(read.value, read.epoch) for read in reads] == [(500_000, 0), (3_000, 1), (3_250, 1)]
    (finding,) = store.findings.load(ME, ["UP-12"])
    assert (finding.code, finding.period) == ("V32_register", Interval(since, since + QUARTER))
    values = stored(store, "UP-12", 252, 2).values
    np.testing.assert_array_equal(values, [[np.nan, 250]])


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({"reading": "1"}, 400, "meter_id"),
        ({"meter_id": "M-1"}, 400, "reading"),
        ({"meter_id": "M-1", "reading": "12,5"}, 422, "reading"),
        ({"meter_id": "M-1", "reading": "nan"}, 422, "reading"),
        ({"meter_id": "M-1", "reading": "-1"}, 422, "reading"),
        ({"meter_id": "M-1", "reading": "1", "at": "then"}, 422, "at"),
        ({"meter_id": "M-1", "reading": "1", "at": TOMORROW}, 422, "at"),
        ({"meter_id": "M-1", "reading": "1", "unit": "V"}, 422, "unit"),
    ],
)
def test_a_wrong_meter_reading_names_the_field(
    client: httpx.Client, form: dict[str, str], status: int, field: str
) -> None:
    answer = client.post("/meter_reading", data=form)
    assert (answer.status_code, answer.json().get("field")) == (status, field), answer.text
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"meter_id", "application/x-www-form-urlencoded", 400),
        (b"\xff=\xff", "application/x-www-form-urlencoded", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (b"x", "text/plain", 415),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_a_meter_reading_that_is_no_form_is_a_problem(
    client: httpx.Client, body: bytes, media: str, status: int
) -> None:
    answer = client.post("/meter_reading", content=body, headers={"Content-Type": media})
    assert answer.status_code == status, answer.text


def test_another_method_is_told_which_one_there_is(client: httpx.Client) -> None:
    answer = client.get("/meter_reading")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


# --- unknown meters ---------------------------------------------------------------------------------------------------


def test_an_unknown_meter_waits_in_quarantine_until_it_is_claimed(client: httpx.Client, store: Store) -> None:
    answer = client.post("/meter_reading", data={"meter_id": "M-new", "reading": "7", "at": stamp(0)})
    assert answer.status_code == 202
    assert "M-new" in answer.text
    told = post(client, json.dumps([record(1, 0) | {"usage_point": "UP-new"}, record(1, 0)]), "application/json")
    assert (told["accepted"], told["quarantined"], told["verdicts"][0]["status"]) == (1, 1, "quarantined")
    assert {"M-new", "UP-new"} <= {meter.meter for meter in store.quarantine.meters(ME)}
    # As soon as it is registered, its next reading is taken.
    store.registry.save_points(ME, [UsagePoint("UP-new")])
    store.registry.save_meter(ME, Meter("M-new"))
    store.registry.save_installation(ME, install("UP-new", "M-new", INSTALLED))
    assert client.post("/meter_reading", data={"meter_id": "M-new", "reading": "8", "at": stamp(1)}).text == "OK"
    assert [reading.value for reading in store.quarantine.claim(ME, "M-new")] == [7000]


def test_a_reading_from_before_the_meter_was_installed_waits_too(client: httpx.Client) -> None:
    said = [{"meter": "M-13", "at": "2023-12-31T23:00:00Z", "register_kwh": 1}]
    told = post(client, json.dumps(said), "application/json")
    assert (told["quarantined"], told["accepted"]) == (1, 0)
    assert "installed nowhere" in told["verdicts"][0]["reason"]


# --- keys -------------------------------------------------------------------------------------------------------------


def ways(key: str) -> dict[str, dict[str, str]]:
    basic = base64.b64encode(f"meter:{key}".encode()).decode()
    return {
        "bearer": {"Authorization": f"Bearer {key}"},
        "header": {"X-API-Key": key},
        "basic": {"Authorization": f"Basic {basic}"},
    }


@pytest.mark.parametrize("way", ["bearer", "header", "basic"])
def test_a_key_is_shown_in_three_ways(server: Server, way: str) -> None:
    form = {"meter_id": "M-14", "reading": "1", "at": stamp(0)}
    with server.client("", headers=ways(KEYS["device"])[way]) as client:
        assert client.post("/meter_reading", data=form).text == "OK"
    with server.client("", headers=ways("gw_00000000_wrong")[way]) as client:
        answer = client.post("/meter_reading", data=form)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="gridwright"')


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest x"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {"X-API-Key": "x" * 5000},
        {"Cookie": "gridwright_session=anything"},
    ],
)
def test_nobody_comes_in_without_a_key(server: Server, headers: dict[str, str]) -> None:
    with server.client("", headers=headers) as client:
        for path in ("/meter_reading", "/v1/readings"):
            answer = client.post(path, json=[])
            assert (answer.status_code, answer.json()["status"]) == (401, 401)
        assert client.get("/healthz").status_code == 200
        assert client.head("/readyz").status_code == 200
        assert client.get("/readyz").json()["status"] == "ready"


def test_roles_and_reach(server: Server) -> None:
    body = json.dumps([record(15, 0), record(1, 30), record(1, 31) | {"usage_point": "UP-nobody"}])
    media = {"Content-Type": "application/json"}
    with server.client(KEYS["viewer"]) as client:
        answer = client.post("/v1/readings", content=body, headers=media)
        assert (answer.status_code, answer.json()["type"]) == (403, "/docs/errors#AccessDenied")
        assert client.post("/meter_reading", data={"meter_id": "M-1", "reading": "1"}).status_code == 403
    with server.client(KEYS["few"]) as client:
        told = post(client, body, "application/json")
        assert (told["accepted"], told["rejected"], told["quarantined"]) == (1, 2, 0)
        assert client.post("/meter_reading", data={"meter_id": "M-2", "reading": "1"}).status_code == 403
    with server.client(KEYS["revoked"]) as client:
        assert client.post("/v1/readings", content=body, headers=media).status_code == 401
    with server.client(KEYS["device"]) as client:
        assert client.get("/v1/usage-points").status_code in {403, 404}


def test_a_revoked_key_opens_nothing_after_some_seconds(server: Server, store: Store) -> None:
    apikey, token = store.identities.create_key(ME, "operator")
    form = {"meter_id": "M-16", "reading": "1", "at": stamp(0)}
    with server.client(token) as client:
        assert client.post("/meter_reading", data=form).text == "OK"
        store.identities.revoke_key(ME, apikey.id)
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        while client.post("/meter_reading", data=form).status_code != 401:
            assert datetime.now(UTC) < deadline


def test_answers_carry_headers_that_keep_browsers_away(client: httpx.Client) -> None:
    for answer in (client.post("/v1/readings", json=[record(1, 0)]), client.get("/healthz")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# --- the same request again -------------------------------------------------------------------------------------------


def test_a_request_with_a_key_is_done_once(client: httpx.Client, store: Store) -> None:
    headers = {"Idempotency-Key": "batch-1", "Content-Type": "application/json"}
    body = json.dumps([record(17, 0, 0.1), record(17, 1, 0.2, quality="bad")])
    first = client.post("/v1/readings", content=body, headers=headers)
    post(client, json.dumps([record(17, 0, 0.9)]), "application/json")
    again = client.post("/v1/readings", content=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stored(store, "UP-17", 0).values.item() == 900  # the second time nothing was written
    other = client.post("/v1/readings", content=body + " ", headers=headers)
    assert other.status_code == 422
    assert "new key" in other.json()["remedy"]
    form = {"meter_id": "M-17", "reading": "5", "at": stamp(0)}
    twice = [client.post("/meter_reading", data=form, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [answer.text for answer in twice] == ["OK", "OK"]


def test_of_two_requests_at_once_under_a_key_one_is_told_to_wait(server: Server) -> None:
    body = json.dumps([record(at % POINTS, at // POINTS) for at in range(20_000)]).encode()

    async def both() -> list[int]:
        headers = {"Authorization": f"Bearer {server.admin_key}", "Idempotency-Key": "at once"}
        headers["Content-Type"] = "application/json"
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
            answers = await asyncio.gather(*(client.post("/v1/readings", content=body) for _ in range(6)))
        return [answer.status_code for answer in answers]

    statuses = asyncio.run(both())
    assert 200 in statuses
    assert set(statuses) <= {200, 409}


# --- bodies that are too large, late or cut off -----------------------------------------------------------------------


def raw(server: Server, request: bytes, *, hang_up: bool = False) -> bytes:
    address = urlsplit(server.url)
    assert address.hostname is not None
    assert address.port is not None
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request)
        return b"" if hang_up else connection.recv(65_536)


def head(server: Server, *lines: str) -> bytes:
    told = ("POST /v1/readings HTTP/1.1", "Host: x", f"Authorization: Bearer {server.admin_key}", *lines, "", "")
    return "\r\n".join(told).encode()


JSON_BODY = "Content-Type: application/json"


def test_a_body_that_says_it_is_too_large_is_not_read(server: Server) -> None:
    answer = raw(server, head(server, JSON_BODY, f"Content-Length: {1 << 40}"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("told", ["Transfer-Encoding: chunked", f"Content-Length: {80 << 20}"])
def test_who_sends_a_body_that_is_too_large_to_its_end_is_told_so(server: Server, told: str) -> None:
    piece = b" " * (1 << 20)
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if "chunked" in told else piece
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=30) as connection:
        connection.sendall(head(server, JSON_BODY, told))
        for _ in range(80):
            connection.sendall(framed)
        if "chunked" in told:
            connection.sendall(b"0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.endswith(b"}"), "nothing stands behind the answer"


def test_a_gzip_bomb_is_not_unpacked(client: httpx.Client) -> None:
    bomb = gzip.compress(b" " * (80 << 20))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post("/v1/readings", content=bomb, headers=headers).status_code == 413
    for damaged in (bomb[:-20], b"nonsense", bomb[:5]):
        assert client.post("/v1/readings", content=damaged, headers=headers).status_code in {400, 413}
    brotli = headers | {"Content-Encoding": "br"}
    assert client.post("/v1/readings", content=b"x", headers=brotli).status_code == 415


def test_of_a_client_that_is_gone_nothing_is_taken(server: Server, client: httpx.Client, store: Store) -> None:
    body = json.dumps([record(18, 260), record(18, 261)]).encode()
    raw(server, head(server, JSON_BODY, f"Content-Length: {len(body) + 10}") + body, hang_up=True)
    assert post(client, json.dumps([record(18, 85)]), "application/json")["accepted"] == 1
    np.testing.assert_array_equal(stored(store, "UP-18", 260, 2).values, [[np.nan, np.nan]])


# --- many at once -----------------------------------------------------------------------------------------------------


def test_64_clients_at_once_each_get_their_own_answer(server: Server, store: Store) -> None:
    async def one(client: httpx.AsyncClient, number: int) -> None:
        for slot in range(4):
            body = [record(number, 60 + slot, number / 1000 + 0.001), record(number, slot, quality="bad")]
            told = (await client.post("/v1/readings", json=body)).json()
            assert (told["accepted"], told["rejected"], told["verdicts"][0]["index"]) == (1, 1, 1)
            form = {"meter_id": f"M-{number}", "reading": str(50_000 + slot), "at": stamp(60 + slot)}
            assert (await client.post("/meter_reading", data=form)).text == "OK"

    async def every() -> None:
        headers = {"Authorization": f"Bearer {KEYS['device']}"}
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        async with httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=60) as client:
            await asyncio.gather(*(one(client, number) for number in range(64)))

    asyncio.run(every())
    for number in range(64):
        np.testing.assert_array_equal(stored(store, f"UP-{number}", 60, 4).values, [[number + 1] * 4])
    assert store.audit.verify(ME) > 0


@pytest.mark.parametrize("who", ["device", "operator"])
@pytest.mark.parametrize(("many", "word"), [(1, "edited"), (1, "edited:agreed"), (3, "Edited/agreed"), (700, "edited")])
def test_what_a_person_edited_comes_by_an_edit_and_not_as_a_reading(
    server: Server, store: Store, who: str, many: int, word: str
) -> None:
    """Four eyes see an edit; a key that only sends readings must not go round them by a word."""
    good = record(41, 0, 0.5)
    bad = [record(41, 1 + at % 90, 7.77, quality=word) for at in range(many)]
    with server.client(KEYS[who]) as client:
        told = client.post("/v1/readings", json=bad).json()
        assert (told["accepted"], told["rejected"]) == (0, many)
        assert told["verdicts"][0]["field"] == "quality"
        assert "edit" in told["verdicts"][0]["remedy"]
        told = client.post("/v1/readings", json=[*bad, good]).json()
        assert (told["accepted"], told["rejected"]) == (1, many)
        for lines in (1, 50):
            text = "".join(
                f"energy,usage_point=UP-41,quality={word} kwh=7.77 {int((START + at * QUARTER).timestamp())}\n"
                for at in range(1, 1 + lines)
            )
            answer = client.post("/write?precision=s", content=text)
            assert answer.status_code == 400
            assert f"dropped={lines}" in answer.json()["message"]
    values = stored(store, "UP-41", 0, 91).values[0]
    assert (values[0], bool((values == 7770).any())) == (500.0, False)


def test_an_administrator_brings_in_what_was_edited_elsewhere(client: httpx.Client, store: Store) -> None:
    rows = [record(42, slot, 0.5, quality="edited") for slot in range(4)]
    told = client.post("/v1/readings", json=rows).json()
    assert (told["accepted"], told["rejected"]) == (4, 0)
    lines = [f"energy,usage_point=UP-42,quality=edited kwh=0.5 {int((START + 5 * QUARTER).timestamp())}"]
    assert client.post("/write?precision=s", content="\n".join(lines)).status_code == 204
    quality = stored(store, "UP-42", 0, 6).quality[0]
    assert [int(one) for one in quality[[0, 3, 5]]] == [int(Status.EDITED)] * 3

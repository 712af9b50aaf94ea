"""Delivery to a small fake server that is busy, gone or cut off in between: everything arrives, by content once."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import GridwrightError, InputError, UsageError
from gridwright.domain.interval import Interval
from gridwright.simulate import FaultKind
from gridwright.simulate.delivery import (
    LATE_BY,
    Entrance,
    Pace,
    Refused,
    Story,
    follow,
    history,
    late_batches,
    load_story,
    meters_of,
    register_batches,
    register_over_http,
    save_story,
)
from gridwright.simulate.delivery.entrance import ARROW, TRIES
from gridwright.simulate.living import LivingTown, living_town, registry_of
from gridwright.simulate.living.build import FAULTS

START = datetime(2026, 11, 1, tzinfo=UTC)
LIFE = Interval(START, START + timedelta(days=12))
QUARTER = timedelta(minutes=15)
Values = dict[tuple[str, str, str, datetime], float]


@pytest.fixture(scope="module")
def town() -> LivingTown:
    return living_town(6, LIFE, 2, faults=(*FAULTS, FaultKind.EXCHANGE))


class FakeServer(ThreadingHTTPServer):
    """Keeps what it acknowledges; the next answers may be troubles: a status, "cut" before or "lost" after storing."""

    def __init__(self, troubles: list[int | str]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.troubles = troubles
        self.values: Values = {}
        self.registers: list[dict[str, Any]] = []
        self.documents: list[tuple[str, str, Any]] = []
        self.calls = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str, method: str, kind: str, body: bytes) -> int:
        if kind == ARROW:
            rows = pa.ipc.open_stream(io.BytesIO(body)).read_all().to_pylist()
            for row in rows:
                self.values[row["usage_point"], row["unit"], row["flow"], row["start"]] = row["value"]
            return len(rows)
        document: Any = json.loads(body) if kind == "application/json" and body else body.decode()
        if path == "/v1/readings":
            self.registers += document
            return len(document)
        self.documents.append((method, path, document))
        return 0


class Answer(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.calls += 1
        trouble = self.server.troubles.pop(0) if self.server.troubles else ""
        if trouble == "cut":
            self.close_connection = True
            return
        if isinstance(trouble, int):
            self.answer(trouble, {"title": "not now", "detail": "not now", "remedy": "wait"})
            return
        taken = self.server.take(self.path, self.command, self.headers["Content-Type"], body)
        if trouble == "lost":
            self.close_connection = True
            return
        self.answer(200, {"accepted": taken, "rejected": 0, "quarantined": 0, "verdicts": []})

    do_PUT = do_POST  # noqa: N815 - the name that http.server calls

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def fake(*troubles: int | str) -> Iterator[FakeServer]:
    with FakeServer(list(troubles)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def expected(town: LivingTown, period: Interval) -> Values:
    """Return what must be known in the end: what the meters show, with late and corrected values in place."""
    known: Values = {}
    for panel, unit in (
        (town.town.panel, "Wh"),
        (town.town.received, "Wh"),
        (town.masters, "Wh"),
        (town.masters_back, "Wh"),
        (town.voltage, "V"),
    ):
        assert panel is not None
        part = panel.between(period)
        times = [start.replace(tzinfo=UTC) for start in part.times.tolist()]
        flow = part.reading_type.flow.value
        for name, row in zip(part.points, part.values.tolist(), strict=True):
            for start, value in zip(times, row, strict=True):
                if value == value:  # noqa: PLR0124 - NaN
                    known[name, unit, flow, start] = round(value / 10, 1) if unit == "V" else value
    panel, extra = town.town.panel, town.town.extra
    for row, slot, value in zip(extra.row.tolist(), extra.slot.tolist(), extra.value.tolist(), strict=True):
        start = panel.start + slot * panel.interval
        if start in period:
            known[panel.points[row], "Wh", panel.reading_type.flow.value, start] = value
    return known


TROUBLES: list[tuple[int | str, ...]] = [
    (),
    (429, 503, "cut", "lost"),
    ("", "lost", "", 503, 502, "cut", "", "lost"),
    ("cut",) * (TRIES - 1),
]


@pytest.mark.parametrize("troubles", TROUBLES)
def test_everything_arrives_once_by_content_whatever_the_server_does(
    town: LivingTown, troubles: tuple[int | str, ...]
) -> None:
    naps: list[float] = []
    with fake(*troubles) as server, Entrance(server.url, "key", sleep=naps.append) as entrance:
        for batch in (*history(town, LIFE), *late_batches(town, LIFE)):
            entrance.post_batch(batch.body, batch.media_type)
        assert server.values == expected(town, LIFE)
        assert len(naps) == len([trouble for trouble in troubles if trouble])
        assert 429 not in troubles or 7 in naps
    assert entrance.delivered.rejected == 0


def test_a_server_that_stays_away_is_told_and_named() -> None:
    with fake(*([503] * TRIES)) as server, Entrance(server.url, "key", sleep=lambda _: None) as entrance:
        with pytest.raises(GridwrightError, match="does not answer: status 503") as caught:
            entrance.post_batch(b"[]", "application/json")
        assert server.url == caught.value.where


def test_a_no_is_not_asked_again() -> None:
    with fake(403) as server, Entrance(server.url, "key", sleep=lambda _: None) as entrance:
        with pytest.raises(Refused, match="not now"):
            entrance.post_batch(b"[]", "application/json")
        assert server.calls == 1


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://here", "http://"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        Entrance(url, "key")


@pytest.mark.parametrize("speed", [0.0, 1.5, 40.0])
def test_the_whole_story_told_live_never_runs_ahead_of_the_clock_and_late_values_come_late(
    town: LivingTown, speed: float
) -> None:
    late = next(fault for fault in town.town.faults if fault.kind is FaultKind.LATE)
    row = late.usage_point, "Wh", "delivered", late.period.start
    flow = town.town.panel.reading_type.flow.value
    now = START
    seen: list[tuple[datetime, bool]] = []

    def clock() -> datetime:
        nonlocal now
        now += timedelta(hours=5)
        return now

    with fake() as server, Entrance(server.url, "key") as entrance:

        def tell(done: datetime, _: int) -> None:
            assert done <= now
            assert max(start for *_, start in server.values) + QUARTER <= now
            seen.append((done, (row[0], "Wh", flow, row[3]) in server.values))

        until = LIFE.end
        done = follow(
            town, entrance, START, Pace(clock, speed, whole_story=True), threading.Event(), until=until, tell=tell
        )
        assert done == until
    for moment, there in seen:
        assert there == (moment > late.period.start + LATE_BY)
    assert len({read["at"] for read in server.registers}) == 13
    assert server.values.keys() <= expected(town, LIFE).keys()


def test_an_interrupted_delivery_goes_on_where_it_was(town: LivingTown, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    story = Story("http://here", 6, 2, START, LIFE.end, START)
    pace = Pace(lambda: LIFE.end + LATE_BY, 0, whole_story=True)

    def keep(done: datetime, _: int) -> None:
        save_story(state, story.told_until(done))

    with fake("", "", *(["cut"] * TRIES)) as server, Entrance(server.url, "k", sleep=lambda _: None) as entrance:
        with pytest.raises(GridwrightError, match="does not answer"):
            follow(town, entrance, story.done, pace, threading.Event(), tell=keep)
        kept = load_story(state) or story
        follow(town, entrance, kept.done, pace, threading.Event(), tell=keep)
        for batch in late_batches(town, Interval(LIFE.end - LATE_BY, LIFE.end)):
            entrance.post_batch(batch.body)
        assert server.values == expected(town, LIFE)
    last = load_story(state)
    assert last is not None
    assert last.done == LIFE.end


def test_a_stop_is_obeyed_before_the_next_part(town: LivingTown) -> None:
    stop = threading.Event()
    with fake() as server, Entrance(server.url, "key") as entrance:
        done = follow(town, entrance, START, Pace(lambda: LIFE.end, 0), stop, tell=lambda *_: stop.set())
    assert START < done < LIFE.end


@given(
    speed=st.floats(0, 1e6),
    passed=st.lists(st.timedeltas(timedelta(0), timedelta(days=400)), min_size=2, max_size=8),
    behind=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_town_time_never_goes_back_nor_into_the_future(
    speed: float, passed: list[timedelta], behind: timedelta
) -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    now = begun
    pace = Pace(lambda: now, speed)
    told = []
    for after in sorted(passed):
        now = begun + after
        told.append(pace.town_time(begun, begun - behind))
        assert told[-1] <= now
    assert told == sorted(told)
    if speed == 1:
        assert told[-1] == now - behind


def test_registration_names_everything_once_and_an_exchange_with_its_reads(town: LivingTown) -> None:
    registry = registry_of(town)
    steps: list[tuple[int, int]] = []
    with fake() as server, Entrance(server.url, "key") as entrance:
        calls = register_over_http(entrance, registry, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (calls, calls) == (len(server.documents), len(server.documents))
    exchange = next(document for *_, document in server.documents if "final_kwh" in document)
    assert exchange["serial"] == registry.changes[0].serial
    assert server.documents[-1][:2] == ("PUT", "/v1/grid/topology")


def test_what_is_registered_already_is_no_trouble(town: LivingTown) -> None:
    registry = registry_of(town)
    known: list[int | str] = [409] * (len(registry.points) + len(registry.installations))
    with fake(*known) as server, Entrance(server.url, "key") as entrance:
        register_over_http(entrance, registry)
        assert server.documents[-1][:2] == ("PUT", "/v1/grid/topology")


def test_register_reads_name_the_meter_that_hung_there(town: LivingTown) -> None:
    change = registry_of(town).changes[0]
    records = [r for batch in register_batches(town, LIFE) for r in json.loads(batch.body)]
    old = change.serial.removesuffix("-B")
    for record in records:
        at = datetime.fromisoformat(record["at"])
        assert record["meter"] != old or at < change.at
        assert record["meter"] != change.serial or at > change.at


def test_meters_on_a_port_count_what_the_town_used(town: LivingTown) -> None:
    points = town.town.panel.points[:2]
    now = LIFE.end
    meters = meters_of(town, points, lambda: now, drifts=[12.0])
    assert [meter.drift_s for meter in meters] == [12.0, 0.0]
    for point, meter in zip(points, meters, strict=True):
        day = Interval(START, START + timedelta(days=1))
        true = town.truth.panel.row(point).between(day).values[0]
        assert np.array_equal(meter.measured(day, town.town.panel.reading_type.flow), true)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"url": "u", "homes": "many"}', "\x00", '{"since": 7}'])
def test_a_spoiled_state_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be read") as caught:
        load_story(path)
    assert caught.value.where == str(path)


def test_no_state_is_no_story_and_another_town_is_another_story(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    assert load_story(path) is None
    story = Story("http://a", 6, 2, START, LIFE.end, START)
    save_story(path, story)
    assert load_story(path) == story
    assert not story.is_same_town(Story("http://a", 7, 2, START, LIFE.end, START))
    assert story.is_same_town(Story("http://a", 6, 2, LIFE.start, LIFE.end, LIFE.end))

"""Batches of edges at the centre: each number once and in order, whatever is sent again, missing, or wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from unittest.mock import patch
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridwright.api.edge.decode import PATHS
from gridwright.api.edge.portions import FEWEST, HOLD_S, MOST, Decodeds, Pace, portions
from gridwright.api.edge.wire import MEDIA, ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access
from gridwright.domain.edge import EdgeStream
from gridwright.domain.errors import StoreFull
from gridwright.domain.interval import Interval
from gridwright.domain.quality import Status
from gridwright.domain.usage_point import MAX_ID
from tests.integration.api.small_town import NOW, Town

if TYPE_CHECKING:
    import httpx

MICRO = 1_000_000
FORM = "application/x-www-form-urlencoded"
DAY = Interval(NOW - timedelta(days=1), NOW + timedelta(hours=1))


def us(moment: datetime) -> int:
    return int(moment.timestamp() * MICRO)


def form(number: int, value: float, minutes_ago: float = 0, **more: Any) -> Record:  # noqa: ANN401
    """A register read of M-1 that came in some minutes ago and has no time of its own."""
    came, body = us(NOW - timedelta(minutes=minutes_ago)), f"meter_id=M-1&reading={value}".encode()
    record = Record(number, "/meter_reading", FORM, "", came, ClockTrust.RIGHT, stamped=True, body=body)
    return msgspec.structs.replace(record, **more)


def interval(number: int, slot: int, kwh: float, point: str = "UP-1") -> Record:
    start = (NOW - timedelta(hours=6) + timedelta(minutes=15) * slot).isoformat()
    body = msgspec.json.encode([{"usage_point": point, "start": start, "kwh": kwh}])
    query = "interval_s=900"
    return Record(
        number, "/v1/readings", "application/json", query, us(NOW), ClockTrust.RIGHT, stamped=False, body=body
    )


def batch(*records: Record, first: int | None = None, last: int | None = None, **more: Any) -> EdgeBatch:  # noqa: ANN401
    first = first or records[0].sequence
    last = records[-1].sequence if last is None else last
    report = more.pop("report", Report(us(NOW)))
    return EdgeBatch(more.pop("epoch", "a1"), first, last, list(records), report, **more)


def send(town: Town, sent: EdgeBatch, who: str = "device", edge: str = "E-1", **headers: str) -> httpx.Response:
    content = msgspec.msgpack.encode(sent)
    return town.ask(
        "POST", f"/v1/edges/{edge}/batches", who, content=content, headers={"Content-Type": MEDIA, **headers}
    )


def reads(town: Town) -> dict[datetime, float]:
    found = town.platform.store.registers.load(ME, "UP-1", DAY)
    return {read.at: read.value for read in found}


@pytest.mark.parametrize("name", ["north/2", "a%2Fb", "電" * MAX_ID])
def test_an_edge_may_be_called_anything(town: Town, name: str) -> None:
    told = send(town, batch(form(1, 200.5, 30)), edge=quote(name, safe=""))
    assert told.status_code == HTTPStatus.OK, told.text
    assert name in {each["edge"] for each in town.get("/v1/edges").json()["items"]}


def test_a_batch_is_durable_with_its_numbers(town: Town) -> None:
    before = reads(town)
    told = send(town, batch(form(1, 200.5, 30), form(2, 201, 20), interval(3, 0, 0.25), interval(4, 1, 0.5, "UP-X")))
    assert told.status_code == HTTPStatus.OK
    answer = told.json()
    assert (answer["acknowledged"], answer["accepted"], answer["quarantined"], answer["rejected"]) == (4, 3, 1, 0)
    assert answer["now_us"] == us(NOW)
    fresh = {at: value for at, value in reads(town).items() if at not in before}
    assert fresh == {NOW - timedelta(minutes=30): 200_500.0, NOW - timedelta(minutes=20): 201_000.0}
    (edge,) = town.get("/v1/edges").json()["items"]
    assert (edge["edge"], edge["acknowledged"], edge["readings"], edge["lost"]) == ("E-1", 4, 3, 0)


@pytest.mark.parametrize("together", [True, False])
def test_a_read_that_jumps_and_comes_back_is_told_as_doubted_not_as_refused(town: Town, together: bool) -> None:
    """Records of one read each are written as one load: its doubt went back to the edge as a refusal."""
    sent = [form(1, 200.5, 40), form(2, 900, 30), form(3, 201, 20), form(4, 201.5, 10)]
    answers = [send(town, batch(*sent))] if together else [send(town, batch(one)) for one in sent]
    told = [answer.json() for answer in answers]
    assert [sum(one[name] for one in told) for name in ("accepted", "rejected", "doubted")] == [4, 0, int(together)]
    assert all(one["refused"] == [] for one in told)
    assert NOW - timedelta(minutes=30) in reads(town), "it is kept"


def test_what_is_sent_again_changes_nothing_and_what_is_new_in_it_counts(town: Town) -> None:
    first = batch(form(1, 200.5, 30), form(2, 201, 20))
    send(town, first)
    audited, stored = len(town.platform.store.audit.records(ME)), reads(town)
    again = send(town, first).json()
    assert (again["acknowledged"], again["accepted"]) == (2, 0)
    assert reads(town) == stored
    assert len(town.platform.store.audit.records(ME)) == audited
    # The same number with other content was acknowledged as it was then.
    assert send(town, batch(form(2, 999, 20), form(3, 202, 10))).json()["accepted"] == 1
    assert max(reads(town).values()) == 202_000.0


def test_missing_numbers_are_refused_with_the_one_that_is_expected(town: Town) -> None:
    send(town, batch(form(1, 200)))
    refused = send(town, batch(form(4, 210)))
    assert refused.status_code == HTTPStatus.CONFLICT
    assert refused.json()["expected"] == 2
    told = send(town, batch(form(4, 210, 5), first=2, lost=[(2, 3)]))
    assert told.json()["acknowledged"] == 4
    (edge,) = town.get("/v1/edges").json()["items"]
    assert edge["lost"] == 2
    lost = [record for record in town.platform.store.audit.records(ME, limit=9) if "lost" in record.detail]
    assert [(record.subject, record.detail["lost"], record.detail["numbers"]) for record in lost] == [
        ("edge E-1", 2, "2-3")
    ]


def test_what_we_had_and_lack_since_a_restore_is_audited_with_its_time(town: Town) -> None:
    """Asked for with a batch of no record behind what the edge has an answer for; a centre of any release says 409."""
    send(town, batch(form(1, 200, 90)))
    assert send(town, batch(first=2, last=1)).json()["acknowledged"] == 1
    assert send(town, batch(first=6, last=5)).json()["expected"] == 2
    until = NOW - timedelta(minutes=20)
    told = send(town, batch(first=2, last=5, lost=[(2, 5)], until_us=us(until)))
    assert told.json()["acknowledged"] == 5
    newest = town.platform.store.audit.records(ME, limit=1)[0]
    assert newest.detail == {
        "epoch": "a1", "lost": 4, "numbers": "2-5", "since": NOW.isoformat(), "until": until.isoformat()
    }  # fmt: skip


def test_a_new_epoch_begins_at_one_and_the_old_one_still_stands(town: Town) -> None:
    send(town, batch(form(1, 200, 9), form(2, 201, 8)))
    assert send(town, batch(form(5, 210), epoch="b2")).json()["expected"] == 1
    assert send(town, batch(form(1, 202, 7), epoch="b2")).json()["acknowledged"] == 1
    assert send(town, batch(first=3, last=2)).json()["acknowledged"] == 2
    (edge,) = town.get("/v1/edges").json()["items"]
    assert edge["readings"] == 3


def test_what_is_refused_is_told_also_to_an_edge_that_never_got_the_answer(town: Town) -> None:
    ancient = form(2, 0, body=b"meter_id=M-1&reading=5&at=1970-01-01T00:00:00Z", stamped=False)
    nonsense = form(3, 0, body=b"\xff\xfe")
    unknown_path = msgspec.structs.replace(form(4, 1), path="/etc/passwd")
    sent = batch(form(1, 200, 9), ancient, nonsense, unknown_path)
    told = send(town, sent).json()
    assert (told["acknowledged"], told["accepted"], told["rejected"]) == (4, 1, 3)
    assert [one["sequence"] for one in told["refused"]] == [2, 3, 4]
    assert "before the year 2000" in told["refused"][0]["verdicts"][0]["reason"]
    assert told["refused"][1]["verdicts"][0]["reason"].startswith("the body is no sound")
    again = send(town, sent).json()
    assert again["refused"] == told["refused"]
    # In other portions too, and until the edge goes on.
    assert [one["sequence"] for one in send(town, batch(*sent.records[:2])).json()["refused"]] == [2]
    assert [one["sequence"] for one in send(town, batch(*sent.records[2:])).json()["refused"]] == [3, 4]
    assert send(town, batch(form(5, 201))).json()["refused"] == []


def test_many_single_readings_of_one_meter_are_told_apart(town: Town) -> None:
    start = NOW - timedelta(minutes=100)
    sent = [form(number, 200 + number, 100 - number) for number in range(1, 41)]
    sent[20] = form(21, 9_999_999, 79)  # between two good ones it cannot be: it is kept, and set aside
    sent[30] = form(31, 230, 70, body=b"meter_id=M-1&reading=-1")
    sent[35] = msgspec.structs.replace(sent[34], sequence=36, body=b"meter_id=M-1&reading=235.5")  # the same instant
    told = send(town, batch(*sent)).json()
    assert (told["accepted"], told["rejected"], told["acknowledged"]) == (39, 1, 40)
    assert [one["sequence"] for one in told["refused"]] == [31]
    found = {at: value for at, value in reads(town).items() if at > start}
    assert found[NOW - timedelta(minutes=65)] == 235_500.0
    assert len(found) == 38


def test_a_time_that_is_a_guess_is_marked(town: Town) -> None:
    send(town, batch(form(1, 200, 90, clock=ClockTrust.GUESSED), form(2, 201, 80)))
    found = town.platform.store.registers.load(ME, "UP-1", DAY)
    quality = {read.at: Status(read.quality) for read in found}
    assert quality[NOW - timedelta(minutes=90)] is Status.ESTIMATED
    assert quality[NOW - timedelta(minutes=80)] is Status.RAW


def test_a_receipt_is_never_in_the_future(town: Town) -> None:
    assert send(town, batch(form(1, 200, -600))).json()["accepted"] == 1
    assert max(reads(town)) == NOW


def test_how_an_edge_is_can_be_asked(fuzzed_town: Town) -> None:
    report = Report(us(NOW + timedelta(seconds=90)), waiting=7, dropped=3, oldest_us=us(NOW - timedelta(hours=2)))
    send(fuzzed_town, batch(first=1, last=0, report=report), edge="asked")
    (edge,) = [one for one in fuzzed_town.get("/v1/edges", "viewer").json()["items"] if one["edge"] == "asked"]
    assert (edge["waiting"], edge["dropped"], edge["clock_ahead_s"], edge["lag_s"]) == (7, 3, 90.0, 7200.0)
    for odd in (Report(-(1 << 63), -1, -5, 1 << 63), Report((1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1, -(1 << 63))):
        assert send(fuzzed_town, batch(first=1, last=0, report=odd)).status_code == HTTPStatus.OK


def test_an_edge_belongs_to_who_used_its_name_first(town: Town) -> None:
    send(town, batch(form(1, 200)))
    assert send(town, batch(form(2, 201)), "operator").status_code == HTTPStatus.FORBIDDEN
    assert send(town, batch(form(2, 201)), "operator", edge="E-2").json()["expected"] == 1
    assert send(town, batch(form(2, 201)), "admin").status_code == HTTPStatus.OK
    assert send(town, batch(form(3, 202)), "viewer").status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no batch of an edge"),
        (b"\x93\x01\x02", "no batch of an edge"),
        (msgspec.msgpack.encode(batch(form(1, 1), form(1, 1))), "number 2 is neither a record nor lost, or is there"),
        (msgspec.msgpack.encode(batch(form(1, 1), form(3, 1))), "number 2 is neither"),
        (msgspec.msgpack.encode(batch(form(1, 1), last=3)), "number 2 is neither a record nor lost"),
        (msgspec.msgpack.encode(batch(form(2, 1), first=2, lost=[(1, 2)])), "number 2 is neither"),
        (msgspec.msgpack.encode(batch(form(1, 1), first=9)), "no range of numbers"),
        (msgspec.msgpack.encode(batch(form(1, 1), epoch="../x")), "letters and digits"),
    ],
)
def test_nonsense_is_refused(fuzzed_town: Town, content: bytes, told: str) -> None:
    headers = {"Content-Type": MEDIA}
    answer = fuzzed_town.ask("POST", "/v1/edges/E-9/batches", "device", content=content, headers=headers)
    assert answer.status_code in {400, 422}
    assert told in answer.json()["detail"]
    assert "E-9" not in fuzzed_town.get("/v1/edges").text


def test_other_content_and_odd_names_are_refused(fuzzed_town: Town) -> None:
    assert send(fuzzed_town, batch(form(1, 1)), **{"Content-Type": "text/plain"}).status_code == 415
    assert send(fuzzed_town, batch(form(1, 1)), edge="%20").status_code == 422
    assert send(fuzzed_town, batch(form(1, 1)), edge="x" * 121).status_code == 422


def test_a_full_store_takes_nothing_of_a_batch(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFull("no room")

    stored = reads(town)
    with monkeypatch.context() as patch:
        patch.setattr(town.platform.store.edges, "advance", full)
        assert send(town, batch(form(1, 200))).status_code == HTTPStatus.INSUFFICIENT_STORAGE
    assert reads(town) == stored
    assert send(town, batch(form(1, 200))).json()["accepted"] == 1


def strays(number: int, count: int) -> Record:
    """A record with readings of meters that nobody knows, each of another one."""
    start = (NOW - timedelta(hours=6)).isoformat()
    body = msgspec.json.encode([{"meter": f"X-{number}-{one}", "start": start, "kwh": 1} for one in range(count)])
    return msgspec.structs.replace(interval(number, 0, 1), body=body)


def steps(town: Town, patch: pytest.MonkeyPatch, *, fails_after: int | None = None) -> list[tuple[int, int]]:
    """Note the numbers that become durable, with how much waits in quarantine; after some of them nothing does."""
    store, found = town.platform.store, list[tuple[int, int]]()
    advance = store.edges.advance

    def noted(access: Access, stream: EdgeStream, **more: Any) -> None:  # noqa: ANN401 - as it is asked
        if fails_after is not None and len(found) >= fails_after:
            raise StoreFull("no room")
        advance(access, stream, **more)
        found.append((stream.sequence, sum(meter.readings for meter in store.quarantine.meters(ME, limit=1_000))))

    patch.setattr(store.edges, "advance", noted)
    return found


FLOOD = batch(
    form(1, 200.5, 30), strays(2, 4), strays(3, 6), interval(4, 0, 0.25), form(7, -1), strays(8, 25), strays(9, 1),
    interval(10, 1, 0.5), lost=[(5, 6), (11, 12)], last=12,
)  # fmt: skip
PORTIONS = [7, 8, 12]  # where its portions of at most 10 end; one record stays whole


def test_a_flood_of_unknown_names_is_written_in_portions(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.edge.batches.STRAYS", 10)
    waited = sum(meter.readings for meter in town.platform.store.quarantine.meters(ME))
    noted = steps(town, monkeypatch)
    told = send(town, FLOOD).json()
    assert noted == [(7, waited + 10), (8, waited + 35), (12, waited + 36)]
    assert (told["acknowledged"], told["accepted"], told["quarantined"], told["rejected"]) == (12, 3, 36, 1)
    assert [one["sequence"] for one in told["refused"]] == [7]
    (edge,) = town.get("/v1/edges").json()["items"]
    assert (edge["acknowledged"], edge["lost"], edge["readings"], edge["rejected"]) == (12, 4, 3, 1)
    assert send(town, FLOOD).json()["refused"] == told["refused"]


@pytest.mark.parametrize("durable", range(len(PORTIONS)))
def test_a_flood_that_is_broken_off_goes_on_where_it_stands(
    town: Town, monkeypatch: pytest.MonkeyPatch, durable: int
) -> None:
    """A receipt beyond our clock gets the time at which it is written: half a portion would come twice."""
    monkeypatch.setattr("gridwright.api.edge.batches.STRAYS", 10)
    ahead = form(9, 9, -60, body=b"meter_id=X-9&reading=9")
    sent = msgspec.structs.replace(FLOOD, records=[*FLOOD.records[:-2], ahead, FLOOD.records[-1]])
    store = town.platform.store
    waited = sum(meter.readings for meter in store.quarantine.meters(ME))
    with monkeypatch.context() as patch:
        noted = steps(town, patch, fails_after=durable)
        assert send(town, sent).status_code == HTTPStatus.INSUFFICIENT_STORAGE
    assert [sequence for sequence, _ in noted] == PORTIONS[:durable]
    kept = sum(meter.readings for meter in store.quarantine.meters(ME, limit=1_000))
    assert kept == (noted[-1][1] if noted else waited)
    monkeypatch.setattr(town.platform, "clock", lambda: NOW + timedelta(seconds=90))
    told = send(town, sent).json()
    assert (told["acknowledged"], [one["sequence"] for one in told["refused"]]) == (12, [7])
    waiting = {meter.meter: meter.readings for meter in store.quarantine.meters(ME, limit=1_000)}
    assert (sum(waiting.values()), waiting["X-9"]) == (waited + 36, 1)
    (edge,) = town.get("/v1/edges").json()["items"]
    assert (edge["acknowledged"], edge["lost"], edge["readings"], edge["rejected"]) == (12, 4, 3, 1)


def test_a_replay_is_written_in_portions_so_that_others_get_between(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.api.edge.portions.HOLD_S", 0.0)
    monkeypatch.setattr("gridwright.api.edge.portions.FEWEST", 3)
    monkeypatch.setattr("gridwright.api.edge.batches.Pace", partial(Pace, readings=3))
    noted = steps(town, monkeypatch)
    sent = batch(*(form(number, 200 + number, 30 - number) for number in range(1, 11)), last=12, lost=[(11, 12)])
    told = send(town, sent).json()
    assert (told["acknowledged"], told["accepted"], told["rejected"]) == (12, 10, 0)
    assert [sequence for sequence, _ in noted] == [3, 6, 9, 12]
    (edge,) = town.get("/v1/edges").json()["items"]
    assert (edge["acknowledged"], edge["lost"], edge["readings"]) == (12, 2, 10)


class Sized(NamedTuple):
    """A batch that has so many readings, and so many of them for the quarantine."""

    readings: int
    strays: int


SIZES = st.builds(lambda strays, known: Sized(strays + known, strays), st.integers(0, 12), st.integers(0, 12))


@example(sizes=[Sized(2, 2), Sized(1, 0)], most=3, aside=1, more=0)
@given(sizes=st.lists(SIZES, max_size=12), most=st.integers(1, 20), aside=st.integers(1, 10), more=st.integers(-5, 5))
def test_portions_are_all_records_in_order_and_none_holds_too_much(
    sizes: list[Sized], most: int, aside: int, more: int
) -> None:
    records = [form(number, 1) for number in range(1, len(sizes) + 1)]
    decoded = cast("Decodeds", list(zip(records, sizes, strict=True)))
    pace, found = Pace(aside, most), list[tuple[int, Decodeds]]()
    with patch("gridwright.api.edge.portions.Batch", Sized):
        for last, portion in portions(decoded, 99, pace):
            found.append((last, portion))
            with_some = [one for _, one in cast("list[tuple[Record, Sized]]", portion) if one.readings]
            assert len(with_some) <= 1 or sum(one.readings for one in with_some) <= pace.readings
            strays = [one.strays for one in with_some if one.strays]
            assert sum(strays) <= aside or len(strays) == 1
            pace.readings = max(1, pace.readings + more)
    assert [one for _, portion in found for one in portion] == decoded
    assert [last for last, _ in found] == [*(portion[-1][0].sequence for _, portion in found[:-1]), 99]


@given(readings=st.integers(1, 100_000), seconds=st.floats(0, 100), before=st.integers(FEWEST, MOST))
def test_a_portion_holds_what_fits_its_time_and_no_more_than_twice_the_last(
    readings: int, seconds: float, before: int
) -> None:
    pace = Pace(1, before)
    pace.took(readings, seconds)
    assert FEWEST <= pace.readings <= min(MOST, 2 * before)
    assert pace.readings == FEWEST or pace.readings * max(seconds, 0.001) <= readings * HOLD_S + seconds


@given(
    records=st.lists(
        st.builds(
            Record,
            st.just(0),
            st.sampled_from(PATHS) | st.text(max_size=20),
            st.sampled_from([FORM, "application/json", "text/csv", "application/x-ndjson"]) | st.text(max_size=20),
            st.sampled_from(["", "interval_s=900", "precision=s"]) | st.text(max_size=20),
            st.integers(-(1 << 63), (1 << 64) - 1),
            st.sampled_from(ClockTrust),
            st.booleans(),
            st.binary(max_size=60) | st.sampled_from([b"meter_id=M-1&reading=1", b"[]", b"m,usage_point=UP-1 kwh=1"]),
        ),
        max_size=4,
    )
)
@settings(max_examples=15)
def test_whatever_a_record_holds_it_has_a_verdict(fuzzed_town: Town, records: list[Record]) -> None:
    at = send(fuzzed_town, batch(first=1, last=0), edge="fuzz").json()["acknowledged"]
    numbered = [msgspec.structs.replace(one, sequence=at + 1 + number) for number, one in enumerate(records)]
    told = send(fuzzed_town, batch(*numbered, first=at + 1, last=at + len(records)), edge="fuzz")
    assert told.status_code == HTTPStatus.OK, told.text
    assert told.json()["acknowledged"] == at + len(records)


@given(content=st.binary(max_size=80), at=st.integers(0, 200), byte=st.integers(0, 255))
@settings(max_examples=15)
def test_whatever_is_sent_is_answered(fuzzed_town: Town, content: bytes, at: int, byte: int) -> None:
    sound = bytearray(msgspec.msgpack.encode(batch(form(1, 1.0), epoch="damaged")))
    sound[at % len(sound)] = byte
    for each in (content, bytes(sound), bytes(sound[: at % len(sound)])):
        path, headers = "/v1/edges/fuzz-2/batches", {"Content-Type": MEDIA}
        answer = fuzzed_town.ask("POST", path, "device", content=each, headers=headers)
        assert answer.status_code in {200, 400, 409, 422}, answer.text


def test_what_finds_no_room_in_quarantine_is_told_to_the_edge(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many single readings written as one load only the load's own verdicts knew: they were nowhere, and unsaid."""
    store = town.platform.store
    waited = sum(meter.readings for meter in store.quarantine.meters(ME))
    monkeypatch.setattr("gridwright.store.quarantine.LIMIT", waited + 3)
    forms = [form(at, 100 + at, body=f"meter_id=X-{at}&reading={at}".encode()) for at in range(1, 9)]
    told = send(town, batch(*forms, form(9, 200))).json()
    assert (told["acknowledged"], told["accepted"], told["quarantined"], told["rejected"]) == (9, 1, 3, 5)
    assert [one["sequence"] for one in told["refused"]] == [4, 5, 6, 7, 8]
    assert all("the quarantine is full" in str(one) for one in told["refused"])
    assert sum(meter.readings for meter in store.quarantine.meters(ME)) == waited + 3

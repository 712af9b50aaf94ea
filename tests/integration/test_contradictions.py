"""V03 by every entrance: two values for one interval end on the work list, once, whoever brings them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from gridwright.cli.reading_import import words
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.work import tasks
from tests.integration.api.small_town import Town

DAY = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FIRST = DAY + 8 * QUARTER
Send = Callable[[Town, list[float]], object]


@pytest.fixture
def town(town: Town) -> Town:
    town.platform.store.registry.save_points(ME, [UsagePoint("HOME", "Europe/Berlin")])
    return town


def by_json(town: Town, kwh: list[float]) -> None:
    """Post each value for the same interval, all in one request."""
    answer = town.post("/v1/readings", [{"usage_point": "HOME", "start": FIRST.isoformat(), "kwh": one} for one in kwh])
    assert answer.json()["accepted"] == len(kwh), answer.text


def by_csv(town: Town, kwh: list[float]) -> None:
    rows = "".join(f"HOME,{FIRST.isoformat()},{one}\n" for one in kwh)
    body = f"usage_point,start,kwh\n{rows}"
    answer = town.ask("POST", "/v1/readings", content=body, headers={"Content-Type": "text/csv"})
    assert answer.json()["accepted"] == len(kwh), answer.text


def by_lines(town: Town, kwh: list[float]) -> None:
    stamp = int(FIRST.timestamp())
    body = "".join(f"energy,usage_point=HOME kwh={one} {stamp}\n" for one in kwh)
    answer = town.ask("POST", "/api/v2/write?precision=s", content=body)
    assert answer.status_code == 204, answer.text


def by_file(town: Town, kwh: list[float]) -> None:
    path = Path(str(town.platform.settings.store.url)).with_name(f"{kwh}.csv")
    # Beside them what shows that the intervals are quarters of an hour.
    rows = [(FIRST, one) for one in kwh] + [(FIRST + slot * QUARTER, 0.5) for slot in range(20, 40)]
    text = "\n".join(f"HOME,{at.isoformat()},{one}" for at, one in rows)
    path.write_text(f"usage_point,start,kwh\n{text}", encoding="utf-8")
    town.platform.import_file(path)


SENDERS: dict[str, Send] = {"json": by_json, "csv": by_csv, "lines": by_lines, "file": by_file}


def doubts(town: Town) -> list[Finding]:
    tasks.correct(town.platform)
    return [each for each in town.platform.store.findings.load(ME, ["HOME"]) if each.code == "V03_duplicate"]


@pytest.mark.parametrize("how", SENDERS)
def test_another_value_than_the_stored_one_is_told_once(town: Town, how: str) -> None:
    send = SENDERS[how]
    send(town, [0.4])
    assert doubts(town) == []
    send(town, [0.3])
    (finding,) = doubts(town)
    for _ in range(2):
        assert doubts(town) == [finding]
        assert finding.period == Interval(FIRST, FIRST + QUARTER)
        told = "the first 0.3 kWh after 0.4 kWh; the later counts"
        assert finding.message == f"1 intervals came again with another value, {told}"
    send(town, [0.3])
    assert doubts(town) == [finding], "the same again says nothing new"


@pytest.mark.parametrize("how", SENDERS)
def test_two_values_in_one_request_or_file_are_told_once(town: Town, how: str) -> None:
    for _ in range(2):
        SENDERS[how](town, [0.4, 0.3])
        (finding,) = doubts(town)
        assert (finding.severity, finding.period) == ("warn", Interval(FIRST, FIRST + QUARTER))
        assert "another value" in finding.message or "other values" in finding.message
    town.post("/v1/findings/resolve", {"ids": [_number(town)], "reason": "the second one was the display's"})
    SENDERS[how](town, [0.4, 0.3])
    assert doubts(town) == [], "accepted is accepted"


def _number(town: Town) -> int:
    (item,) = town.get("/v1/findings?point=HOME&code=V03_duplicate").json()["items"]
    return int(item["id"])


def test_the_same_value_twice_in_a_request_is_no_doubt(town: Town) -> None:
    by_json(town, [0.4, 0.4])
    assert doubts(town) == []


def test_what_gives_way_to_a_better_quality_is_no_doubt(town: Town) -> None:
    for quality, kwh in (("estimated", 0.4), ("actual", 0.3)):
        record = {"usage_point": "HOME", "start": FIRST.isoformat(), "kwh": kwh, "quality": quality}
        town.post("/v1/readings", [record])
    assert doubts(town) == []


def _guess(kwh: float, at: datetime = FIRST, quality: str = "estimated") -> dict[str, object]:
    return {"usage_point": "HOME", "start": at.isoformat(), "kwh": kwh, "quality": quality}


def _stored(town: Town, slots: int = 1) -> list[tuple[float, int]]:
    """Return Wh and status of the first intervals as they came and as they count, which are the same."""
    tasks.correct(town.platform)
    found = []
    for image in (Image.RAW, Image.FINAL):
        panel = town.platform.store.readings.load(ME, "HOME", Interval(FIRST, FIRST + slots * QUARTER), image=image)
        found.append(
            [(float(value), int(status)) for value, status in zip(panel.values[0], panel.quality[0] & 15, strict=True)]
        )
    assert [value for value, _ in found[0]] == [value for value, _ in found[1]]
    return found[0]


GUESSES: dict[str, Send] = {
    "json": lambda town, kwh: town.post("/v1/readings", [_guess(one) for one in kwh]),
    "batch": lambda town, kwh: town.post("/v1/readings", [_guess(kwh[0]), _guess(0.7, FIRST - 99 * QUARTER)]),
    "csv": lambda town, kwh: town.ask(
        "POST",
        "/v1/readings?quality=estimated",
        content=f"usage_point,start,kwh\nHOME,{FIRST.isoformat()},{kwh[0]}\n",
        headers={"Content-Type": "text/csv"},
    ),
    "file": lambda town, kwh: _guessed_file(town, kwh[0]),
}


def _guessed_file(town: Town, kwh: float) -> None:
    path = Path(str(town.platform.settings.store.url)).with_name("guess.csv")
    after = "".join(f"HOME,{(FIRST + slot * QUARTER).isoformat()},0.5,actual\n" for slot in range(20, 40))
    path.write_text(f"usage_point,start,kwh,quality\nHOME,{FIRST.isoformat()},{kwh},estimated\n{after}", "utf-8")
    done = town.platform.import_file(path)
    assert (done.new, done.changed, done.same, done.aside) == (20, 0, 0, 1)
    assert "20 new, 0 changed, 0 as before, 1 set aside: a better value is stored." in " ".join(words(done))


@pytest.mark.parametrize("how", GUESSES)
def test_a_guess_that_comes_later_does_not_replace_what_was_measured(town: Town, how: str) -> None:
    """The better quality is kept, then the later arrival (V03): also against what is stored, by every entrance."""
    by_json(town, [0.119])
    for _ in range(2):
        GUESSES[how](town, [5.5])
        assert _stored(town)[0][0] == 119
        (finding,) = doubts(town)
        assert (finding.period, finding.slots, finding.severity) == (Interval(FIRST, FIRST + QUARTER), 1, "warn")
        for told in ("5.5 kWh (estimated)", "0.119 kWh (raw)", "set aside", "estimated_final"):
            assert told in finding.message
        if how == "file":
            break  # the same file again does nothing
    by_json(town, [0.2])
    assert _stored(town)[0][0] == 200, "what is measured supersedes as ever"


@pytest.mark.parametrize("how", ["json", "ndjson", "csv", "arrow", "single", "many"])
def test_the_answer_counts_what_was_set_aside(town: Town, how: str) -> None:
    def send(kwh: list[float], quality: str) -> dict[str, int]:
        rows = [_guess(one, FIRST + slot * QUARTER, quality) for slot, one in enumerate(kwh)]
        if how == "json":
            return dict(town.post("/v1/readings", rows).json())
        if how == "single":
            return dict(town.post("/v1/readings", rows[0]).json())
        if how == "many":  # rows enough for the columns of large requests
            rows += [_guess(0.25, FIRST + slot * QUARTER, quality) for slot in range(-1200, 0)]
            return dict(town.post("/v1/readings", rows).json())
        content: str | bytes = "\n".join(msgspec.json.encode(row).decode() for row in rows)
        media = "application/x-ndjson"
        if how == "csv":
            content = "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])
            media = "text/csv"
        if how == "arrow":
            table, out = pa.Table.from_pylist(rows), io.BytesIO()
            with pa.ipc.new_stream(out, table.schema) as stream:
                stream.write_table(table)
            content, media = out.getvalue(), "application/vnd.apache.arrow.stream"
        return dict(town.ask("POST", "/v1/readings", content=content, headers={"Content-Type": media}).json())

    first = send([0.1, 0.2, 0.3], "actual")
    assert "set_aside" not in first
    one = how == "single"
    again = send([0.1 if not one else 0.5, 0.4, 0.5], "estimated")
    assert (again["accepted"], again["set_aside"]) == (first["accepted"], 1 if one else 2)
    assert _stored(town)[0][0] == 100
    later = send([0.6, 0.7, 0.8], "estimated_final")
    assert "set_aside" not in later
    assert _stored(town)[0][0] == 600


@pytest.mark.parametrize("quality", ["estimated_final", "actual"])
def test_a_last_word_replaces_what_was_measured(town: Town, quality: str) -> None:
    by_json(town, [0.119])
    town.post("/v1/readings", [_guess(5.5, quality=quality)])
    assert _stored(town)[0][0] == 5500


def test_a_guess_of_the_same_value_takes_no_quality_away(town: Town) -> None:
    by_json(town, [0.119])
    town.post("/v1/readings", [_guess(0.119)])
    assert doubts(town) == []
    assert q.Status(_stored(town)[0][1]) in q.MEASURED


def test_guesses_one_after_the_other_are_one_doubt(town: Town) -> None:
    town.post("/v1/readings", [_guess(0.1, FIRST + slot * QUARTER, "actual") for slot in range(8)])
    for slot in range(8):
        town.post("/v1/readings", [_guess(1.5, FIRST + slot * QUARTER)])
        tasks.correct(town.platform)
    (finding,) = doubts(town)
    assert (finding.period, finding.slots) == (Interval(FIRST, FIRST + 8 * QUARTER), 8)
    town.post("/v1/findings/resolve", {"ids": [_number(town)], "reason": "the head end guesses at night"})
    town.post("/v1/readings", [_guess(1.5, FIRST + 3 * QUARTER)])
    assert doubts(town) == [], "accepted is accepted"
    town.post("/v1/readings", [_guess(1.6, FIRST + 3 * QUARTER)])
    assert len(doubts(town)) == 1, "another value is another doubt"


def test_a_substitute_of_a_metering_data_provider_replaces_the_actual_value(town: Town) -> None:
    """AEMO MDFF 4.3: a provider may substitute an actual value, and says by which method."""
    folder = Path(str(town.platform.settings.store.url)).parent
    for number, (quality, kwh) in enumerate((("A", 0.119), ("S17", 5.5), ("S99", 5.6), ("E52", 5.7), ("A", 0.2))):
        values = ",".join([str(kwh)] * 48)
        head = "100,NEM12,202611220900,MDP,RETAIL\n200,NMI1234567,E1,1,E1,,,kWh,30,\n"
        text = f"{head}300,20261120,{values},{quality},,,20261122\n900\n"
        path = folder / f"provider{number}.csv"
        path.write_text(text, "ascii")
        done = town.platform.import_file(path)
        assert (done.new + done.changed, done.aside) == (48, 0), quality
    day = Interval(datetime(2026, 11, 19, 14, tzinfo=UTC), datetime(2026, 11, 20, 14, tzinfo=UTC))
    kind = DELIVERED_ENERGY.finer(0)
    raw = town.platform.store.readings.load(ME, "NMI1234567", day, reading_type=replace(kind, channel="E1"))
    assert (raw.values == 200).all()


def test_a_file_of_nem13_read_again_says_what_any_other_says(town: Town) -> None:
    reads = [("412", "20260901"), ("512", "20261001"), ("600", "20261101")]
    records = [
        f"250,NMI7654321,E1,1,E1,E1,MTR1,E,{old},{since},A,,,{new},{until},A,,,1,kWh,,20261102,"
        for (old, since), (new, until) in pairwise(reads)
    ]
    path = Path(str(town.platform.settings.store.url)).with_name("reads.csv")
    path.write_text("\n".join(["100,NEM13,202611020000,MDP,RETAIL", *records, "900", ""]), "ascii")
    for new, same in ((3, 0), (0, 3)):
        done = town.platform.import_file(path)
        assert (done.new, done.changed, done.same) == (new, 0, same)
        assert f"{new} new, 0 changed, {same} as before; 3 of them register reads" in " ".join(words(done))
        assert "3 readings taken, 0 rejected, 0 repeated, 0 conflicting" in " ".join(words(done))
    assert town.platform.store.findings.load(ME, ["NMI7654321"]) == []


def test_a_doubt_grows_with_its_neighbours_and_stays_one(town: Town) -> None:
    def send(slot: int, kwh: float) -> None:
        start = (FIRST + slot * QUARTER).isoformat()
        town.post("/v1/readings", [{"usage_point": "HOME", "start": start, "kwh": kwh}])

    for slot in range(3):
        send(slot, 0.4)
    for slot in range(2):
        send(slot, 0.3)
        assert [each.slots for each in doubts(town)] == [slot + 1]
    (finding,) = doubts(town)
    assert finding.period == Interval(FIRST, FIRST + 2 * QUARTER)


def _three_days(town: Town, kwh: float) -> None:
    """Send every interval from the evening of the first day to the morning of the third, no two alike beside it."""
    slots = ((slot, kwh + slot % 3 / 10) for slot in range(70, 210))
    records = [
        {"usage_point": "HOME", "start": (FIRST + slot * QUARTER).isoformat(), "kwh": one} for slot, one in slots
    ]
    assert town.post("/v1/readings", records).json()["accepted"] == len(records)


def _exchanged(town: Town, serial: str, slot: int) -> None:
    order = {"serial": serial, "at": (FIRST + slot * QUARTER).isoformat()}
    assert town.post("/v1/usage-points/HOME/meter-exchange", order).status_code == 201


def test_what_was_accepted_does_not_come_back_in_part_when_a_part_is_judged_again(town: Town) -> None:
    for kwh in (0.4, 0.3):
        _three_days(town, kwh)
        tasks.correct(town.platform)
    (finding,) = doubts(town)
    assert finding.slots == 140
    town.post("/v1/findings/resolve", {"ids": [_number(town)], "reason": "the head end sent it again"})
    _exchanged(town, "M-OLD", -960)
    _exchanged(town, "M-NEW", 210)
    assert {each.from_day for each in town.platform.store.dirty.ranges(ME)} != {finding.period.start.date()}
    assert doubts(town) == []
    town.post("/v1/readings", [{"usage_point": "HOME", "start": (FIRST + 200 * QUARTER).isoformat(), "kwh": 0.9}])
    (other,) = doubts(town)
    assert other.period == finding.period, "another value there is another doubt"


def test_an_open_doubt_stays_one_when_a_part_is_judged_again(town: Town) -> None:
    for kwh in (0.4, 0.3):
        _three_days(town, kwh)
        tasks.correct(town.platform)
    before, number = doubts(town), _number(town)
    _exchanged(town, "M-NEW", 210)
    assert doubts(town) == before
    assert _number(town) == number


def test_another_value_within_what_was_accepted_is_a_doubt_whatever_its_first_interval(town: Town) -> None:
    town.post("/v1/readings", [_guess(0.4, FIRST + slot * QUARTER, "actual") for slot in range(2)])
    for kwh in (0.3, 0.2):
        town.post("/v1/readings", [_guess(0.3, FIRST, "actual"), _guess(kwh, FIRST + QUARTER, "actual")])
        (finding,) = doubts(town)
        assert finding.message.startswith("2 intervals came again with another value, the first 0.3 kWh after 0.4 kWh")
        town.post("/v1/findings/resolve", {"ids": [_number(town)], "reason": "a new transformer"})
        assert doubts(town) == []


def test_what_is_opened_again_says_what_there_is_now_and_is_one_doubt(town: Town) -> None:
    """The words of an acceptance are taken back with it, and what it was about may have changed since."""
    by_json(town, [0.4])
    by_json(town, [0.3])
    doubts(town)
    number = _number(town)
    town.post("/v1/findings/assign", {"ids": [number], "person": "operator"})
    town.post("/v1/findings/resolve", {"ids": [number], "reason": "the first reason"})
    by_json(town, [0.2])
    (newer,) = doubts(town)
    town.post("/v1/findings/reopen", {"ids": [number], "reason": "the second reason"})
    (shown,) = town.get("/v1/findings?point=HOME&code=V03_duplicate").json()["items"]
    assert (shown["id"], shown["message"], shown["assigned_to"]) == (number, newer.message, "operator")
    assert not shown["resolution"] + shown["resolved_by"] + shown["proposal"]
    assert doubts(town) == [newer]
    assert _number(town) == number
    records = town.platform.store.audit.records(ME)
    told = [each.detail["reason"] for each in records if each.detail.get("ids") == str(number)]
    assert told == ["the second reason", "the first reason", "operator"]


def test_what_is_opened_again_and_holds_no_longer_goes(town: Town) -> None:
    for kwh in (0.4, 0.3):
        town.post("/v1/readings", [_guess(kwh, FIRST + slot * QUARTER, "actual") for slot in range(2)])
        doubts(town)
    number = _number(town)
    town.post("/v1/findings/resolve", {"ids": [number], "reason": "so"})
    for slot in range(2):
        by_slot = [_guess(0.4 + slot / 10, FIRST + slot * QUARTER, "actual")]
        town.post("/v1/readings", by_slot)
    (newer,) = doubts(town)
    town.post("/v1/findings/reopen", {"ids": [number], "reason": "no"})
    assert doubts(town) == [newer]


def test_a_claim_of_two_values_for_one_interval_is_told(town: Town) -> None:
    for kwh in (0.4, 0.3):
        record = {"meter": "M-77", "start": FIRST.isoformat(), "kwh": kwh}
        assert town.post("/v1/readings", [record]).json()["quarantined"] == 1
    body = {"usage_point": "HOME", "since": DAY.isoformat()}
    told = town.post("/v1/quarantine/M-77/claim", body)
    assert told.status_code < 300, told.text
    assert any("two values" in note for note in told.json()["notes"]), told.text
    (finding,) = doubts(town)
    assert (finding.code, finding.period) == ("V03_duplicate", Interval(FIRST, FIRST + QUARTER))


def test_samples_within_a_minute_are_no_contradictions(town: Town) -> None:
    """A power each ten seconds, of which the last of each minute is kept: that is no doubt, however it came."""
    stamp = int(FIRST.timestamp())
    lines = [f"p1,{{}}=HOME power_w={400 + second},voltage={230 + second / 10} {stamp + second}" for second in (7, 17)]
    for line in lines:
        assert town.ask("POST", "/api/v2/write?precision=s", content=line.format("usage_point")).status_code == 204
        body = line.format("usage_point").replace("HOME", "M-78")
        assert town.ask("POST", "/api/v2/write?precision=s", content=body).status_code == 204
    assert doubts(town) == []
    claimed = town.post("/v1/quarantine/M-78/claim", {"usage_point": "HOME", "since": DAY.isoformat()})
    assert claimed.status_code < 300, claimed.text
    assert not any("two values" in note for note in claimed.json()["notes"]), claimed.text
    assert doubts(town) == []


def test_two_powers_of_a_quarter_hour_contradict_each_other(town: Town) -> None:
    for kw in (1.2, 1.4):
        record = {"usage_point": "HOME", "start": FIRST.isoformat(), "value": kw, "unit": "kW", "interval_s": 900}
        assert town.post("/v1/readings", [record]).json()["accepted"] == 1
    (finding,) = doubts(town)
    assert finding.period == Interval(FIRST, FIRST + QUARTER)

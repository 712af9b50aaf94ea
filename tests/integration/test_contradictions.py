"""V03 by every entrance: two values for one interval end on the work list, once, whoever brings them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.work import tasks
from tests.integration.api.small_town import Town, build, opened

DAY = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FIRST = DAY + 8 * QUARTER
Send = Callable[[Town, list[float]], None]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return build(tmp_path_factory.mktemp("town"))


@pytest.fixture
def town(built: Town, tmp_path: Path) -> Iterator[Town]:
    with opened(built, tmp_path) as mine:
        mine.platform.store.registry.save_points(ME, [UsagePoint("HOME", "Europe/Berlin")])
        yield mine


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

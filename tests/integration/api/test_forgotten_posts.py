"""Readings of months that were forgotten are refused one by one, whichever way they come; all others are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.month import month_of, month_start
from gridwright.jobs.files.ingest_file import ingest_file
from tests.integration.api.small_town import NOW, Town

LIMIT = month_start(month_of(NOW) - 6)
HOUR = timedelta(hours=1)
OLD, YOUNG = LIMIT - HOUR, LIMIT + HOUR
REASON = f"readings from before {LIMIT.date()} (UTC) were forgotten, as retention.readings_months says"


@pytest.fixture
def forgetful(town: Town) -> Town:
    town.platform.store.retention.move_limit(LOCAL_OWNER, month_of(LIMIT))
    return town


def stored(town: Town) -> list[datetime]:
    """Instants around the limit of which a value is there."""
    panel = town.platform.store.readings.load(
        LOCAL_OWNER, "UP-1", Interval(LIMIT - timedelta(days=2), LIMIT + timedelta(days=2)), interval=HOUR / 4
    )
    return [panel.start + at * panel.interval for at in range(panel.slots) if panel.values[0, at] >= 0]


def test_a_post_says_which_readings_were_forgotten(forgetful: Town) -> None:
    told = [{"usage_point": "UP-1", "start": at.isoformat(), "kwh": 0.25} for at in (OLD, YOUNG)]
    answer = forgetful.post("/v1/readings?interval_s=900", told).json()
    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    (verdict,) = answer["verdicts"]
    assert (verdict["field"], verdict["reason"], verdict["index"]) == ("start", REASON, 0)
    assert "leave them out" in verdict["remedy"]
    assert stored(forgetful) == [YOUNG]


def test_many_at_once_and_lines(forgetful: Town) -> None:
    csv = "usage_point,start,kwh\n" + "".join(f"UP-1,{(OLD + at * HOUR / 4).isoformat()},0.1\n" for at in range(8))
    header = {"Content-Type": "text/csv"}
    answer = forgetful.ask("POST", "/v1/readings?interval_s=900", content=csv, headers=header).json()
    assert (answer["accepted"], answer["rejected"], len(answer["verdicts"])) == (4, 4, 4)
    lines = "".join(f"energy,usage_point=UP-1 kwh=0.2 {epoch_s(at)}\n" for at in (OLD, YOUNG + HOUR))
    answered = forgetful.ask("POST", "/api/v2/write?precision=s", content=lines)
    assert answered.status_code == HTTPStatus.BAD_REQUEST
    assert "were forgotten" in answered.text
    assert [at for at in stored(forgetful) if at < LIMIT] == []
    assert len(stored(forgetful)) == 5


def test_a_file_rejects_them_by_line_and_keeps_the_rest(
    forgetful: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("late") / "late.csv"
    times = [LIMIT - timedelta(days=1) + at * HOUR / 4 for at in range(192)]
    path.write_text("usage_point,start,kwh\n" + "".join(f"UP-1,{at.isoformat()},0.1\n" for at in times))
    store = forgetful.platform.store
    done = ingest_file(store, LOCAL_OWNER, path, known_at=datetime.now(UTC))
    assert (done.new, done.intake.accepted, done.intake.rejected) == (96, 96, 96)
    (reject,) = done.intake.rejects
    assert reject.reason == REASON
    assert len([at for at in stored(forgetful) if at >= LIMIT]) == 96
    assert min(stored(forgetful)) == LIMIT

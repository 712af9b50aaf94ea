"""What reason codes of NEM12 say of a meter: events of it, with the time during which they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.domain.event import MARKING, OVERFLOW, TEST_MODE, UNTIL, EndDeviceEvent
from gridwright.formats.nem12.events import EVENT_OF_REASON
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.read_file import open_files
from gridwright.jobs.files.sources import open_source

VALUES = ",".join(["0.5"] * 48)
# Market time is ten hours ahead of UTC, all year.
DAY = datetime(2025, 3, 3, 14, tzinfo=UTC)
HALF = timedelta(minutes=30)


def events(tmp_path: Path, *records: str) -> list[EndDeviceEvent]:
    path = tmp_path / "a.csv"
    head = ("100,NEM12,202503050000,MDP,RET", "200,NMI0000001,E1,E1,E1,,SER-7,kWh,30,")
    path.write_text("\n".join([*head, *records, "900", ""]), encoding="utf-8")
    files, _ = open_files(open_source(path), ReadOptions())
    return [event for _, decoded in files[0].chunks() for event in decoded.events]


def test_the_reason_of_a_day_holds_for_the_day(tmp_path: Path) -> None:
    (event,) = events(tmp_path, f"300,20250304,{VALUES},A,90,,20250305010000,")
    assert (event.end_device, event.usage_point, event.type) == ("SER-7", "NMI0000001", TEST_MODE)
    assert event.at == DAY
    assert event.details[UNTIL] == (DAY + 48 * HALF).isoformat()


def test_the_reason_of_a_range_holds_for_its_intervals(tmp_path: Path) -> None:
    (event,) = events(
        tmp_path,
        f"300,20250304,{VALUES},V,,,20250305010000,",
        "400,1,20,A,,",
        "400,21,24,F14,95,pulse overflow",
        "400,25,48,A,,",
    )
    assert (event.type, event.at) == (OVERFLOW, DAY + 20 * HALF)
    assert event.details[UNTIL] == (DAY + 24 * HALF).isoformat()


@pytest.mark.parametrize("reason", ["", "77", "0", "free", "1234"])
def test_other_reasons_are_no_events(tmp_path: Path, reason: str) -> None:
    assert events(tmp_path, f"300,20250304,{VALUES},A,{reason},,20250305010000,") == []


def test_a_day_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert events(tmp_path, f"300,20259904,{VALUES},A,90,,20250305010000,") == []


def test_every_reason_that_is_an_event_marks_intervals() -> None:
    assert set(EVENT_OF_REASON.values()) <= MARKING

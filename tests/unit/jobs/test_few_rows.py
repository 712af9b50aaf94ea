"""A file of few rows, as of a late correction: the stored length of its usage point decides, where one is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import AmbiguousInput
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity, ReadingType
from gridwright.domain.usage_point import Installation, Meter, UsagePoint
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAY = datetime(2025, 3, 3, tzinfo=UTC)
HALF, HOUR = timedelta(minutes=30), timedelta(hours=1)
VOLTAGE = ReadingType(Quantity.VOLTAGE, exponent=-1)


@pytest.fixture
def store() -> Iterator[Store]:
    """A store where A and B are stored by half-hours, C by quarter-hours, D by half-hours with hourly voltage."""
    with open_store("sqlite://") as opened:
        opened.registry.save_points(ME, [UsagePoint(name) for name in "ABCDE"])
        for name, length in (("A", HALF), ("B", HALF), ("C", HALF / 2), ("D", HALF)):
            keep(opened, name, length)
        keep(opened, "D", HOUR, VOLTAGE)
        yield opened


def keep(store: Store, name: str, length: timedelta, kind: ReadingType = DELIVERED_ENERGY) -> None:
    panel = Panel((name,), DAY, length, np.ones((1, timedelta(days=1) // length)), reading_type=kind)
    store.readings.save(ME, panel, known_at=NOW)


def late(path: Path, rows: Mapping[str, Sequence[str]], column: str = "kwh") -> Path:
    """Write a file with readings of 7 kWh (or so many volts) at some times of the day."""
    lines = [f"{name},2025-03-03T{time}:00Z,7" for name, times in rows.items() for time in times]
    path.write_text("\n".join([f"usage_point,start,{column}", *lines, ""]))
    return path


def run(store: Store, path: Path, **options: object) -> Imported:
    return ingest_file(store, ME, path, ReadOptions(**options), known_at=NOW)  # type: ignore[arg-type]


def slots(store: Store, name: str) -> list[int]:
    panel = store.readings.load(ME, name, Interval(DAY, DAY + timedelta(days=1)))
    return np.flatnonzero(panel.values[0] == 7000).tolist()


def length_told(done: Imported) -> str:
    return next(one.value for one in done.intake.evidence if one.what == "interval")


def test_few_rows_are_as_long_as_what_is_stored(store: Store, tmp_path: Path) -> None:
    done = run(store, late(tmp_path / "late.csv", {"A": ["10:00", "11:00", "13:00", "14:00"], "B": ["20:30"]}))
    assert (done.changed, done.intake.rejected, length_told(done)) == (5, 0, "30 min")
    assert (slots(store, "A"), slots(store, "B")) == ([20, 22, 26, 28], [41])
    because = next(one.because for one in done.intake.evidence if one.what == "interval")
    assert (
        because == "the readings of its usage points are stored so; few rows, most of them 60 min apart, do not tell it"
    )
    assert run(store, tmp_path / "late.csv").same == 5


def test_one_row_of_each_usage_point_is_as_long_as_what_is_stored(store: Store, tmp_path: Path) -> None:
    done = run(store, late(tmp_path / "late.csv", {"A": ["10:30"], "B": ["10:30"]}))
    assert (slots(store, "A"), slots(store, "B"), length_told(done)) == ([21], [21], "30 min")


def test_rows_days_apart_are_as_long_as_what_is_stored(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("usage_point,start,kwh\nA,2025-03-03T10:00:00Z,7\nA,2025-03-07T14:30:00Z,7\n")
    assert run(store, path).intake.accepted == 2
    assert slots(store, "A") == [20]


def test_a_meter_is_known_by_where_it_hung(store: Store, tmp_path: Path) -> None:
    store.registry.save_meter(ME, Meter("M-1"))
    store.registry.save_installation(ME, Installation("A", "M-1", Interval(DAY - HOUR, DAY + timedelta(days=900))))
    run(store, late(tmp_path / "late.csv", {"M-1": ["10:00", "11:00"]}))
    assert slots(store, "A") == [20, 22]


@pytest.mark.parametrize(
    "rows",
    [
        {"E": ["10:30"]},  # nothing is stored of it
        {"X": ["10:30"]},  # nobody knows it
        {"A": ["10:30"], "X": ["10:30"]},  # of one nothing is known
        {"A": ["10:30"], "C": ["10:30"]},  # two lengths
        {"A": ["00:00"]},  # may be of the whole day
        {"A": ["10:30"], "B": ["10:40"]},  # on no grid of half-hours
    ],
)
def test_the_question_stays_where_nothing_decides(store: Store, tmp_path: Path, rows: dict[str, list[str]]) -> None:
    with pytest.raises(AmbiguousInput, match="does not tell the length"):
        run(store, late(tmp_path / "late.csv", rows))


def test_many_rows_decide_themselves(store: Store, tmp_path: Path) -> None:
    done = run(store, late(tmp_path / "late.csv", {"A": [f"{hour:02}:00" for hour in range(9)]}))
    assert (length_told(done), done.intake.rejected, slots(store, "A")) == ("60 min", 9, [])


def test_what_is_given_decides(store: Store, tmp_path: Path) -> None:
    path = late(tmp_path / "late.csv", {"A": ["10:00", "11:00"]})
    assert run(store, path, interval_minutes=60).intake.rejected == 2


def test_what_is_measured_decides_with(store: Store, tmp_path: Path) -> None:
    done = run(store, late(tmp_path / "late.csv", {"D": ["10:00", "12:00"]}, "voltage_v"))
    assert (length_told(done), done.intake.rejected) == ("60 min", 0)
    assert run(store, late(tmp_path / "energy.csv", {"D": ["10:00", "12:00"]})).intake.rejected == 0
    assert slots(store, "D") == [20, 24]


def test_the_length_of_those_days_decides(store: Store, tmp_path: Path) -> None:
    year = timedelta(days=365)
    kept = Panel(("A",), DAY - year, HOUR, np.ones((1, 24)))
    store.readings.save(ME, kept, known_at=NOW)
    run(store, late(tmp_path / "late.csv", {"A": ["10:00", "12:00"]}))
    assert slots(store, "A") == [20, 24]


def test_without_a_store_the_rows_decide(tmp_path: Path) -> None:
    from gridwright.jobs.files.read_file import read_file

    (panel,) = read_file(late(tmp_path / "late.csv", {"A": ["10:00", "11:00"]})).panels
    assert panel.interval == HOUR
    assert replace(ReadOptions(), lengths_of=lambda *_: {}) == ReadOptions()

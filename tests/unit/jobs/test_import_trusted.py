"""An import that judges: images, day totals and findings in one pass are those that a later cascade makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.errors import StoreError
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.formats import registry
from gridwright.formats.csv_reader import CsvReader
from gridwright.formats.nem12 import Nem12Reader
from gridwright.formats.parquet import ParquetReader
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files import decode_ahead
from gridwright.jobs.files.import_trusted import TrustedImport, import_trusted
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
SITE = SiteDefaults()
# NEM12 is in market time, ten hours ahead.
JANUARY = Interval(datetime(2024, 12, 31, 14, tzinfo=UTC), datetime(2025, 1, 30, 14, tzinfo=UTC))
POINTS = [f"UP-{number:02d}" for number in range(12)]
SLOTS = 48


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "READERS", (Nem12Reader(chunk_bytes=9_000), CsvReader(), ParquetReader()))


def lines(days: range, points: list[str] = POINTS, *, seed: int = 3) -> list[str]:
    """NEM12 records with holes of two hours and negative values, the same however the days are cut into files."""
    found = []
    for number, point in enumerate(points):
        found.append(f"200,{point},E1,E1,E1,N1,METER{number},kWh,30,")
        for day in days:
            rng = np.random.default_rng((seed, number, day))
            kwh = rng.integers(50, 900, SLOTS) / 1000
            stamp = f"{date(2025, 1, 1) + timedelta(days=day):%Y%m%d}"
            flag = "A"
            if (day + number) % 7 == 3:
                flag = "V"
            if (day + number) % 9 == 5:
                kwh[30] = -0.5
            found.append(f"300,{stamp},{','.join(f'{value:.3f}' for value in kwh)},{flag},,,20250601000000,")
            if flag == "V":
                found += ["400,1,20,A,,", "400,21,24,N,,", "400,25,48,A,,"]
    return found


def write(path: Path, records: list[str]) -> Path:
    path.write_text("\n".join(["100,NEM12,202501010000,MDP1,RET1", *records, "900", ""]))
    return path


def take(store: Store, path: Path) -> TrustedImport:
    return import_trusted(store, LOCAL_OWNER, path, ReadOptions(zone="UTC"), site=SITE, known_at=NOW)


def image(store: Store, which: Image = Image.FINAL, points: list[str] = POINTS) -> Panel:
    kind = store.readings.series(LOCAL_OWNER, points[0])[0].reading_type
    half_hour = timedelta(minutes=30)
    return store.readings.load(LOCAL_OWNER, points, JANUARY, reading_type=kind, interval=half_hour, image=which)


def by_cascade(tmp_path: Path, *paths: Path) -> Store:
    store = open_store(tmp_path / "other.db")
    for path in paths:
        ingest_file(store, LOCAL_OWNER, path, ReadOptions(zone="UTC"), known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    return store


def same(one: Store, other: Store) -> None:
    for which in Image:
        mine, theirs = image(one, which), image(other, which)
        assert np.array_equal(mine.values, theirs.values, equal_nan=True)
        assert np.array_equal(mine.quality, theirs.quality)
    kind = one.readings.series(LOCAL_OWNER, POINTS[0])[0].reading_type
    days = range(day_number(date(2025, 1, 1)), day_number(date(2025, 1, 31)))
    totals = [store.day_totals.load(LOCAL_OWNER, POINTS, days, reading_type=kind) for store in (one, other)]
    assert totals[0].known.any()
    for name in ("total", "peak", "peak_slot", "intervals", "measured", "estimated", "edited"):
        assert np.array_equal(getattr(totals[0], name), getattr(totals[1], name))
    found = [{repr(finding) for finding in store.findings.load(LOCAL_OWNER)} for store in (one, other)]
    assert found[0] == found[1]
    assert found[0]


def test_one_pass_makes_what_the_cascade_makes(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "january.csv", lines(range(30)))
    done = take(store, path)
    assert (done.later, done.imported.intake.rejected) == (0, 0)
    assert store.dirty.ranges(LOCAL_OWNER) == []
    final = image(store)
    assert not final.missing.any()
    assert done.final == final.values.size
    assert done.estimated == final.count((q.Status.ESTIMATED,)).sum() > 0
    assert (image(store, Image.RAW).values < 0).any()
    with by_cascade(tmp_path, path) as other:
        same(store, other)


def test_a_usage_point_cut_by_a_chunk_and_a_second_file_go_through_the_cascade(store: Store, tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", lines(range(20)))
    second = write(tmp_path / "second.csv", lines(range(20, 30)))
    take(store, first)
    done = take(store, second)
    assert done.later == len(POINTS)
    assert store.dirty.ranges(LOCAL_OWNER) == []
    with by_cascade(tmp_path, first, second) as other:
        same(store, other)


def test_the_same_file_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "january.csv", lines(range(30)))
    take(store, path)
    before = image(store)
    again = take(store, path)
    assert again.imported.already
    assert (again.findings, again.final, again.later) == (0, 0, 0)
    assert np.array_equal(image(store).values, before.values)


def test_an_import_that_breaks_off_goes_on_to_the_same_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "january.csv", lines(range(30)))
    save, calls = type(store.day_totals).save, []

    def break_off(*args: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise StoreError("the disk is gone")
        return save(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store.day_totals), "save", break_off)
    with pytest.raises(StoreError, match="the disk is gone"):
        take(store, path)
    done = take(store, path)
    assert done.imported.resumed_at > 0
    with by_cascade(tmp_path, path) as other:
        same(store, other)


def test_decoded_ahead_or_not_is_the_same(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pieces come from a process of their own, in order; a worker that dies leaves its work to us."""
    path = write(tmp_path / "january.csv", lines(range(30)))
    monkeypatch.setattr(decode_ahead, "LEAST_BYTES", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    ends: list[int] = []
    options = ReadOptions(zone="UTC")
    done = import_trusted(
        store, LOCAL_OWNER, path, options, site=SITE, known_at=NOW, progress=lambda end, _: ends.append(end)
    )
    assert ends == sorted(ends)
    assert len(ends) > 5
    with open_store(tmp_path / "third.db") as third:
        monkeypatch.setattr(decode_ahead, "COMMAND", "raise SystemExit(3)")
        assert take(third, path).imported == done.imported
        same(store, third)
    with by_cascade(tmp_path, path) as other:
        same(store, other)

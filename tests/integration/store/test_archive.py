"""The archive: what goes to it can be read by anybody, leaves only when verified, and comes back as it was."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow import fs
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError

from gridwright.billing.rating import bill_key
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill
from gridwright.domain.errors import ConfigError, Conflict, NotFound, StoreCorrupt, StoreError
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import TEMPERATURE
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.upkeep.archive_months import (
    Policy,
    archive_months,
    bring_back,
    keep_policy,
    prune_archive,
    require_past,
    restore_month,
)
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.archive.file import STALE_S, Shelf, _Hashing
from gridwright.store.archive.reading import database_alone
from gridwright.store.schema.trust import rerate

MARCH = datetime(2025, 3, 1, tzinfo=UTC)
APRIL = datetime(2025, 4, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
FIRST = MARCH + timedelta(days=18)  # 13 days of March will do
BEFORE = parse_month("2025-04")


def panel(points: tuple[str, ...], start: datetime, days: int, seed: int, **more: Any) -> Panel:  # noqa: ANN401 - a panel's
    random = np.random.default_rng(seed)
    values = random.integers(0, 900, (len(points), days * 96)).astype(float)
    values[0, 5] = np.nan
    values[-1, 7] = 5e9  # needs eight bytes
    return Panel(points, start, QUARTER, values, **more)


@pytest.fixture
def every_town(store: Store) -> Store:
    """On each database in turn: what differs between them."""
    return fill(store)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Store]:
    """In SQLite: what does not."""
    with open_store(tmp_path / "database" / "town.db") as store:
        yield fill(store)


def fill(store: Store) -> Store:
    """Three points in March and April, some days corrected, a final image, and temperatures of one point."""
    points = ("Z-1", "A-2", "m-3")
    known = APRIL + timedelta(days=40)
    store.readings.save(ME, panel(points, FIRST, 15, 1), known_at=known, register=True)
    store.readings.save(ME, panel(points[:2], FIRST + timedelta(days=3), 2, 2), known_at=known + timedelta(days=1))
    store.readings.save(ME, panel(points[:1], FIRST + timedelta(days=3), 1, 3), known_at=known + timedelta(days=2))
    quality = np.full((3, 13 * 96), q.Status.ACTUAL, np.uint8)
    quality[1, 10:20] = q.Status.ESTIMATED
    store.readings.save(ME, panel(points, FIRST, 13, 4, quality=quality), known_at=known, image=Image.FINAL)
    warm = Panel(("m-3",), FIRST, timedelta(hours=1), np.full((1, 48), 2150.0), reading_type=TEMPERATURE)
    store.readings.save(ME, warm, known_at=known)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    return store


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Everything about readings that is in the database."""
    found = {}
    with store._engine.connect() as connection:
        for table in ("block", "block_version", "series"):
            fetched = connection.execute(text(f"SELECT * FROM {table}")).all()
            found[table] = sorted(tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in fetched)
    return found


def archive(store: Store, to: Path | str, **more: Any) -> Any:  # noqa: ANN401 - a summary
    return archive_months(store, ME, str(to), before=BEFORE, **more)


def test_months_go_leave_and_come_back_exactly_as_they_were(every_town: Store, tmp_path: Path) -> None:
    before = rows(every_town)
    done = archive(every_town, tmp_path)
    assert len(done.written) == 3
    assert not done.failed
    assert rows(every_town) == before
    again = archive(every_town, tmp_path)
    assert (again.written, again.current) == ((), 3)

    dropped = archive(every_town, tmp_path, drop_before=BEFORE)
    assert len(dropped.dropped) == 3
    left = rows(every_town)
    assert len(left["block"]) == 6  # two days of April
    assert left["block_version"] == []
    with database_alone(), pytest.raises(NotFound):
        every_town.readings.load(ME, ["A-2"], Interval(FIRST, FIRST + timedelta(days=2)))

    assert len(restore_month(every_town, ME, parse_month("2025-03"))) == 3
    assert rows(every_town) == before
    assert restore_month(every_town, ME, parse_month("2025-03")) == ()
    assert every_town.audit.verify(ME) > 0


def test_anybody_reads_the_files(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path)
    (path,) = (tmp_path / "readings" / "2025-03").glob("*energy*-raw-*.parquet")
    file = pq.ParquetFile(path)
    table = file.read()
    assert table.column_names[:4] == ["usage_point", "reading_type", "image", "day"]
    assert table.num_rows == 3 * 13
    order = list(zip(table["day"].to_pylist(), table["usage_point"].to_pylist(), strict=True))
    assert order == sorted(order)
    said = json.loads(file.metadata.metadata[b"gridwright"])
    month = Interval(FIRST, APRIL)
    stored = town.readings.load(ME, ["A-2", "Z-1", "m-3"], month)
    flat = table["values"].combine_chunks().flatten()
    assert said["readings"] == len(flat) - flat.null_count == np.count_nonzero(~np.isnan(stored.values))
    assert int(said["total"]) == sum(v for v in flat.to_pylist() if v is not None) == int(np.nansum(stored.values))
    day = table.filter((np.array(order)[:, 1] == "Z-1").tolist()).slice(3, 1).to_pylist()[0]
    mine = stored.row("Z-1").values[0, 3 * 96 : 4 * 96]
    assert [np.nan if v is None else v for v in day["values"]] == pytest.approx(mine.tolist(), nan_ok=True)
    assert (day["interval_s"], day["phase_s"], day["revision"]) == (900, 0, 3)
    versions = [pq.read_table(path) for path in (tmp_path / "versions" / "2025-03").glob("*-raw-*.parquet")]
    assert sum(table.num_rows for table in versions) == 5
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_changed_month_is_archived_anew(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path)
    town.readings.save(ME, panel(("A-2",), FIRST, 1, 9), known_at=APRIL + timedelta(days=60))
    waiting = archive(town, tmp_path, drop_before=BEFORE)
    assert "not validated" in waiting.waiting[0]
    assert "gridwright bill correct" in waiting.waiting[0]
    assert not any("raw" in each and "energy" in each for each in waiting.dropped)
    town.dirty.clear(ME, town.dirty.ranges(ME))
    assert len(archive(town, tmp_path).written) == 1
    assert len(list((tmp_path / "readings").rglob("*energy*-raw-*.parquet"))) == 2


def archive_holds(store: Store) -> bool:
    """Tell whether all files are there, and hold what is registered and what the database still has."""
    found = [check for check in verify_store(store, ME, deep=True).checks if "archive" in check.name]
    return len(found) == 2 and all(check.ok for check in found)


def changed(store: Store, seed: int, to: Path) -> None:
    """Let a day of March be another, and archive it anew."""
    store.readings.save(ME, panel(("A-2",), FIRST, 1, seed), known_at=APRIL + timedelta(days=60 + seed))
    store.dirty.clear(ME, store.dirty.ranges(ME))
    archive(store, to)


def test_a_copy_of_the_database_takes_no_file_from_it(town: Store, tmp_path: Path) -> None:
    """Whoever restores a backup to try it, with the same archive set, must not cost the original a month."""
    shelf = tmp_path / "shelf"
    archive(town, shelf, drop_before=BEFORE)
    whole = town.readings.load(ME, "A-2", Interval(FIRST, FIRST + timedelta(days=10)), interval=QUARTER)
    backup, copied, vault = tmp_path / "t.gwb", str(tmp_path / "copy.db"), Vault(tmp_path / "backup.key")
    back_up(ME, str(tmp_path / "database" / "town.db"), backup, vault=None, now=APRIL)
    restore(backup, copied, vault)
    with open_store(copied) as copy:
        restore_month(copy, ME, parse_month("2025-03"))
        changed(copy, 9, shelf)
        archive(copy, shelf, drop_before=BEFORE)
    assert archive_holds(town)
    again = town.readings.load(ME, "A-2", Interval(FIRST, FIRST + timedelta(days=10)), interval=QUARTER)
    assert np.array_equal(again.values, whole.values, equal_nan=True)


def test_files_that_newer_ones_stand_for_go_when_somebody_says_so(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path)
    first = set(tmp_path.rglob("*.parquet"))
    for seed in (9, 10):
        changed(town, seed, tmp_path)
    shelf, parts = Shelf.at(str(tmp_path)), town.archive.parts(ME)
    named = [part.name for part in parts]
    named += [versions["name"] for part in parts if (versions := shelf.footer(part.name)["versions"])]
    kept = {tmp_path / name for name in named}
    late = datetime.now(UTC) + timedelta(days=31)
    early = prune_archive(town, ME, older_days=30, now=datetime.now(UTC))
    assert (early.files, early.bytes, early.failed) == ((), 0, ())
    seen = prune_archive(town, ME, older_days=30, now=late, dry_run=True)
    assert len(seen.files) == 4  # readings and versions, twice
    assert {Path(file) for file in seen.files} == set(tmp_path.rglob("*.parquet")) - kept
    assert seen.bytes == sum(Path(file).stat().st_size for file in seen.files)
    assert prune_archive(town, ME, older_days=30, now=late) == seen
    assert set(tmp_path.rglob("*.parquet")) == kept
    assert first - kept
    assert archive_holds(town)
    archive(town, tmp_path, drop_before=BEFORE)
    assert len(restore_month(town, ME, parse_month("2025-03"))) == 3


def test_what_was_superseded_just_now_stays_however_old_it_is(every_town: Store, tmp_path: Path) -> None:
    """A backup of a minute ago names it."""
    archive(every_town, tmp_path)
    first = set(tmp_path.rglob("*.parquet"))
    for path in first:
        os.utime(path, times=(time.time() - 500 * 86_400,) * 2)
    changed(every_town, 9, tmp_path)
    (part,) = (part for part in every_town.archive.parts(ME) if part.image == "raw" and "energy" in part.code)
    for days, deleted in ((29, 0), (31, 2)):
        done = prune_archive(every_town, ME, older_days=30, now=part.archived_at + timedelta(days=days))
        assert (len(done.files), done.failed) == (deleted, ())
    assert archive_holds(every_town)


@pytest.mark.parametrize("how", ["flip", "gone"])
def test_forerunners_of_a_file_that_is_not_whole_stay(town: Store, tmp_path: Path, how: str) -> None:
    archive(town, tmp_path)
    changed(town, 9, tmp_path)
    (part,) = (part for part in town.archive.parts(ME) if part.image == "raw" and "energy" in part.code)
    before = set(tmp_path.rglob("*.parquet")) - {Path(part.place)}
    spoil(Path(part.place), how)
    done = prune_archive(town, ME, older_days=1, now=datetime.now(UTC) + timedelta(days=9))
    assert done.files == ()
    assert len(done.failed) == 1
    assert part.place in done.failed[0]
    assert before <= set(tmp_path.rglob("*.parquet"))


def test_a_month_with_bills_to_rate_again_waits_and_one_without_bills_does_not(
    every_town: Store, tmp_path: Path
) -> None:
    town = every_town
    with town._engine.begin() as connection:
        point = connection.execute(text("SELECT MIN(id) FROM usage_point")).scalar()
        connection.execute(
            insert(rerate).values(
                usage_point=point,
                start_s=int(FIRST.timestamp()),
                end_s=int(APRIL.timestamp()),
                cascade="c",
                known_at_us=1,
            )
        )
        code = connection.execute(text(f"SELECT code FROM usage_point WHERE id = {point}")).scalar_one()
    before = Interval(MARCH - timedelta(days=28), MARCH)
    town.ledger.save_bill(
        ME, Bill("B0", bill_key(code, before, "flat", "h"), code, before, "UTC", "flat", "EUR", (), "h", APRIL)
    )
    done = archive(town, tmp_path)
    assert (len(done.written), done.waiting) == (3, ()), "a change rates no bill from before it"
    month = Interval(MARCH, APRIL)
    key = bill_key(code, month, "flat", "h")
    town.ledger.save_bill(ME, Bill("B1", key, code, month, "UTC", "flat", "EUR", (), "h", APRIL))
    done = archive(town, tmp_path)
    assert (done.current, len(done.waiting)) == (0, 3)
    assert all("rated again: a running server does it, and so does gridwright bill correct" in w for w in done.waiting)
    with town._engine.begin() as connection:
        connection.execute(text("UPDATE bill SET state = 'cancelled' WHERE code = 'B1'"))
    assert archive(town, tmp_path).waiting == ()


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 3] ^= 4
    path.write_bytes(content[: len(content) // 2] if how == "cut" else content)
    if how == "gone":
        path.unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_nothing_leaves_the_database_whose_file_is_not_whole(town: Store, tmp_path: Path, how: str) -> None:
    archive(town, tmp_path)
    before = rows(town)
    for path in tmp_path.rglob("*.parquet"):
        spoil(path, how)
    done = archive(town, tmp_path, drop_before=BEFORE)
    assert done.dropped == ()
    assert len(done.failed) == 3
    assert rows(town) == before


@pytest.mark.parametrize("how", ["flip", "gone"])
def test_what_helps_against_a_lost_file_is_what_can_be_done(every_town: Store, tmp_path: Path, how: str) -> None:
    """Of a month that the database has, the file is written anew; of one that left it, a copy is all that helps."""
    archive(every_town, tmp_path)
    (part,) = (p for p in every_town.archive.parts(ME) if p.image == "raw" and "energy" in p.code)
    copy = Path(part.place).read_bytes()
    spoil(Path(part.place), how)
    (found,) = (check for check in verify_store(every_town, ME).checks if check.name == "archive files")
    assert (found.faults, "archive run writes it anew" in found.remedy) == (1, True)
    Path(part.place).unlink(missing_ok=True)
    done = archive(every_town, tmp_path)
    assert (done.written, done.current) == ((str(part),), 2)
    assert archive_holds(every_town)
    assert Path(part.place).read_bytes() == copy

    archive(every_town, tmp_path, drop_before=BEFORE)
    spoil(Path(part.place), how)
    (found,) = (check for check in verify_store(every_town, ME).checks if check.name == "archive files")
    assert "anew" not in found.remedy
    assert "a backup from before" in found.remedy


def test_an_archive_that_is_gone_as_a_whole_is_not_written_anew(town: Store, tmp_path: Path) -> None:
    """Its disk may only not be mounted."""
    archive(town, tmp_path / "shelf")
    (tmp_path / "shelf").rename(tmp_path / "elsewhere")
    assert archive(town, tmp_path / "shelf").written == ()
    assert not (tmp_path / "shelf").exists()
    assert len(archive(town, tmp_path / "new").written) == 3
    assert archive_holds(town)


def test_a_damaged_file_restores_nothing(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path, drop_before=BEFORE)
    for path in (tmp_path / "versions").rglob("*.parquet"):
        spoil(path, "flip")
    before = rows(town)
    with pytest.raises(StoreCorrupt, match="has been changed"):
        restore_month(town, ME, parse_month("2025-03"))
    assert rows(town)["block_version"] == before["block_version"]


class Stop(Exception):
    """The power goes."""


def interrupted(after: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        assert 0 < done <= total
        if done > after:
            raise Stop

    return progress


def test_interrupted_anywhere_it_goes_on(town: Store, tmp_path: Path) -> None:
    before = rows(town)
    for after in (0, 50):
        with pytest.raises(Stop):
            archive(town, tmp_path, progress=interrupted(after))
        assert not list(tmp_path.rglob("*.tmp"))
    archive(town, tmp_path)
    for after in (10, 30):
        with pytest.raises(Stop):
            archive(town, tmp_path, drop_before=BEFORE, progress=interrupted(after))
    assert {part.state for part in town.archive.parts(ME)} == {"archived", "dropping"}
    archive(town, tmp_path, drop_before=BEFORE)
    assert {part.state for part in town.archive.parts(ME)} == {"dropped"}
    for after in (10, 50):
        with pytest.raises(Stop):
            restore_month(town, ME, parse_month("2025-03"), progress=interrupted(after))
    restore_month(town, ME, parse_month("2025-03"))
    assert rows(town) == before


def test_what_came_late_is_laid_over_what_comes_back(every_town: Store, tmp_path: Path) -> None:
    late = Panel(("A-2",), FIRST + timedelta(days=1), QUARTER, np.array([[77.0, np.nan, 78.0]]))
    later = Panel(("A-2",), FIRST + timedelta(days=1), QUARTER, np.array([[np.nan, np.nan, 79.0]]))
    known = APRIL + timedelta(days=90)

    def arrive(where: Store) -> None:
        where.readings.save(ME, late, known_at=known)
        where.readings.save(ME, later, known_at=known + timedelta(hours=1))

    archive(every_town, tmp_path, drop_before=BEFORE)
    arrive(every_town)
    restore_month(every_town, ME, parse_month("2025-03"))
    day = every_town.readings.load(ME, ["A-2"], Interval(FIRST + timedelta(days=1), FIRST + timedelta(days=2)))
    assert day.values[0, [0, 2]].tolist() == [77.0, 79.0]
    assert np.count_nonzero(~np.isnan(day.values)) == 96
    assert [each.usage_point for each in every_town.dirty.ranges(ME)] == ["A-2"]
    with open_store("sqlite://") as never_away:
        arrive(fill(never_away))
        assert rows(every_town) == rows(never_away)


@pytest.mark.parametrize("kept", ["readings", "versions"])
def test_what_comes_late_for_a_month_whose_file_is_damaged_waits_and_keeps_nothing_else_waiting(
    town: Store, tmp_path: Path, kept: str
) -> None:
    """The first late reading of such a month stopped the judgement of everybody's readings, of all months."""
    archive(town, tmp_path, drop_before=BEFORE)
    (path,) = (tmp_path / kept / "2025-03").glob("*energy*-raw-*.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    now = APRIL + timedelta(days=200)
    late, other = Panel(("A-2",), MARCH + timedelta(days=25), QUARTER, np.array([[7.0]])), MARCH + timedelta(days=150)
    town.readings.save(ME, late, known_at=now)
    town.registry.save_points(ME, [UsagePoint("new")])
    town.readings.save(ME, panel(("new",), other, 1, 3), known_at=now)
    for run in range(2):
        done = correct(town, ME, SiteDefaults(), now=now + timedelta(hours=run))
        assert (done.waiting, done.failed, len(done.notes)) == (1, 1, 1)
        assert ("A-2" in done.notes[0], "2025-03" in done.notes[0], path.name in done.notes[0]) == (True, True, True)
    assert "A-2" in {each.usage_point for each in town.dirty.ranges(ME)}
    final = town.readings.load(ME, "new", Interval(other, other + timedelta(days=1)), image=Image.FINAL)
    assert np.count_nonzero(~final.missing) > 90
    unjudged = [each for each in town.findings.load(ME) if each.code == "V00_unjudged"]
    assert [each.usage_point for each in unjudged] == ["A-2"]
    path.write_bytes(content)
    done = correct(town, ME, SiteDefaults(), now=now + timedelta(hours=3))
    assert (done.waiting, done.notes, town.dirty.ranges(ME)) == (0, (), [])
    day = town.readings.load(ME, "A-2", Interval(MARCH + timedelta(days=25), MARCH + timedelta(days=26)))
    assert (float(day.values[0, 0]), int((~day.missing).sum())) == (7.0, 96)
    assert [each for each in town.findings.load(ME) if each.code == "V00_unjudged"] == []


def test_late_readings_bring_their_months_back_before_they_are_judged(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path, drop_before=BEFORE)
    assert bring_back(town, ME) == 0
    late = Panel(("A-2",), APRIL + timedelta(days=3), QUARTER, np.array([[7.0]]))
    town.readings.save(ME, late, known_at=APRIL + timedelta(days=90))
    assert bring_back(town, ME) == 3  # March is what April is compared with
    assert bring_back(town, ME) == 0
    town.dirty.clear(ME, town.dirty.ranges(ME))
    archive(town, tmp_path, drop_before=BEFORE)
    town.readings.save(ME, panel(("A-2",), MARCH + timedelta(days=120), 1, 3), known_at=APRIL + timedelta(days=200))
    assert bring_back(town, ME) == 0  # July is far
    period = Interval(MARCH - timedelta(days=200), MARCH + timedelta(days=2))
    town.ledger.save_bill(ME, Bill("B1", "k", "A-2", period, "UTC", "flat", "EUR", (), "h", APRIL))
    with town._engine.begin() as connection:
        start = int((MARCH - timedelta(days=199)).timestamp())
        row = {"start_s": start, "end_s": start + 900, "cascade": "c", "known_at_us": 1}
        point = connection.execute(text("SELECT id FROM usage_point WHERE code = 'A-2'")).scalar()
        connection.execute(insert(rerate).values(usage_point=point, **row))
    assert bring_back(town, ME) == 3  # the bill reaches into March


def test_a_change_in_the_midst_of_dropping_loses_nothing(
    town: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(town, tmp_path)
    (part,) = (p for p in town.archive.parts(ME) if p.image == "raw" and "energy" in p.code)
    calls: list[int] = []

    def meanwhile(blocks: int) -> None:
        calls.append(blocks)
        if len(calls) == 2:
            change = Panel(("A-2",), FIRST + timedelta(days=5), QUARTER, np.array([[42.0]]))
            town.readings.save(ME, change, known_at=APRIL + timedelta(days=70))

    with pytest.raises(Conflict, match=r"2025-03-24 of 2025-03.*changed since"):
        town.archive.drop(ME, part, Shelf.at(part.address), progress=meanwhile)
    month = town.readings.load(ME, ["A-2", "Z-1", "m-3"], Interval(FIRST, APRIL))
    assert np.count_nonzero(np.isnan(month.values)) == 1
    assert month.values[0, 5 * 96] == 42.0
    assert len(town.readings.versions(ME, "A-2", (FIRST + timedelta(days=5)).date())) == 2


def test_a_reading_added_in_the_midst_of_dropping_is_kept_and_counted_once(town: Store, tmp_path: Path) -> None:
    archive(town, tmp_path)
    before = {series.usage_point: series.readings for series in town.readings.series(ME)}
    (part,) = (p for p in town.archive.parts(ME) if p.image == "raw" and "energy" in p.code)
    calls: list[int] = []

    def meanwhile(blocks: int) -> None:
        calls.append(blocks)
        if len(calls) == 1:
            gap = Panel(("Z-1",), FIRST + 5 * QUARTER, QUARTER, np.array([[42.0]]))
            assert town.readings.save(ME, gap, known_at=APRIL + timedelta(days=70)).new == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        town.archive.drop(ME, part, Shelf.at(part.address), progress=meanwhile)
    restore_month(town, ME, parse_month("2025-03"))
    versions = town.readings.versions(ME, "Z-1", FIRST.date())
    assert [version.block.panel.values[0, 5] for version in versions][-1] == 42.0
    assert versions[-1].known_at == APRIL + timedelta(days=70)
    after = {series.usage_point: series.readings for series in town.readings.series(ME)}
    assert after == {**before, "Z-1": before["Z-1"] + 1}


def test_times_of_slots_go_to_the_archive_and_back(every_town: Store, tmp_path: Path) -> None:
    for slot, at in ((5, 1), (7, 900_000)):
        gap = Panel(("new",), FIRST + slot * QUARTER, QUARTER, np.array([[1.0]]))
        every_town.readings.save(ME, gap, known_at=FIRST + timedelta(seconds=at, microseconds=3), register=True)
    every_town.dirty.clear(ME, every_town.dirty.ranges(ME))
    before = rows(every_town)
    archive(every_town, tmp_path, drop_before=BEFORE)
    restore_month(every_town, ME, parse_month("2025-03"))
    assert rows(every_town) == before
    as_of = FIRST + timedelta(hours=1)
    back = every_town.readings.load(ME, "new", Interval(FIRST, FIRST + timedelta(hours=3)), as_of=as_of)
    assert np.flatnonzero(~back.missing[0]).tolist() == [5]


def test_any_file_system_of_pyarrow_will_do(town: Store) -> None:
    before = rows(town)
    memory = fs._MockFileSystem()

    def shelf(address: str) -> Shelf:
        return Shelf(memory, "bucket/archive", address)

    archive(town, "mock:///bucket/archive", drop_before=BEFORE, shelf_of=shelf)
    assert {part.state for part in town.archive.parts(ME)} == {"dropped"}
    assert len(rows(town)["block"]) == 6
    restore_month(town, ME, parse_month("2025-03"), shelf_of=shelf)
    assert rows(town) == before


def test_the_policy_archives_drops_and_then_does_nothing(town: Store, tmp_path: Path) -> None:
    policy = Policy(str(tmp_path), after_months=1, keep_months=2)
    assert len(keep_policy(town, ME, policy, datetime(2025, 5, 2, tzinfo=UTC)).written) == 3
    assert {part.state for part in town.archive.parts(ME)} == {"archived"}
    june = keep_policy(town, ME, policy, datetime(2025, 6, 1, tzinfo=UTC))
    assert (len(june.written), len(june.dropped)) == (1, 3)  # April, and March
    again = keep_policy(town, ME, policy, datetime(2025, 6, 1, tzinfo=UTC))
    assert (again.written, again.dropped, again.failed) == ((), (), ())


def test_places_that_will_not_do(town: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no place"):
        Shelf.at("gopher://x/y")
    with pytest.raises(ConfigError, match=r"my town.* a space in an address as %20"):
        Shelf.at("s3://bucket/my town")
    with pytest.raises(ConfigError, match="holds a secret"):
        Shelf.at("s3://key:word@bucket/x")
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        archive(town, blocker / "below")
    assert town.archive.parts(ME) == ()


SAID = {  # what pyarrow says, with the names changed
    "no network": (
        "When resolving region for bucket 'town': AWS Error NETWORK_CONNECTION during HeadBucket operation",
        "the storage does not answer",
        "check the network",
    ),
    "no bucket": ("Bucket 'town' not found", "there is no such bucket", "make the bucket"),
}


@pytest.mark.parametrize("what", SAID)
def test_a_storage_that_cannot_be_asked_is_told(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    said, words, remedy = SAID[what]

    def from_uri(address: str) -> None:
        raise OSError(said)

    monkeypatch.setattr("gridwright.store.archive.file.fs.FileSystem", SimpleNamespace(from_uri=from_uri))
    with pytest.raises(StoreCorrupt, match=f"out of reach: {words}") as caught:
        Shelf.at("s3://town/archive")
    assert (caught.value.where, remedy in caught.value.remedy) == ("s3://town/archive", True)


@pytest.mark.parametrize("how", ["path", "file://", "relative"])
def test_places_on_this_machine(town: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """What is registered is found again from any folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    place = {"path": f"{tmp_path}/a b", "file://": f"file://{tmp_path}/a%20b", "relative": "a b"}[how]
    before = rows(town)
    assert len(archive(town, place, drop_before=BEFORE).dropped) == 3
    assert len(list((tmp_path / "a b" / "readings").rglob("*.parquet"))) == 3
    monkeypatch.chdir(tmp_path / "elsewhere")
    restore_month(town, ME, parse_month("2025-03"))
    assert rows(town) == before


TROUBLES: dict[str, tuple[int, str, str]] = {
    "a full disk": (errno.ENOSPC, "the disk is full", "make room"),
    "a full quota": (errno.EDQUOT, "the disk is full", "make room"),
    "a folder that may only be read": (errno.EROFS, "this user may not write there", "name another place"),
    "a folder of somebody else": (errno.EACCES, "this user may not write there", "name another place"),
    "a disk that fails": (errno.EIO, "[Ii]nput/output error", "check the place"),
}


@pytest.mark.parametrize("what", TROUBLES)
def test_trouble_with_a_disk_is_told_and_leaves_nothing_half(
    town: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    number, words, remedy = TROUBLES[what]
    before = rows(town)

    def write(sink: object, content: bytes) -> int:
        del sink, content
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(_Hashing, "write", write)
        with pytest.raises(StoreError, match=words) as caught:
            archive(town, tmp_path, drop_before=BEFORE)
    assert remedy in caught.value.remedy
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "database" not in path.parts] == []
    assert (rows(town), town.archive.parts(ME)) == (before, ())
    assert len(archive(town, tmp_path).written) == 3


def test_what_a_killed_archiver_left_goes_after_a_day(town: Store, tmp_path: Path) -> None:
    folder = tmp_path / "readings" / "2025-03"
    folder.mkdir(parents=True)
    for name, age in ((".old.tmp", STALE_S + 60), (".young.tmp", 60), ("theirs.tmp", STALE_S + 60)):
        (folder / name).write_text("half")
        os.utime(folder / name, times=(time.time() - age,) * 2)
    archive(town, tmp_path)
    assert {path.name for path in folder.iterdir() if path.suffix == ".tmp"} == {".young.tmp", "theirs.tmp"}


def test_months_that_are_not_over_stay() -> None:
    now = datetime(2025, 4, 30, 23, tzinfo=UTC)
    assert require_past(BEFORE, now) == BEFORE
    with pytest.raises(Exception, match="2025-04 is not over"):
        require_past(BEFORE + 1, now)


@pytest.mark.parametrize("verb", ["DELETE FROM block_version", "UPDATE block_version SET phase_s = 1"])
def test_earlier_images_go_only_with_a_month_that_is_moved(every_town: Store, tmp_path: Path, verb: str) -> None:
    archive(every_town, tmp_path)
    before = rows(every_town)
    with pytest.raises(DBAPIError, match="never changed"), every_town._engine.begin() as connection:
        connection.execute(text(verb))
    assert rows(every_town) == before

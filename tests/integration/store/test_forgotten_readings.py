"""Readings that are old enough go for good, whole months from everywhere; what is younger stays to the last bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Forgotten
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.month import month_days, month_start, parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.field.keep_harvest import _save_panel
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.forget_readings import ForgottenReadings, first_kept, forget_readings, old_months
from gridwright.jobs.upkeep.tidy_store import NOTICE, Keep, preview_tidying, tidy_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.forgotten import move_limit
from tests.integration.store.test_journal import a_batch, put

QUARTER = timedelta(minutes=15)
START = datetime(2025, 1, 20, tzinfo=UTC)
KNOWN = datetime(2025, 6, 1, tzinfo=UTC)
MARCH = parse_month("2025-03")
LIMIT = month_start(MARCH)
POINTS = ("A-1", "B-2", "C-3")


def panel(start: datetime, days: int, seed: int, points: tuple[str, ...] = POINTS) -> Panel:
    values = np.random.default_rng(seed).integers(1, 900, (len(points), days * 96)).astype(float)
    return Panel(points, start, QUARTER, values)


def fill(store: Store) -> Store:
    """Three points from January to April, corrected here and there, made final by the cascade."""
    store.registry.save_points(ME, [UsagePoint(name) for name in POINTS])
    store.readings.save(ME, panel(START, 90, 1), known_at=KNOWN)
    for days in (5, 20, 45, 70):
        store.readings.save(ME, panel(START + timedelta(days=days), 2, days, POINTS[:2]), known_at=KNOWN + QUARTER)
    deal(store)
    return store


def deal(store: Store) -> None:
    while store.dirty.count(ME, 1):
        correct(store, ME, SiteDefaults(), now=KNOWN + timedelta(days=1))


@pytest.fixture
def every_town(store: Store) -> Store:
    return fill(store)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "town.db"
    with open_store(path) as store:
        fill(store)
    return path


@pytest.fixture
def town(filled: Path, tmp_path: Path) -> Any:  # noqa: ANN401 - a store
    shutil.copy(filled, tmp_path / "town.db")
    with open_store(tmp_path / "town.db") as store:
        yield store


def younger(store: Store, month: int = MARCH) -> list[tuple[Any, ...]]:
    """Every row of readings from a month on, with earlier images, totals and registers of all time."""
    first = month_days(month).start
    asked = [
        *(f"SELECT * FROM {table} WHERE day >= {first} ORDER BY 1, 2, 3, 4" for table in ("block", "block_version")),
        *(f"SELECT * FROM {table} ORDER BY 1, 2, 3" for table in ("day_total", "register_reading")),
    ]
    with store.checks._session.reading() as unit:
        return [tuple(row) for one in asked for row in unit.connection.execute(text(one))]


def older(store: Store, month: int = MARCH) -> int:
    first = month_days(month).start
    with store.checks._session.reading() as unit:
        return sum(
            int(unit.connection.execute(text(f"SELECT COUNT(*) FROM {table} WHERE day < {first}")).scalar_one())
            for table in ("block", "block_version")
        )


def faults(store: Store, *, deep: bool = True) -> dict[str, tuple[str, ...]]:
    return {check.name: check.first for check in verify_store(store, ME, deep=deep).checks if not check.ok}


def test_old_months_go_and_nothing_else(every_town: Store) -> None:
    store, before = every_town, younger(every_town)
    assert older(store)
    done = forget_readings(store, ME, before=MARCH)
    assert (done.months, done.waiting, done.failed) == (("2025-01", "2025-02"), (), ())
    assert done.readings == 3 * 40 * 96
    assert older(store) == 0
    assert younger(store) == before
    assert faults(store) == {}
    names = [check.name for check in verify_store(store, ME).checks]
    assert "readings forgotten until 2025-03-01" in names
    kept = store.readings.series(ME)
    assert {(one.first, one.readings) for one in kept} == {(LIMIT, 50 * 96)}
    told = len(store.audit.records(ME))
    assert forget_readings(store, ME, before=MARCH) == ForgottenReadings()
    assert len(store.audit.records(ME)) == told
    records = [one.detail for one in store.audit.records(ME) if "forgotten_day" in one.detail]
    assert len(records) == 40
    assert sum(one["readings"] for one in records) == done.readings


def test_late_readings_of_forgotten_months_are_refused_and_younger_ones_kept(every_town: Store) -> None:
    store = every_town
    forget_readings(store, ME, before=MARCH)
    with pytest.raises(Forgotten, match="before 2025-03-01") as caught:
        store.readings.save(ME, panel(LIMIT - timedelta(days=1), 1, 5), known_at=KNOWN + timedelta(days=2))
    assert "retention.readings_months" in caught.value.remedy + caught.value.message
    store.readings.save(ME, panel(LIMIT, 1, 5), known_at=KNOWN + timedelta(days=2))
    deal(store)
    assert older(store) == 0
    assert faults(store) == {}


def test_a_file_of_a_fleet_is_refused_by_usage_points_and_counted_by_readings(town: Store, tmp_path: Path) -> None:
    forget_readings(town, ME, before=MARCH)
    path, names = tmp_path / "fleet.csv", [f"P-{at}" for at in range(120)]
    times = [LIMIT + timedelta(hours=at) for at in range(-48, 24)]
    rows = [f"{name},{at.isoformat()},0.1" for name in (*POINTS, *names) for at in times]
    path.write_text("\n".join(["usage_point,start,kwh", *rows[: 3 * 72], ""]))
    few = ingest_file(town, ME, path, known_at=KNOWN + timedelta(days=2))
    assert (few.intake.rejected, len(few.intake.rejects)) == (3 * 72, 6), "other intervals than are stored, and too old"
    path.write_text("\n".join(["usage_point,start,kwh", *rows[3 * 72 :], ""]))
    many = ingest_file(town, ME, path, known_at=KNOWN + timedelta(days=2))
    assert (many.new, many.intake.rejected) == (120 * 24, 120 * 48)
    (reject,) = many.intake.rejects
    assert (reject.line, reject.value[:16]) == (2, "P-0 and 119 more")
    assert older(town) == 0
    deal(town)
    assert faults(town) == {}


def test_what_was_acknowledged_just_before_is_put_aside_and_told(every_town: Store) -> None:
    store = every_town
    at = np.array([epoch_s(LIMIT) - 900, epoch_s(LIMIT) + 900])
    batch = replace(a_batch([("A-1", 0, 5.0), ("A-1", 1, 6.0)]), at=at)
    put(store, batch, KNOWN + timedelta(days=2))
    with store.checks._session.writing(settled=False) as unit:  # as another process does between the two
        move_limit(unit, month_days(MARCH).start, 1)
    forget_readings(store, ME, before=MARCH)
    waits = store.journal.waiting(ME)
    assert (waits.aside_readings, waits.rows) == (1, 0)
    assert "were forgotten" in waits.reason
    kept = store.readings.load(ME, "A-1", Interval(LIMIT, LIMIT + 2 * QUARTER), interval=QUARTER)
    assert kept.values[0, 1] == 6.0
    assert older(store) == 0


def test_a_conversation_with_a_meter_keeps_what_is_young_enough(town: Store) -> None:
    forget_readings(town, ME, before=MARCH)
    notes: list[str] = []
    profile = panel(LIMIT - timedelta(days=2), 4, 77, POINTS[:1])
    saved = _save_panel(town, ME, profile, KNOWN + timedelta(days=2), notes)
    assert (saved.changed + saved.same, saved.new) == (2 * 96, 0)
    assert len(notes) == 1
    assert "before 2025-03-01" in notes[0]
    assert older(town) == 0


def test_days_of_the_edge_keep_their_totals_and_nothing_old_is_judged_again(town: Store) -> None:
    days = range(month_days(MARCH).start - 30, month_days(MARCH).start + 20)
    before = town.day_totals.load(ME, POINTS, days)
    forget_readings(town, ME, before=MARCH)
    town.dirty.again(ME, POINTS)
    whole = Interval(START, LIMIT + timedelta(days=2))
    town.dirty.touch(ME, POINTS, DELIVERED_ENERGY, whole)
    assert {each.from_day for each in town.dirty.ranges(ME)} == {LIMIT.date()}
    deal(town)
    after = town.day_totals.load(ME, POINTS, days)
    assert (before.total == after.total).all()
    assert (before.known == after.known).all()
    assert faults(town) == {}


def test_what_waits_to_be_judged_is_not_forgotten_yet(town: Store) -> None:
    town.readings.save(ME, panel(START + timedelta(days=15), 1, 9), known_at=KNOWN + timedelta(days=3))
    done = forget_readings(town, ME, before=MARCH)
    assert done.months == ("2025-01",)
    assert done.waiting[0].startswith("2025-02: readings changed that were not validated")
    deal(town)
    assert forget_readings(town, ME, before=MARCH).months == ("2025-02",)
    assert older(town) == 0
    assert faults(town) == {}


@pytest.mark.parametrize("drop", [None, parse_month("2025-02"), parse_month("2025-04")])
def test_the_archive_forgets_too(town: Store, tmp_path: Path, drop: int | None) -> None:
    before, place = younger(town), tmp_path / "archive"
    archive_months(town, ME, str(place), before=parse_month("2025-04"), drop_before=drop)
    restored = [*old_months(town, ME, before=MARCH)]
    assert [(str(one), one.usage_points) for one in restored] == [("2025-01", 3), ("2025-02", 3)]
    done = forget_readings(town, ME, before=MARCH)
    assert done.months == ("2025-01", "2025-02")
    assert done.failed == ()
    assert {path.parent.name for path in place.rglob("*.parquet")} == {"2025-03"}
    assert faults(town) == {}
    if drop is not None and drop > MARCH:
        restore_month(town, ME, MARCH)
    assert younger(town) == before
    assert faults(town) == {}


def test_a_month_whose_files_somebody_deleted_is_forgotten_and_verify_is_green_again(
    town: Store, tmp_path: Path
) -> None:
    place = tmp_path / "archive"
    archive_months(town, ME, str(place), before=MARCH, drop_before=MARCH)
    shutil.rmtree(place / "readings" / "2025-01")
    assert "archive files" in faults(town)
    done = forget_readings(town, ME, before=MARCH)
    assert done.months == ("2025-01", "2025-02")
    assert faults(town) == {}
    assert {one.readings for one in town.readings.series(ME)} == {50 * 96}


def test_a_backup_brings_nothing_back_unseen(town: Store, tmp_path: Path) -> None:
    vault, address = Vault(tmp_path / "key"), str(tmp_path / "town.db")
    back_up(ME, address, tmp_path / "old.gwb", vault=None, now=KNOWN)
    forget_readings(town, ME, before=MARCH)
    back_up(ME, address, tmp_path / "new.gwb", vault=None, now=KNOWN)
    for name, there in (("old", True), ("new", False)):
        restore(tmp_path / f"{name}.gwb", str(tmp_path / f"{name}.db"), vault)
        with open_store(tmp_path / f"{name}.db") as again:
            assert (older(again) > 0) is there
            forget_readings(again, ME, before=MARCH)
            assert older(again) == 0
            assert faults(again) == {}


def test_the_server_announces_and_then_forgets(town: Store) -> None:
    keep, now = Keep(timedelta(days=35), readings_months=13), datetime(2026, 5, 2, tzinfo=UTC)
    assert first_kept(now, 13) == MARCH
    assert tidy_store(town, ME, now=now, keep=keep).readings == 0
    going = preview_tidying(town, ME, now=now, keep=keep)
    assert [(one.table, str(one.day), one.usage_points, one.goes) for one in going] == [
        ("block", "2025-01-01", 3, now + NOTICE),
        ("block", "2025-02-01", 3, now + NOTICE),
    ]
    assert older(town)
    town.readings.save(ME, panel(START + timedelta(days=15), 1, 9), known_at=KNOWN + timedelta(days=3))
    half = tidy_store(town, ME, now=now + NOTICE, keep=keep)
    assert (half.readings, half.waiting[:7]) == (3 * 12 * 96, "2025-02")
    deal(town)
    assert tidy_store(town, ME, now=now + NOTICE, keep=keep).readings == 3 * 28 * 96, "it does not wait a week again"
    assert tidy_store(town, ME, now=now + NOTICE, keep=keep).readings == 0
    assert older(town) == 0


def test_only_an_administrator_forgets(town: Store) -> None:
    clerk = Access("clerk", Role.OPERATOR)
    for act in (
        lambda: forget_readings(town, clerk, before=MARCH),
        lambda: town.retention.forget_month(clerk, MARCH),
        lambda: town.retention.move_limit(clerk, MARCH),
    ):
        with pytest.raises(AccessDenied):
            act()
    assert older(town)


KILLED = """
import os, signal, sys
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.jobs.upkeep.forget_readings import forget_readings
from gridwright.store import open_store
left = int(sys.argv[2])
with open_store(sys.argv[1]) as store:
    def die(unit):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    store.checks._session.after_commit.append(die)
    forget_readings(store, ME, before=int(sys.argv[3]))
"""


@pytest.mark.parametrize("commits", [1, 2, 3, 9, 16, 22, 34, 49, 50, 51, 52])
def test_killed_anywhere_the_next_run_goes_on(
    town: Store, tmp_path: Path, commits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.jobs.upkeep.one_at_a_time.SILENT_S", 6.0)
    before = younger(town)
    archive_months(town, ME, str(tmp_path / "archive"), before=MARCH, drop_before=parse_month("2025-02"))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "town.db"), str(commits), str(MARCH)]
    ended = subprocess.run(command, env={**os.environ}, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    forget_readings(town, ME, before=MARCH)
    assert older(town) == 0
    assert younger(town) == before
    assert not list((tmp_path / "archive").rglob("*.parquet"))
    assert faults(town) == {}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    month=st.integers(parse_month("2025-01"), parse_month("2025-05")), archived=st.booleans(), seed=st.integers(0, 9)
)
def test_younger_is_untouched_wherever_the_limit_is(
    filled: Path, tmp_path_factory: pytest.TempPathFactory, month: int, archived: bool, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    shutil.copy(filled, folder / "town.db")
    with open_store(folder / "town.db") as store:
        late = panel(START + timedelta(days=seed * 9), 1 + seed, seed)
        store.readings.save(ME, late, known_at=KNOWN + timedelta(days=2))
        deal(store)
        if archived:
            archive_months(store, ME, str(folder / "archive"), before=month, drop_before=month - seed % 2)
        before = younger(store, month)
        forget_readings(store, ME, before=month)
        assert older(store, month) == 0
        assert younger(store, month) == before
        assert faults(store) == {}

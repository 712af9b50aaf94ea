"""The zone of a usage point changes: all its day totals are added up by the new midnights, and as-of keeps the old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import FIELDS, DayTotals, day_totals
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade import correct as cascade
from gridwright.jobs.cascade import sum_again
from gridwright.jobs.cascade.correct import Corrected, correct
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.make_final import Final, make_final
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.civil_totals import civil_totals
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests.integration.store.conftest import address

__all__ = ["address"]

START, NOW = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 9, 1, tzinfo=UTC)
HOURS, LATER = 200 * 24, NOW + timedelta(days=1)
DAYS = range(day_number(START.date()) - 3, day_number(START.date()) + 204)
HOME = UsagePoint("UP-1", "Europe/Berlin")
ZONES = ("Europe/London", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe")


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        yield opened


def usage(points: tuple[str, ...] = ("UP-1",), kind: ReadingType = DELIVERED_ENERGY) -> Panel:
    """Two hundred days of hours, more than are judged again when the zone changes."""
    values = np.random.default_rng(1).integers(100, 900, (len(points), HOURS)).astype(float)
    return Panel(points, START, timedelta(hours=1), values, reading_type=kind)


def carried(store: Store, now: datetime = LATER) -> Corrected:
    return correct(store, ME, SiteDefaults(), now=now)


def filled(store: Store, *panels: Panel, zone: str = HOME.zone) -> None:
    store.registry.save_points(ME, [UsagePoint(name, zone) for panel in panels for name in panel.points])
    for panel in panels:
        store.readings.save(ME, panel, known_at=NOW)
    carried(store, NOW)


def moved(store: Store, zone: str, name: str = "UP-1") -> None:
    store.registry.save_points(ME, [UsagePoint(name, zone)])


def totals(store: Store, kind: ReadingType = DELIVERED_ENERGY, *, as_of: datetime | None = None) -> DayTotals:
    return store.day_totals.load(ME, ["UP-1"], DAYS, reading_type=kind, as_of=as_of)


def same(one: DayTotals, other: DayTotals) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def faults(store: Store) -> list[str]:
    return [str(check) for check in verify_store(store, ME).checks if not check.ok]


def test_every_day_is_added_up_in_the_new_zone_once(store: Store) -> None:
    filled(store, usage(), usage(kind=RECEIVED_ENERGY))
    before = totals(store)
    moved(store, "Europe/London")
    assert faults(store) == []  # what waits to be added up is no damage
    done = carried(store)
    assert (faults(store), done.waiting, done.rerates) == ([], 0, 0)
    for kind in (DELIVERED_ENERGY, RECEIVED_ENERGY):
        stored, whole = totals(store, kind), day_totals(usage(kind=kind), "Europe/London")
        at = slice(whole.first_day - DAYS.start, whole.days.stop - DAYS.start)
        np.testing.assert_array_equal(stored.total[:, at], whole.total)
        assert stored.total.sum() == usage().values.sum()
    same(totals(store, as_of=NOW), before)
    records = len(store.audit.records(ME))
    assert (carried(store, LATER + timedelta(days=1)), len(store.audit.records(ME))) == (Corrected(), records)


@pytest.mark.parametrize("zone", ZONES)
def test_it_is_as_if_it_had_always_been_there(tmp_path: Path, zone: str) -> None:
    halves = Panel(("UP-1",), START + timedelta(hours=HOURS), timedelta(minutes=30), np.full((1, 211), 40.0))
    gappy = usage().values.copy()
    gappy[0, 1000:1003] = np.nan
    stretches = (usage().with_values(gappy), halves)
    ends = []
    for name, begun in (("moved", HOME.zone), ("there", zone)):
        with open_store(f"sqlite:///{tmp_path}/{name}.db") as store:
            filled(store, *stretches, zone=begun)
            if begun != zone:
                moved(store, zone)
                carried(store)
            assert faults(store) == []
            ends.append(totals(store))
    same(*ends)


def test_whoever_is_killed_in_between_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store, usage(("UP-1", "UP-2")))
    for name in ("UP-1", "UP-2"):
        moved(store, "Europe/London", name)
    add_up = civil_totals

    def dying(
        store: Store, access: Access, points: list[str], days: range, kind: ReadingType, *, zone: str
    ) -> DayTotals:
        if "UP-2" in points:
            raise KeyboardInterrupt
        return add_up(store, access, points, days, kind, zone=zone)

    with monkeypatch.context() as patched:
        patched.setattr(sum_again, "DAYS_TOGETHER", 1)
        patched.setattr(sum_again, "civil_totals", dying)
        with pytest.raises(KeyboardInterrupt):
            carried(store)
    assert [each.usage_point for each in store.dirty.totals(ME)] == ["UP-2"]
    done = carried(store)
    assert (done.waiting, store.dirty.totals(ME), faults(store)) == (0, [], [])


def test_what_was_judged_by_the_old_zone_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store, usage())
    store.readings.save(ME, usage().slice(240, 264).with_values(np.full((1, 24), 7.0)), known_at=NOW)
    make = make_final

    def moving(store: Store, access: Access, site: SiteDefaults, scope: Scope, *, now: datetime) -> list[Final]:
        made = make(store, access, site, scope, now=now)
        moved(store, "Europe/London")
        assert sum_again.sum_again(store, ME, now=LATER).waiting == 0
        return made

    with monkeypatch.context() as patched:
        patched.setattr(cascade, "make_final", moving)
        assert carried(store).waiting == 1
    assert carried(store).waiting == 0
    assert faults(store) == []


def test_a_lost_archive_file_keeps_only_its_usage_points_waiting(store: Store, tmp_path: Path) -> None:
    filled(store, usage())
    march = parse_month("2025-03")
    archive_months(store, ME, str(tmp_path / "archive"), before=march, drop_before=march)
    away = store.archive.parts(ME)
    moved(store, "Asia/Kolkata")
    files = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
    hidden = [path.rename(path.with_name(path.name + ".away")) for path in files]
    waiting = carried(store)
    assert (waiting.failed, len(store.dirty.totals(ME))) == (1, 1)
    assert "UP-1" in waiting.notes[0]
    for path in hidden:
        path.rename(path.with_name(path.name.removesuffix(".away")))
    assert carried(store).waiting == 0
    assert faults(store) == []
    assert totals(store).total.sum() == usage().values.sum()
    assert store.archive.parts(ME) == away  # sums are made where the readings are


def test_totals_that_were_lost_or_changed_are_added_up_again_when_asked(store: Store) -> None:
    filled(store, usage(("UP-1", "UP-2")))
    before = totals(store)
    with store._session.writing() as unit:
        unit.run_many("DELETE FROM day_total WHERE day < ? OR day = ?", [(DAYS.start + 20, DAYS.start + 50)])
        unit.run_many("UPDATE day_total SET total = total + 1, estimated = 1 WHERE day = ?", [(DAYS.start + 60,)])
    assert faults(store)
    with pytest.raises(NotFound):
        store.dirty.again(ME, ["UP-3"])
    march = Interval(START + timedelta(days=60), START + timedelta(days=91))
    assert store.dirty.again(ME, ["UP-1"], march) == 1
    carried(store)
    same(totals(store), before)
    assert store.dirty.again(ME, ["UP-1"], Interval(NOW, LATER)) == 0
    assert faults(store)  # of the other one
    assert store.dirty.again(ME, ["UP-1", "UP-2"]) == 2
    carried(store)
    assert faults(store) == []
    store.dirty.again(ME, ["UP-1", "UP-2"])
    done = carried(store)
    assert (done.readings, done.days, done.rerates) == (0, 0, 0)

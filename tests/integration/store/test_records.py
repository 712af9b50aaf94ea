from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Act
from gridwright.domain.errors import Conflict, InputError, NotFound, StoreCorrupt
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import RECEIVED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import EndDevice, Installation, Meter, UsagePoint, install
from gridwright.store import Progress, SaveSummary, Store, open_store

pytestmark = pytest.mark.servers_in_turn

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LATER = datetime(2025, 5, 1, tzinfo=UTC)


# --- registry ---------------------------------------------------------------------------------------------------------


def test_points_round_trip_and_change(store: Store) -> None:
    home = UsagePoint("UP-1", "Europe/Berlin", "residential", 14.5, "DE-BE", exports=True, attributes={"straße": "Ä"})
    shop = UsagePoint("UP-2")
    assert store.registry.save_points(ME, [home, shop]) == 2
    assert store.registry.save_points(ME, [home, shop]) == 0
    moved = replace(home, zone="Europe/Vienna", attributes={})
    assert store.registry.save_points(ME, [moved, shop]) == 1
    assert store.registry.points(ME) == (moved, shop)
    assert store.registry.points(ME, ["UP-2", "UP-1"]) == (shop, moved)
    assert store.registry.point(ME, "UP-1") == moved
    with pytest.raises(NotFound, match=r"UP-3.*UP-1"):
        store.registry.point(ME, "UP-3")


def test_many_points(store: Store) -> None:
    many = [UsagePoint(f"UP{at:05d}") for at in range(1500)]
    assert store.registry.save_points(ME, many) == 1500
    assert store.registry.points(ME) == tuple(many)


def test_meter_exchange_keeps_history(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a")])
    old, new, box = Meter("M1", "brand", "model", 6, 10), Meter("M2"), EndDevice("BOX")
    assert [store.registry.save_meter(ME, device) for device in (old, new, box, old)] == [True, True, True, False]
    assert store.registry.save_meter(ME, replace(old, dials=7))
    assert store.registry.meter(ME, "M1") == replace(old, dials=7)
    assert store.registry.meter(ME, "BOX") == box
    first, second = install("a", "M1", START, Decimal("1.5")), install("a", "M2", START + 9 * DAY)
    assert store.registry.save_installation(ME, first)
    assert not store.registry.save_installation(ME, first)
    with pytest.raises(Conflict, match="exchange_meter"):
        store.registry.save_installation(ME, second)
    ended = Installation("a", "M1", Interval(START, START + 9 * DAY), Decimal("1.5"))
    assert store.registry.exchange_meter(ME, second) == (ended, second)
    assert store.registry.exchange_meter(ME, second) == (ended, second)
    assert store.registry.installations(ME, "a") == (ended, second)
    with pytest.raises(NotFound, match="save the meter before"):
        store.registry.exchange_meter(ME, install("a", "M9", START + 20 * DAY))
    with pytest.raises(NotFound, match="M9"):
        store.registry.meter(ME, "M9")


def test_a_town_of_meters_at_once(store: Store) -> None:
    points = [f"UP{at:04d}" for at in range(900)]
    store.registry.save_points(ME, [UsagePoint(point) for point in points])
    meters = [Meter(f"M{at:04d}") for at in range(900)]
    assert [store.registry.save_meters(ME, meters) for _ in range(2)] == [900, 0]
    assert store.registry.save_meters(ME, [replace(meters[0], brand="other"), Meter("N1"), meters[1]]) == 2
    assert store.registry.meter(ME, "M0000") == replace(meters[0], brand="other")
    there = [install(point, meter.serial, START) for point, meter in zip(points, meters, strict=True)]
    assert [store.registry.save_installations(ME, there) for _ in range(2)] == [900, 0]
    assert store.registry.installations(ME, "UP0899") == (there[-1],)
    first = Installation("UP0000", "N1", Interval(START - DAY, START))
    assert store.registry.save_installations(ME, [first, there[0]]) == 1
    assert store.registry.installations(ME, "UP0000") == (first, there[0])
    for wrong, error in (
        ([install("UP0001", "N1", START + DAY)], Conflict),
        ([install("UP0000", "M9999", START - 9 * DAY)], Conflict),
        ([Installation("UP0002", "M9999", first.period)], NotFound),
        ([install("UP9999", "N1", START)], NotFound),
    ):
        with pytest.raises(error):
            store.registry.save_installations(ME, [replace(first, usage_point="UP0003"), *wrong])
    assert len(store.registry.installed(ME)) == 901


# --- registers --------------------------------------------------------------------------------------------------------


def test_register_reads_are_superseded_not_overwritten(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a"), UsagePoint("b")])
    reads = [RegisterReading("a", START + at * DAY, 1000.0 + at, "M1", epoch=at // 2) for at in range(4)]
    reads += [RegisterReading("b", START, 5.0)]
    assert store.registers.save(ME, reads, known_at=LATER) == SaveSummary(5, 0, 0, 5)
    assert store.registers.save(ME, reads, known_at=LATER + DAY) == SaveSummary(0, 0, 5, 5)
    better = replace(reads[1], value=1002.0, quality=1)
    assert store.registers.save(ME, [better], known_at=LATER + DAY) == SaveSummary(0, 1, 0, 1)
    found = store.registers.load(ME, "a", Interval(START, START + 3 * DAY))
    assert found == (reads[0], better, reads[2], reads[3])
    assert store.registers.load(ME, "a", Interval(START + DAY, START + DAY)) == (better,)
    with store._session.reading() as unit:
        kept = unit.connection.execute(text("SELECT value, revision FROM register_version")).all()
    assert [tuple(row) for row in kept] == [(1001, 1)]


def test_two_epochs_at_one_instant(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a")])
    final, opening = RegisterReading("a", START, 99_999.0, "M1"), RegisterReading("a", START, 0.0, "M2", epoch=1)
    store.registers.save(ME, [opening, final], known_at=LATER)
    assert store.registers.load(ME, "a", Interval(START, START)) == (final, opening)


def test_a_fraction_of_a_count_is_refused(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a")])
    for value in (0.5, float("nan"), float("inf")):
        with pytest.raises(InputError, match="usage point a"):
            store.registers.save(ME, [RegisterReading("a", START, value)], known_at=LATER)


def test_reads_of_many_meters_at_times_far_apart(store: Store) -> None:
    points = [f"p{at:03d}" for at in range(450)]
    store.registry.save_points(ME, [UsagePoint(point) for point in points])
    reads = [RegisterReading(point, START + at % 3 * DAY, float(at), "M") for at, point in enumerate(points)]
    reads += [replace(reads[at], reading_type=RECEIVED_REGISTER, value=7.0) for at in range(5)]
    assert store.registers.save(ME, reads, known_at=LATER) == SaveSummary(455, 0, 0, 455)
    other = [replace(read, value=read.value + 1) for read in reads[::5]]
    assert store.registers.save(ME, [*reads, *other], known_at=LATER + DAY) == SaveSummary(0, 91, 364, 455)
    assert store.registers.save(ME, reads[:5], known_at=LATER) == SaveSummary(0, 1, 4, 5)
    period = Interval(START, START + 9 * DAY)
    assert [read.value for read in store.registers.load(ME, "p000", period)] == [0.0]
    assert [read.value for read in store.registers.load(ME, "p000", period, RECEIVED_REGISTER)] == [8.0]


def test_reads_of_one_instant(store: Store) -> None:
    points = [f"p{at:03d}" for at in range(900)]
    store.registry.save_points(ME, [UsagePoint(point) for point in points])
    reads = [RegisterReading(point, START, 5.0, "M") for point in points]
    assert [store.registers.save(ME, reads, known_at=LATER).new for _ in range(2)] == [900, 0]


# --- findings ---------------------------------------------------------------------------------------------------------


def a_finding(code: str = "V17_stuck", point: str = "a", day: int = 0) -> Finding:
    period = Interval(START + day * DAY, START + (day + 1) * DAY)
    return Finding(code, point, period, Severity.WARN, "0.3 kWh, 96 times", slots=96)


def test_findings_are_kept_once_and_resolved(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a"), UsagePoint("b")])
    stuck, spike, other = a_finding(), a_finding("V18_spike", day=1), a_finding(point="b")
    assert store.findings.save(ME, [stuck, spike, other], known_at=LATER) == 3
    assert store.findings.save(ME, [stuck], known_at=LATER) == 0
    assert store.findings.load(ME, ["a"]) == [stuck, spike]
    assert store.findings.load(ME, None, Interval(START, START + DAY)) == [stuck, other]
    again = {"points": ["a"], "period": Interval(START, START + DAY)}
    assert store.findings.save(ME, [], known_at=LATER + DAY, **again) == 0  # type: ignore[arg-type]
    assert store.findings.load(ME) == [spike, other]
    assert store.findings.load(ME, resolved=True) == [stuck, spike, other]
    assert store.findings.save(ME, [stuck], known_at=LATER + 2 * DAY) == 1


# --- imports ----------------------------------------------------------------------------------------------------------


def test_progress_and_readings_are_saved_together(store: Store) -> None:
    half = Progress("ab" * 32, "meter.csv", 500, 1000, {"accepted": 4})
    panel = Panel(("a",), START, timedelta(minutes=15), np.ones((1, 4)))
    assert store.imports.progress(ME, half.sha256) is None
    with pytest.raises(Conflict):
        import_and_fail(store, panel, half)
    assert (store.imports.progress(ME, half.sha256), store.readings.series(ME)) == (None, [])
    with store.transaction():
        store.readings.save(ME, panel, known_at=LATER, register=True)
        store.imports.advance(ME, half, known_at=LATER)
    assert store.imports.progress(ME, half.sha256) == replace(half, known_at=LATER)
    whole = replace(half, byte_offset=1000, done=True)
    store.imports.advance(ME, whole, known_at=LATER)
    assert store.imports.progress(ME, half.sha256) == replace(whole, known_at=LATER)
    with pytest.raises(Conflict, match="byte 1000 already"):
        store.imports.advance(ME, half, known_at=LATER)


def import_and_fail(store: Store, panel: Panel, progress: Progress) -> None:
    with store.transaction():
        store.readings.save(ME, panel, known_at=LATER, register=True)
        store.imports.advance(ME, progress, known_at=LATER)
        store.imports.advance(ME, replace(progress, byte_offset=1), known_at=LATER)


# --- audit ------------------------------------------------------------------------------------------------------------


def test_every_write_is_recorded(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a")])
    store.audit.append(ME, Act.CONTROL, "M1", command="sync-clock")
    newest, oldest = store.audit.records(ME)
    assert (newest.number, newest.actor, newest.act, newest.subject) == (2, "local", "control devices", "M1")
    assert (newest.detail, oldest.subject) == ({"command": "sync-clock"}, "a")
    assert store.audit.records(ME, before=2) == [oldest]
    assert store.audit.verify(ME) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_record SET actor = 'someone else' WHERE number = 2",
        "DELETE FROM audit_record WHERE number = 2",
        "DELETE FROM audit_record WHERE number = 3",
        "UPDATE audit_record SET detail = '{}' WHERE number = 3",
    ],
)
def test_tampering_breaks_the_chain(statement: str) -> None:
    with open_store("sqlite://") as store:
        for code in "abc":
            store.registry.save_points(ME, [UsagePoint(code)])
        with store._session.writing() as unit:
            for verb in ("update", "delete"):
                unit.connection.execute(text(f"DROP TRIGGER tr_audit_record_{verb}"))
            unit.connection.execute(text(statement))
        with pytest.raises(StoreCorrupt, match=r"broken at record [23]"):
            store.audit.verify(ME)

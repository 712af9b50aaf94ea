"""Verify: a healthy database has no fault, and each kind of corruption is found by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from gridwright.billing.rating import bill_key
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill, BillLine, LedgerLine
from gridwright.domain.day_totals import day_totals
from gridwright.domain.device import DeviceLink
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.jobs.upkeep.look_after_keys import seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.archive.file import Shelf
from gridwright.store.checks.checks import Checked
from tests.integration.store.undone import undone, unprotect

MARCH = datetime(2025, 3, 1, tzinfo=UTC)
NOW = datetime(2025, 6, 1, tzinfo=UTC)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
ZONE = "Europe/Berlin"


def fill(store: Store) -> None:
    """Readings in both images with corrections and day totals, registers, bills issued and cancelled."""
    points = ("UP-1", "UP-2")
    store.registry.save_points(ME, [UsagePoint(name, zone=ZONE, attributes={"name": name}) for name in points])
    values = np.random.default_rng(1).integers(0, 900, (2, 40 * 96)).astype(float)
    values[0, 3:9] = np.nan
    quality = np.where(np.isnan(values), q.Status.MISSING, q.Status.ACTUAL).astype(np.uint8)
    panel = Panel(points, MARCH, QUARTER, values, quality)
    store.readings.save(ME, panel, known_at=NOW)
    store.readings.save(ME, Panel(points[:1], MARCH, QUARTER, values[1:, :99]), known_at=NOW + timedelta(hours=1))
    store.readings.save(ME, panel, known_at=NOW, image=Image.FINAL)
    whole = panel.regrid(Interval(MARCH - DAY, panel.end + DAY))
    store.day_totals.save(ME, day_totals(whole, ZONE), known_at=NOW)
    for value, hours in ((5.0, 0), (6.0, 1)):
        store.registers.save(ME, [RegisterReading("UP-1", MARCH, value)], known_at=NOW + timedelta(hours=hours))
    store.dirty.clear(ME, store.dirty.ranges(ME))
    month = Interval(MARCH, MARCH + timedelta(days=31))
    for number in range(1, 4):
        line = BillLine("energy", "energy", Decimal(10), "kWh", Decimal("0.30"), "EUR")
        usage, card = f"usage {number}", "flat@2025"
        key = bill_key("UP-1", month, card, usage)
        bill = Bill(f"B{number}", key, "UP-1", month, ZONE, card, "EUR", (line,), usage, NOW)
        postings = [
            LedgerLine(bill.id, account, amount, "EUR", NOW, "")
            for account, amount in (("receivable", Decimal("3.00")), ("revenue", Decimal("-3.00")))
        ]
        store.ledger.save_bill(ME, bill, postings)
        store.ledger.issue(ME, bill.id)
    store.ledger.cancel(ME, "B2")


def found(store: Store, **more: Any) -> dict[str, tuple[str, ...]]:  # noqa: ANN401 - options of verify
    """What each check found, those without a fault left out."""
    result = verify_store(store, ME, **more)
    assert result.ok == all(not check.faults for check in result.checks)
    assert all(check.remedy for check in result.checks if check.faults)
    return {check.name: check.first for check in result.checks if check.faults}


def test_on_every_database(store: Store, tmp_path: Path) -> None:
    fill(store)
    assert found(store, deep=True) == {}
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-04"))
    assert found(store, deep=True) == {}
    for step, faults in ((1, {"archived months", "checksums"}), (-1, set[str]())):
        with store._engine.begin() as connection:
            connection.execute(text(f"UPDATE block SET known_at_us = known_at_us + {step} WHERE day = 20160"))
        assert set(found(store, deep=True)) == faults
    assert found(store) == {}
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-04"), drop_before=parse_month("2025-04"))
    steps: list[tuple[int, int]] = []
    assert found(store, deep=True, progress=lambda done, total: steps.append((done, total))) == {}
    assert steps[-1][0] == steps[-1][1]
    with store._engine.begin() as connection:
        connection.execute(text("UPDATE series SET readings = readings + 1 WHERE usage_point = 1"))
        connection.execute(text("UPDATE block SET phase_s = 950"))
        connection.execute(text("UPDATE number_series SET last = 9 WHERE name = 'bill'"))
        connection.execute(
            text("INSERT INTO dirty_range (reading_type, usage_point, from_day, to_day) VALUES (99, 1, 1, 2)")
        )
    assert set(found(store)) == {"blocks", "series", "checksums", "numbers", "references"}


def archived_raw(store: Store) -> Path:
    """The file of the raw readings in the archive."""
    (part,) = (part for part in store.archive.parts(ME) if part.image == Image.RAW)
    return Path(part.place)


def lose_file(store: Store) -> None:
    archived_raw(store).unlink()


def change_file(store: Store) -> None:
    path = archived_raw(store)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def swap_file(store: Store) -> None:
    """Another month's file, whole by itself."""
    (other,) = (Path(part.place) for part in store.archive.parts(ME) if part.image == Image.FINAL)
    archived_raw(store).write_bytes(other.read_bytes())


def forget_earlier_files(store: Store) -> None:
    for path in archived_raw(store).parents[2].glob("versions/*/*.parquet"):
        path.unlink()


def outdated_key(store: Store) -> None:
    """The key file is one from before: what it opens is not what is there."""
    del store
    KEEPER[0].path.unlink()
    Vault(KEEPER[0].path).seal(b"another key")


# What is done to a database, a statement or an act; the check that finds it; what it says.
Damage = str | Callable[[Store], None]
FILE = "bring the file back from a copy of the archive"
KEY_FILE = "bring back the key file"
CORRUPTIONS: dict[str, tuple[Damage, str, str]] = {
    "a file of the archive is missing": (lose_file, "archive files", "cannot be read"),
    "a file of the archive is changed": (change_file, "archive files", "has been changed: its checksum is"),
    "a file of the archive is another's": (swap_file, "archive files", "has been changed: its checksum is"),
    "earlier images in the archive are missing": (forget_earlier_files, "archive files", "cannot be read"),
    "an outdated key: data keys": (outdated_key, "sealed data", "data key"),
    "an outdated key: passwords of devices": (outdated_key, "sealed data", "password of device M1 (master key"),
    "a data key that was changed": (
        "UPDATE data_key SET wrapped = zeroblob(67)",
        "sealed data",
        "this was not sealed by Gridwright",
    ),
    "a total of the archive's register": (
        "UPDATE archive_part SET total = '1' WHERE month = (SELECT MIN(month) FROM archive_part)",
        "archive files",
        "does not hold what it says",
    ),
    "a bit of a value": (
        "UPDATE block SET counts = CAST(x'0101' || substr(counts, 3) AS BLOB) WHERE day = 20160 AND reading_type = 2",
        "day totals",
        "final readings sum to",
    ),
    "a bit of a value as it came": (
        (
            "UPDATE block SET counts = CAST(substr(counts, 1, 20) || x'01' || substr(counts, 22) AS BLOB) "
            "WHERE day = 20160 AND reading_type = 1 AND usage_point = 2"
        ),
        "archived months",
        "2025-03 electricity/delivered/energy/delta/0 (raw): its readings in the database are others",
    ),
    "when a block became known": (
        "UPDATE block SET known_at_us = known_at_us + 1 WHERE day = 20160 AND reading_type = 1 AND usage_point = 2",
        "archived months",
        "its readings in the database are others",
    ),
    "a bit of an earlier image": (
        (
            "UPDATE block_version SET counts = CAST(x'01' || substr(counts, 2) AS BLOB) "
            "WHERE day = (SELECT MIN(day) FROM block_version)"
        ),
        "archived months",
        "its earlier images in the database are others",
    ),
    "the id of a usage point": (
        "UPDATE usage_point SET code = 'UP-3' WHERE id = 2",
        "archived months",
        "its readings in the database are others",
    ),
    "an audit record is gone": ("DELETE FROM audit_record WHERE number = 2", "audit chain", "broken at record 2"),
    "the last audit record is gone": (
        "DELETE FROM audit_record WHERE number = (SELECT MAX(number) FROM audit_record)",
        "audit chain",
        "broken at record",
    ),
    "a width that is none": (
        "UPDATE block SET width = 3 WHERE usage_point = 1 AND day = 20150",
        "blocks",
        "values of 3",
    ),
    "a day that is too short": (
        "UPDATE block SET counts = substr(counts, 1, 10) WHERE usage_point = 1 AND day = 20150",
        "blocks",
        "10 bytes for 96 values of 2",
    ),
    "slots that do not fit a day": ("UPDATE block SET slots = 97 WHERE day = 20150", "blocks", "97 slots"),
    "a phase beyond the interval": ("UPDATE block SET phase_s = 900 WHERE day = 20150", "blocks", "beginning 900 s"),
    "qualities that are too few": (
        "UPDATE block SET quality = x'01', quality_all = NULL WHERE day = 20150",
        "blocks",
        "1 qualities for 96",
    ),
    "no quality at all": (
        "UPDATE block SET quality = NULL, quality_all = NULL WHERE day = 20150",
        "blocks",
        "or neither",
    ),
    "a usage point that is gone": (
        "UPDATE block SET usage_point = 77 WHERE usage_point = 1 AND day = 20150",
        "blocks",
        "number 77",
    ),
    "a quality where nothing is": (
        "UPDATE block SET quality = NULL, quality_all = 1 WHERE usage_point = 1 AND day = 20148 AND reading_type = 2",
        "qualities",
        "no value",
    ),
    "an earlier image is gone": (
        "DELETE FROM block_version WHERE day = 20148",
        "earlier images",
        "the earlier ones: none",
    ),
    "an image became known before the one before": (
        "UPDATE block_version SET known_at_us = known_at_us * 2",
        "earlier images",
        "known later",
    ),
    "times for other slots": (
        "UPDATE block SET known = x'0102030405' WHERE day = 20150",
        "blocks",
        "5 bytes that tell when 96 values became known",
    ),
    "slots that became known at another time": (
        "UPDATE block SET known = zeroblob(480) WHERE day = 20150",
        "earlier images",
        "its slots became known at other times",
    ),
    "a day is gone": ("DELETE FROM block WHERE day = 20150 AND reading_type = 1", "series", "readings are counted"),
    "a series reaches elsewhere": ("UPDATE series SET first_day = 20149", "series", "outside"),
    "a final image is gone": (
        "DELETE FROM block WHERE day = 20150 AND reading_type = 2",
        "final images",
        "no final image",
    ),
    "a day total that is another": (
        "UPDATE day_total SET total = total + 1 WHERE day = 20160 AND usage_point = 2",
        "day totals",
        "UP-2, electricity/delivered/energy/delta/0, 2025-03-13: the total is",
    ),
    "a day total is gone": (
        "DELETE FROM day_total WHERE day = 20160 AND usage_point = 2",
        "day totals",
        "UP-2, electricity/delivered/energy/delta/0, 2025-03-13: there is no total, the final readings sum to",
    ),
    "how the intervals of a day are known": (
        "UPDATE day_total SET measured = measured - 5, estimated = 5 WHERE day = 20160 AND usage_point = 2",
        "day totals",
        "the number of measured intervals is 91, by the final readings it is 96",
    ),
    "the peak of a day": (
        "UPDATE day_total SET peak = peak + 1 WHERE day = 20160 AND usage_point = 2",
        "day totals",
        "the highest interval is",
    ),
    "a final reading that is another": (
        (
            "UPDATE block SET counts = "
            "(SELECT counts FROM block WHERE day = 20161 AND usage_point = 2 AND reading_type = 2) "
            "WHERE day = 20160 AND reading_type = 2 AND usage_point = 2"
        ),
        "day totals",
        "final readings sum to",
    ),
    "a bill's total": (
        "UPDATE bill SET total = '99.00' WHERE code = 'B1'",
        "bill totals",
        "bill B1: its total is 99.00",
    ),
    "a line of a bill": ("UPDATE bill_line SET amount = '1.00' WHERE bill = 1", "bill totals", "lines sum to 1.00"),
    "an amount that is none": (
        "UPDATE bill_line SET amount = 'much' WHERE bill = 1",
        "bill totals",
        "'much' is no amount",
    ),
    "the ledger": (
        "UPDATE ledger_line SET amount_minor = 299 WHERE document = 'B1' AND amount_minor > 0",
        "ledger",
        "document B1: its postings are -1 minor",
    ),
    "both sides of the ledger": (
        "UPDATE ledger_line SET amount_minor = amount_minor * 2 WHERE document = 'B1'",
        "postings",
        "B1: the ledger holds other",
    ),
    "a number is missing": ("UPDATE bill SET number = 9 WHERE number = 2", "numbers", "bill: number 2 is missing"),
    "a number behind the last": ("UPDATE number_series SET last = 2 WHERE name = 'bill'", "numbers", "above 2"),
    "a credit note's number": ("UPDATE bill SET credit_number = 4 WHERE credit_number = 1", "numbers", "credit note"),
    "an audit record": (
        "UPDATE audit_record SET actor = 'nobody' WHERE number = 2",
        "audit chain",
        "broken at record 2",
    ),
    "a reference": (
        "UPDATE bill SET usage_point = 55 WHERE code = 'B3'",
        "references",
        "bill: 1 rows of usage_point 55",
    ),
    "a finding of nobody": (
        (
            "INSERT INTO finding (id, usage_point, reading_type, code, start_s, end_s, severity, message, slots, "
            "known_at_us) VALUES (9, 66, 1, 'x', 0, 1, 'warn', '', 1, 1)"
        ),
        "references",
        "finding: 1 rows of usage_point 66",
    ),
    "a row of the journal": (
        "INSERT INTO journal (received_us, actor, readings, content) VALUES (1, 'x', 7, x'0101010101')",
        "journal",
        "row 1, 7 readings: the checksum of a journal row is wrong",
    ),
    "a row put aside": (
        "INSERT INTO journal_aside SELECT 1, 1, 'x', 7, 2, 'it does not fit', x'01'",
        "journal",
        "7 readings were put aside as row 1: it does not fit",
    ),
    "an earlier register reading": ("DELETE FROM register_version", "earlier values", "revision 2, and 0 earlier"),
    "a sealed name": (
        "UPDATE usage_point SET attributes = substr(attributes, 1, 40) || 'AA' || substr(attributes, 43) WHERE id = 1",
        "sealed data",
        "UP-1: usage_point.attributes of UP-1 does not open",
    ),
}


@contextmanager
def kept_files(store: Store) -> Iterator[None]:
    """Bring the archive's files and the key file back afterwards."""
    places = [*archived_raw(store).parents[2].rglob("*.parquet"), KEEPER[0].path]
    before = {path: path.read_bytes() for path in places}
    try:
        yield
    finally:
        for path, content in before.items():
            path.write_bytes(content)
        KEEPER[0].path.chmod(0o600)


@pytest.fixture(scope="module")
def open_town(filled: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The filled database, without what protects it."""
    path = tmp_path_factory.mktemp("open") / "town.db"
    path.write_bytes(filled)
    with open_store(path, master=KEEPER[0]) as store:
        unprotect(store)
        done = archive_months(store, ME, str(path.parent / "archive"), before=parse_month("2025-04"))
        assert len(done.written) == 2, done
        assert found(store, deep=True) == {}
        yield store


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_each_corruption_is_found_by_its_check(open_town: Store, what: str) -> None:
    damage, check, words = CORRUPTIONS[what]
    remedies = {"archive files": FILE, "sealed data": KEY_FILE, "day totals": "gridwright vee again POINT"}
    checked: list[Checked] = []
    with kept_files(open_town), undone(open_town) as unit:
        if callable(damage):
            damage(open_town)
        else:
            unit.connection.execute(text(damage))
        checked += verify_store(open_town, ME, deep=True).checks
    (mine,) = (each for each in checked if each.name == check)
    assert any(words in each for each in mine.first), checked
    assert remedies.get(check, "") in mine.remedy != ""
    assert not [each.name for each in checked if each.faults and not each.remedy]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE usage_point SET attributes = '{\"name' WHERE id = 1", "the attributes of usage point UP-1 cannot be"),
        ("UPDATE reading_type SET code = code || 'x' WHERE id = 2", "reading type number 2 is"),
        ("UPDATE reading_type SET code = 'much' WHERE id = 1", "reading type number 1 is 'much', which is none"),
    ],
)
def test_a_row_that_cannot_be_read_ends_no_other_check(open_town: Store, damage: str, words: str) -> None:
    checked: list[Checked] = []
    with undone(open_town) as unit:
        unit.connection.execute(text(damage))
        checked += verify_store(open_town, ME).checks
    told = [each for check in checked for each in check.first]
    assert any(words in each for each in told), told
    assert "audit chain" in {check.name for check in checked if check.ok}
    assert all(check.remedy for check in checked if check.faults)


KEEPER: list[Vault] = []


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A filled and sealed database, as a file."""
    folder = tmp_path_factory.mktemp("filled")
    vault = Vault(folder)
    KEEPER[:] = [vault]
    with open_store(folder / "town.db", master=vault) as store:
        fill(store)
        seal_store(store, ME)
        store.registry.save_meter(ME, Meter("M1"))
        store.devices.save_link(ME, DeviceLink("M1", "iec62056-21", "tcp://127.0.0.1:1/M1"))
        store.devices.set_secret(ME, "M1", vault.seal(b"1234"))
        assert found(store, deep=True) == {}
    return (folder / "town.db").read_bytes()


def test_no_false_alarm_while_the_cascade_writes(
    filled: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the day totals and the readings that they are sums of, both become others."""
    (tmp_path / "town.db").write_bytes(filled)
    with open_store(tmp_path / "town.db", master=KEEPER[0]) as store, open_store(tmp_path / "town.db") as other:
        load, written = store.day_totals.load, 0

        def meanwhile(*given: Any, **more: Any) -> Any:  # noqa: ANN401 - those of the store
            nonlocal written
            totals = load(*given, **more)
            written += 1
            panel = Panel(("UP-1",), MARCH + timedelta(days=9), QUARTER, np.full((1, 192), float(written)))
            with other.transaction():
                other.readings.save(ME, panel, known_at=NOW + timedelta(days=written), image=Image.FINAL)
                whole = Interval(MARCH, MARCH + timedelta(days=40))
                final = other.readings.load(ME, ["UP-1"], whole, image=Image.FINAL)
                other.day_totals.save(ME, day_totals(final, ZONE), known_at=NOW + timedelta(days=written))
            return totals

        monkeypatch.setattr(store.day_totals, "load", meanwhile)
        assert found(store) == {}
        assert written > 0
        monkeypatch.undo()
        assert found(store) == {}


def test_no_false_alarm_while_a_changed_month_is_archived_anew(filled: bytes, tmp_path: Path) -> None:
    (tmp_path / "town.db").write_bytes(filled)
    place, months = str(tmp_path / "archive"), parse_month("2025-04")
    with open_store(tmp_path / "town.db", master=KEEPER[0]) as store:
        archive_months(store, ME, place, before=months)
        panel = Panel(("UP-1",), MARCH, QUARTER, np.full((1, 96), 5.0))
        store.readings.save(ME, panel, known_at=NOW + timedelta(days=1))
        store.dirty.clear(ME, store.dirty.ranges(ME))
        anew: list[str] = []

        def shelf_of(address: str) -> Shelf:
            if not anew:
                anew.extend(archive_months(store, ME, place, before=months).written)
            return Shelf.at(address)

        checked = store.checks.archive(ME, shelf_of)
        assert (len(anew), checked.first) == (1, ())
        Path(store.archive.parts(ME)[0].place).unlink()
        assert len(store.checks.archive(ME, shelf_of).first) == 1


def test_a_damaged_page(filled: bytes, tmp_path: Path) -> None:
    content = bytearray(filled)
    for page in range(4, 12):
        content[page * 4096 + 8 : page * 4096 + 24] = bytes(16)
    (tmp_path / "town.db").write_bytes(content)
    with open_store(tmp_path / "town.db", master=KEEPER[0]) as store:
        result = verify_store(store, ME, deep=True)
    (check,) = result.checks  # what damaged pages hold says nothing
    assert check.name == "database file"
    assert not result.ok


def test_nothing_is_written(filled: bytes, tmp_path: Path) -> None:
    (tmp_path / "town.db").write_bytes(filled)
    with open_store(tmp_path / "town.db", master=KEEPER[0]) as store, store._engine.connect() as connection:
        before = connection.exec_driver_sql("PRAGMA data_version").scalar()
        verify_store(store, ME, deep=True)
        assert connection.exec_driver_sql("PRAGMA data_version").scalar() == before


def test_the_clock_of_a_server_is_told(store: Store) -> None:
    there = store.backlogs.clock(ME)
    if store._engine.dialect.name == "sqlite":
        assert there is None
    else:
        assert there is not None
        assert abs(there - datetime.now(UTC)) < timedelta(minutes=1)
    assert store.backlogs.count(ME).jobs == 0
    assert store.backlogs.growth(ME).readings == 0

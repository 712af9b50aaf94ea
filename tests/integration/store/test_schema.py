from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill
from gridwright.domain.errors import StoreLocked, StoreOutdated
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.store import Store, open_store
from gridwright.store import migrate as migrating
from gridwright.store.engine import make_engine, resolve
from gridwright.store.migrate import HEAD, VERSION_TABLE, revision_of, upgrade
from gridwright.store.schema import NAMING, metadata
from tests import quick_schema
from tests.integration.store.conftest import emptied

START = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _by_the_migrations_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.store.migrate.upgrade", quick_schema.by_migrations)


def everything(store: Store) -> list[Any]:
    """The schema and all rows of a SQLite database."""
    with store._engine.connect() as connection:
        rows = [connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in sorted(metadata.tables)]
        return [*connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all(), rows]


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///{}/made.db"])
def test_the_suite_starts_with_what_the_migrations_make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    with open_store(address.format(tmp_path)) as store:
        migrated = everything(store)
    (tmp_path / "made.db").unlink(missing_ok=True)
    quick_schema.made_once()
    quick_schema.file_once()
    monkeypatch.setattr("gridwright.store.migrate.upgrade", quick_schema.upgrade)
    monkeypatch.setattr(quick_schema, "by_migrations", None)  # made once, it is not asked again
    with open_store(address.format(tmp_path)) as store:
        assert everything(store) == migrated
    assert [path.name for path in tmp_path.iterdir() if path.name != "made.db"] == []


def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    with store._engine.connect() as connection:
        differences: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
    # MariaDB and MySQL index a foreign key by themselves.
    assert [each for each in differences if not (each[0] == "remove_index" and each[1].name.startswith("fk_"))] == []


def test_names_follow_the_convention() -> None:
    assert set(NAMING) == {"ix", "uq", "fk", "pk"}
    unnamed = [c for table in metadata.tables.values() for c in table.constraints if not c.name]
    assert unnamed == []


def test_running_the_migrations_again_changes_nothing(store: Store) -> None:
    with store._engine.begin() as connection:
        upgrade(connection)
        assert VERSION_TABLE in inspect(connection).get_table_names()


def migrate(connection: Connection, direction: str, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    from gridwright.store.migrate import SCRIPTS

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    getattr(command, direction)(config, target)


def test_down_and_up_again() -> None:
    with open_store("sqlite://") as store, store._engine.begin() as connection:
        migrate(connection, "downgrade", "base")
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
        upgrade(connection, HEAD)
        assert set(metadata.tables) < set(inspect(connection).get_table_names())


def test_an_older_schema_is_brought_up_to_date_with_its_data(
    store: Store, address: str, again: Callable[[], Store]
) -> None:
    finding = Finding("V17_stuck", "a", Interval(START, START + timedelta(days=1)), Severity.WARN, "stuck")
    bill = Bill("B1", "k1", "a", finding.period, "UTC", "flat", "EUR", (), "h", START)
    store.registry.save_points(ME, [UsagePoint("a")])
    store.findings.save(ME, [finding], known_at=START)
    store.ledger.save_bill(ME, bill)
    with store._engine.begin() as connection:
        migrate(connection, "downgrade", "0001")
        assert {"api_key", "outlook"}.isdisjoint(inspect(connection).get_table_names())
    with pytest.raises(StoreOutdated, match="0001"):
        open_store(address, create=False)
    with again() as newer:
        with newer._engine.connect() as connection:
            assert revision_of(connection) == HEAD
        assert [each.finding for each in newer.findings.page(ME)] == [finding]
        assert newer.ledger.bill(ME, "B1").bill == bill
        assert newer.identities.bootstrap(START) is not None
        assert newer.audit.verify(ME) == 5
        test_the_migrations_make_exactly_the_schema(newer)


def test_a_default_that_stood_for_dials_becomes_unknown(store: Store, address: str, again: Callable[[], Store]) -> None:
    """Before 0005 a meter without a word about its dials had 8 of 1 Wh."""
    meters = [Meter("M-1"), Meter("M-2", dials=5, lsb_wh=1000), Meter("M-3", dials=8, lsb_wh=1000)]
    store.registry.save_meters(ME, meters)
    with store._engine.begin() as connection:
        migrate(connection, "downgrade", "0004")
        dials = connection.exec_driver_sql("SELECT dials FROM end_device ORDER BY serial").scalars().all()
        assert dials == [8, 5, 8]
    with again() as newer:
        assert newer.registry.meters(ME) == tuple(meters)


def test_who_waits_in_vain_for_the_schema_is_told_and_changes_nothing(
    mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MariaDB a lock that was not granted is an answer, no error."""
    monkeypatch.setattr(migrating, "PATIENCE_S", 0)
    monkeypatch.setattr(migrating, "LOCK", f"{secrets.randbits(40)}")  # as other tests migrate on the same server
    engine = make_engine(resolve(emptied(mysql_url)), create=True)
    try:
        with engine.connect() as holder, engine.connect() as late:
            migrating._lock(holder)
            with pytest.raises(StoreLocked, match="brings the schema"):
                migrating._lock(late)
            holder.invalidate()
    finally:
        engine.dispose()

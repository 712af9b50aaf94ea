"""The schema of a database: make it, bring it up to date, or say why it cannot be used."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from gridwright.domain.errors import StoreCorrupt, StoreLocked, StoreOutdated
from gridwright.store.backup.guards import put_back_guards
from gridwright.store.engine import WRITES, place
from gridwright.store.resuming import passing_what_is_done

HEAD = "0010"
VERSION_TABLE = "alembic_version"
SCRIPTS = Path(__file__).parent / "migrations"
PATIENCE_S = 60
LOCK = 4_722_957_201  # an arbitrary number that only Gridwright's migrations lock on PostgreSQL


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the schema, None for an empty database."""
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return str(found) if found else None
    if tables:
        raise StoreCorrupt(
            f"the database holds tables that are not Gridwright's ({', '.join(sorted(tables)[:3])})",
            where=place(connection.engine.url),
            remedy="name a new file or an empty database",
        )
    return None


def prepare(engine: Engine, *, create: bool) -> None:
    """Make sure that the schema is this program's; see `open_store`."""
    with engine.connect() as connection:
        found = revision_of(connection)
    put_back_guards(engine, only_look=not create)
    if found == HEAD:
        return
    _refuse(engine, found, create=create)
    with engine.connect() as plain:
        connection = plain.execution_options(**{WRITES: True})
        with connection.begin():
            _lock(connection)
            if revision_of(connection) != HEAD:  # another process may have been quicker
                upgrade(connection)
        if engine.dialect.name != "sqlite":
            connection.invalidate()  # a pooled connection would keep MariaDB's lock


def _lock(connection: Connection) -> None:
    """Let one process migrate at a time; the lock goes with the transaction, or with the connection."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    elif dialect in {"mysql", "mariadb"}:
        asked = {"name": f"gridwright-{LOCK}", "patience": PATIENCE_S}
        if connection.execute(text("SELECT GET_LOCK(:name, :patience)"), asked).scalar() != 1:
            raise StoreLocked(
                "another process brings the schema of a database on this server up to date",
                where=place(connection.engine.url),
                remedy="wait until it is done, and try again",
            )


def _refuse(engine: Engine, found: str | None, *, create: bool) -> None:
    if found is not None and found not in known_revisions():
        raise StoreOutdated(
            f"the schema has revision {found}, which this program does not know: a newer one wrote it",
            where=place(engine.url),
            remedy="install the newer Gridwright, or open another database",
        )
    if not create:
        state = f"is of revision {found}, this program needs {HEAD}" if found else "is empty"
        raise StoreOutdated(
            f"the schema {state}",
            where=place(engine.url),
            remedy="gridwright usage-point list makes it or brings it up to date; so does gridwright serve",
        )


def known_revisions() -> set[str]:
    """Return every revision this program can start from."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations on a connection, within its transaction where the database can do that."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with passing_what_is_done(connection):
        command.upgrade(config, revision)

"""The data plane: final images and day totals, edits, rule sets, corrections of bills, edges and the archive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OWN_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IS_MOVING = (
    "EXISTS (SELECT 1 FROM archive_part WHERE archive_part.reading_type = OLD.reading_type "
    "AND archive_part.state IN ('dropping', 'restoring') AND OLD.day >= from_day AND OLD.day < to_day)"
)
GUARD = (
    "CREATE FUNCTION gridwright_keep_versions() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NOT "
    + IS_MOVING.replace("'", "''")
    + " THEN RAISE EXCEPTION ''block_version is never changed'' USING ERRCODE = ''P0001''; END IF; RETURN OLD; END'"
)
NAME = "tr_block_version_delete"
ON_SERVER = f"DROP TRIGGER {NAME}"
DROP = {"sqlite": ON_SERVER, "mysql": ON_SERVER, "postgresql": f"{ON_SERVER} ON block_version"}
MESSAGE = "'block_version is never changed'"
HEAD = f"CREATE TRIGGER {NAME} BEFORE DELETE ON block_version"
MOVING = {
    "sqlite": f"{HEAD} WHEN NOT {{moving}} BEGIN SELECT RAISE(ABORT, {MESSAGE}); END",
    "postgresql": f"{HEAD} FOR EACH ROW EXECUTE FUNCTION gridwright_keep_versions()",
    "mysql": f"{HEAD} FOR EACH ROW BEGIN IF NOT {{moving}} THEN "
    f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {MESSAGE}; END IF; END",
}
NEVER = {
    "sqlite": f"{HEAD} WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, {MESSAGE}); END",
    "postgresql": f"{HEAD} FOR EACH ROW WHEN (1 = 1) EXECUTE FUNCTION gridwright_refuse({MESSAGE})",
    "mysql": f"{HEAD} FOR EACH ROW BEGIN IF 1 = 1 THEN "
    f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = {MESSAGE}; END IF; END",
}
IMAGES = ("block", "block_version")
TABLES = (
    "day_total",
    "day_total_version",
    "rerate",
    "edit",
    "rule_set",
    "correction",
    "edge_stream",
    "archive_part",
    "data_key",
)


def name_type(length: int = 120) -> TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("finding", sa.Column("assigned_to", sa.String(200), nullable=True))
    op.add_column("read_session", sa.Column("clock_drift_s", sa.Double, nullable=True))
    op.add_column("read_session", sa.Column("clock_set", sa.Boolean, nullable=True))
    for table in IMAGES:
        op.add_column(table, sa.Column("known", BYTES, nullable=True))
        op.add_column(table, sa.Column("additions", sa.Integer, nullable=False, server_default="0"))
    series = sa.table("number_series", sa.column("name", sa.String), sa.column("last", sa.BigInteger))
    op.bulk_insert(series, [{"name": "debit note", "last": 0}])
    _day_totals()
    _rerate()
    _edits()
    _corrections()
    _flow()
    _everything_dirty()
    _let_months_move()


def downgrade() -> None:
    _let_nothing_move()
    for table in reversed(TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM number_series WHERE name = 'debit note'")
    for table in IMAGES:
        op.drop_column(table, "additions")
        op.drop_column(table, "known")
    op.drop_column("finding", "assigned_to")
    op.drop_column("read_session", "clock_set")
    op.drop_column("read_session", "clock_drift_s")


def _dialect() -> str:
    name = op.get_bind().dialect.name
    return "mysql" if name == "mariadb" else name


def _let_months_move() -> None:
    """Let earlier images be deleted of a month that is on its way to the archive, or back; of no other."""
    run, dialect = op.get_bind().exec_driver_sql, _dialect()
    if dialect == "postgresql":
        run(GUARD.replace("%", "%%"))
    run(DROP[dialect])
    run(MOVING[dialect].format(moving=IS_MOVING))


def _let_nothing_move() -> None:
    run, dialect = op.get_bind().exec_driver_sql, _dialect()
    run(DROP[dialect])
    if dialect == "postgresql":
        run("DROP FUNCTION gridwright_keep_versions()")
    run(NEVER[dialect])


def _totals() -> list[sa.Column[int]]:
    return [
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("peak", sa.BigInteger, nullable=False),
        sa.Column("peak_slot", sa.Integer, nullable=False),
        sa.Column("intervals", sa.Integer, nullable=False),
        sa.Column("measured", sa.Integer, nullable=False),
        sa.Column("estimated", sa.Integer, nullable=False),
        sa.Column("edited", sa.Integer, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
    ]


def _day_key() -> list[sa.Column[int]]:
    return [
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
    ]


def _day_totals() -> None:
    op.create_table(
        "day_total",
        *_day_key(),
        *_totals(),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("reading_type", "day", "usage_point", name=op.f("pk_day_total")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "day_total_version",
        *_day_key(),
        sa.Column("revision", sa.Integer, autoincrement=False, nullable=False),
        *_totals(),
        sa.PrimaryKeyConstraint("reading_type", "day", "usage_point", "revision", name=op.f("pk_day_total_version")),
        sqlite_with_rowid=False,
    )


def _rerate() -> None:
    op.create_table(
        "rerate",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("usage_point", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("cascade", name_type(64), nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_point.id"], name=op.f("fk_rerate_usage_point_usage_point")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rerate")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rerate_usage_point"), "rerate", ["usage_point"])


def _edits() -> None:
    op.create_table(
        "edit",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(), nullable=False),
        sa.Column("usage_point", OWN_KEY, nullable=False),
        sa.Column("reading_type", OWN_KEY, nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("evidence", LONG_TEXT, nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("difference", sa.BigInteger, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=True),
        sa.Column("decided_us", sa.BigInteger, nullable=True),
        sa.Column("note", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_point.id"], name=op.f("fk_edit_usage_point_usage_point")),
        sa.ForeignKeyConstraint(["reading_type"], ["reading_type.id"], name=op.f("fk_edit_reading_type_reading_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edit")),
        sa.UniqueConstraint("code", name=op.f("uq_edit_code")),
    )
    op.create_index(op.f("ix_edit_usage_point_start_s"), "edit", ["usage_point", "start_s"])
    op.create_index(op.f("ix_edit_state_id"), "edit", ["state", "id"])
    op.create_table(
        "rule_set",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_rule_set")),
    )


def _corrections() -> None:
    op.create_table(
        "correction",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(), nullable=False),
        sa.Column("key", name_type(200), nullable=False),
        sa.Column("bill", OWN_KEY, nullable=False),
        sa.Column("usage_point", OWN_KEY, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=True),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("total", sa.String(40), nullable=False),
        sa.Column("usage_hash", sa.String(128), nullable=False),
        sa.Column("cascade", name_type(64), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("postings", LONG_TEXT, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("issued_at_us", sa.BigInteger, nullable=True),
        sa.Column("cancelled_at_us", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(["bill"], ["bill.id"], name=op.f("fk_correction_bill_bill")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_point.id"], name=op.f("fk_correction_usage_point_usage_point")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
        sa.UniqueConstraint("code", name=op.f("uq_correction_code")),
        sa.UniqueConstraint("key", name=op.f("uq_correction_key")),
        sa.UniqueConstraint("kind", "number", name=op.f("uq_correction_kind_number")),
    )
    op.create_index(op.f("ix_correction_bill"), "correction", ["bill"])
    op.create_index(op.f("ix_correction_usage_point"), "correction", ["usage_point"])
    op.create_index(op.f("ix_correction_state_id"), "correction", ["state", "id"])


def _everything_dirty() -> None:
    """Let the first cascade make the final images of what is stored already."""
    op.execute("DELETE FROM dirty_range")
    op.execute(
        "INSERT INTO dirty_range (reading_type, usage_point, from_day, to_day) "
        "SELECT reading_type, usage_point, MIN(first_day), MAX(last_day) FROM series GROUP BY reading_type, usage_point"
    )


def _flow() -> None:
    op.create_table(
        "edge_stream",
        sa.Column("edge", name_type(), nullable=False),
        sa.Column("epoch", name_type(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
        sa.Column("first_us", sa.BigInteger, nullable=False),
        sa.Column("last_us", sa.BigInteger, nullable=False),
        sa.Column("clock_ahead_ms", sa.BigInteger, nullable=False),
        sa.Column("waiting", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
        sa.Column("actor", name_type(200), nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("lost", sa.BigInteger, nullable=False),
        sa.Column("oldest_us", sa.BigInteger, nullable=True),
        sa.Column("verdicts", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("edge", "epoch", name=op.f("pk_edge_stream")),
    )
    op.create_table(
        "archive_part",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("reading_type", sa.Integer, nullable=False),
        sa.Column("month", sa.Integer, nullable=False),
        sa.Column("from_day", sa.Integer, nullable=False),
        sa.Column("to_day", sa.Integer, nullable=False),
        sa.Column("place", LONG_TEXT, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("blocks", sa.BigInteger, nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
        sa.Column("total", sa.String(60), nullable=False),
        sa.Column("revisions", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("archived_us", sa.BigInteger, nullable=False),
        sa.Column("dropped_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_part")),
        sa.UniqueConstraint("reading_type", "month", name=op.f("uq_archive_part_reading_type_month")),
    )
    op.create_table(
        "data_key",
        sa.Column("id", name_type(16), nullable=False),
        sa.Column("master", name_type(16), nullable=False),
        sa.Column("wrapped", BYTES, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_key")),
    )

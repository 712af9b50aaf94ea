"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OWN_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "usage_point",
    "reading_type",
    "end_device",
    "installation",
    "block",
    "block_version",
    "series",
    "dirty_range",
    "register_reading",
    "register_version",
    "finding",
    "import_progress",
    "bill",
    "bill_line",
    "ledger_line",
    "number_series",
    "audit_record",
    "audit_head",
)
NEVER_CHANGED = ("block_version", "register_version", "bill_line", "ledger_line", "audit_record")
CONTENT = (
    "code",
    "key",
    "usage_point",
    "start_s",
    "end_s",
    "zone",
    "rate_card",
    "currency",
    "total",
    "usage_hash",
    "known_at_us",
    "detail",
    "postings",
)
AT_ISSUE = ("number", "issued_at_us")
DIFFERS = {
    "sqlite": "NEW.{0} IS NOT OLD.{0}",
    "postgresql": "NEW.{0} IS DISTINCT FROM OLD.{0}",
    "mysql": "NOT (NEW.`{0}` <=> OLD.`{0}`)",
}
TRIGGER = {
    "sqlite": "CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    "postgresql": "CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW WHEN ({when}) "
    "EXECUTE FUNCTION gridwright_refuse('{message}')",
    "mysql": "CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW "
    "BEGIN IF {when} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{message}'; END IF; END",
}
REFUSE = (
    "CREATE FUNCTION gridwright_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RAISE EXCEPTION ''%'', TG_ARGV[0] USING ERRCODE = ''P0001''; END'"
)


def name_type(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    _registry()
    _blocks()
    _series()
    _registers()
    _findings()
    _bills()
    _ledger()
    _records()
    op.bulk_insert(
        sa.table("audit_head", sa.column("id"), sa.column("number"), sa.column("digest")),
        [{"id": 1, "number": 0, "digest": "0" * 64}],
    )
    op.bulk_insert(
        sa.table("number_series", sa.column("name"), sa.column("last")),
        [{"name": "bill", "last": 0}, {"name": "credit note", "last": 0}],
    )
    _triggers()


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION gridwright_refuse()")


def _triggers() -> None:
    """Let the database itself refuse what must never happen, whoever asks."""
    name = op.get_bind().dialect.name
    dialect = "mysql" if name == "mariadb" else name
    if dialect == "postgresql":
        op.get_bind().exec_driver_sql(REFUSE.replace("%", "%%"))
    for table in NEVER_CHANGED:
        for verb in ("UPDATE", "DELETE"):
            _trigger(dialect, table, verb, "1 = 1", f"{table} is never changed")
    _trigger(dialect, "bill", "DELETE", "1 = 1", "a bill is never deleted")
    content = " OR ".join(DIFFERS[dialect].format(column) for column in CONTENT)
    issue = " OR ".join(DIFFERS[dialect].format(column) for column in AT_ISSUE)
    back = "OLD.state = 'cancelled' OR (OLD.state = 'issued' AND NEW.state = 'draft')"
    when = f"({content}) OR (OLD.state <> 'draft' AND ({issue})) OR {back}"
    _trigger(dialect, "bill", "UPDATE", when, "a bill is never changed")


def _trigger(dialect: str, table: str, verb: str, when: str, message: str) -> None:
    name = f"tr_{table}_{verb.lower()}"
    op.get_bind().exec_driver_sql(
        TRIGGER[dialect].format(name=name, verb=verb, table=table, when=when, message=message)
    )


def _registry() -> None:
    op.create_table(
        "usage_point",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("customer_class", sa.String(64), nullable=False),
        sa.Column("capacity_kw", sa.Float, nullable=True),
        sa.Column("holidays", sa.String(64), nullable=False),
        sa.Column("exports", sa.Boolean, nullable=False),
        sa.Column("attributes", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_point")),
        sa.UniqueConstraint("code", name=op.f("uq_usage_point_code")),
    )
    op.create_table(
        "reading_type",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading_type")),
        sa.UniqueConstraint("code", name=op.f("uq_reading_type_code")),
    )
    op.create_table(
        "end_device",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("serial", name_type(120), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("brand", sa.String(120), nullable=False),
        sa.Column("model", sa.String(120), nullable=False),
        sa.Column("dials", sa.SmallInteger, nullable=False),
        sa.Column("lsb_wh", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_device")),
        sa.UniqueConstraint("serial", name=op.f("uq_end_device_serial")),
    )
    op.create_table(
        "installation",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("usage_point", OWN_KEY, nullable=False),
        sa.Column("end_device", OWN_KEY, nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("multiplier", sa.String(40), nullable=False),
        sa.ForeignKeyConstraint(["end_device"], ["end_device.id"], name=op.f("fk_installation_end_device_end_device")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_point.id"], name=op.f("fk_installation_usage_point_usage_point")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        sa.UniqueConstraint("usage_point", "start_s", name=op.f("uq_installation_usage_point_start_s")),
    )


def _blocks() -> None:
    op.create_table(
        "block",
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("phase_s", sa.Integer, nullable=False),
        sa.Column("width", sa.SmallInteger, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("quality_all", sa.SmallInteger, nullable=True),
        sa.Column("quality", BYTES, nullable=True),
        sa.Column("counts", BYTES, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("reading_type", "day", "usage_point", name=op.f("pk_block")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "block_version",
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("phase_s", sa.Integer, nullable=False),
        sa.Column("width", sa.SmallInteger, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("quality_all", sa.SmallInteger, nullable=True),
        sa.Column("quality", BYTES, nullable=True),
        sa.Column("counts", BYTES, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        # Images superseded together lie together. Databases made before this order keep the other, and are slower.
        sa.PrimaryKeyConstraint("reading_type", "day", "revision", "usage_point", name=op.f("pk_block_version")),
        sqlite_with_rowid=False,
    )


def _series() -> None:
    op.create_table(
        "series",
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("interval_s", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("first_day", sa.Integer, nullable=False),
        sa.Column("last_day", sa.Integer, nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("reading_type", "usage_point", "interval_s", name=op.f("pk_series")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_series_usage_point"), "series", ["usage_point"], unique=False)
    op.create_table(
        "dirty_range",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("reading_type", sa.Integer, nullable=False),
        sa.Column("usage_point", sa.BigInteger, nullable=False),
        sa.Column("from_day", sa.Integer, nullable=False),
        sa.Column("to_day", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dirty_range")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_dirty_range_reading_type_usage_point"), "dirty_range", ["reading_type", "usage_point"], unique=False
    )


def _registers() -> None:
    op.create_table(
        "register_reading",
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at_s", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("end_device", name_type(120), nullable=False),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("usage_point", "reading_type", "at_s", "epoch", name=op.f("pk_register_reading")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "register_version",
        sa.Column("usage_point", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("reading_type", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at_s", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("end_device", name_type(120), nullable=False),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "usage_point", "reading_type", "at_s", "epoch", "revision", name=op.f("pk_register_version")
        ),
        sqlite_with_rowid=False,
    )


def _findings() -> None:
    op.create_table(
        "finding",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("usage_point", sa.BigInteger, nullable=False),
        sa.Column("reading_type", sa.Integer, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("severity", sa.String(8), nullable=False),
        sa.Column("message", LONG_TEXT, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("resolved_at_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    op.create_index(op.f("ix_finding_usage_point_start_s"), "finding", ["usage_point", "start_s"], unique=False)
    op.create_table(
        "import_progress",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("byte_offset", sa.BigInteger, nullable=False),
        sa.Column("byte_size", sa.BigInteger, nullable=False),
        sa.Column("counters", LONG_TEXT, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_import_progress")),
    )


def _bills() -> None:
    op.create_table(
        "bill",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("key", name_type(200), nullable=False),
        sa.Column("usage_point", OWN_KEY, nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("rate_card", sa.String(200), nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("total", sa.String(40), nullable=False),
        sa.Column("usage_hash", sa.String(128), nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("postings", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=True),
        sa.Column("credit_number", sa.BigInteger, nullable=True),
        sa.Column("issued_at_us", sa.BigInteger, nullable=True),
        sa.Column("cancelled_at_us", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(["usage_point"], ["usage_point.id"], name=op.f("fk_bill_usage_point_usage_point")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bill")),
        sa.UniqueConstraint("code", name=op.f("uq_bill_code")),
        sa.UniqueConstraint("credit_number", name=op.f("uq_bill_credit_number")),
        sa.UniqueConstraint("key", name=op.f("uq_bill_key")),
        sa.UniqueConstraint("number", name=op.f("uq_bill_number")),
    )


def _ledger() -> None:
    op.create_table(
        "bill_line",
        sa.Column("bill", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("charge", sa.String(200), nullable=False),
        sa.Column("quantity", sa.String(60), nullable=False),
        sa.Column("unit", sa.String(32), nullable=False),
        sa.Column("price", sa.String(60), nullable=False),
        sa.Column("amount", sa.String(40), nullable=False),
        sa.Column("ledger_account", sa.String(200), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["bill"], ["bill.id"], name=op.f("fk_bill_line_bill_bill")),
        sa.PrimaryKeyConstraint("bill", "position", name=op.f("pk_bill_line")),
    )
    op.create_table(
        "ledger_line",
        sa.Column("document", name_type(120), nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("posted_at_us", sa.BigInteger, nullable=False),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("document", "position", name=op.f("pk_ledger_line")),
    )
    op.create_table(
        "number_series",
        sa.Column("name", name_type(32), nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_number_series")),
    )


def _records() -> None:
    op.create_table(
        "audit_record",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(400), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_record")),
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )

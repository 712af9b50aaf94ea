"""Tables of readings, bills and audit records, for SQLite, PostgreSQL, MariaDB and MySQL; the rest beside this file.

Instants are epoch microseconds (`*_us`) or seconds (`*_s`), days are UTC day numbers since 1970-01-01, money is text
(exact decimals) or minor units. Ids that people write are text, and compared letter by letter on every database.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)


def name_type(length: int = 120) -> TypeEngine[str]:
    """Return the type of an id; MariaDB and MySQL would otherwise take `UP-1` and `up-1` for the same."""
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def key_type() -> TypeEngine[int]:
    """Return the type of a surrogate key; SQLite counts by itself only in an INTEGER."""
    return BigInteger().with_variant(Integer, "sqlite")


def long_text() -> TypeEngine[str]:
    """Return a text without a limit that matters; TEXT of MariaDB and MySQL ends at 64 KiB."""
    return Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def bytes_type() -> TypeEngine[bytes]:
    """Return a binary type that holds a day of one-second values, which BLOB of MariaDB and MySQL does not."""
    return LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def _own_key(name: str = "id") -> Column[int]:
    return Column(name, key_type(), primary_key=True, autoincrement=True)


def _part_of_key(name: str, kind: TypeEngine[int] | type[TypeEngine[int]] = Integer) -> Column[int]:
    return Column(name, kind, primary_key=True, autoincrement=False)


usage_point = Table(
    "usage_point",
    metadata,
    _own_key(),
    Column("code", name_type(), nullable=False, unique=True),
    Column("zone", String(64), nullable=False),
    Column("customer_class", String(64), nullable=False),
    Column("capacity_kw", Float),
    Column("holidays", String(64), nullable=False),
    Column("exports", Boolean, nullable=False),
    Column("attributes", long_text(), nullable=False),
)
reading_type = Table(
    "reading_type",
    metadata,
    _own_key(),
    Column("code", name_type(200), nullable=False, unique=True),
)
end_device = Table(
    "end_device",
    metadata,
    _own_key(),
    Column("serial", name_type(), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("brand", String(120), nullable=False),
    Column("model", String(120), nullable=False),
    Column("dials", SmallInteger, nullable=False),
    Column("lsb_wh", BigInteger, nullable=False),
)
installation = Table(
    "installation",
    metadata,
    _own_key(),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("end_device", ForeignKey("end_device.id"), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("multiplier", String(40), nullable=False),
    UniqueConstraint("usage_point", "start_s"),
)


def _checksum() -> Column[bytes | None]:
    """Return the column of a row's checksum: see `days/checksum.py`; none in rows from before there were any."""
    return Column("checksum", bytes_type())


def _image() -> list[Column[int] | Column[int | None] | Column[bytes] | Column[bytes | None]]:
    """Return what a day-block holds: the same in the current table and in that of earlier images."""
    return [
        Column("phase_s", Integer, nullable=False),
        Column("width", SmallInteger, nullable=False),
        Column("slots", Integer, nullable=False),
        Column("quality_all", SmallInteger),
        Column("quality", bytes_type()),
        Column("counts", bytes_type(), nullable=False),
        Column("known_at_us", BigInteger, nullable=False),
        # When each slot became known, where not all did at `known_at_us`: see `known.py`.
        Column("known", bytes_type()),
        # How often slots were added that had no value: what changes of a block, its revision leaves out.
        Column("additions", Integer, nullable=False, server_default="0"),
        _checksum(),
    ]


# No foreign keys on the blocks: they are written by the hundred thousand, from keys read in the same transaction.
block = Table(
    "block",
    metadata,
    _part_of_key("reading_type"),
    _part_of_key("day"),
    _part_of_key("usage_point", BigInteger),
    *_image(),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)
block_version = Table(
    "block_version",
    metadata,
    # Images that are superseded together lie together: an instant of all meters is added at one place of the tree.
    _part_of_key("reading_type"),
    _part_of_key("day"),
    _part_of_key("revision"),
    _part_of_key("usage_point", BigInteger),
    *_image(),
    sqlite_with_rowid=False,
)
# One row a series: what there is, without a walk through its blocks.
series = Table(
    "series",
    metadata,
    _part_of_key("reading_type"),
    _part_of_key("usage_point", BigInteger),
    _part_of_key("interval_s"),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Index(None, "usage_point"),
    sqlite_with_rowid=False,
)
dirty_range = Table(
    "dirty_range",
    metadata,
    _own_key(),
    Column("reading_type", Integer, nullable=False),
    Column("usage_point", BigInteger, nullable=False),
    Column("from_day", Integer, nullable=False),
    Column("to_day", Integer, nullable=False),
    Index(None, "reading_type", "usage_point"),
    # A key is never given twice: whoever works on a range must not clear the one that replaced it.
    sqlite_autoincrement=True,
)
register_reading = Table(
    "register_reading",
    metadata,
    _part_of_key("usage_point", BigInteger),
    _part_of_key("reading_type"),
    _part_of_key("at_s", BigInteger),
    _part_of_key("epoch"),
    Column("value", BigInteger, nullable=False),
    Column("end_device", name_type(), nullable=False),
    Column("quality", SmallInteger, nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    _checksum(),
    sqlite_with_rowid=False,
)
register_version = Table(
    "register_version",
    metadata,
    _part_of_key("usage_point", BigInteger),
    _part_of_key("reading_type"),
    _part_of_key("at_s", BigInteger),
    _part_of_key("epoch"),
    _part_of_key("revision"),
    Column("value", BigInteger, nullable=False),
    Column("end_device", name_type(), nullable=False),
    Column("quality", SmallInteger, nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    _checksum(),
    sqlite_with_rowid=False,
)
finding = Table(
    "finding",
    metadata,
    _own_key(),
    Column("usage_point", BigInteger, nullable=False),
    Column("reading_type", Integer, nullable=False),
    Column("code", String(64), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("severity", String(8), nullable=False),
    Column("message", long_text(), nullable=False),
    Column("slots", Integer, nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("resolved_at_us", BigInteger),
    # Both empty: it resolved itself, because it did not come up again. Otherwise a person accepted it, and why.
    Column("resolution", long_text()),
    Column("resolved_by", String(200)),
    Column("assigned_to", String(200)),
    # Of the values that are doubted; empty in rows from before it was kept.
    Column("fingerprint", String(32)),
    # Who would accept it and why, while a second person is needed, and afterwards.
    Column("proposed_by", String(200)),
    Column("proposal", long_text()),
    # What its acceptance, with those accepted with it, moved.
    Column("moved_wh", BigInteger),
    Index(None, "usage_point", "start_s"),
    Index(None, "resolved_at_us", "id"),
)
bill = Table(
    "bill",
    metadata,
    _own_key(),
    Column("code", name_type(), nullable=False, unique=True),
    Column("key", name_type(200), nullable=False, unique=True),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("rate_card", String(200), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("total", String(40), nullable=False),
    Column("usage_hash", String(128), nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("detail", long_text(), nullable=False),
    Column("postings", long_text(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("number", BigInteger, unique=True),
    Column("credit_number", BigInteger, unique=True),
    Column("issued_at_us", BigInteger),
    Column("cancelled_at_us", BigInteger),
    Index(None, "usage_point", "start_s"),
)
bill_line = Table(
    "bill_line",
    metadata,
    Column("bill", ForeignKey("bill.id"), primary_key=True, autoincrement=False),
    _part_of_key("position"),
    Column("charge", String(200), nullable=False),
    Column("quantity", String(60), nullable=False),
    Column("unit", String(32), nullable=False),
    Column("price", String(60), nullable=False),
    Column("amount", String(40), nullable=False),
    Column("ledger_account", String(200), nullable=False),
    Column("detail", long_text(), nullable=False),
)
ledger_line = Table(
    "ledger_line",
    metadata,
    Column("document", name_type(), primary_key=True),
    _part_of_key("position"),
    Column("account", String(200), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", String(8), nullable=False),
    Column("posted_at_us", BigInteger, nullable=False),
    Column("text", long_text(), nullable=False),
)
number_series = Table(
    "number_series",
    metadata,
    Column("name", name_type(32), primary_key=True),
    Column("last", BigInteger, nullable=False),
)
import_progress = Table(
    "import_progress",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("source", Text, nullable=False),
    Column("byte_offset", BigInteger, nullable=False),
    Column("byte_size", BigInteger, nullable=False),
    Column("counters", long_text(), nullable=False),
    Column("done", Boolean, nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
)
audit_record = Table(
    "audit_record",
    metadata,
    _part_of_key("number", BigInteger),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("act", String(64), nullable=False),
    Column("subject", String(400), nullable=False),
    Column("detail", long_text(), nullable=False),
    Column("digest", String(64), nullable=False),
)
audit_head = Table(
    "audit_head",
    metadata,
    _part_of_key("id"),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

"""Tables of what was made of the readings: day totals, edits, rule sets, and corrections of bills."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from gridwright.store.schema import key_type, long_text, metadata, name_type


def _key(name: str, kind: type[Integer] = Integer) -> Column[int]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _totals() -> list[Column[int]]:
    """Return what is kept of a civil day: whole counts of the reading type, and how its intervals came about."""
    return [
        Column("total", BigInteger, nullable=False),
        Column("peak", BigInteger, nullable=False),
        Column("peak_slot", Integer, nullable=False),
        Column("intervals", Integer, nullable=False),
        Column("measured", Integer, nullable=False),
        Column("estimated", Integer, nullable=False),
        Column("edited", Integer, nullable=False),
        Column("known_at_us", BigInteger, nullable=False),
    ]


# `day` is the civil day at the usage point, as days since 1970-01-01; `total` and `peak` are of the final image.
day_total = Table(
    "day_total",
    metadata,
    _key("reading_type"),
    _key("day"),
    _key("usage_point", BigInteger),
    *_totals(),
    Column("revision", Integer, nullable=False),
    sqlite_with_rowid=False,
)
day_total_version = Table(
    "day_total_version",
    metadata,
    _key("reading_type"),
    _key("day"),
    _key("usage_point", BigInteger),
    _key("revision"),
    *_totals(),
    sqlite_with_rowid=False,
)
# Days whose final image changed, until the bills that they touch were rated again.
rerate = Table(
    "rerate",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("cascade", name_type(64), nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Index(None, "usage_point"),
    sqlite_autoincrement=True,
)
edit = Table(
    "edit",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("code", name_type(), nullable=False, unique=True),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("reading_type", ForeignKey("reading_type.id"), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("author", String(200), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("evidence", long_text(), nullable=False),
    # JSON: the interval, the values asked for and those that they replace, one each slot, in counts, who let it go.
    Column("detail", long_text(), nullable=False),
    Column("difference", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("decided_by", String(200)),
    Column("decided_us", BigInteger),
    Column("note", long_text(), nullable=False),
    Index(None, "usage_point", "start_s"),
    Index(None, "state", "id"),
)
rule_set = Table(
    "rule_set",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("version", String(40), nullable=False),
    Column("text", long_text(), nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
)
# Append-only: a set that comes back into force begins another period. `source`: its file, empty for the
# packaged one.
rule_period = Table(
    "rule_period",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("since_us", BigInteger, nullable=False, unique=True),
    Column("digest", ForeignKey("rule_set.digest"), nullable=False),
    Column("version", String(40), nullable=False),
    Column("source", long_text()),
    sqlite_autoincrement=True,
)
correction = Table(
    "correction",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("code", name_type(), nullable=False, unique=True),
    Column("key", name_type(200), nullable=False, unique=True),
    Column("bill", ForeignKey("bill.id"), nullable=False),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("number", BigInteger),
    Column("currency", String(8), nullable=False),
    Column("total", String(40), nullable=False),
    Column("usage_hash", String(128), nullable=False),
    Column("cascade", name_type(64), nullable=False),
    # JSON: the bill as it should have been, and the difference line by line.
    Column("detail", long_text(), nullable=False),
    Column("postings", long_text(), nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("issued_at_us", BigInteger),
    Column("cancelled_at_us", BigInteger),
    UniqueConstraint("kind", "number"),
    Index(None, "bill"),
    Index(None, "usage_point"),
    Index(None, "state", "id"),
)

"""Tables of what is done and found out: demand response, jobs, and issued outlooks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table

from gridwright.store.schema import key_type, long_text, metadata, name_type

program = Table(
    "program",
    metadata,
    Column("code", name_type(), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("price_per_kwh", String(60), nullable=False),
    Column("baseline", String(64), nullable=False),
)
program_event = Table(
    "program_event",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("code", name_type(), nullable=False, unique=True),
    Column("program", ForeignKey("program.code"), nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("signal", long_text(), nullable=False),
    Column("notified_us", BigInteger),
    Index(None, "state"),
    Index(None, "program"),
)
event_target = Table(
    "event_target",
    metadata,
    Column("event", ForeignKey("program_event.id"), primary_key=True, autoincrement=False),
    Column("usage_point", ForeignKey("usage_point.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("opted_out", Integer),
    Index(None, "usage_point"),
)
performance = Table(
    "performance",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("event", ForeignKey("program_event.id"), nullable=False),
    Column("usage_point", ForeignKey("usage_point.id"), nullable=False),
    Column("baseline_kwh", String(60), nullable=False),
    Column("actual_kwh", String(60), nullable=False),
    Column("payment", String(60), nullable=False),
    Column("currency", String(8), nullable=False),
    Column("adjustment", Double, nullable=False),
    Column("detail", long_text(), nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("superseded_us", BigInteger),
    Index(None, "event", "usage_point"),
    Index(None, "usage_point"),
)
job = Table(
    "job",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("code", name_type(), nullable=False, unique=True),
    Column("kind", name_type(64), nullable=False),
    Column("requested_by", name_type(200), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("request", long_text(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("result", long_text(), nullable=False),
    Column("error", long_text(), nullable=False),
    Column("ended_us", BigInteger),
    Index(None, "state", "id"),
)
outlook = Table(
    "outlook",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("kind", name_type(64), nullable=False),
    Column("subject", name_type(200), nullable=False),
    Column("issued_us", BigInteger, nullable=False),
    # The newest of its subject: a page shows thousands of these at once, and none of the older ones.
    Column("newest", Boolean, nullable=False),
    Column("body", long_text(), nullable=False),
    Index(None, "kind", "subject", "issued_us"),
    Index(None, "kind", "newest", "subject"),
)

"""Tables of the field: devices and what they report, controls, readings of unknown meters, and the network."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from gridwright.store.schema import bytes_type, key_type, long_text, metadata, name_type

quarantined_reading = Table(
    "quarantined_reading",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("meter", name_type(), nullable=False),
    Column("reading_type", Integer, nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("claimed_us", BigInteger),
    Column("quality", SmallInteger, nullable=False, server_default="0"),
    Column("let_go", SmallInteger, nullable=False, server_default="0"),
    # With the value: of two that contradict each other both wait, in the order in which they came.
    UniqueConstraint("meter", "at_us", "interval_s", "reading_type", "value"),
    Index(None, "claimed_us", "meter"),
)
device_link = Table(
    "device_link",
    metadata,
    Column("serial", name_type(), primary_key=True),
    Column("driver", String(120), nullable=False),
    Column("address", String(400), nullable=False),
    Column("state", String(24), nullable=False),
    Column("capabilities", long_text(), nullable=False),
    Column("clock_drift_s", Double),
    Column("last_contact_us", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("problem", long_text(), nullable=False),
    Column("secret", bytes_type()),
    Index(None, "state"),
)
device_event = Table(
    "device_event",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("end_device", name_type(), nullable=False),
    Column("type", name_type(64), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("known_at_us", BigInteger, nullable=False),
    Column("usage_point", BigInteger),
    Column("text", long_text(), nullable=False),
    Column("details", long_text(), nullable=False),
    UniqueConstraint("end_device", "type", "at_us"),
    Index(None, "at_us", "end_device", "type"),
    Index(None, "usage_point", "at_us"),
)
read_session = Table(
    "read_session",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("serial", name_type(), nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("error", long_text(), nullable=False),
    Column("clock_drift_s", Double),
    Column("clock_set", Boolean),
    Index(None, "serial", "began_us"),
    Index(None, "began_us"),
)
end_device_control = Table(
    "end_device_control",
    metadata,
    Column("id", key_type(), primary_key=True, autoincrement=True),
    Column("code", name_type(), nullable=False, unique=True),
    Column("end_device", name_type(), nullable=False),
    Column("command", String(24), nullable=False),
    Column("reason", long_text(), nullable=False),
    Column("requested_by", name_type(200), nullable=False),
    Column("approved_by", name_type(200), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("requested_us", BigInteger),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("evidence", long_text(), nullable=False),
    Column("usage_point", BigInteger),
    Index(None, "state", "id"),
    Index(None, "end_device", "id"),
    Index(None, "usage_point", "id"),
)
control_step = Table(
    "control_step",
    metadata,
    Column("control", ForeignKey("end_device_control.id"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("detail", long_text(), nullable=False),
)
network_node = Table(
    "network_node",
    metadata,
    Column("code", name_type(), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("parent", name_type(), nullable=False),
    Column("rating_kva", Double),
    Column("meter", name_type(), nullable=False),
)
network_connection = Table(
    "network_connection",
    metadata,
    Column("usage_point", ForeignKey("usage_point.id"), primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("end_s", BigInteger, nullable=False),
    Column("node", ForeignKey("network_node.code"), nullable=False),
    Index(None, "node"),
)

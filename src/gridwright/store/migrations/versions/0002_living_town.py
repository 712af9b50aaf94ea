"""The living town: who may ask, devices and controls, demand response, the network, jobs and outlooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OWN_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "user_account",
    "user_point",
    "api_key",
    "user_session",
    "sign_in_failure",
    "stored_answer",
    "quarantined_reading",
    "device_link",
    "device_event",
    "read_session",
    "end_device_control",
    "control_step",
    "network_node",
    "network_connection",
    "program",
    "program_event",
    "event_target",
    "performance",
    "job",
    "outlook",
)
TRIGGER = {
    "sqlite": "CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{message}'); END",
    "postgresql": "CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW "
    "EXECUTE FUNCTION gridwright_refuse('{message}')",
    "mysql": "CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW "
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{message}'",
}


def name_type(length: int) -> TypeEngine[str]:
    return sa.String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("finding", sa.Column("resolution", LONG_TEXT, nullable=True))
    op.add_column("finding", sa.Column("resolved_by", sa.String(200), nullable=True))
    op.create_index(op.f("ix_finding_resolved_at_us_id"), "finding", ["resolved_at_us", "id"])
    op.create_index(op.f("ix_bill_usage_point_start_s"), "bill", ["usage_point", "start_s"])
    _people()
    _sign_in()
    _field()
    _reports()
    _controls()
    _network()
    _programs()
    _work()
    _trigger("UPDATE")
    _trigger("DELETE")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
    if op.get_bind().dialect.name in {"mysql", "mariadb"}:  # the foreign key needs some index
        op.create_index("fk_bill_usage_point_usage_point", "bill", ["usage_point"])
    op.drop_index(op.f("ix_bill_usage_point_start_s"), "bill")
    op.drop_index(op.f("ix_finding_resolved_at_us_id"), "finding")
    op.drop_column("finding", "resolved_by")
    op.drop_column("finding", "resolution")


def _trigger(verb: str) -> None:
    """Let the database itself refuse to change what a control has gone through, whoever asks."""
    name = op.get_bind().dialect.name
    dialect = "mysql" if name == "mariadb" else name
    table, message = "control_step", "control_step is never changed"
    trigger = f"tr_{table}_{verb.lower()}"
    op.get_bind().exec_driver_sql(TRIGGER[dialect].format(name=trigger, verb=verb, table=table, message=message))


def _people() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("name", name_type(120), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("every_point", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("password", sa.String(200), nullable=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("name", name=op.f("uq_user_account_name")),
    )
    op.create_table(
        "user_point",
        sa.Column("user_account", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("usage_point", name_type(120), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_account"], ["user_account.id"], name=op.f("fk_user_point_user_account_user_account")
        ),
        sa.PrimaryKeyConstraint("user_account", "usage_point", name=op.f("pk_user_point")),
    )
    op.create_table(
        "api_key",
        sa.Column("id", name_type(16), nullable=False),
        sa.Column("user_account", OWN_KEY, nullable=False),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=True),
        sa.Column("revoked_us", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_account"], ["user_account.id"], name=op.f("fk_api_key_user_account_user_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.create_index(op.f("ix_api_key_user_account"), "api_key", ["user_account"])


def _sign_in() -> None:
    op.create_table(
        "user_session",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_account", OWN_KEY, nullable=False),
        sa.Column("api_key", name_type(16), nullable=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("seen_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["api_key"], ["api_key.id"], name=op.f("fk_user_session_api_key_api_key")),
        sa.ForeignKeyConstraint(
            ["user_account"], ["user_account.id"], name=op.f("fk_user_session_user_account_user_account")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_user_session")),
    )
    op.create_index(op.f("ix_user_session_api_key"), "user_session", ["api_key"])
    op.create_index(op.f("ix_user_session_expires_us"), "user_session", ["expires_us"])
    op.create_index(op.f("ix_user_session_user_account"), "user_session", ["user_account"])
    op.create_table(
        "sign_in_failure",
        sa.Column("name_digest", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("since_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name_digest", name=op.f("pk_sign_in_failure")),
    )
    op.create_index(op.f("ix_sign_in_failure_since_us"), "sign_in_failure", ["since_us"])
    op.create_table(
        "stored_answer",
        sa.Column("actor", name_type(200), nullable=False),
        sa.Column("key", name_type(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_stored_answer")),
    )
    op.create_index(op.f("ix_stored_answer_at_us"), "stored_answer", ["at_us"])


def _field() -> None:
    op.create_table(
        "quarantined_reading",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("meter", name_type(120), nullable=False),
        sa.Column("reading_type", sa.Integer, nullable=False),
        sa.Column("interval_s", sa.Integer, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("claimed_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_reading")),
        sa.UniqueConstraint(
            "meter",
            "at_us",
            "interval_s",
            "reading_type",
            "value",
            name=op.f("uq_quarantined_reading_meter_at_us_interval_s_reading_type_value"),
        ),
    )
    op.create_index(op.f("ix_quarantined_reading_claimed_us_meter"), "quarantined_reading", ["claimed_us", "meter"])
    op.create_table(
        "device_link",
        sa.Column("serial", name_type(120), nullable=False),
        sa.Column("driver", sa.String(120), nullable=False),
        sa.Column("address", sa.String(400), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("capabilities", LONG_TEXT, nullable=False),
        sa.Column("clock_drift_s", sa.Double, nullable=True),
        sa.Column("last_contact_us", sa.BigInteger, nullable=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("problem", LONG_TEXT, nullable=False),
        sa.Column("secret", BYTES, nullable=True),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_device_link")),
    )
    op.create_index(op.f("ix_device_link_state"), "device_link", ["state"])


def _reports() -> None:
    op.create_table(
        "device_event",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("end_device", name_type(120), nullable=False),
        sa.Column("type", name_type(64), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("usage_point", sa.BigInteger, nullable=True),
        sa.Column("text", LONG_TEXT, nullable=False),
        sa.Column("details", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_event")),
        sa.UniqueConstraint("end_device", "type", "at_us", name=op.f("uq_device_event_end_device_type_at_us")),
    )
    op.create_index(op.f("ix_device_event_at_us_end_device_type"), "device_event", ["at_us", "end_device", "type"])
    op.create_index(op.f("ix_device_event_usage_point_at_us"), "device_event", ["usage_point", "at_us"])
    op.create_table(
        "read_session",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("serial", name_type(120), nullable=False),
        sa.Column("began_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("error", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_session")),
    )
    op.create_index(op.f("ix_read_session_began_us"), "read_session", ["began_us"])
    op.create_index(op.f("ix_read_session_serial_began_us"), "read_session", ["serial", "began_us"])


def _controls() -> None:
    op.create_table(
        "end_device_control",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("end_device", name_type(120), nullable=False),
        sa.Column("command", sa.String(24), nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("requested_by", name_type(200), nullable=False),
        sa.Column("approved_by", name_type(200), nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("requested_us", sa.BigInteger, nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("evidence", LONG_TEXT, nullable=False),
        sa.Column("usage_point", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_end_device_control")),
        sa.UniqueConstraint("code", name=op.f("uq_end_device_control_code")),
    )
    op.create_index(op.f("ix_end_device_control_end_device_id"), "end_device_control", ["end_device", "id"])
    op.create_index(op.f("ix_end_device_control_state_id"), "end_device_control", ["state", "id"])
    op.create_index(op.f("ix_end_device_control_usage_point_id"), "end_device_control", ["usage_point", "id"])
    op.create_table(
        "control_step",
        sa.Column("control", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["control"], ["end_device_control.id"], name=op.f("fk_control_step_control_end_device_control")
        ),
        sa.PrimaryKeyConstraint("control", "position", name=op.f("pk_control_step")),
    )


def _network() -> None:
    op.create_table(
        "network_node",
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("parent", name_type(120), nullable=False),
        sa.Column("rating_kva", sa.Double, nullable=True),
        sa.Column("meter", name_type(120), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_network_node")),
    )
    op.create_table(
        "network_connection",
        sa.Column("usage_point", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("start_s", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("node", name_type(120), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["network_node.code"], name=op.f("fk_network_connection_node_network_node")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_point.id"], name=op.f("fk_network_connection_usage_point_usage_point")
        ),
        sa.PrimaryKeyConstraint("usage_point", "start_s", name=op.f("pk_network_connection")),
    )
    op.create_index(op.f("ix_network_connection_node"), "network_connection", ["node"])


def _programs() -> None:
    op.create_table(
        "program",
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("price_per_kwh", sa.String(60), nullable=False),
        sa.Column("baseline", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_program")),
    )
    op.create_table(
        "program_event",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("program", name_type(120), nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("signal", LONG_TEXT, nullable=False),
        sa.Column("notified_us", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(["program"], ["program.code"], name=op.f("fk_program_event_program_program")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_program_event")),
        sa.UniqueConstraint("code", name=op.f("uq_program_event_code")),
    )
    op.create_index(op.f("ix_program_event_program"), "program_event", ["program"])
    op.create_index(op.f("ix_program_event_state"), "program_event", ["state"])
    op.create_table(
        "event_target",
        sa.Column("event", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("usage_point", OWN_KEY, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("opted_out", sa.Integer, nullable=True),
        sa.ForeignKeyConstraint(["event"], ["program_event.id"], name=op.f("fk_event_target_event_program_event")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_point.id"], name=op.f("fk_event_target_usage_point_usage_point")
        ),
        sa.PrimaryKeyConstraint("event", "usage_point", name=op.f("pk_event_target")),
    )
    op.create_index(op.f("ix_event_target_usage_point"), "event_target", ["usage_point"])
    op.create_table(
        "performance",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("event", OWN_KEY, nullable=False),
        sa.Column("usage_point", OWN_KEY, nullable=False),
        sa.Column("baseline_kwh", sa.String(60), nullable=False),
        sa.Column("actual_kwh", sa.String(60), nullable=False),
        sa.Column("payment", sa.String(60), nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("adjustment", sa.Double, nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
        sa.Column("known_at_us", sa.BigInteger, nullable=False),
        sa.Column("superseded_us", sa.BigInteger, nullable=True),
        sa.ForeignKeyConstraint(["event"], ["program_event.id"], name=op.f("fk_performance_event_program_event")),
        sa.ForeignKeyConstraint(
            ["usage_point"], ["usage_point.id"], name=op.f("fk_performance_usage_point_usage_point")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performance")),
    )
    op.create_index(op.f("ix_performance_event_usage_point"), "performance", ["event", "usage_point"])
    op.create_index(op.f("ix_performance_usage_point"), "performance", ["usage_point"])


def _work() -> None:
    op.create_table(
        "job",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("code", name_type(120), nullable=False),
        sa.Column("kind", name_type(64), nullable=False),
        sa.Column("requested_by", name_type(200), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("request", LONG_TEXT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("result", LONG_TEXT, nullable=False),
        sa.Column("error", LONG_TEXT, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("code", name=op.f("uq_job_code")),
    )
    op.create_index(op.f("ix_job_state_id"), "job", ["state", "id"])
    op.create_table(
        "outlook",
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("kind", name_type(64), nullable=False),
        sa.Column("subject", name_type(200), nullable=False),
        sa.Column("issued_us", sa.BigInteger, nullable=False),
        sa.Column("newest", sa.Boolean, nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outlook")),
    )
    op.create_index(op.f("ix_outlook_kind_newest_subject"), "outlook", ["kind", "newest", "subject"])
    op.create_index(op.f("ix_outlook_kind_subject_issued_us"), "outlook", ["kind", "subject", "issued_us"])

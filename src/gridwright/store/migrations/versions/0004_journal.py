"""The journal: readings that are acknowledged and not yet in their blocks, and what of them could not be folded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
OWN_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _head() -> list[sa.Column[object]]:
    return [
        sa.Column("id", OWN_KEY, autoincrement=True, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("readings", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "journal",
        *_head(),
        sa.Column("content", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "journal_aside",
        *_head(),
        sa.Column("aside_us", sa.BigInteger, nullable=False),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("content", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_aside")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    refuse_while_filled()
    op.drop_table("journal_aside")
    op.drop_table("journal")


def refuse_while_filled() -> None:
    """Keep readings that were acknowledged from going with their tables."""
    for name in ("journal", "journal_aside"):
        if op.get_bind().execute(sa.text(f"SELECT 1 FROM {name} LIMIT 1")).first():  # noqa: S608 - our own table
            raise RuntimeError(f"there are readings in {name}: fold them first, or let them go")

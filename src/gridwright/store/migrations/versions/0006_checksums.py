"""A checksum for each stored row of readings; a row from before has none until it is written anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BYTES = sa.LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
TABLES = ("block", "block_version", "register_reading", "register_version")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("checksum", BYTES, nullable=True))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "checksum")

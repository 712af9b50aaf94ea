"""Findings keep which values they doubt, and who would accept them while a second person is needed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("finding", sa.Column("fingerprint", sa.String(32), nullable=True))
    op.add_column("finding", sa.Column("proposed_by", sa.String(200), nullable=True))
    op.add_column("finding", sa.Column("proposal", LONG, nullable=True))
    op.add_column("finding", sa.Column("moved_wh", sa.BigInteger, nullable=True))


def downgrade() -> None:
    for name in ("moved_wh", "proposal", "proposed_by", "fingerprint"):
        op.drop_column("finding", name)

"""Readings of unknown meters keep their quality, and whether somebody claimed them or let them go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RAW = "0"  # as it came, of which nothing else is known


def upgrade() -> None:
    op.add_column("quarantined_reading", sa.Column("quality", sa.SmallInteger, nullable=False, server_default=RAW))
    op.add_column("quarantined_reading", sa.Column("let_go", sa.SmallInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("let_go", "quality"):
        op.drop_column("quarantined_reading", name)

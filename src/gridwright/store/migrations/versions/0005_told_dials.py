"""Dials that nobody told are no knowledge: the default that stood in their place becomes 0, which means unknown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

DEVICE = sa.table(
    "end_device", sa.column("kind", sa.String), sa.column("dials", sa.SmallInteger), sa.column("lsb_wh", sa.Integer)
)

DEFAULT = 8  # dials of 1 Wh, as every meter had them that was registered without a word


def upgrade() -> None:
    unsaid = (DEVICE.c.kind == "meter", DEVICE.c.dials == DEFAULT, DEVICE.c.lsb_wh == 1)
    op.execute(sa.update(DEVICE).where(*unsaid).values(dials=0))


def downgrade() -> None:
    op.execute(sa.update(DEVICE).where(DEVICE.c.kind == "meter", DEVICE.c.dials == 0).values(dials=DEFAULT))

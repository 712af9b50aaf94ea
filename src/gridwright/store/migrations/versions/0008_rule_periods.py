"""When which rules of validation were in force; a set that came back had lost the time for which it was before."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.String(40)
LONG = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
SETS = "SELECT digest, version, known_at_us FROM rule_set"
# Each set that came into force left a record, also where it came back and its row was made anew.
TOLD = "SELECT at_us, detail FROM audit_record WHERE subject = 'validation rules' ORDER BY number"


def upgrade() -> None:
    made = op.create_table(
        "rule_period",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("source", LONG, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_period")),
        sa.ForeignKeyConstraint(["digest"], ["rule_set.digest"], name=op.f("fk_rule_period_digest_rule_set")),
        sa.UniqueConstraint("since_us", name=op.f("uq_rule_period_since_us")),
        sqlite_autoincrement=True,
    )
    bind = op.get_bind()
    sets = {digest: (version, known) for digest, version, known in bind.execute(sa.text(SETS))}
    rows = [
        {"since_us": since, "digest": digest, "version": sets[digest][0], "source": None}
        for since, digest in periods({digest: known for digest, (_, known) in sets.items()}, _told(bind))
    ]
    if rows:
        op.bulk_insert(made, rows)


def periods(sets: dict[str, int], told: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return from when on which set was in force: as the audit tells it, and once where it says nothing of a set."""
    recorded = {digest for _, digest in told}
    found = sorted(
        [each for each in told if each[1] in sets]
        + [(known, digest) for digest, known in sets.items() if digest not in recorded]
    )
    kept: list[tuple[int, str]] = []
    for since, digest in found:
        if not kept or kept[-1][1] != digest:
            kept.append((max(since, kept[-1][0] + 1 if kept else 0), digest))
    return kept


def _told(bind: sa.Connection) -> list[tuple[int, str]]:
    return [(at, str(json.loads(detail).get("rules", ""))) for at, detail in bind.execute(sa.text(TOLD))]


def downgrade() -> None:
    op.drop_table("rule_period")

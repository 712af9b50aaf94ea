"""Alembic's entry: run the migrations on the connection that `gridwright.store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from gridwright.store.schema import field as schema_field  # noqa: F401 - they add their tables
from gridwright.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
context.run_migrations()

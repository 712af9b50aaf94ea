from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from gridwright.store import Store, open_store
from gridwright.store.migrate import HEAD, VERSION_TABLE, upgrade
from gridwright.store.schema import NAMING, metadata


def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    with store._engine.connect() as connection:
        differences: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
    # MariaDB and MySQL index a foreign key by themselves.
    assert [each for each in differences if not (each[0] == "remove_index" and each[1].name.startswith("fk_"))] == []


def test_names_follow_the_convention() -> None:
    assert set(NAMING) == {"ix", "uq", "fk", "pk"}
    unnamed = [c for table in metadata.tables.values() for c in table.constraints if not c.name]
    assert unnamed == []


def test_running_the_migrations_again_changes_nothing(store: Store) -> None:
    with store._engine.begin() as connection:
        upgrade(connection)
        assert VERSION_TABLE in inspect(connection).get_table_names()


@pytest.mark.parametrize("target", ["base"])
def test_down_and_up_again(target: str) -> None:
    from alembic import command
    from alembic.config import Config

    from gridwright.store.migrate import SCRIPTS

    with open_store("sqlite://") as store, store._engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.downgrade(config, target)
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
        upgrade(connection, HEAD)
        assert set(metadata.tables) < set(inspect(connection).get_table_names())

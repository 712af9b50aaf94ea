"""Connections to servers, used again: nobody is asked in vain, and who is gone is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, event, text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store, pooled
from tests.integration.store.conftest import emptied

HANG_UP = {
    "postgresql": "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
    "AND datname = current_database()",
    "mysql": "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE id <> CONNECTION_ID() "
    "AND db = DATABASE()",
}


@pytest.fixture(params=["postgres", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store on each server."""
    with open_store(emptied(str(request.getfixturevalue(f"{request.param}_url")))) as opened:
        opened.registry.save_points(ME, [UsagePoint("UP-1")])
        yield opened


@pytest.fixture
def pings(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Whom the store asked whether they are alive."""
    asked: list[object] = []
    ping: Callable[[Any], bool] = store._engine.dialect.do_ping

    def counted(connection: object) -> bool:
        asked.append(connection)
        return ping(connection)

    monkeypatch.setattr(store._engine.dialect, "do_ping", counted)
    return asked


def names(store: Store) -> list[str]:
    return [point.id for point in store.registry.points(ME)]


def hang_up(store: Store) -> None:
    """End every connection to the database, as a server that stops does."""
    engine = create_engine(store._engine.url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        told = connection.execute(text(HANG_UP[engine.dialect.name])).scalars().all()
        for kill in told if engine.dialect.name == "mysql" else ():
            connection.execute(text(kill))


def test_who_was_used_just_now_is_not_asked(store: Store, pings: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(store) == ["UP-1"]
    assert pings == []
    monkeypatch.setattr(pooled, "JUST_NOW_S", 0.0)
    assert names(store) == ["UP-1"]
    assert len(pings) == 1


@pytest.mark.parametrize("just_now_s", [pooled.JUST_NOW_S, 0.0])
def test_who_is_gone_is_replaced(
    store: Store, pings: list[object], monkeypatch: pytest.MonkeyPatch, just_now_s: float
) -> None:
    monkeypatch.setattr(pooled, "JUST_NOW_S", just_now_s)
    hang_up(store)
    assert names(store) == ["UP-1"]
    store.registry.save_points(ME, [UsagePoint("UP-2")])
    assert pings != []
    event.listen(store._engine, "checkin", lambda connection, _: connection.close(), once=True)
    assert names(store) == names(store) == ["UP-1", "UP-2"]


def test_only_who_reads_sees_one_state(store: Store) -> None:
    session = store.registry._session
    with open_store(store._engine.url.render_as_string(hide_password=False)) as other:
        with session.reading():
            assert names(store) == ["UP-1"]
            other.registry.save_points(ME, [UsagePoint("UP-2")])
            assert names(store) == ["UP-1"]
        with session.reading(settled=False):
            pass  # nothing is asked: the next one does not read as this one would have
        with session.writing(settled=False) as unit:
            assert unit.fetch("SELECT COUNT(*) FROM usage_point") == [(2,)]
            other.registry.save_points(ME, [UsagePoint("UP-3")])
            assert unit.fetch("SELECT COUNT(*) FROM usage_point") == [(3,)]

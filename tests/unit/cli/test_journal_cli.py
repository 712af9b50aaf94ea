"""Readings that were put aside, by command and in what tells how the platform is doing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from gridwright.cli import journal
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound, UsageError
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.check_waiting import check_journal
from gridwright.jobs.upkeep.health import State
from gridwright.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

tree = typer.Typer()
tree.add_typer(journal.app, name="journal")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ROW = "INSERT INTO journal (received_us, actor, readings, content) VALUES ({us}, 'ann', 7, x'0102')"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", f"sqlite:///{tmp_path}/gridwright.db")
    with open_store(tmp_path / "gridwright.db") as opened:
        opened.registry.save_points(ME, [UsagePoint("UP-1")])
        with opened._engine.begin() as connection:
            connection.exec_driver_sql(ROW.format(us=int((NOW - timedelta(minutes=3)).timestamp()) * 1_000_000))
        yield opened


def run(*words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(tree, words, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done.stdout + done.stderr


def document(*words: str, exit_code: int = 0) -> Any:  # noqa: ANN401 - JSON
    return json.loads(run(*words, "--json", exit_code=exit_code))


def test_what_was_put_aside_is_listed_tried_again_and_let_go(store: Store) -> None:
    first = document("journal", "list")
    assert (first["waiting"], first["oldest"][:16]) == (7, "2026-11-29T11:57")
    (row,) = first["put_aside"]
    assert (row["row"], row["actor"], row["readings"]) == (1, "ann", 7)
    assert "checksum" in row["reason"]
    assert "checksum" in run("journal", "list")
    assert "1 tried again, 0 fitted" in run("journal", "retry", "1", exit_code=1)
    assert document("journal", "retry", "2", exit_code=1) == {"tried": 1, "fitted": 0}
    with pytest.raises(NotFound, match="no row 2 was put aside"):
        run("journal", "drop", "2", "--reason", "x")
    with pytest.raises(UsageError, match="--reason is empty"):
        run("journal", "drop", "3", "--reason", " ")
    assert document("journal", "drop", "3", "--reason", "it was read again") == {"dropped": 3}
    assert store.audit.records(ME, limit=1)[0].detail["reason"] == "it was read again"
    assert document("journal", "list") == {"waiting": 0, "oldest": None, "put_aside": []}


def test_the_doctor_tells_what_waits_and_what_was_put_aside(store: Store) -> None:
    (waits,) = check_journal(store, NOW)
    assert (waits.state, waits.found) == (State.WARN, "7 readings wait, the oldest for 3 min")
    (waits,) = check_journal(store, NOW - timedelta(minutes=2, seconds=30))
    assert waits.state is State.OK
    store.readings.freshness(ME)
    empty, aside = check_journal(store, NOW)
    assert (empty.state, empty.found) == (State.OK, "0 readings wait")
    assert aside.state is State.FAIL
    assert aside.found.startswith("7 readings in 1 rows were put aside, the last: the checksum")
    assert aside.remedy == "gridwright journal list"

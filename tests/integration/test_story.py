"""The whole system: a town from its meters to the bill and back to the switch, on a real server, against the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from gridwright.cli.story.arrive import build
from gridwright.cli.story.play import as_document, play, to_click, to_type
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import open_store
from tests.conftest import LONG, OUTSIDE, own_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSTGRES = "GRIDWRIGHT_TEST_POSTGRES"
FEWEST_CHECKS = 25


# In its SQLite file the story is played by the test of `gridwright demo`.
@pytest.fixture(params=["postgres", *(["sqlite"] if LONG else [])])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own: the file in the story's folder, or an empty one on PostgreSQL."""
    if request.param == "sqlite":
        yield ""
        return
    server = make_url(OUTSIDE.get(POSTGRES) or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    with own_database(server, variable=POSTGRES, drop="DROP DATABASE {} WITH (FORCE)") as url:
        yield url


@pytest.mark.slow
def test_the_story_holds(address: str, tmp_path: Path) -> None:
    said: list[str] = []
    stage = build(tmp_path, said.append, address)
    try:
        holds = play(stage)
        assert holds, [check for check in stage.checks if not check.holds]
        assert len(stage.checks) >= FEWEST_CHECKS
        assert all(line.startswith((stage.server.url, "sign in")) for line in to_click(stage))
        assert any("audit verify" in line for line in to_type(stage, "gridwright"))
        assert as_document(stage)["holds"]
    finally:
        if stage.port is not None:
            stage.port.stop()
        code = stage.server.stop()
    assert code == 0, stage.server.log.read_text(encoding="utf-8")[-3000:]
    # Nothing broke on the way, and the state is whole for whoever opens it next.
    assert "Traceback" not in stage.server.log.read_text(encoding="utf-8")
    with open_store(address or f"{tmp_path / 'data'}/", create=False) as store:
        from gridwright.domain.access import LOCAL_OWNER

        assert store.audit.verify(LOCAL_OWNER) > 0
        assert sum(store.ledger.balances(LOCAL_OWNER).values()) == 0
        checks = verify_store(store, LOCAL_OWNER, deep=True).checks
        faults = {each.name: each.first for each in checks if not each.ok}
        faults.pop("sealed data")  # the key is the server's
        assert faults == {}

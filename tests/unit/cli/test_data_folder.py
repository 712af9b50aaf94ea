"""A folder named before the command must hold a database: a slip of the pen makes no empty one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gridwright.cli.context import platform, remember
from gridwright.domain.errors import NotFound
from gridwright.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    remember()


def test_a_folder_without_a_database_is_refused_and_not_made(tmp_path: Path) -> None:
    remember(data=tmp_path / "typo")
    with pytest.raises(NotFound, match="no database in this folder"):
        platform()
    assert not (tmp_path / "typo").exists()


def test_a_folder_with_a_database_is_opened(tmp_path: Path) -> None:
    open_store(f"{tmp_path}/").close()
    remember(data=tmp_path)
    wired = platform()
    assert wired.usage_points() == ()
    wired.close()


def test_a_database_that_is_named_itself_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", str(tmp_path / "own.db"))
    remember(data=tmp_path / "elsewhere")
    wired = platform()
    assert wired.usage_points() == ()
    wired.close()
    assert (tmp_path / "own.db").is_file()

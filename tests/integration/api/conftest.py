"""A town to ask: built once, copied for each test that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api.small_town import Town, build, opened


@pytest.fixture(scope="session")
def built_town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The town's database and keys."""
    return build(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def shown_town(built_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town for whoever only looks."""
    with opened(built_town, tmp_path_factory.mktemp("shown")) as town:
        yield town


@pytest.fixture
def town(built_town: Town, tmp_path: Path) -> Iterator[Town]:
    """A town of one's own, to change."""
    with opened(built_town, tmp_path) as mine:
        yield mine


@pytest.fixture(scope="module")
def fuzzed_town(built_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town that a whole module may do anything to."""
    with opened(built_town, tmp_path_factory.mktemp("fuzzed")) as town:
        yield town

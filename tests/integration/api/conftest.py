"""The town for those who share one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.api.small_town import Town, opened


@pytest.fixture(scope="session")
def shown_town(built_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town for whoever only looks."""
    with opened(built_town, tmp_path_factory.mktemp("shown")) as town:
        yield town


@pytest.fixture(scope="module")
def fuzzed_town(built_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town that a whole module may do anything to."""
    with opened(built_town, tmp_path_factory.mktemp("fuzzed")) as town:
        yield town

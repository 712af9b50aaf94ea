"""A town to ask: built once, copied for each test that changes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.api.small_town import Town


@pytest.fixture(scope="session")
def built_town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The town's database and keys."""
    # The server's parts are imported by whoever asks a town, not by every test beside it.
    from tests.integration.api.small_town import build

    return build(tmp_path_factory.mktemp("town"))


@pytest.fixture
def town(built_town: Town, tmp_path: Path) -> Iterator[Town]:
    """A town of one's own, to change."""
    from tests.integration.api.small_town import opened

    with opened(built_town, tmp_path) as mine:
        yield mine

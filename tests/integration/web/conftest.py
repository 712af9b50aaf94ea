"""A town with its console: built once, copied for whoever changes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridwright.web.pages import add_pages
from tests.integration.api.small_town import Town, app_on, build, platform_at


@contextmanager
def console_of(town: Town, folder: Path) -> Iterator[Town]:
    """Serve the console on a copy of the town."""
    shutil.copy(town.platform.settings.store.url, folder / "town.db")
    platform = platform_at(folder)
    try:
        yield Town(platform, town.keys, town.ids, app_on(platform, add_pages))
    finally:
        platform.close()


@pytest.fixture(scope="session")
def console_base(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The town's database and keys."""
    return build(tmp_path_factory.mktemp("console_base"))


@pytest.fixture(scope="module")
def shown_console(console_base: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The console for whoever only looks."""
    with console_of(console_base, tmp_path_factory.mktemp("shown_console")) as town:
        yield town


@pytest.fixture
def own_console(console_base: Town, tmp_path: Path) -> Iterator[Town]:
    """A console of one's own, to change."""
    with console_of(console_base, tmp_path) as town:
        yield town

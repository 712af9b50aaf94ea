"""A town with its console, copied for whoever changes it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gridwright.web.pages import add_pages
from tests.integration.api.small_town import Town, app_on, platform_at


@contextmanager
def console_of(town: Town, folder: Path) -> Iterator[Town]:
    """Serve the console on a copy of the town."""
    shutil.copy(town.platform.settings.store.url, folder / "town.db")
    platform = platform_at(folder)
    try:
        yield Town(platform, town.keys, town.ids, app_on(platform, add_pages))
    finally:
        platform.close()


@pytest.fixture(scope="module")
def shown_console(built_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The console for whoever only looks."""
    with console_of(built_town, tmp_path_factory.mktemp("shown_console")) as town:
        yield town


@pytest.fixture
def own_console(built_town: Town, tmp_path: Path) -> Iterator[Town]:
    """A console of one's own, to change."""
    with console_of(built_town, tmp_path) as town:
        yield town

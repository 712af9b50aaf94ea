from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.field.street import Street, open_street


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """A store file and a port for virtual meters, both closed afterwards."""
    there = open_street(tmp_path / "gridwright.db")
    try:
        yield there
    finally:
        there.server.stop()
        there.store.close()

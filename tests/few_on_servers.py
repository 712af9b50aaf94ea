"""Of a test with many cases, servers run a few, where a case differs by what is computed and not by how it is kept.

Every case runs on SQLite. A test says so with `@pytest.mark.few_on_servers(1)`, a file with `pytestmark`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SERVERS = {"postgres", "mysql"}


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases beyond as many as a test wants to run on each server."""
    seen: Counter[tuple[str, str]] = Counter()
    kept: list[pytest.Item] = []
    beyond: list[pytest.Item] = []
    for item in items:
        mark, server = item.get_closest_marker("few_on_servers"), server_of(item)
        case = (item.nodeid.partition("[")[0], server)
        seen[case] += 1
        (kept if mark is None or not server or seen[case] <= mark.args[0] else beyond).append(item)
    if beyond:
        config.hook.pytest_deselected(items=beyond)
        items[:] = kept


def server_of(item: pytest.Item) -> str:
    """Return which server's database a case runs on; nothing for one on SQLite, or on none."""
    params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return next((str(value) for value in params.values() if isinstance(value, str) and value in SERVERS), "")

"""Of a test with many cases, servers run a few, where a case differs by what is computed and not by how it is kept.

Every case runs on SQLite. A test says so with `@pytest.mark.few_on_servers(1)`, a file with `pytestmark`. Of a file
that is marked `servers_in_turn` each test runs on one of the servers, the next one on the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SERVERS = {"postgres", "mysql"}


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the cases beyond as many as a test wants to run on each server."""
    seen: Counter[tuple[str, str]] = Counter()
    turns: dict[str, dict[str, bool]] = defaultdict(dict)
    kept: list[pytest.Item] = []
    beyond: list[pytest.Item] = []
    for item in items:
        mark, server = item.get_closest_marker("few_on_servers"), server_of(item)
        name = item.nodeid.partition("[")[0]
        seen[name, server] += 1
        few = mark is None or not server or seen[name, server] <= mark.args[0]
        (kept if few and _is_its_turn(item, server, turns[str(item.path)]) else beyond).append(item)
    if beyond:
        config.hook.pytest_deselected(items=beyond)
        items[:] = kept


def _is_its_turn(item: pytest.Item, server: str, turns: dict[str, bool]) -> bool:
    """Tell whether a case runs on a server; `turns`: which tests of its file run on PostgreSQL."""
    if not server or item.get_closest_marker("servers_in_turn") is None:
        return True
    return turns.setdefault(item.nodeid.partition("[")[0], len(turns) % 2 == 0) == (server == "postgres")


def server_of(item: pytest.Item) -> str:
    """Return which server's database a case runs on; nothing for one on SQLite, or on none."""
    params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return next((str(value) for value in params.values() if isinstance(value, str) and value in SERVERS), "")

"""A statement is compiled once a process: each test opens engines of its own, and each would compile them all anew.

What was compiled is SQLAlchemy's, and serves every engine of the same dialect, driver and version of the server.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

ENOUGH = 5000
_compiled: LRUCache[Any, Any] = LRUCache(ENOUGH)


class Shared:
    """What an engine keeps its compiled statements in: the same for all that are alike."""

    def get(self, key: tuple[Any, ...]) -> object:
        """Return what was compiled, None where nothing was."""
        return _compiled.get((_kind(key[0]), *key[1:]))

    def __setitem__(self, key: tuple[Any, ...], compiled: object) -> None:
        """Keep what was compiled."""
        _compiled[(_kind(key[0]), *key[1:])] = compiled


def _kind(dialect: Dialect) -> tuple[object, ...]:
    """Return all that two dialects may differ by: each is told its server's version when it first connects."""
    return type(dialect), dialect.paramstyle, dialect.server_version_info, getattr(dialect, "is_mariadb", None)


def begin() -> None:
    """Have all engines that are made from now on share."""
    by_sqlalchemy = Engine.__init__

    def made(self: Engine, *args: Any, **options: Any) -> None:  # noqa: ANN401 - whatever the constructor takes
        by_sqlalchemy(self, *args, **options)
        self._compiled_cache = Shared()  # type: ignore[assignment] # all of a dictionary that it is asked for

    Engine.__init__ = made  # type: ignore[method-assign] # so that each engine shares

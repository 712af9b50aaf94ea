"""Acts of one transaction that are done again where, on a server, the transaction of somebody else has undone it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

from gridwright.store import Store

P = ParamSpec("P")
T = TypeVar("T")
Act = Callable[Concatenate[Store, P], T]


def tried_again(act: Act[P, T]) -> Act[P, T]:
    """Return the act as one that two who wait for each other both do in the end; see `Store.again`."""

    @wraps(act)
    def done(store: Store, /, *given: P.args, **named: P.kwargs) -> T:
        return store.again(partial(act, store, *given, **named))

    return done

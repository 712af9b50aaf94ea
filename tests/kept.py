"""One open store for each server's database, for what is done between tests: to open one anew costs as much as a test.

Most of that is the server's, which starts a process or a thread for each connection and fills its caches.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gridwright.store import Store, open_store

_stores: dict[str, Store] = {}
_behind: dict[str, Future[object]] = {}
_hand = ThreadPoolExecutor(1)


def kept(address: str) -> Store:
    """Return the store at an address, which stays open until it is let go."""
    if address not in _stores:
        _stores[address] = open_store(address)
    return _stores[address]


def let_go(address: str) -> None:
    """Close the store at an address, where one is kept."""
    if address in _stores:
        _stores.pop(address).close()


def do_behind(address: str, act: Callable[[str], object]) -> None:
    """Do something to the database at an address while other tests run; whoever wants it next has to await it."""
    _behind[address] = _hand.submit(act, address)


def await_behind(address: str) -> bool:
    """Wait until what is done to the database at an address has been; False where nothing was to be done."""
    if address not in _behind:
        return False
    _behind.pop(address).result()
    return True

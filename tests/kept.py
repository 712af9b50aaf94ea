"""One open store for each server's database, for what is done between tests: to open one anew costs as much as a test.

Most of that is the server's, which starts a process or a thread for each connection and fills its caches.
"""

from __future__ import annotations

from gridwright.store import Store, open_store

_stores: dict[str, Store] = {}


def kept(address: str) -> Store:
    """Return the store at an address, which stays open until it is let go."""
    if address not in _stores:
        _stores[address] = open_store(address)
    return _stores[address]


def let_go(address: str) -> None:
    """Close the store at an address, where one is kept."""
    if address in _stores:
        _stores.pop(address).close()

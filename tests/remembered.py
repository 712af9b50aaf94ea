"""What tests begin with is made once a process: the rows of a store that was filled are kept, and put into the next.

To fill one takes as long as what most tests do with it afterwards; to copy one takes a hundredth of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from gridwright.store import Store
from gridwright.store.engine import is_memory
from tests.integration.store.conftest import EVERY_TABLE, TRUSTED

Told = TypeVar("Told")
Image = Any  # SQLite: a connection to a copy in memory; PostgreSQL: the rows of each table, and where it numbers from

NUMBERS = "SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL"
_kept: dict[tuple[Hashable, ...], tuple[Image, Any]] = {}


def remembered(store: Store, fill: Callable[[Store], Told], *what: Hashable) -> Told:
    """Fill a store as `fill` did before for the same, and return what that told; what the store held makes way.

    `what` tells apart what one function fills in several ways. Servers that cannot copy are filled each time.
    """
    product = store._engine.dialect.name
    if product not in PRODUCTS:
        return fill(store)
    taken, put = PRODUCTS[product]
    key = (product, is_memory(store._engine.url), fill.__module__, fill.__qualname__, *what)
    if key in _kept:
        _act(store, put, _kept[key][0])
        for forget in (*store._session.after_rollback, store.registry._names._known.clear):
            forget()
    else:
        told = fill(store)
        _kept[key] = _act(store, taken), told
    told_then: Told = _kept[key][1]
    return told_then


def _act(store: Store, act: Callable[..., Image], *given: Image) -> Image:
    """Do it by a connection of the store's, as the driver has it."""
    with store._engine.connect() as connection:
        driver = connection.connection.driver_connection
        try:
            return act(driver, *given)
        finally:
            driver.commit()  # type: ignore[union-attr] # there is one


def _pages(driver: Any) -> Image:  # noqa: ANN401 - a driver's own
    from pysqlite3 import dbapi2

    image = dbapi2.connect(":memory:", check_same_thread=False, isolation_level=None)
    driver.backup(image)
    return image


def _put_pages(driver: Any, image: Image) -> None:  # noqa: ANN401
    image.backup(driver)


def _rows(driver: Any) -> Image:  # noqa: ANN401
    rows = {}
    for (name,) in driver.execute(EVERY_TABLE).fetchall():
        with driver.cursor().copy(f"COPY {name} TO STDOUT (FORMAT BINARY)") as copy:
            rows[name] = b"".join(bytes(part) for part in copy)
    return rows, driver.execute(NUMBERS).fetchall()


def _put_rows(driver: Any, image: Image) -> None:  # noqa: ANN401
    rows, numbers = image
    there = [name for (name,) in driver.execute(EVERY_TABLE).fetchall()]
    went_on = [f"SELECT setval('{name}', {last})" for name, last in numbers]
    driver.execute(";".join([*TRUSTED, *(f"DELETE FROM {name}" for name in there), *went_on]))
    for name, some in rows.items():
        with driver.cursor().copy(f"COPY {name} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(some)


PRODUCTS: dict[str, tuple[Callable[..., Image], Callable[..., Image]]] = {
    "sqlite": (_pages, _put_pages),
    "postgresql": (_rows, _put_rows),
}

"""The journal's part of the fault drill: what waits there is seen from outside, and faults hit it in mid-fold."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from gridwright.domain.errors import GridwrightError, StoreFull, StoreLocked
from gridwright.store import open_store
from tests.integration.fault_drill_lines import compare_lines
from tests.integration.fault_drill_places import PrivatePostgres, small_disk
from tests.integration.fault_drill_reader import launch_reader
from tests.integration.fault_drill_row import PAUSE, some

if TYPE_CHECKING:
    from tests.integration.fault_drill import Fault, Load, Site

WAITS = "SELECT COUNT(*) FROM journal"
OLDEST = "SELECT MIN(id) FROM journal"
# Folding locks the rows that it takes, which locks their table in this mode; nothing else does.
FOLDING = (
    "SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
    "WHERE relname = 'journal' AND mode = 'RowShareLock' AND granted"
)
PATIENCE_S, LONG_S = 5.0, 90.0
NAMED = {503, 507}  # locked, full


def await_rows(site: Site) -> None:
    """Wait until rows wait in the journal; not longer than some seconds."""
    count = _counter(site.place)
    until = time.monotonic() + PATIENCE_S
    with closing(count[0]):
        while not count[1]() and time.monotonic() < until:
            time.sleep(0.0005)


def rows_at_rest(place: str) -> int:
    """Return how many rows a server that was killed has left in its journal, without touching the database."""
    if "://" in place:
        connection, count = _counter(place)
        with closing(connection):
            return count()
    with tempfile.TemporaryDirectory(prefix="drill-rest-") as folder:
        copy = Path(folder) / "copy.db"
        for end in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(place + end, f"{copy}{end}")
        with closing(sqlite3.connect(copy)) as connection:
            return int(connection.execute(WAITS).fetchone()[0])


def _counter(place: str) -> tuple[Any, Callable[[], int]]:
    """Return a connection, and what counts rows of the journal through it without folding them."""
    connection = _postgres(place) if "://" in place else sqlite3.connect(f"file:{place}?mode=ro", uri=True, timeout=5)

    def count() -> int:
        with suppress(sqlite3.Error):
            return int(connection.execute(WAITS).fetchone()[0])
        return 0

    return connection, count


def _postgres(place: str) -> Any:  # noqa: ANN401 - psycopg's connection, or sqlite3's: both execute
    import psycopg

    return psycopg.connect(place.replace("+psycopg", ""), autocommit=True)


def all_is_seen(site: Site, load: Load) -> int:
    """Read as another process does, while more comes; returns how many readings, acknowledged before, are not seen."""
    before = [(feeder, list(feeder.bodies)) for feeder in load.feeders]
    missed = 0
    with open_store(site.place) as store:
        for feeder, bodies in before:
            if bodies:
                since = max(0, bodies[-1].first - 400)  # all of it is compared in the end
                missed += compare_lines(store, feeder, bodies, since).lost
    return missed


@contextmanager
def second_reader(site: Site) -> Iterator[Fault]:
    """Have a second process read, and so fold, during the puts; it is killed at any moment."""

    def read(site: Site, load: Load) -> None:
        points = [feeder.name(point) for feeder in load.feeders for point in range(min(feeder.points, 60))]
        reader = launch_reader(site.place, points)
        try:
            load.more(some())
            site.unseen += all_is_seen(site, load)
            await_rows(site)
            time.sleep(PAUSE.random() * 0.02)
            assert reader.poll() is None, reader.communicate()
        finally:
            reader.kill()
            said = reader.communicate()[1]
        assert "Traceback" not in said, said
        site.said.append(said)
        site.caught += 1

    del site
    yield read


@contextmanager
def full_in_mid_fold(site: Site) -> Iterator[Fault]:
    """Fill the disk of the centre's database while rows wait, so that they cannot be folded, nor read."""
    with small_disk(site.folder / "data", "200m") as fill:

        def full(site: Site, load: Load) -> None:
            _empty_log(site.place)
            await_rows(site)
            filler = fill()
            until, told = time.monotonic() + LONG_S, _is_told(site)
            refused = sum(feeder.resent for feeder in load.feeders)
            while sum(feeder.resent for feeder in load.feeders) == refused:
                assert time.monotonic() < until, "a full disk was not told"
                told = _is_told(site) or told
            site.caught += told
            load.more(some())
            filler.unlink()
            site.met()
            load.more(some())
            site.unseen += all_is_seen(site, load)

        yield full


def _empty_log(place: str) -> None:
    """Give back what SQLite's log has taken of the disk: it would go on in that for long."""
    with closing(sqlite3.connect(place, timeout=PATIENCE_S)) as connection, suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _is_told(site: Site) -> bool:
    """Read while the disk is full, in this process and from the server: all of it, or an error that names the disk."""
    trouble: GridwrightError | None = None
    try:
        with open_store(site.place) as store:
            store.journal.fold()
    except GridwrightError as error:
        trouble = error
    told = isinstance(trouble, StoreFull)
    # Where the server is folding meanwhile, on a busy machine, the lock is what is told.
    named = trouble is None or (isinstance(trouble, StoreFull | StoreLocked) and trouble.where and trouble.remedy)
    assert named, repr(trouble)
    asked = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}
    headers = {"Authorization": f"Bearer {site.key}"}
    answer = httpx.get(
        f"{site.address}/v1/usage-points/LP-0-0/interval-blocks", params=asked, headers=headers, timeout=20
    )
    problem = answer.json()
    if not answer.is_success:
        assert answer.status_code in NAMED, answer.text
        assert problem["detail"], answer.text
    return told


@contextmanager
def cut_in_mid_fold(site: Site) -> Iterator[Fault]:
    """Give the centre a PostgreSQL of its own; folding loses its connection, or the whole database, by turns."""
    server = PrivatePostgres()
    site.store_url = server.url
    turns = iter(range(1_000_000))
    try:

        def cut(site: Site, load: Load) -> None:
            oldest = _cut(server, is_power=bool(next(turns) % 2))
            with closing(_postgres(server.url)) as connection:
                now = connection.execute(OLDEST).fetchone()[0]
            site.caught += oldest is not None and now is not None and now <= oldest
            site.met()
            load.more(some())
            site.unseen += all_is_seen(site, load)

        yield cut
    finally:
        server.close()


def _cut(server: PrivatePostgres, *, is_power: bool) -> int | None:
    """Wait for the next fold and cut it; returns the oldest row that it had taken, None where none came."""
    until, oldest = time.monotonic() + LONG_S, None
    with closing(_postgres(server.url)) as connection:
        while time.monotonic() < until:
            oldest = connection.execute(OLDEST).fetchone()[0]
            found = connection.execute(FOLDING).fetchall()
            if oldest is None or not found:
                continue
            if is_power:
                server.cut_power()
            else:
                for (process,) in found:
                    connection.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))
            break
        else:
            return None
    if is_power:
        server.power_up()
    return int(oldest)

"""The store: durable bulk write, month scan, one meter-month, bytes a reading; PostgreSQL where it answers."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import DBAPIError

from benchmarks.harness import Row, main, more_than, timed
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import utc_day
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from gridwright.store.days.blocks import INSERT
from gridwright.store.days.checksum import SIZE
from gridwright.store.days.pack import pack
from gridwright.store.engine import PRAGMAS

START = datetime(2025, 3, 1, tzinfo=UTC)
DAYS, PER_DAY = 31, 96
MONTH = Interval(START, START + timedelta(days=DAYS))
KNOWN_AT = START + timedelta(days=DAYS + 1)
CHUNK = 2_000
POSTGRES = os.environ.get("GRIDWRIGHT_TEST_POSTGRES") or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


def month_of(meters: int) -> Panel:
    """Make a month of 15-minute readings in whole watt-hours, as households have."""
    rng = np.random.default_rng(42)
    daily = 150 + 120 * np.sin(np.linspace(0, 2 * np.pi, PER_DAY)) ** 2
    values = rng.gamma(1.5, 1.0, (meters, DAYS * PER_DAY))
    values *= np.tile(daily, DAYS)
    return Panel(tuple(f"UP-{at:06d}" for at in range(meters)), START, timedelta(minutes=15), np.rint(values))


def chunks(panel: Panel) -> list[Panel]:
    """Cut a panel as an import does, so that memory is bounded by the chunk."""
    rows = np.arange(len(panel.points))
    return [panel.rows(rows[at : at + CHUNK]) for at in range(0, rows.size, CHUNK)]


def peer_rows(panel: Panel) -> Iterator[tuple[Any, ...]]:
    """Pack the same rows beforehand, for the bare `executemany`."""
    for day in range(DAYS):
        slots = slice(day * PER_DAY, (day + 1) * PER_DAY)
        packed = pack(panel.values[:, slots], panel.quality[:, slots], panel.points)
        for at, counts in enumerate(packed.counts):
            number = utc_day(START) + day
            width, shared, single = packed.widths[at], packed.quality_all[at], packed.quality[at]
            yield (1, number, at + 1, 0, width, PER_DAY, shared, single, counts, 0, 1, bytes(SIZE))


def bare_write(path: Path, parts: list[list[tuple[Any, ...]]]) -> float:
    """Write the rows with nothing but the driver, and return the seconds."""
    from pysqlite3 import dbapi2

    connection = dbapi2.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    for pragma in PRAGMAS:
        connection.execute(pragma)
    columns = INSERT.partition("(")[2].partition(")")[0]
    connection.execute(f"CREATE TABLE block ({columns}, PRIMARY KEY (reading_type, day, usage_point)) WITHOUT ROWID")
    began = time.perf_counter()
    for rows in parts:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


def write(store: Store, parts: list[Panel]) -> float:
    """Save the parts, each durable on return, and return the seconds."""
    began = time.perf_counter()
    for part in parts:
        store.readings.save(LOCAL_OWNER, part, known_at=KNOWN_AT)
    return time.perf_counter() - began


def register(store: Store, panel: Panel) -> None:
    """Make the usage points known, and the reading type, as in a store that is in use."""
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(point) for point in panel.points])


def sqlite_rows(panel: Panel, folder: Path, *, runs: int) -> Iterator[Row]:
    """Measure SQLite, in turns with the bare driver."""
    parts = chunks(panel)
    bare_parts = [list(peer_rows(part)) for part in parts]
    for number, rows in enumerate(bare_parts):
        bare_parts[number] = [(*row[:2], row[2] + number * CHUNK, *row[3:]) for row in rows]
    readings = panel.values.size
    ours, theirs = [], []
    for run in range(runs):
        theirs.append(bare_write(folder / f"bare{run}.db", bare_parts))
        (folder / f"bare{run}.db").unlink()
        with open_store(folder / f"store{run}.db") as store:
            register(store, panel)
            ours.append(write(store, parts))
    path = folder / f"store{runs - 1}.db"
    rate = readings / min(ours)
    peer = more_than("bare executemany of the same rows", readings / min(theirs), rate)
    yield Row("durable bulk write, dirty ranges included", rate, "readings/s", ">= 8e6", peer)
    yield Row("share of the bare executemany", peer.ratio, "", ">= 0.6")
    yield Row("bytes on disk", path.stat().st_size / readings, "B/reading", "<= 6")
    with open_store(path) as store:
        yield from read_rows(store, panel, runs=runs)
        yield again_row(store, parts)
        yield correct_row(store, parts)


def read_rows(store: Store, panel: Panel, *, runs: int) -> Iterator[Row]:
    """Measure the month of all meters and of one."""
    scan = timed(lambda: store.readings.load(LOCAL_OWNER, panel.points, MONTH), runs=runs + 2)
    yield Row("month scan of all meters into a panel", panel.values.size / scan.best_s, "readings/s", ">= 50e6")
    points = itertools.cycle(panel.points[:: max(len(panel.points) // 97, 1)])
    one = timed(lambda: store.readings.load(LOCAL_OWNER, next(points), MONTH), runs=400)
    yield Row("one meter-month, median", one.median_s, "s", "<= 1e-3")


def again_row(store: Store, parts: list[Panel]) -> Row:
    """Measure the same once more, which must find that nothing changed."""
    took = write(store, parts[:1])
    return Row("the same once more, nothing changes", parts[0].values.size / took, "readings/s")


def correct_row(store: Store, parts: list[Panel]) -> Row:
    """Measure a correction of a slot of every day, every old image kept."""
    values = parts[0].values.copy()
    values[:, ::PER_DAY] += 1
    took = write(store, [parts[0].with_values(values)])
    return Row("correction of every block, versions kept", parts[0].values.size / took, "readings/s")


@contextmanager
def postgres() -> Iterator[str | None]:
    """Give a database of its own on the local PostgreSQL, None where none answers."""
    server, name = make_url(POSTGRES), f"gridwright_bench_{uuid.uuid4().hex[:10]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except DBAPIError:
        yield None
        return
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def postgres_rows(panel: Panel) -> Iterator[Row]:
    """Measure PostgreSQL."""
    with postgres() as address:
        if address is None:
            return
        with open_store(address) as store:
            register(store, panel)
            rate = panel.values.size / write(store, chunks(panel))
            yield Row("PostgreSQL: durable bulk write", rate, "readings/s", ">= 4e6")
            scan = timed(lambda: store.readings.load(LOCAL_OWNER, panel.points, MONTH), runs=2)
            yield Row("PostgreSQL: month scan of all meters", panel.values.size / scan.best_s, "readings/s")
            one = timed(lambda: store.readings.load(LOCAL_OWNER, panel.points[7], MONTH), runs=100)
            yield Row("PostgreSQL: one meter-month, median", one.median_s, "s")


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure a month of 15-minute data of 10,000 meters; quick: of 2,000."""
    panel = month_of(2_000 if quick else 10_000)
    with tempfile.TemporaryDirectory() as folder:
        yield from sqlite_rows(panel, Path(folder), runs=2 if quick else 3)
    yield from postgres_rows(panel)


if __name__ == "__main__":
    main(rows)

"""The rows of a whole database as a stream of Arrow tables, and back into the tables of any database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from sqlalchemy import Boolean, Connection, Float, Integer, LargeBinary, MetaData, String, Table, select

from gridwright.domain.errors import StoreCorrupt
from gridwright.store.schema import metadata

TOGETHER = 1_000
TYPES: tuple[tuple[Any, pa.DataType], ...] = (
    (Boolean, pa.bool_()),
    (Integer, pa.int64()),
    (Float, pa.float64()),
    (LargeBinary, pa.large_binary()),
    (String, pa.large_string()),
)
Progress = Callable[[int, int], None]
Row = tuple[Any, ...]


class Batch(NamedTuple):
    """Some rows of a table."""

    table: str
    columns: tuple[str, ...]
    rows: list[Row]

    def __len__(self) -> int:
        return len(self.rows)


class Tables:
    """Every table of this program's schema, read from one connection in the order in which they can be filled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection.execution_options(stream_results=True, yield_per=TOGETHER)

    def of(self, table: Table) -> Iterator[list[Row]]:
        """Yield the rows of one table, some at a time."""
        for part in self._connection.execute(select(table)).partitions(TOGETHER):
            yield [tuple(row) for row in part]

    def batches(self) -> Iterator[tuple[str, Batch]]:
        """Yield the rows of all tables."""
        for table in metadata.sorted_tables:
            for rows in self.of(table):
                yield table.name, Batch(table.name, tuple(table.c.keys()), rows)


def write_rows(connection: Connection, target: Any, total: int, progress: Progress | None) -> None:  # noqa: ANN401 - a file
    """Write every table as an Arrow stream of its own, one after the other."""
    tables, done = Tables(connection), 0
    for table in metadata.sorted_tables:
        schema = pa.schema([pa.field(column.name, _type(column.type)) for column in table.c])
        with pa.ipc.new_stream(target, schema.with_metadata({"table": table.name})) as stream:
            for rows in tables.of(table):
                columns = [
                    pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
                ]
                stream.write_batch(pa.record_batch(columns, schema=schema))
                done += len(rows)
                if progress:
                    progress(done, total)


def read_rows(stream: Any, tables: Mapping[str, int]) -> Iterator[tuple[str, Batch]]:  # noqa: ANN401 - a file
    """Yield the rows that `write_rows` wrote; another number of a table's rows is StoreCorrupt."""
    for _ in tables:
        reader = pa.ipc.open_stream(stream)
        name = (reader.schema.metadata or {}).get(b"table", b"").decode()
        count = 0
        for batch in reader:
            columns = [column.to_pylist() for column in batch.columns]
            count += batch.num_rows
            yield name, Batch(name, tuple(batch.schema.names), list(zip(*columns, strict=True)))
        if tables.get(name) != count:
            raise StoreCorrupt(f"the backup holds {count} rows of {name!r} instead of {tables.get(name)}")


def _type(kind: Any) -> pa.DataType:  # noqa: ANN401 - a type of SQLAlchemy
    return next(arrow for ours, arrow in TYPES if isinstance(kind, ours))


def emptied(connection: Connection, names: Iterable[str]) -> Mapping[str, Table]:
    """Empty the tables there, which have the columns of the backup's time, and return them by name."""
    wanted, there = list(names), MetaData()
    there.reflect(connection, only=wanted)
    _empty(connection, [there.tables[name] for name in reversed(wanted)])
    return there.tables


def load_rows(
    connection: Connection, tables: Mapping[str, Table], batches: Iterator[tuple[str, Batch]]
) -> Iterator[int]:
    """Fill empty tables with rows, and yield how many each time."""
    for name, batch in batches:
        _insert(connection, tables[name], batch)
        yield len(batch)
    if connection.dialect.name == "postgresql":
        for table in tables.values():
            _count_on(connection, table)


def _empty(connection: Connection, tables: Sequence[Table]) -> None:
    """Empty tables within the transaction; on MariaDB without the triggers, see `guards_off`."""
    dialect, run = connection.dialect.name, connection.exec_driver_sql
    if dialect == "postgresql":
        run(f"TRUNCATE TABLE {', '.join(quoted(connection, table.name) for table in tables)} CASCADE")
        return
    server = dialect != "sqlite"
    if server:
        run("SET FOREIGN_KEY_CHECKS = 0")  # the tables stand in no order
    for table in tables:
        # TRUNCATE would commit at once on MariaDB: what was there would be gone before the backup is in its place.
        run(f"DELETE FROM {quoted(connection, table.name)}")  # noqa: S608 - a name of the schema
    if server:
        run("SET FOREIGN_KEY_CHECKS = 1")


def _insert(connection: Connection, table: Table, batch: Batch) -> None:
    names = ", ".join(quoted(connection, name) for name in batch.columns)
    target = quoted(connection, table.name)
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        if connection.dialect.name == "postgresql":
            with cursor.copy(f"COPY {target} ({names}) FROM STDIN") as copy:
                for row in batch.rows:
                    copy.write_row(row)
            return
        mark = "?" if connection.dialect.name == "sqlite" else "%s"
        marks = ", ".join([mark] * len(batch.columns))
        cursor.executemany(f"INSERT INTO {target} ({names}) VALUES ({marks})", batch.rows)  # noqa: S608 - names of the schema
    finally:
        cursor.close()


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL give the next keys behind the restored ones."""
    keys = list(table.primary_key.columns)
    if len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    run, key, name = connection.exec_driver_sql, quoted(connection, keys[0].name), quoted(connection, table.name)
    sequence = run("SELECT pg_get_serial_sequence(%s, %s)", (name, keys[0].name)).scalar()
    if sequence:
        run(f"SELECT setval(%s, COALESCE((SELECT MAX({key}) FROM {name}), 1))", (sequence,))  # noqa: S608 - names of the schema


def quoted(connection: Connection, name: str) -> str:
    """Return a name as the database wants it written."""
    return connection.dialect.identifier_preparer.quote(name)

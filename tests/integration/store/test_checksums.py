"""The checksums of rows: a byte that changes past the store is named, and what the store writes has a right one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, LargeBinary, String, Table, text

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import epoch_s
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Single, Store, open_store, schema
from gridwright.store.checks.checks import Checked
from gridwright.store.days.checksum import (
    COUNTS,
    KNOWN,
    NONE,
    QUALITY,
    Numbers,
    checksum,
    mix,
    of_joined,
    of_rows,
    register_checksum,
    stored,
)
from gridwright.store.migrate import SCRIPTS

START = datetime(2025, 3, 1, tzinfo=UTC)
NOW = datetime(2025, 6, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POINTS = ("a", "b", "c")
TABLES = ("block", "block_version", "register_reading", "register_version")
# The database itself counts these up; an earlier image is found by its number, so that another one is missing.
COUNTED = {("block", "revision"), ("block", "additions"), ("block_version", "revision"), ("block_version", "additions")}
COLUMNS = [
    (name, column.name)
    for name in TABLES
    for column in schema.metadata.tables[name].c
    if (name, column.name) not in COUNTED
]


def fill(store: Store) -> None:
    """Days that came at once, in pieces and again, of values of each width, and register readings read twice."""
    store.registry.save_points(ME, [UsagePoint(code) for code in POINTS])
    values = np.arange(3 * 48, dtype=float).reshape(3, 48)
    values[1, 30], values[2, 5], values[0, 7] = 1e6, 5e9, np.nan
    whole = Panel(POINTS, START, HOUR, values)
    store.readings.save(ME, whole, known_at=NOW)
    store.readings.save(ME, Panel(POINTS[:2], START, HOUR, np.full((2, 9), 3.0)), known_at=NOW + HOUR)
    for hour in range(3):
        part = Panel(POINTS, START + 3 * DAY + hour * HOUR, HOUR, np.full((3, 1), 7.0))
        store.readings.save(ME, part, known_at=NOW + hour * HOUR)
    for hours in range(2):
        reads = [RegisterReading(point, START, 5.0 + hours, "M1") for point in POINTS]
        store.registers.save(ME, reads, known_at=NOW + hours * HOUR)


def checked(store: Store) -> Checked:
    (found,) = (check for check in store.checks.blocks(ME) if check.name == "checksums")
    return found


def count(store: Store, table: str) -> int:
    with store._session.reading() as unit:
        return int(unit.fetch(f"SELECT COUNT(*) FROM {table}")[0][0])


@contextmanager
def past_the_guard(store: Store, table: str) -> Iterator[Connection]:
    """Let rows be changed that no statement may change, as a damaged page or a person with every right would."""
    with store._engine.begin() as connection:
        run = connection.exec_driver_sql
        if connection.dialect.name == "postgresql":
            run("SET LOCAL session_replication_role = replica")
        guards = _guards(connection, table)
        for name in guards:
            run(f"DROP TRIGGER {name}")
        try:
            yield connection
        finally:
            for made in guards.values():
                run(made)


def _guards(connection: Connection, table: str) -> dict[str, str]:
    """The triggers of a table, and the statements that make them."""
    run = connection.exec_driver_sql
    if connection.dialect.name == "postgresql":
        return {}
    if connection.dialect.name == "sqlite":
        rows = run("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)).all()
        return {row.name: row.sql for row in rows}
    names = run("SHOW TRIGGERS WHERE `Table` = %s", (table,)).scalars().all()
    return {name: run(f"SHOW CREATE TRIGGER {name}").one()[2] for name in names}


def other(value: Any, table: Table, column: str) -> Any:  # noqa: ANN401 - of any column
    """Return another value that a column can hold: one bit, one letter or one number further; of a key, a free one."""
    if column in table.primary_key.columns:
        return 30_000
    kind = table.c[column].type
    if isinstance(kind, LargeBinary):
        return b"\x01" if value is None else bytes([value[0] ^ 1]) + bytes(value[1:])
    if isinstance(kind, String):
        return value[:-1] + "2"
    return 1 if value is None else value + 1


def test_each_column_of_each_row_is_witnessed(store: Store) -> None:
    fill(store)
    clean = checked(store)
    assert (clean.faults, clean.without) == (0, 0)
    assert clean.looked_at == sum(count(store, table) for table in TABLES) == 9 + 2 + 3 + 3
    for name, column in COLUMNS:
        table = schema.metadata.tables[name]
        keys = table.primary_key.columns
        with past_the_guard(store, name) as connection:
            row = connection.execute(table.select().order_by(*keys).limit(1)).mappings().one()
            new = other(row[column], table, column)
            this = [key == row[key.name] for key in keys]
            changed = [key == (new if key.name == column else row[key.name]) for key in keys]
            connection.execute(table.update().where(*this).values({column: new}))
        found = store.checks.blocks(ME)
        # Of a reading type that does not exist no rows are read: that is told as such.
        by = "blocks" if column == "reading_type" and name in TABLES[:2] else "checksums"
        assert [each.faults for each in found if each.name == by] == [1], (name, column)
        with past_the_guard(store, name) as connection:
            connection.execute(table.update().where(*changed).values({column: row[column]}))
    assert checked(store) == clean


def test_what_is_told_of_a_changed_row(store: Store) -> None:
    fill(store)
    for name in TABLES:
        with past_the_guard(store, name) as connection:
            connection.execute(text(f"UPDATE {name} SET known_at_us = known_at_us - 1 WHERE usage_point = 1"))
    assert checked(store).faults == 3 + 1 + 1 + 1
    energy, changed = "electricity/delivered/energy/delta/0 (raw)", "the row has been changed past Gridwright"
    register = "register electricity/delivered/energy/cumulative/0, 2025-03-01T00:00:00+00:00, epoch 0"
    assert checked(store).first == (
        f"a, {energy}, 2025-03-01: {changed}",
        f"a, {energy}, 2025-03-01, revision 1: {changed}",
        f"a, {energy}, 2025-03-02: {changed}",
        f"a, {energy}, 2025-03-04: {changed}",
        f"a, {register}: {changed}",
        f"a, {register}, revision 1: {changed}",
    )


def test_rows_without_a_checksum_are_counted_and_get_one_when_they_are_written(store: Store) -> None:
    fill(store)
    for name in TABLES:
        with past_the_guard(store, name) as connection:
            connection.execute(text(f"UPDATE {name} SET checksum = NULL"))
    assert (checked(store).without, checked(store).faults, checked(store).looked_at) == (17, 0, 17)
    later = NOW + DAY
    store.readings.save(ME, Panel(("a",), START + DAY, HOUR, np.full((1, 24), 9.0)), known_at=later)  # supersedes
    store.readings.save(ME, Panel(("b",), START + 3 * DAY, HOUR, np.full((1, 24), 7.0)), known_at=later)  # adds
    store.registers.save(ME, [RegisterReading("c", START, 8.0, "M1")], known_at=later)
    assert (checked(store).without, checked(store).faults) == (17 - 3 + 2, 0)  # earlier rows stay as they were


def test_a_row_that_was_changed_stays_so_when_the_store_writes_to_it(store: Store) -> None:
    """Readings that are laid into a changed day must not make what was changed look right."""
    fill(store)
    with past_the_guard(store, "block") as connection:
        connection.execute(text("UPDATE block SET known_at_us = known_at_us - 1 WHERE day = 20151"))
    assert checked(store).faults == 3
    panel = Panel(POINTS, START + 3 * DAY + 5 * HOUR, HOUR, np.full((3, 1), 1.0))
    store.readings.save(ME, panel.rows([0]), known_at=NOW + DAY)
    store.readings.save_singles(ME, DELIVERED_ENERGY, 3600, [Single("b", epoch_s(panel.start), 4)], known_at=NOW + DAY)
    store.readings.save(ME, Panel(("c",), START + 3 * DAY, HOUR, np.full((1, 1), 8.0)), known_at=NOW + DAY)
    assert checked(store).faults == 4  # and the image that was superseded


@pytest.mark.parametrize("table", TABLES[:2])
def test_a_changed_row_does_not_go_to_the_archive(tmp_path: Path, table: str) -> None:
    """What comes back from there has a right checksum."""
    with open_store(tmp_path / "a.db") as store:
        fill(store)
        store.dirty.clear(ME, store.dirty.ranges(ME))
        with past_the_guard(store, table) as connection:
            connection.execute(text(f"UPDATE {table} SET known_at_us = known_at_us - 1 WHERE usage_point = 2"))
        done = archive_months(store, ME, str(tmp_path / "archive"), before=parse_month("2025-04"))
        (failed,) = done.failed
        assert "2025-03-01 of usage point b has been changed past Gridwright" in str(failed)
        assert not [*done.written, *store.archive.parts(ME)]


def test_an_older_database_is_clean_and_tells_how_many_rows_have_none(store: Store, again: Callable[[], Store]) -> None:
    fill(store)
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with store._engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0005")
    with again() as newer:
        assert (checked(newer).without, checked(newer).faults, checked(newer).looked_at) == (17, 0, 17)


ODD = {
    "a text in place of bytes": "UPDATE block SET counts = 'abc'",
    "a fraction in place of a number": "UPDATE block_version SET phase_s = 0.5",
    "a text in place of a checksum": "UPDATE block SET checksum = 'abcd'",
    "a number without end": "UPDATE block SET slots = 9000000000000000000",
    "a quality that is none": "UPDATE block SET quality_all = 300, quality = NULL",
    "a value that is a text": "UPDATE register_reading SET value = 'much'",
    "an instant that is a text": "UPDATE register_reading SET at_s = 'late' WHERE usage_point = 1",
    "a meter that is a number": "UPDATE register_version SET end_device = x'00'",
}


@pytest.mark.parametrize("what", ODD)
def test_what_only_sqlite_lets_stand_is_a_fault_and_no_crash(tmp_path: Path, what: str) -> None:
    with open_store(tmp_path / "a.db") as store:
        fill(store)
        with past_the_guard(store, ODD[what].split()[1]) as connection:
            connection.execute(text(ODD[what]))
        assert any(check.faults for check in store.checks.blocks(ME) if check.name in {"blocks", "checksums"})


# --- the law ----------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from((1.0, 2.0, 300.0, 40_000.0, -3e9, 6e12, np.nan))
PART = st.tuples(
    st.lists(st.sampled_from(range(3)), min_size=1, max_size=3, unique=True),
    st.integers(0, 44),  # the first hour of two days
    st.lists(VALUES, min_size=1, max_size=4),
    st.sampled_from((int(q.RAW), int(q.ACTUAL))),
)
ACTS = st.lists(
    st.tuples(
        st.sampled_from(("save", "save", "fill", "single", "journal", "register", "archive", "late", "backup")),
        PART,
        st.sampled_from((0, 1, 1_000_000, 86_400_000_000 * 9)),  # microseconds before the act before
    ),
    min_size=1,
    max_size=9,
)
Part = tuple[list[int], int, list[float], int]


class Town:
    """A store to which things are done; a restored backup takes its place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number, self.now = folder, 0, NOW
        self.store = open_store(folder / "0.db")
        self.store.registry.save_points(ME, [UsagePoint(code) for code in POINTS])

    def panel(self, part: Part) -> Panel:
        rows, first, line, quality = part
        values = np.array([[value + row for value in line] for row in rows])
        panel = Panel(tuple(POINTS[row] for row in rows), START + first * HOUR, HOUR, values)
        return panel.with_values(values, np.full(values.shape, quality, np.uint8))

    def save(self, part: Part) -> None:
        self.store.readings.save(ME, self.panel(part), known_at=self.now)

    def singles(self, part: Part, *, fill: bool = False) -> None:
        rows, first, line, quality = part
        at = epoch_s(START) + first * 3600
        these = [Single(POINTS[row], at, line[0], quality) for row in rows if not np.isnan(line[0])]
        self.store.readings.save_singles(ME, DELIVERED_ENERGY, 3600, these, known_at=self.now, fill=fill)

    def fill(self, part: Part) -> None:
        self.singles(part, fill=True)

    single = singles

    def journal(self, part: Part) -> None:
        rows, first, line, quality = part
        each = [
            (row, first + at, value) for row in sorted(rows) for at, value in enumerate(line) if not np.isnan(value)
        ]
        if not each:
            return
        row, slot, value = (list(column) for column in zip(*each, strict=True))
        at = epoch_s(START) + np.array(slot, np.int64) * 3600
        batch = Readings(
            POINTS,
            np.array(row, np.int32),
            at,
            np.array(value),
            np.full(len(each), quality, np.uint8),
            np.arange(1, len(each) + 1),
            3600,
            DELIVERED_ENERGY,
        )
        with self.store.transaction(settled=False):
            accepted = self.store.journal.accept(ME, batch)
            if accepted is not None:
                self.store.journal.put([accepted], received=self.now)
        self.store.readings.series(ME)  # whoever reads folds

    def register(self, part: Part) -> None:
        rows, first, line, quality = part
        value = 5.0 if np.isnan(line[0]) else abs(line[0])
        reads = [RegisterReading(POINTS[row], START + first % 3 * HOUR, value, "M1", quality=quality) for row in rows]
        self.store.registers.save(ME, reads, known_at=self.now)

    def archive(self, part: Part, *, late: bool = False) -> None:
        self.store.dirty.clear(ME, self.store.dirty.ranges(ME))
        april = parse_month("2025-04")
        archive_months(self.store, ME, str(self.folder / "archive"), before=april, drop_before=april)
        if late:
            self.save(part)
        with suppress(NotFound):  # nothing was archived yet
            restore_month(self.store, ME, parse_month("2025-03"))

    def late(self, part: Part) -> None:
        self.archive(part, late=True)

    def backup(self, _: Part) -> None:
        self.number += 1
        path, address = self.folder / f"{self.number}.gwb", str(self.folder / f"{self.number}.db")
        back_up(ME, str(self.folder / f"{self.number - 1}.db"), path, vault=None, now=NOW)
        restore(path, address, Vault(self.folder / "secret.key"))
        self.store.close()
        self.store = open_store(address)


@settings(max_examples=200 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 20, deadline=None)
@given(acts=ACTS)
def test_whatever_is_done_every_row_has_the_checksum_of_what_it_holds(
    tmp_path_factory: pytest.TempPathFactory, acts: Sequence[tuple[str, Part, int]]
) -> None:
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        for act, part, earlier_us in acts:
            town.now += DAY - timedelta(microseconds=earlier_us)
            getattr(town, act)(part)
        found = checked(town.store)
        assert (found.faults, found.without) == (0, 0), found
    finally:
        town.store.close()


NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(NUMBERS, min_size=8, max_size=8), st.integers(0, 7), NUMBERS)
def test_another_number_always_makes_another_sum(numbers: list[int], at: int, new: int) -> None:
    changed = [*numbers[:at], new, *numbers[at + 1 :]]
    assert (mix(numbers) == mix(changed)) == (numbers == changed)
    assert mix([np.array([each]) for each in numbers]).tolist() == [mix(numbers)]


@given(st.binary(min_size=1, max_size=700), st.data())
def test_another_byte_always_makes_another_sum(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[at]))
    changed = content[:at] + bytes([byte]) + content[at + 1 :]
    for which in (KNOWN, QUALITY, COUNTS):
        assert of_joined(content, len(content), which) != of_joined(changed, len(content), which)
        assert of_joined(content, len(content), which) != of_joined(content + b"\0", len(content) + 1, which)
    assert of_joined(content, len(content), KNOWN) != of_joined(content, len(content), COUNTS)


def test_many_rows_have_the_checksums_that_each_has_alone() -> None:
    counts, quality, known = [b"abcd", b"e", b"fghij"], [None, b"x", None], [None, None, bytes(5)]
    many = Numbers(1, 20_148, 0, 24, np.array([2, 4, 8]), 17, 5, np.array([1, 2, -1 << 40]))
    sums = mix(many) + of_rows(known, KNOWN) + of_rows(quality, QUALITY) + of_rows(counts, COUNTS)
    alone = [
        checksum(Numbers(1, 20_148, 0, 24, width, 17, 5, point), known[at], quality[at], counts[at])
        for at, (width, point) in enumerate(((2, 1), (4, 2), (8, -1 << 40)))
    ]
    assert stored(sums) == alone


def test_a_checksum_is_what_it_was_in_every_version() -> None:
    """What is stored today is compared with what a later program computes."""
    row = checksum(Numbers(1, 20_148, 0, 24, 2, NONE, 1_740_787_200_000_000, 7), bytes(5), b"\x11", b"\1\2\3\4\5\6")
    assert row.hex() == "45311a2ad22b1611"
    assert register_checksum((7, 1, 1_740_787_200, 0, 5, "M1", 17, 1_740_787_200_000_000, 1)).hex() == "811c9a6e"

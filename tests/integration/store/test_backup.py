"""Backups: made while somebody writes, refused when not whole, and the same again wherever they are restored."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from sqlalchemy import text

from gridwright.billing import postings
from gridwright.billing.rating import bill_key
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.errors import (
    Conflict,
    GridwrightError,
    NotFound,
    StoreCorrupt,
    StoreFull,
    StoreOutdated,
    UsageError,
)
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, backups_in, file_name, prune, restore, verify
from gridwright.jobs.upkeep.check_health import Surroundings, check_backups
from gridwright.jobs.upkeep.health import State
from gridwright.jobs.upkeep.look_after_keys import rotate_master, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.backup import backup as backup_module
from gridwright.store.backup.file import HEADER_BYTES, MAGIC, SEAL_BYTES, BackupWriter
from gridwright.store.engine import make_engine, resolve
from gridwright.store.migrate import upgrade
from gridwright.store.schema import metadata
from tests.integration.command_line import commands
from tests.kept import let_go
from tests.quick_processes import Process

NOW = datetime(2025, 6, 1, tzinfo=UTC)
MARCH = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


def fill(store: Store) -> None:
    """Readings with earlier images, a sealed name, an issued bill."""
    random = np.random.default_rng(5)
    values = random.integers(0, 900, (4, 10 * 96)).astype(float)
    points = [UsagePoint(f"UP-{n}", attributes={"name": f"Größe {n} 🏠"}) for n in range(4)]
    store.registry.save_points(ME, points)
    panel = Panel(tuple(point.id for point in points), MARCH, QUARTER, values)
    store.readings.save(ME, panel, known_at=NOW)
    store.readings.save(ME, Panel(("UP-1",), MARCH, QUARTER, values[:1, :50]), known_at=NOW + timedelta(days=1))
    month = Interval(MARCH, MARCH + timedelta(days=31))
    line = BillLine("energy", "energy", Decimal(1), "kWh", Decimal("0.3"), "EUR")
    key = bill_key("UP-1", month, "flat", "h")
    bill = Bill("B1", key, "UP-1", month, "UTC", "flat", "EUR", (line,), "h", NOW)
    store.ledger.save_bill(ME, bill, postings(bill))
    store.ledger.issue(ME, "B1")


def everything(address: str | Path) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with open_store(address) as store, store._engine.connect() as connection:
        return {
            table.name: sorted(
                repr([bytes(v) if isinstance(v, memoryview | bytearray) else v for v in row])
                for row in connection.execute(table.select())
            )
            for table in metadata.sorted_tables
        }


@pytest.fixture
def town(tmp_path: Path, vault: Vault) -> str:
    """The address of a filled database."""
    address = str(tmp_path / "town" / "gridwright.db")
    with open_store(address, master=vault) as store:
        fill(store)
    return address


def test_out_of_every_database_and_into_every_other(address: str, tmp_path: Path, vault: Vault) -> None:
    with open_store(address, master=vault) as store:
        fill(store)
        seal_store(store, ME)
    path, there = tmp_path / "out" / "a.gwb", everything(address)
    header = back_up(ME, address, path, vault=vault, now=NOW)
    assert (header.created, header.tables["block"], header.tables["block_version"]) == (NOW, 40, 1)
    assert verify(path, vault) == header
    assert b"Gr\xc3\xb6\xc3\x9fe" not in path.read_bytes()

    fresh = str(tmp_path / "fresh" / "new.db")
    restore(path, fresh, vault)
    assert everything(fresh) == there
    with open_store(fresh, master=Vault(vault.path)) as store:
        assert store.registry.point(ME, "UP-2").attributes["name"] == "Größe 2 🏠"
        assert store.audit.verify(ME) > 0
        assert store.ledger.bill(ME, "B1").number == 1

    again = tmp_path / "b.gwb"
    back_up(ME, fresh, again, vault=None, now=NOW)
    with pytest.raises(Conflict, match="database already, with rows"):
        restore(again, address, vault)
    let_go(address)
    restore(again, address, vault, force=True)
    assert everything(address) == there
    with open_store(address, master=vault) as store:  # new keys come behind the restored ones
        store.registry.save_points(ME, [UsagePoint("UP-9")])
        assert store.registry.count(ME) == 5


def test_a_database_that_is_replaced_is_kept_beside(town: str, tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "a.gwb"
    back_up(ME, town, path, vault=vault, now=NOW)
    with open_store(town, master=vault) as store:
        store.registry.save_points(ME, [UsagePoint("late")])
    restore(path, town, vault, force=True)
    with open_store(town) as store:
        assert store.registry.count(ME) == 4
    (kept,) = Path(town).parent.glob("*.replaced-*[0-9a-f]")
    with open_store(kept) as store:
        assert store.registry.count(ME) == 5


def flipped(at: Callable[[int], int]) -> Callable[[bytes], bytes]:
    def flip(content: bytes) -> bytes:
        place = at(len(content))
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return flip


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte of the content": (flipped(lambda size: (size + HEADER_BYTES) // 2), "damaged"),
    "the last byte": (flipped(lambda size: size - 1), "damaged"),
    "a byte of the header": (flipped(lambda _: 400), "damaged"),
    "a space of the header": (flipped(lambda _: HEADER_BYTES - SEAL_BYTES - 3), "damaged"),
    "its end is missing": (lambda content: content[:-1], "truncated"),
    "half of it is missing": (lambda content: content[: len(content) // 2], "truncated"),
    "only the header is there": (lambda content: content[:HEADER_BYTES], "truncated"),
    "half a header": (lambda content: content[:5000], "damaged"),
    "too much": (lambda content: content + b"x", "too long"),
    "nothing": (lambda _: b"", "no backup"),
    "something else": (lambda _: b"SQLite format 3\0" * 999, "no backup"),
}


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("what", DAMAGE)
def test_what_is_not_whole_is_refused_and_touches_nothing(
    small: tuple[bytes, bytes, Vault], tmp_path: Path, what: str, encrypted: bool
) -> None:
    damage, words = DAMAGE[what]
    path = tmp_path / "a.gwb"
    path.write_bytes(damage(small[0] if encrypted else small[1]))
    acts: list[Callable[[], object]] = [
        lambda: verify(path, small[2]),
        lambda: restore(path, str(tmp_path / "x.db"), small[2]),
    ]
    for act in acts:
        with pytest.raises(StoreCorrupt, match=words) as caught:
            act()
        assert caught.value.remedy
    assert [each.name for each in tmp_path.iterdir()] == ["a.gwb"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, Vault]:
    """A backup encrypted, the same in plain text, and the key."""
    folder = tmp_path_factory.mktemp("small")
    vault = Vault(folder)
    with open_store(folder / "s.db") as store:
        fill(store)
    back_up(ME, str(folder / "s.db"), folder / "a.gwb", vault=vault, now=NOW)
    back_up(ME, str(folder / "s.db"), folder / "b.gwb", vault=None, now=NOW)
    return (folder / "a.gwb").read_bytes(), (folder / "b.gwb").read_bytes(), vault


def test_frames_cannot_change_places(town: str, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridwright.store.backup import file as backup_file

    monkeypatch.setattr(backup_file, "FRAME", 5_000)
    path = tmp_path / "a.gwb"
    back_up(ME, town, path, vault=vault, now=NOW)
    content = path.read_bytes()
    size = 4 + 5_000 + 16
    first, second = (content[HEADER_BYTES + at : HEADER_BYTES + at + size] for at in (0, size))
    path.write_bytes(content[:HEADER_BYTES] + second + first + content[HEADER_BYTES + 2 * size :])
    monkeypatch.setattr(backup_module, "check_whole", backup_file.read_header)
    with pytest.raises(StoreCorrupt, match="part 1 of the backup has been changed"):
        verify(path, vault)


def test_a_wrong_key_none_and_an_earlier_one(town: str, tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "a.gwb"
    header = back_up(ME, town, path, vault=vault, now=NOW)
    stranger = Vault(tmp_path / "stranger.key")
    stranger.seal(b"")
    for other in (stranger, Vault(tmp_path / "none" / "secret.key")):
        with pytest.raises(StoreCorrupt, match=f"encrypted with key {header.master}") as caught:
            restore(path, str(tmp_path / "x.db"), other)
        assert "--key" in caught.value.remedy
    with open_store(town, master=vault) as store:
        rotate_master(store, ME, vault)
    assert verify(path, vault) == header
    with open_store(town, master=vault) as store:
        rotate_master(store, ME, vault, drop_old=True)
    with pytest.raises(StoreCorrupt, match="encrypted with key"):
        verify(path, vault)


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, vault: Vault) -> None:
    old, path = tmp_path / "old.db", tmp_path / "a.gwb"
    engine = make_engine(resolve(old), create=True)
    with engine.begin() as connection:
        upgrade(connection, "0002")
        connection.execute(text("INSERT INTO number_series (name, last) VALUES ('mark', 7)"))
    engine.dispose()
    writer = BackupWriter(path, vault)
    writer.write(old.read_bytes())
    about = {"program": "0", "revision": "0002", "database": "sqlite", "payload": "pages", "tables": {}}
    writer.finish({**about, "created": NOW.isoformat()})
    restore(path, str(tmp_path / "new.db"), vault)
    assert "['mark', 7]" in everything(tmp_path / "new.db")["number_series"]


def test_a_newer_schema_is_refused(town: str, tmp_path: Path, vault: Vault) -> None:
    path = tmp_path / "a.gwb"
    back_up(ME, town, path, vault=None, now=NOW)
    content = path.read_bytes()
    facts = json.loads(content[len(MAGIC) : HEADER_BYTES - SEAL_BYTES])
    from gridwright.store.backup.file import _packed

    path.write_bytes(_packed({**facts, "revision": "0999"}, None) + content[HEADER_BYTES:])
    with pytest.raises(StoreOutdated, match=r"0999.*newer one made it"):
        restore(path, str(tmp_path / "x.db"), vault)
    assert not (tmp_path / "x.db").exists()


WRITER = """
import sys, numpy as np
from datetime import UTC, datetime, timedelta
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.store import open_store
start = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(days=20)
with open_store(sys.argv[1], busy_ms=20_000) as store:
    for number in range(1, 1_000_000):
        panel = Panel(("UP-1", "UP-2"), start, timedelta(minutes=15), np.full((2, 96 * 3), float(number)))
        store.readings.save(LOCAL_OWNER, panel, known_at=start + timedelta(seconds=number))
        print(number, flush=True)
"""


def test_under_write_load_killed_and_restored(town: str, tmp_path: Path, vault: Vault) -> None:
    """The drill: back up while another process writes; kill it, lose the database; restore, verify, compare."""
    with open_store(town, master=vault) as store:
        seal_store(store, ME)
    writer = Process([sys.executable, "-c", WRITER, town], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    made = []
    for number in range(3):
        acknowledged = int(writer.stdout.readline())
        path = tmp_path / f"{number}.gwb"
        back_up(ME, town, path, vault=vault, now=NOW)
        made.append((path, acknowledged))
    writer.kill()
    sent = max((int(line) for line in writer.stdout.read().split()), default=0) + 1  # one may be stored and not told
    writer.wait()
    writer.stdout.close()
    for file in Path(town).parent.iterdir():
        file.unlink()
    start = MARCH + timedelta(days=20)
    for path, acknowledged in made:
        restore(path, town, vault, force=True)
        with open_store(town, master=vault) as store:
            found = store.readings.load(ME, ["UP-1", "UP-2"], Interval(start, start + timedelta(days=3))).values
            assert np.unique(found).size == 1  # one commit, whole
            assert acknowledged <= found[0, 0] <= sent
            faults = {check.name: check.first for check in verify_store(store, ME, deep=True).checks if not check.ok}
            assert faults == {}
            assert store.registry.point(ME, "UP-2").attributes["name"] == "Größe 2 🏠"


def test_a_full_disk_leaves_no_half_backup(town: str, tmp_path: Path, vault: Vault) -> None:
    with pytest.raises(GridwrightError):
        back_up(ME, town, Path("/dev/full/a.gwb"), vault=vault, now=NOW)
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(GridwrightError, match=r"cannot be (used|written)"):
        back_up(ME, town, blocker / "a.gwb", vault=vault, now=NOW)


def test_a_full_disk_is_told_by_its_place_and_is_no_damage(
    town: str, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the copy is made, and when a backup is brought back: neither the database nor the backup is to blame."""
    from pysqlite3 import dbapi2

    class Full:
        """A file on a disk without room."""

        def write(self, content: bytes) -> int:
            raise OSError(errno.ENOSPC, f"no space for {len(content)} bytes")

        def close(self) -> None:
            """Nothing is open."""

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    out = tmp_path / "out"
    path = out / "a.gwb"
    back_up(ME, town, path, vault=vault, now=NOW)
    connect = dbapi2.connect

    def connected(place: str, **more: object) -> object:
        connection = connect(place, **more)
        if place.endswith(".tmp"):
            connection.execute("PRAGMA max_page_count = 2")
        return connection

    def opened(number: int, _: str) -> Full:
        os.close(number)
        return Full()

    acts: list[tuple[str, object, Callable[[], object]]] = [
        ("pysqlite3.dbapi2.connect", connected, lambda: back_up(ME, town, out / "b.gwb", vault=vault, now=NOW)),
        ("gridwright.store.backup.backup.os.fdopen", opened, lambda: restore(path, str(out / "new.db"), vault)),
    ]
    for name, broken, act in acts:
        with monkeypatch.context() as patch:
            patch.setattr(name, broken)
            with pytest.raises(StoreFull, match="there is no room for a copy of the database") as caught:
                act()
        assert caught.value.where == str(out)
        assert [each.name for each in out.iterdir()] == ["a.gwb"]


def test_interrupted_it_leaves_nothing_behind(town: str, tmp_path: Path, vault: Vault) -> None:
    def stop(done: int, total: int) -> None:
        assert 0 <= done <= total
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        back_up(ME, town, out / "a.gwb", vault=vault, now=NOW, progress=stop)
    assert list(out.iterdir()) == []


def test_a_file_that_is_there_stays_unless_forced(
    town: str, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    path = out / "a.gwb"
    first = back_up(ME, town, path, vault=vault, now=NOW)
    with pytest.raises(Conflict, match="there is a file of this name already") as caught:
        back_up(ME, town, path, vault=vault, now=NOW)
    assert "--force" in caught.value.remedy
    with pytest.raises(UsageError, match="this is a folder"):
        back_up(ME, town, out, vault=vault, now=NOW, force=True)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(ME, town, path, vault=vault, now=NOW, force=True, progress=stop)
    assert verify(path, vault) == first
    assert back_up(ME, town, path, vault=vault, now=NOW, force=True).id == verify(path, vault).id != first.id

    def taken(source: Path, target: Path) -> None:
        """Somebody was quicker with the same name, while the backup was made."""
        target.write_text("theirs")
        raise FileExistsError(17, "File exists", str(source))

    monkeypatch.setattr("gridwright.store.backup.file.os.link", taken)
    with pytest.raises(Conflict, match="already"):
        back_up(ME, town, out / "b.gwb", vault=vault, now=NOW)
    assert (out / "b.gwb").read_text() == "theirs"
    assert sorted(each.name for each in out.iterdir()) == ["a.gwb", "b.gwb"]


def test_what_a_killed_backup_left_goes_with_the_next_one(town: str, tmp_path: Path, vault: Vault) -> None:
    """It may be the whole database in plain. What another backup still writes stays, and so does what is not ours."""
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    left, busy, foreign = (out / name for name in (f".a.gwb.{'0' * 12}.tmp", f".b.gwb.{'1' * 12}.tmp", ".notes.tmp"))
    for path in (left, busy, foreign, left.with_name(left.name + "-wal")):
        path.write_bytes(b"SQLite format 3")
    with busy.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        back_up(ME, town, out / "c.gwb", vault=vault, now=NOW)
    assert {each.name for each in out.iterdir()} == {busy.name, foreign.name, "c.gwb"}


def test_folders_of_backups(town: str, tmp_path: Path, vault: Vault) -> None:
    folder = tmp_path / "backups"
    assert backups_in(folder) == []
    times = [NOW + timedelta(days=day) for day in range(4)]
    for when in times:
        back_up(ME, town, folder / file_name(when), vault=vault, now=when)
    (folder / "broken.gwb").write_bytes(b"?")
    found = backups_in(folder)
    assert [each.header.created for each in found if each.header] == times[::-1]
    assert found[-1].problem
    assert [path.name for path in prune(ME, folder, 2).deleted] == [file_name(when) for when in times[1::-1]]
    assert prune(ME, folder, 2).deleted == ()
    assert (folder / "broken.gwb").exists()
    with pytest.raises(UsageError):
        prune(ME, folder, 0)
    with pytest.raises(NotFound):
        verify(folder / "absent.gwb", vault)


def test_a_backup_that_goes_while_the_folder_is_looked_at_is_no_error(town: str, tmp_path: Path, vault: Vault) -> None:
    """A link whose file is gone is as a file that another process deletes after the folder was listed."""
    back_up(ME, town, tmp_path / file_name(NOW), vault=vault, now=NOW)
    (tmp_path / "gone.gwb").symlink_to(tmp_path / "deleted")
    assert [each.path.name for each in backups_in(tmp_path, deep=True)] == [file_name(NOW)]


def test_what_is_not_whole_is_told_and_takes_the_place_of_no_backup(
    town: str, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of four, the newest has another byte, one lacks its end, and both have whole headers: the whole ones stay."""
    folder, names = tmp_path / "backups", ["1.gwb", "2.gwb", "3.gwb", "4.gwb"]
    for day, name in enumerate(names):
        back_up(ME, town, folder / name, vault=vault, now=NOW + timedelta(days=day))
    (folder / "2.gwb").write_bytes((folder / "2.gwb").read_bytes()[:-1])
    (folder / "4.gwb").write_bytes(flipped(lambda size: size - 9)((folder / "4.gwb").read_bytes()))
    run = commands(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    assert {each.path.name for each in backups_in(folder) if each.problem} == {"2.gwb"}
    for words, damaged in (((), {"2.gwb"}), (("--deep",), {"2.gwb", "4.gwb"})):
        told = json.loads(run("backup", "list", folder, "--json", *words)[1])["backups"]
        assert {Path(each["file"]).name for each in told if "problem" in each} == damaged
        assert run("backup", "list", folder, *words)[1].count("the backup is") == len(damaged)

    around = Surroundings(NOW + timedelta(days=3), vault, backups=folder)
    look = check_backups(around)
    assert (look.state, "the newest is 1 d old, of 2; 2 cannot be read" in look.found) == (State.WARN, True), look

    code, out, err = run("backup", "prune", folder, "--keep", 2)
    said = out + err
    assert (code, "0 deleted" in said, said.count("no whole backup")) == (0, True, 2), said
    assert sorted(each.name for each in folder.iterdir()) == names
    done = json.loads(run("backup", "prune", folder, "--keep", 1, "--json")[1])
    assert ([Path(each).name for each in done["deleted"]], len(done["damaged"])) == (["1.gwb"], 2)
    assert sorted(each.name for each in folder.iterdir()) == names[1:]
    assert verify(folder / "3.gwb", vault).rows


def test_the_doctor_tells_where_the_newest_backup_opens_with_no_key(town: str, tmp_path: Path, vault: Vault) -> None:
    folder = tmp_path / "backups"
    back_up(ME, town, folder / "1.gwb", vault=vault, now=NOW)
    around = Surroundings(NOW, vault, backups=folder)
    assert check_backups(around).state is State.OK
    with open_store(town, master=vault) as store:
        (old,) = vault.key_ids()
        rotate_master(store, ME, vault)
        assert check_backups(around).state is State.OK
        rotate_master(store, ME, vault, drop_old=True)
    look = check_backups(around)
    assert (look.state, f"opens only with key {old}" in look.found, "backup create" in look.remedy) == (
        State.FAIL,
        True,
        True,
    )
    vault.path.unlink()
    assert check_backups(Surroundings(NOW, Vault(vault.path), backups=folder)).state is State.FAIL
    back_up(ME, town, folder / "2.gwb", vault=None, now=NOW + timedelta(hours=1))
    assert check_backups(around).state is State.OK


def test_what_is_restored_is_checked_and_not_what_the_settings_name(
    town: str, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line that restore prints checks the restored database, with its key, and tells what is wrong with that."""
    with open_store(town, master=vault) as store:
        seal_store(store, ME)
    back_up(ME, town, tmp_path / "a.gwb", vault=vault, now=NOW)
    run, here = commands(monkeypatch, capsys), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    open_store(here / "gridwright.db").close()
    code, out, err = run("backup", "restore", tmp_path / "a.gwb", "--to", "re stored.db", "--key", vault.path)
    said = out + err
    assert (code, "gridwright verify --database 're stored.db' --key " in said) == (0, True), said
    words = shlex.split(said[said.index("gridwright verify") :])[1:]
    code, out, _ = run(*words, "--json")
    checks = {each["name"]: each for each in json.loads(out)["checks"]}
    assert (code, checks["sealed data"]["looked_at"]) == (0, 5)
    engine = make_engine(resolve(here / "re stored.db"), create=False)
    with engine.begin() as connection:
        connection.execute(text("UPDATE audit_head SET number = 99"))
    engine.dispose()
    assert run(*words)[0] == 1
    assert run("verify")[0] == 0
    assert run("verify", "--database", "absent.db")[0] == 1
    assert not (here / "absent.db").exists()


def test_no_row_is_lost_between_the_kinds_of_columns(tmp_path: Path, vault: Vault) -> None:
    """Into a server's rows and back, without a server: booleans, texts beyond ASCII, bytes, numbers, nothing."""
    import io

    import pyarrow as pa

    from gridwright.store.backup.rows import read_rows, write_rows

    with open_store(tmp_path / "a.db") as store:
        fill(store)
        with store._engine.connect() as connection:
            target: Any = io.BytesIO()
            write_rows(connection, target, 1, None)
            counts = {
                table.name: connection.execute(text(f"SELECT COUNT(*) FROM {table.name}")).scalar_one()
                for table in metadata.sorted_tables
            }
            target.seek(0)
            found: dict[str, list[Any]] = {}
            for name, batch in read_rows(pa.PythonFile(target, "r"), counts):
                found.setdefault(name, []).extend(batch.rows)
            for table in metadata.sorted_tables:
                assert found.get(table.name, []) == [tuple(row) for row in connection.execute(table.select())]
            target.seek(0)
            with pytest.raises(StoreCorrupt, match="instead of"):
                list(read_rows(pa.PythonFile(target, "r"), {**counts, "block": 1}))

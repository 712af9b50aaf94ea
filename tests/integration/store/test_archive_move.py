"""The archive goes to another disk or storage: what is there is compared, the rest copied, and each row follows."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from pyarrow import fs

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, StoreError
from gridwright.domain.month import parse_month
from gridwright.jobs.upkeep.archive_months import restore_month
from gridwright.jobs.upkeep.move_archive import move_archive
from gridwright.store import Store
from gridwright.store.archive.file import Shelf
from tests.integration.store.test_archive import BEFORE, archive, archive_holds, fill, rows, spoil

pytestmark = pytest.mark.servers_in_turn


@pytest.fixture
def town(store: Store, tmp_path: Path) -> Store:
    """Three series of March that are in the archive alone, in `old`."""
    archive(fill(store), tmp_path / "old", drop_before=BEFORE)
    return store


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_copied_and_the_register_follows(town: Store, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    done = move_archive(town, ME, str(new))
    assert (len(done.moved), done.copied, done.current, done.failed) == (3, 4, 0, ())
    assert files(new) == files(old)
    assert {stat.S_IMODE(path.stat().st_mode) for path in new.rglob("*.parquet")} == {0o600}
    assert {part.address for part in town.archive.parts(ME)} == {str(new)}
    shutil.rmtree(old)
    assert archive_holds(town)
    assert len(restore_month(town, ME, parse_month("2025-03"))) == 3
    again = move_archive(town, ME, str(new))
    assert (again.moved, again.copied, again.current) == ((), 0, 3)
    told = [each.detail for each in town.audit.records(ME) if each.detail.get("what") == "moved"]
    assert {(each["before"].startswith(str(old)), each["place"].startswith(str(new))) for each in told} == {
        (True, True)
    }


def test_what_others_copied_is_compared_and_the_old_place_not_asked(town: Store, tmp_path: Path) -> None:
    (tmp_path / "old").rename(tmp_path / "new")
    done = move_archive(town, ME, str(tmp_path / "new"))
    assert (len(done.moved), done.copied, done.failed) == (3, 0, ())
    assert archive_holds(town)


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_a_copy_that_is_not_whole_is_made_anew(town: Store, tmp_path: Path, how: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(old, new)
    for path in new.rglob("*.parquet"):
        spoil(path, how)
    assert move_archive(town, ME, str(new)).copied == 4
    assert files(new) == files(old)


@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_what_is_whole_nowhere_stays_registered_where_it_was(town: Store, tmp_path: Path, how: str) -> None:
    part = next(part for part in town.archive.parts(ME) if "temperature" in part.code)
    spoil(Path(part.place), how)
    done = move_archive(town, ME, str(tmp_path / "new"))
    assert (len(done.moved), len(done.failed)) == (2, 1)
    assert part.place in done.failed[0]
    assert [each for each in town.archive.parts(ME) if each.address != str(tmp_path / "new")] == [part]
    assert not [name for name in files(tmp_path / "new") if "temperature" in name or name.endswith(".tmp")]


def test_interrupted_it_goes_on(town: Store, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert done <= total == 3
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_archive(town, ME, str(tmp_path / "new"), progress=stop)
    assert len({part.address for part in town.archive.parts(ME)}) == 2
    assert archive_holds(town)
    done = move_archive(town, ME, str(tmp_path / "new"))
    assert (len(done.moved), done.current) == (2, 1)
    assert archive_holds(town)


def test_from_a_disk_to_a_storage_and_back(town: Store, tmp_path: Path) -> None:
    memory = fs._MockFileSystem()

    def shelf_of(address: str) -> Shelf:
        return Shelf(memory, "bucket/x", address) if address.startswith("mock") else Shelf.at(address)

    left = rows(town)
    assert move_archive(town, ME, "mock:///bucket/x", shelf_of=shelf_of).copied == 4
    assert {part.address for part in town.archive.parts(ME)} == {"mock:///bucket/x"}
    assert move_archive(town, ME, str(tmp_path / "third"), shelf_of=shelf_of).copied == 4
    assert files(tmp_path / "third") == files(tmp_path / "old")
    assert rows(town) == left
    assert archive_holds(town)


def test_what_was_archived_anew_meanwhile_is_not_moved(town: Store, tmp_path: Path) -> None:
    part = town.archive.parts(ME)[0]
    move_archive(town, ME, str(tmp_path / "new"))
    with pytest.raises(Conflict, match="in another file now"):
        town.archive.move(ME, part, Shelf.at(str(tmp_path / "third")), Shelf.at)


def test_a_place_that_cannot_be_written_to_moves_nothing(town: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = town.archive.parts(ME)
    with pytest.raises(StoreError, match="cannot be written"):
        move_archive(town, ME, str(tmp_path / "file" / "below"))
    assert town.archive.parts(ME) == before

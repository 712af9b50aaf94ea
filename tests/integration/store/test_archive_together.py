"""Several at work on one archive: whoever comes second gives up or joins in, and no day is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict
from gridwright.domain.month import month_days, parse_month
from gridwright.jobs.upkeep.archive_months import restore_month
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.archive.archive import ArchivePart, OpenMonth
from gridwright.store.archive.file import Shelf
from tests.integration.store.test_archive import BEFORE, archive, archive_holds, fill, rows

pytestmark = pytest.mark.servers_in_turn

MARCH = parse_month("2025-03")


@pytest.fixture
def town(store: Store) -> Store:
    return fill(store)


@pytest.fixture
def other(address: str, town: Store) -> Iterator[Store]:
    """A second process, as far as the database can tell."""
    del town
    with open_store(address, create=False) as store:
        yield store


def raw(store: Store) -> ArchivePart:
    (part,) = (part for part in store.archive.parts(ME) if part.image == "raw" and "energy" in part.code)
    return part


def raw_month(store: Store) -> OpenMonth:
    (month,) = (month for month in store.archive.months(ME, BEFORE) if month.image == "raw" and "energy" in month.code)
    return month


def at(count: int, act: Callable[[], object]) -> Callable[[int], None]:
    """Return a progress that acts at the so many-th day."""
    days = 0

    def progress(blocks: int) -> None:
        nonlocal days
        assert blocks
        days += 1
        if days == count:
            act()

    return progress


def test_who_drops_gives_up_when_the_month_is_brought_back(town: Store, other: Store, tmp_path: Path) -> None:
    before = rows(town)
    archive(town, tmp_path)
    part, shelf = raw(town), Shelf.at(str(tmp_path))
    with pytest.raises(Conflict, match=r"another process works on 2025-03.*it is archived now"):
        town.archive.drop(ME, part, shelf, progress=at(4, lambda: other.archive.restore(ME, raw(other), shelf)))
    assert raw(town).state == "archived"
    assert rows(town) == before


class Stop(Exception):
    """The power goes."""


def stop() -> None:
    raise Stop


def test_who_drops_gives_up_while_the_month_is_half_back(town: Store, other: Store, tmp_path: Path) -> None:
    before = rows(town)
    archive(town, tmp_path)
    part, shelf = raw(town), Shelf.at(str(tmp_path))

    def half_back() -> None:
        with pytest.raises(Stop):
            other.archive.restore(ME, raw(other), shelf, progress=at(2, stop))

    with pytest.raises(Conflict, match="it is restoring now"):
        town.archive.drop(ME, part, shelf, progress=at(6, half_back))
    assert raw(town).state == "restoring"
    restore_month(other, ME, MARCH)
    assert rows(town) == before
    assert archive_holds(town)


def test_both_at_once_in_threads_lose_no_day(town: Store, other: Store, tmp_path: Path) -> None:
    """The one drops day 5 and later, while the other stands behind day 9 of bringing them back."""
    before = rows(town)
    archive(town, tmp_path)
    part, shelf = raw(town), Shelf.at(str(tmp_path))
    behind, ended = threading.Event(), threading.Event()

    def wait() -> None:
        behind.set()
        ended.wait(30)

    def bring_back() -> None:
        other.archive.restore(ME, raw(other), shelf, progress=at(9, wait))

    thread = threading.Thread(target=bring_back)

    def begin() -> None:
        thread.start()
        behind.wait(30)

    with pytest.raises(Conflict, match="it is restoring now"):
        town.archive.drop(ME, part, shelf, progress=at(4, begin))
    ended.set()
    thread.join()
    assert raw(town).state == "archived"
    assert rows(town) == before


def test_two_bring_a_month_back_together(town: Store, other: Store, tmp_path: Path) -> None:
    before = rows(town)
    archive(town, tmp_path, drop_before=BEFORE)
    part, shelf = raw(town), Shelf.at(str(tmp_path))
    done = town.archive.restore(ME, part, shelf, progress=at(3, lambda: other.archive.restore(ME, part, shelf)))
    assert done.state == "archived"
    restore_month(town, ME, MARCH)
    assert rows(town) == before
    told = [each for each in town.audit.records(ME) if each.detail.get("what") == "restored" and "raw" in each.subject]
    assert len([each for each in told if "energy" in each.subject]) == 1


def test_who_is_overtaken_by_a_whole_round_leaves_no_hole(town: Store, other: Store, tmp_path: Path) -> None:
    """Brought back, dropped, and half back again by others: the first one's last days do not make the month whole."""
    before = rows(town)
    archive(town, tmp_path, drop_before=BEFORE)
    part, shelf = raw(town), Shelf.at(str(tmp_path))

    def whole_round() -> None:
        back = other.archive.restore(ME, part, shelf)
        gone = other.archive.drop(ME, back, shelf)
        with pytest.raises(Stop):
            other.archive.restore(ME, gone, shelf, progress=at(2, stop))

    with pytest.raises(Conflict, match="not all of its days are back"):
        town.archive.restore(ME, part, shelf, progress=at(9, whole_round))
    assert raw(town).state == "restoring"
    restore_month(town, ME, MARCH)
    assert rows(town) == before


def test_no_half_file_is_registered_over_a_whole_one(town: Store, other: Store, tmp_path: Path) -> None:
    listed, shelf = raw_month(other), Shelf.at(str(tmp_path))
    part = town.archive.write(ME, raw_month(town), shelf)

    def write_too() -> None:
        with pytest.raises(Conflict, match=r"another process works on 2025-03.*it is dropping now"):
            other.archive.write(ME, listed, shelf)

    done = town.archive.drop(ME, part, shelf, progress=at(5, write_too))
    assert (done.state, done.sha256, done.blocks) == ("dropped", part.sha256, part.blocks)
    with pytest.raises(Conflict, match="it is dropped now"):
        other.archive.write(ME, listed, shelf)


def test_who_wrote_second_registers_nothing(town: Store, other: Store, tmp_path: Path) -> None:
    """It looked when nothing was there, and is done when the other one has registered the month, or dropped it."""
    shelf = Shelf.at(str(tmp_path))
    listed = raw_month(town)

    def write_and_drop() -> None:
        other.archive.drop(ME, other.archive.write(ME, raw_month(other), shelf), shelf)

    with pytest.raises(Conflict, match="it is dropped now"):
        town.archive.write(ME, listed, shelf, progress=at(3, write_and_drop))
    assert raw(town).state == "dropped"
    restore_month(town, ME, MARCH)
    assert archive_holds(town)


def test_days_that_went_past_gridwright_are_found_and_brought_back(town: Store, tmp_path: Path) -> None:
    before = rows(town)
    archive(town, tmp_path)
    part = raw(town)
    first = month_days(MARCH).stop - 6
    with town._engine.begin() as connection:
        gone = f"reading_type = {part.kind} AND day >= {first} AND day < {first + 4}"
        connection.execute(text(f"DELETE FROM block WHERE {gone}"))
    again = archive(town, tmp_path, drop_before=BEFORE)
    assert again.written == ()
    assert "days are missing in the database" in "".join(again.waiting)
    assert "gridwright archive restore 2025-03" in "".join(again.waiting)
    (found,) = (check for check in verify_store(town, ME).checks if check.name == "archived months")
    assert (found.ok, "days are missing" in found.first[0]) == (False, True)
    restore_month(town, ME, MARCH)
    assert rows(town) == before
    assert archive_holds(town)

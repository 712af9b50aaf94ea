"""What is in the archive alone is read as it was before: raw, final and as of any instant, with what came in since."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import ArchiveUnreadable, GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.quality import RAW, STATUS_FROM_NEM12
from gridwright.domain.reading_type import DELIVERED_ENERGY, TEMPERATURE
from gridwright.domain.readings import Readings
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.store import Store, open_store
from gridwright.store.archive import file as archive_file
from gridwright.store.archive.file import Shelf
from gridwright.store.archive.reading import database_alone, leaving_out
from tests.integration.store.test_archive import fill, spoil

pytestmark = pytest.mark.servers_in_turn

MARCH, APRIL = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
FIRST = MARCH + timedelta(days=18)
BEFORE = parse_month("2025-04")
WHOLE = Interval(FIRST, FIRST + timedelta(days=15))
KNOWN = APRIL + timedelta(days=40)
KINDS = ((DELIVERED_ENERGY, Image.RAW), (DELIVERED_ENERGY, Image.FINAL), (TEMPERATURE, Image.RAW))
DAYS = (0, 1, 3, 12, 13)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
POINTS = ("Z-1", "A-2", "m-3")
INSTANTS = (None, KNOWN - DAY, KNOWN, KNOWN + DAY, KNOWN + timedelta(days=1, hours=1), KNOWN + timedelta(days=50))


def archive(store: Store, to: Path | str, **more: Any) -> Any:  # noqa: ANN401 - a summary
    done = archive_months(store, ME, str(to), before=BEFORE, drop_before=BEFORE, **more)
    assert done.dropped
    assert not done.failed
    return done


def shown(panel: Panel) -> tuple[Any, ...]:
    values = np.where(np.isnan(panel.values), -1, panel.values)
    return panel.points, panel.start, panel.interval, panel.reading_type.code, values.tolist(), panel.quality.tolist()


def told(ask: Callable[[], Panel]) -> tuple[Any, ...]:
    try:
        return shown(ask())
    except (NotFound, GridMismatch) as error:
        return (type(error), error.message)


def everything(store: Store, points: tuple[str, ...] = POINTS, instants: tuple[Any, ...] = INSTANTS) -> list[Any]:
    """What every reader of the store says: panels as of any instant, versions, series, stretches."""
    found: list[Any] = [store.readings.series(ME), store.readings.extents(ME, list(points))]
    midst = Interval(FIRST + timedelta(hours=5), FIRST + timedelta(days=3, hours=7))
    for kind, image in KINDS:

        def load(asked: Any, period: Interval, as_of: datetime | None, like: Any = (kind, image)) -> tuple[Any, ...]:  # noqa: ANN401 - one point or several
            kind, image = like
            return told(lambda: store.readings.load(ME, asked, period, reading_type=kind, image=image, as_of=as_of))

        found += [load(points, WHOLE, as_of) for as_of in instants]
        found += [load(points[1], midst, None), load(tuple(reversed(points)), midst, instants[-1])]
        found.append(store.readings.stretches(ME, points, WHOLE, reading_type=kind, image=image))
        for day in DAYS:
            states = store.readings.versions(ME, points[1], (FIRST + day * DAY).date(), kind, image=image)
            found += [(each.revision, each.known_at, shown(each.block.panel)) for each in states]
    return found


def test_archived_is_read_as_before(store: Store, tmp_path: Path) -> None:
    before = everything(fill(store))
    archive(store, tmp_path)
    assert everything(store) == before
    with database_alone():
        assert everything(store) != before
    restore_month(store, ME, parse_month("2025-03"))
    assert everything(store) == before


def counted_apart(found: list[Any]) -> list[Any]:
    """Without how many readings a series has: what came in late is counted as new until the month is back."""
    return [[replace(one, readings=0) for one in found[0]], [one._replace(readings=0) for one in found[1]], *found[2:]]


def late(store: Store, known_at: datetime, day: int, slots: dict[int, float], point: str = "A-2") -> None:
    values = np.full((1, 96), np.nan)
    values[0, list(slots)] = list(slots.values())
    store.readings.save(ME, Panel((point,), FIRST + day * DAY, QUARTER, values), known_at=known_at)


def test_a_guess_that_came_in_late_gives_way_to_what_is_archived(store: Store, tmp_path: Path) -> None:
    """As it would while the month is in the database: of raw images alone, and told once the month is back."""
    archive(fill(store), tmp_path)
    day = Interval(FIRST + 2 * DAY, FIRST + 3 * DAY)
    before = store.readings.load(ME, "A-2", day)
    guess = Panel(("A-2",), day.start, QUARTER, np.full((1, 96), 7.0), np.full((1, 96), q.Status.ESTIMATED, np.uint8))
    store.readings.save(ME, guess, known_at=KNOWN + timedelta(days=9))
    gaps = before.missing
    for back in (False, True):
        if back:
            restore_month(store, ME, parse_month("2025-03"))
        now = store.readings.load(ME, "A-2", day)
        assert np.array_equal(now.values, np.where(gaps, 7.0, before.values))
    assert [each.code for each in store.findings.load(ME)] == ["V03_duplicate"]


def test_what_came_in_late_is_laid_over_as_a_restore_lays_it(store: Store, tmp_path: Path) -> None:
    archive(fill(store), tmp_path)
    for hours, day, slots in (
        (0, 1, {0: 77.0, 2: 78.0}),
        (1, 1, {2: 79.0}),
        (2, 3, {5: 1.0, 6: 2.0}),
        (3, 3, {5: 9.0}),
    ):
        late(store, KNOWN + timedelta(days=60, hours=hours), day, slots)
    late(store, KNOWN + timedelta(days=61), 2, {1: 4.0}, "m-3")
    instants = (*INSTANTS, *(KNOWN + timedelta(days=60, hours=hours, minutes=1) for hours in range(4)), None)
    before = everything(store, instants=instants)
    one = store.readings.load(ME, "A-2", Interval(FIRST + DAY, FIRST + 2 * DAY))
    assert one.values[0, [0, 2]].tolist() == [77.0, 79.0]
    assert np.count_nonzero(~one.missing) == 96
    restore_month(store, ME, parse_month("2025-03"))
    assert counted_apart(everything(store, instants=instants)) == counted_apart(before)


@pytest.mark.parametrize("journal", [False, True])
def test_what_came_in_late_is_counted_as_what_it_is(store: Store, tmp_path: Path, journal: bool) -> None:
    """Another value supersedes, the same says nothing, and a guess does not replace what was measured; month or not."""
    fill(store)
    whole = Interval(FIRST + DAY, FIRST + 2 * DAY)
    was = store.readings.load(ME, "A-2", whole)
    archive(store, tmp_path)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    guess = int(STATUS_FROM_NEM12["S"])
    values = np.full((1, 96), np.nan)
    values[0, :4] = was.values[0, :4] + np.array([5.0, 6.0, 0.0, 9.0])
    quality = np.full((1, 96), RAW, np.uint8)
    quality[0, 3] = guess
    late = Panel(("A-2",), whole.start, QUARTER, values, quality)

    def save(what: Panel, hours: int) -> Any:  # noqa: ANN401 - a summary
        known_at = KNOWN + timedelta(days=60, hours=hours)
        if not journal:
            return store.readings.save(ME, what, known_at=known_at)
        slots = np.flatnonzero(~what.missing[0])
        at = epoch_s(what.start) + slots * 900
        point, line = np.zeros(slots.size, np.int32), slots + 1
        batch = Readings(what.points, point, at, what.values[0, slots], what.quality[0, slots], line, 900)
        with store.transaction(settled=False):
            accepted = store.journal.accept(ME, batch)
            assert accepted is not None
            store.journal.put([accepted], received=known_at)
        store.journal.fold()
        return None

    done = save(late, 0)
    assert journal or (done.new, done.changed, done.same, done.aside) == (0, 2, 1, 1)
    again = save(late, 1)
    assert journal or (again.new, again.changed, again.same, again.aside) == (0, 0, 3, 1)
    now = store.readings.load(ME, "A-2", whole)
    assert (now.values[0, :5] - was.values[0, :5]).tolist() == [5.0, 6.0, 0.0, 0.0, 0.0]
    same = Panel(("Z-1",), whole.start, QUARTER, store.readings.load(ME, "Z-1", whole).values)
    save(same, 2)
    assert {each.usage_point for each in store.dirty.ranges(ME)} == {"A-2"}, "the same again judges nothing"
    assert [found.code for found in store.findings.load(ME)] == ["V03_duplicate"]
    restore_month(store, ME, parse_month("2025-03"))
    assert shown(store.readings.load(ME, "A-2", whole)) == shown(now)


def test_what_came_in_late_is_kept_where_its_month_cannot_be_read(store: Store, tmp_path: Path) -> None:
    archive(fill(store), tmp_path)
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    values = np.full((1, 96), 4.0)
    done = store.readings.save(ME, Panel(("A-2",), FIRST + DAY, QUARTER, values), known_at=KNOWN + timedelta(days=60))
    assert done.new == 96


@settings(max_examples=8)
@given(data=st.data())
def test_any_history_is_read_alike_before_and_after(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Saves in any order, to few slots of few days, of either image, some of them after the month left."""
    to = tmp_path_factory.mktemp("archive")
    points = ("a", "b")
    one = st.tuples(
        st.sampled_from(points),
        st.integers(0, 1),
        st.dictionaries(st.sampled_from([0, 1, 95]), st.sampled_from([0.0, 7.0, 70_000.0, 5e9]), min_size=1),
        st.sampled_from(list(Image)),
    )
    saves = data.draw(st.lists(one, min_size=1, max_size=5))
    after = data.draw(st.lists(one, max_size=3))
    instants = (None, *(KNOWN + timedelta(hours=hour) for hour in range(len(saves) + len(after))))

    def save(store: Store, hour: int, what: tuple[str, int, dict[int, float], Image]) -> None:
        point, day, slots, image = what
        values = np.full((1, 96), np.nan)
        values[0, list(slots)] = list(slots.values())
        panel = Panel((point,), FIRST + day * DAY, QUARTER, values)
        store.readings.save(ME, panel, known_at=KNOWN + timedelta(hours=hour), register=True, image=image)

    with open_store("sqlite://") as store:
        for hour, what in enumerate(saves):
            save(store, hour, what)
        for point in points:
            store.readings.save(ME, Panel((point,), APRIL, QUARTER, np.ones((1, 4))), known_at=KNOWN, register=True)
        store.dirty.clear(ME, store.dirty.ranges(ME))
        before = everything(store, points, instants)
        archive(store, to)
        assert everything(store, points, instants) == before
        for hour, what in enumerate(after, len(saves)):
            save(store, hour, what)
        laid = everything(store, points, instants)
        restore_month(store, ME, parse_month("2025-03"))
        assert counted_apart(everything(store, points, instants)) == counted_apart(laid)


@pytest.mark.parametrize("state", ["dropping", "restoring"])
def test_a_month_on_its_way_is_read_whole(store: Store, tmp_path: Path, state: str) -> None:
    before = everything(fill(store))
    archive_months(store, ME, str(tmp_path), before=BEFORE)
    if state == "restoring":
        archive(store, tmp_path)
    steps: list[int] = []

    def stop(blocks: int) -> None:
        steps.append(blocks)
        if len(steps) == 4:
            raise KeyboardInterrupt

    for part in [part for part in store.archive.parts(ME) if "energy" in part.code]:
        steps.clear()
        move = store.archive.drop if state == "dropping" else store.archive.restore
        with pytest.raises(KeyboardInterrupt):
            move(ME, part, Shelf.at(part.address), progress=stop)
    assert {part.state for part in store.archive.parts(ME) if "energy" in part.code} == {state}
    assert everything(store) == before


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "database" / "town.db") as store:
        archive(fill(store), tmp_path / "archive")
        yield store


def file_of(tmp_path: Path, folder: str = "readings") -> Path:
    (path,) = (tmp_path / "archive" / folder / "2025-03").glob("*energy*-raw-*.parquet")
    return path


SPOILED = {
    "gone": ("it is not there", "copy of the archive"),
    "cut": ("checksum", "copy of the archive"),
    "flip": ("checksum", "copy of the archive"),
    "empty": ("checksum", "copy of the archive"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_named_and_all_else_is_answered(away: Store, tmp_path: Path, how: str) -> None:
    path = file_of(tmp_path)
    assert away.readings.load(ME, POINTS, WHOLE).slots == 15 * 96  # what was checked before is looked at again
    if how == "gone":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    else:
        spoil(path, how)
    words, remedy = SPOILED[how]
    for as_of in (None, KNOWN):
        with pytest.raises(ArchiveUnreadable, match=f"2025-03 is in the archive.*{words}") as caught:
            away.readings.load(ME, "A-2", WHOLE, as_of=as_of)
        assert (path.name in caught.value.where, remedy in caught.value.remedy) == (True, True)
    april = away.readings.load(ME, POINTS, Interval(APRIL, APRIL + 2 * DAY))
    assert np.count_nonzero(april.missing) == 0
    assert away.readings.load(ME, POINTS, WHOLE, image=Image.FINAL).slots == 15 * 96
    with leaving_out() as lost:
        some = away.readings.load(ME, POINTS, WHOLE)
        away.readings.load(ME, POINTS, WHOLE)
    assert [path.name in each.where for each in lost] == [True]
    assert some.missing[:, : 13 * 96].all()
    assert not some.missing[:, 13 * 96 :].any()
    with pytest.raises(ArchiveUnreadable):
        away.archive.require_readable(ME, away.archive.away(ME, WHOLE))


def test_earlier_images_that_are_spoiled_do_not_keep_from_what_is_known_now(away: Store, tmp_path: Path) -> None:
    now = away.readings.load(ME, POINTS, WHOLE)
    spoil(file_of(tmp_path, "versions"), "flip")
    assert shown(away.readings.load(ME, POINTS, WHOLE)) == shown(now)
    with pytest.raises(ArchiveUnreadable):
        away.readings.load(ME, POINTS, WHOLE, as_of=KNOWN)


@pytest.mark.parametrize("place", range(0, 100, 20))
def test_any_byte_counts(away: Store, tmp_path: Path, place: int) -> None:
    path = file_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) * place // 100] ^= 1
    stamp = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # no new reader trusts the time
    with pytest.raises(ArchiveUnreadable, match="checksum"):
        away.readings.load(ME, "A-2", WHOLE)


def test_who_sees_some_points_reads_hers_and_is_not_told_where(away: Store, tmp_path: Path) -> None:
    hers = Access("ann", Role.CUSTOMER, frozenset({"A-2"}))
    assert shown(away.readings.load(hers, None, WHOLE)) == shown(away.readings.load(ME, "A-2", WHOLE))
    file_of(tmp_path).unlink()
    with pytest.raises(ArchiveUnreadable) as caught:
        away.readings.load(hers, None, WHOLE)
    assert str(tmp_path) not in f"{caught.value}{caught.value.remedy}"


class Unreachable(fs.FileSystemHandler):  # type: ignore[misc]
    """A storage that has gone."""

    def _fails(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - never returns
        raise OSError("When getting information: AWS Error NETWORK_CONNECTION: curlCode: 7, could not connect")

    def get_type_name(self) -> str:
        return "gone"

    def normalize_path(self, path: str) -> str:
        return path

    get_file_info = get_file_info_selector = open_input_stream = open_input_file = _fails
    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = delete_file = _fails
    move = copy_file = open_output_stream = open_append_stream = _fails


def test_a_storage_out_of_reach_is_told_as_such(away: Store) -> None:
    away.readings._archived.shelf_of = lambda address: Shelf(fs.PyFileSystem(Unreachable()), "bucket", address)
    with pytest.raises(ArchiveUnreadable, match="the storage does not answer") as caught:
        away.readings.load(ME, "A-2", WHOLE)
    assert "check the network" in caught.value.remedy
    assert np.count_nonzero(away.readings.load(ME, "A-2", Interval(APRIL, APRIL + DAY)).missing) == 0


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    groups: list[int] = []
    read = Shelf.group

    def group(self: Shelf, name: str, number: int, *more: Any) -> Any:  # noqa: ANN401 - a table
        groups.append(number)
        return read(self, name, number, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "group", group)
        yield groups


def test_only_the_row_groups_asked_for_are_read_and_kept_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_file, "GROUP_ROWS", 3)
    with open_store(tmp_path / "town.db") as store:
        archive(fill(store), tmp_path / "archive")
        with counted(monkeypatch) as groups:
            store.readings.load(ME, POINTS, Interval(FIRST + 4 * DAY, FIRST + 5 * DAY))
            assert groups == [4]
            store.readings.load(ME, POINTS, Interval(FIRST + 4 * DAY, FIRST + 6 * DAY))
            assert groups == [4, 5]
        with counted(monkeypatch) as groups:
            store.readings.load(ME, POINTS, Interval(APRIL, APRIL + DAY))
            assert groups == []

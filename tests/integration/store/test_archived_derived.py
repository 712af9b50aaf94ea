"""Energy derived from late register reads stands where nothing was measured, also in months that the archive has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store
from gridwright.store.archive.reading import leaving_out
from tests.integration.store.test_rollovers import NOW, START, Place, a_place, json_of

pytestmark = pytest.mark.servers_in_turn

QUARTER = timedelta(minutes=15)
MEASURED = 105.0
METER = Meter("M-1", dials=9, lsb_wh=1)
NEXT = parse_month(f"{START + timedelta(days=31):%Y-%m}")


def quarters(*kwh: float) -> list[tuple[datetime, float]]:
    return [(START + QUARTER * slot, value) for slot, value in enumerate(kwh)]


LATE = quarters(*(1000 + n / 10 for n in range(5)))


def measured_and_dropped(store: Store, folder: Path, *known: tuple[datetime, float]) -> Place:
    """A meter measured a day but for one interval, some reads are known, and the month left the database."""
    home = a_place(store, METER, 1000.0)
    profile = np.full((1, 96), MEASURED)
    profile[0, 2] = np.nan
    for image in Image:
        store.readings.save(ME, Panel(("UP-1",), START, QUARTER, profile), known_at=NOW, image=image)
    if known:
        home.post(json_of(known))
    drop(store, folder)
    return home


def drop(store: Store, folder: Path) -> None:
    store.dirty.clear(ME, store.dirty.ranges(ME))
    archive_months(store, ME, str(folder / "archive"), before=NEXT, drop_before=NEXT)


@contextmanager
def unreadable(folder: Path, *, gone: bool = False) -> Iterator[None]:
    (path,) = (folder / "archive/readings").glob("*/*-raw-*.parquet")
    content = path.read_bytes()
    path.unlink() if gone else path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    yield
    path.write_bytes(content)


def first_quarters(store: Store) -> Panel:
    return store.readings.load(ME, "UP-1", Interval(START, START + 4 * QUARTER), interval=QUARTER)


def bring(home: Place, folder: Path, how: str) -> None:
    if how == "file":
        home.import_file(folder, LATE)
        return
    for reads in [LATE] if "together" in how else [[each] for each in LATE]:
        home.post(json_of(reads), journal="journal" in how)


def correct_by_post(home: Place, _: Path) -> None:
    for wrong in (999.98, 999.99):
        home.post(json_of(quarters(wrong)))


def correct_by_file(home: Place, folder: Path) -> None:
    for wrong in (999.98, 999.99):
        home.import_file(folder, [(START, wrong), *LATE[1:]])


CORRECTED = {"post corrects": correct_by_post, "file corrects": correct_by_file}
HOW = ["together", "each", "journal together", "journal each", "file"]


@pytest.mark.parametrize("how", HOW)
def test_what_a_meter_measured_in_a_dropped_month_stays(store: Store, tmp_path: Path, how: str) -> None:
    bring(measured_and_dropped(store, tmp_path), tmp_path, how)
    (row,) = first_quarters(store).values.tolist()
    assert [*row[:2], row[3]] == [MEASURED] * 3
    assert row[2] > 0  # nobody measured it


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("how", [*HOW, *CORRECTED])
def test_what_a_meter_measured_counts_again_when_its_month_can_be_read_again(
    store: Store, tmp_path: Path, how: str, *, gone: bool
) -> None:
    home = measured_and_dropped(store, tmp_path, *(LATE if how in CORRECTED else ()))
    with unreadable(tmp_path, gone=gone):
        if how in CORRECTED:
            CORRECTED[how](home, tmp_path)
        else:
            bring(home, tmp_path, how)
        with leaving_out() as lost:
            now = first_quarters(store)
        assert len(lost) == 1
        derived = ~now.missing
        assert derived[0, 0]  # what the register tells counts until then
        assert set(q.status_of(now.quality[derived]).tolist()) == {q.Status.DERIVED}
    for back in (False, True):
        if back:
            restore_month(store, ME, NEXT - 1)
        found = first_quarters(store)
        assert [*found.values[0, :2].tolist(), found.values[0, 3]] == [MEASURED] * 3
        assert found.values[0, 2] > 0
    assert home.codes == []
    assert [each for each in verify_store(store, ME).checks if each.faults] == []


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("how", CORRECTED)
def test_what_a_register_told_of_a_dropped_month_is_corrected_whether_or_not_it_can_be_read(
    store: Store, tmp_path: Path, how: str, *, lost: bool
) -> None:
    home = a_place(store, METER, 1000.0)
    home.post(json_of(LATE))
    drop(store, tmp_path)
    with unreadable(tmp_path) if lost else nullcontext():
        CORRECTED[how](home, tmp_path)
    for back in (False, True):
        if back:
            restore_month(store, ME, NEXT - 1)
        assert first_quarters(store).values[0].tolist() == [220.0, 200.0, 200.0, 200.0]  # times the factor
    assert home.codes == []
    assert [each for each in verify_store(store, ME).checks if each.faults] == []

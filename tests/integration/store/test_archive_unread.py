"""What comes in while the file of an archived month cannot be read ends as if the month had never left the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.jobs.files.beside_measured import beside_measured
from gridwright.jobs.meters.fill_energy import fill_panel
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.meters.reads_tell import Told
from gridwright.jobs.meters.supersede_told import Change, supersede
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.archive.reading import leaving_out

pytestmark = pytest.mark.servers_in_turn

DAY = datetime(2025, 3, 20, tzinfo=UTC)
WHOLE = Interval(DAY, DAY + timedelta(days=1))
MONTH, NEXT = parse_month("2025-03"), parse_month("2025-04")
KNOWN = datetime(2025, 5, 1, tzinfo=UTC)
QUARTER, HALF = timedelta(minutes=15), timedelta(minutes=30)
HOUR = timedelta(hours=1)
ESTIMATED = int(Status.ESTIMATED)
SENT = (q.RAW, q.ACTUAL, ESTIMATED, q.GUESSED, int(Status.DERIVED))
OF_READS = tuple(q.pack(status, q.Method.REGISTER) for status in (Status.RAW, Status.ACTUAL, Status.ESTIMATED))
ONE, TWO, THREE = 1.0, 2.0, 3.0


class Sent(NamedTuple):
    """Readings that come in, by slot, on a grid."""

    slots: dict[int, tuple[float, int]]
    interval: timedelta = QUARTER

    def __call__(self, store: Store, known_at: datetime) -> None:
        with suppress(GridMismatch):
            store.readings.save(ME, panel_of(self.slots, self.interval), known_at=known_at)


class Filled(NamedTuple):
    """Energy between two reads, which counts where nothing is stored; `again`: over what reads told, too."""

    slot: int
    energy: float
    quality: int = q.OF_REGISTER
    again: bool = False

    def __call__(self, store: Store, known_at: datetime) -> None:
        panel = panel_of({self.slot: (self.energy, self.quality)}, QUARTER)
        fill_panel(store, (ME, ME), panel, known_at, again=self.again)


class Filed(NamedTuple):
    """Energy between the reads of a file."""

    slot: int
    energy: float
    quality: int = q.OF_REGISTER

    def __call__(self, store: Store, known_at: datetime) -> None:
        with suppress(GridMismatch):
            panel = beside_measured(store, ME, panel_of({self.slot: (self.energy, self.quality)}, QUARTER))
            store.readings.save(ME, panel, known_at=known_at)


class Corrected(NamedTuple):
    """Register reads tell something else of an interval than they did, or nothing any more."""

    slot: int
    stale: tuple[float, ...]
    now: Told | None
    fill: bool = False

    def __call__(self, store: Store, known_at: datetime) -> None:
        key = epoch_s(DAY) + self.slot * 900, 900
        supersede(store, (ME, ME), [Change("a", key, self.stale, self.now, self.fill)], DELIVERED_REGISTER, known_at)


Act = Sent | Filled | Filed | Corrected


def panel_of(slots: dict[int, tuple[float, int]], interval: timedelta, point: str = "a") -> Panel:
    count = timedelta(days=1) // interval
    values, quality = np.full((1, count), np.nan), np.full((1, count), q.MISSING, np.uint8)
    for slot, (value, each) in slots.items():
        values[0, slot], quality[0, slot] = value, each
    return Panel((point,), DAY, interval, values, quality)


def begun(store: Store, base: dict[int, tuple[float, int]]) -> Store:
    for point, slots in (("b", {9: (5.0, q.RAW)}), ("a", base)):
        panel = panel_of(slots, QUARTER, point)
        store.readings.save(ME, panel, known_at=KNOWN, register=True)
    return store


@contextmanager
def away(store: Store, folder: Path) -> Iterator[None]:
    """Within, the month is in the archive alone, and its file cannot be read."""
    store.dirty.clear(ME, store.dirty.ranges(ME))
    archive_months(store, ME, str(folder), before=NEXT, drop_before=NEXT)
    (path,) = folder.rglob("readings/*/*-raw-*.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:100])
    yield
    path.write_bytes(content)


def shown(store: Store, as_of: datetime | None = None) -> list[tuple[float, int]]:
    try:
        panel = store.readings.load(ME, "a", WHOLE, interval=QUARTER, as_of=as_of)
    except GridMismatch:
        panel = store.readings.load(ME, "a", WHOLE, interval=HALF, as_of=as_of)
    values = np.where(panel.missing[0], -1.0, panel.values[0])
    return list(zip(values.tolist(), panel.quality[0].tolist(), strict=True))


def counted(store: Store) -> list[int]:
    return [each.readings for each in store.readings.extents(ME, ["a"]) if each.readings]


COUNTS, SLOT = st.sampled_from([ONE, TWO, THREE]), st.sampled_from([0, 1])
SLOTS = st.dictionaries(SLOT, st.tuples(COUNTS, st.sampled_from(SENT)), min_size=1)
STORED = st.dictionaries(SLOT, st.tuples(COUNTS, st.sampled_from((*OF_READS, *SENT))))
READS = st.sampled_from(OF_READS)
STALE = st.lists(COUNTS, min_size=1, max_size=2, unique=True).map(tuple)
TOLD = st.tuples(COUNTS, st.booleans(), READS).map(lambda told: Told(told[0], told[1], quality=told[2]))
SENDS = SLOTS.map(Sent)
CORRECTS = st.tuples(SLOT, STALE, st.none() | TOLD).map(lambda of: Corrected(*of))
FILLS = st.tuples(SLOT, STALE, COUNTS, READS).map(
    lambda of: Corrected(of[0], of[1], Told(of[2], quality=of[3]), fill=True)
)
ALONE = st.tuples(SLOT, COUNTS, READS, st.booleans()).map(lambda of: Filled(*of))
FILED = st.tuples(SLOT, COUNTS, READS).map(lambda of: Filed(*of))
ACTS = st.lists(st.one_of(SENDS, CORRECTS, FILLS, ALONE, FILED), min_size=1, max_size=5)
ON_GRIDS = st.lists(
    st.tuples(SLOTS, st.sampled_from([QUARTER, HALF])).map(lambda of: Sent(*of)), min_size=1, max_size=4
)


@settings(max_examples=12, phases=[phase for phase in Phase if phase is not Phase.shrink])
@given(base=STORED, acts=st.one_of(ACTS, ON_GRIDS), back=st.integers(0, 2))
@example(base={0: (ONE, q.OF_REGISTER)}, acts=[Corrected(0, (ONE,), None)], back=0)
@example(base={0: (ONE, q.RAW)}, acts=[Corrected(0, (ONE,), None)], back=0)
@example(base={0: (ONE, q.OF_REGISTER)}, acts=[Corrected(0, (ONE,), Told(TWO, guess=True))], back=0)
@example(base={0: (ONE, q.OF_REGISTER)}, acts=[Sent({0: (TWO, q.RAW)}, HALF), Sent({0: (THREE, q.RAW)})], back=0)
@example(base={0: (ONE, q.RAW)}, acts=[Sent({0: (TWO, q.RAW)}, HALF), Sent({0: (THREE, q.RAW)})], back=0)
@example(base={0: (TWO, ESTIMATED)}, acts=[Corrected(0, (ONE,), Told(ONE)), Sent({0: (ONE, ESTIMATED)})], back=0)
@example(base={1: (ONE, q.RAW)}, acts=[Corrected(0, (ONE,), Told(TWO)), Filled(0, THREE)], back=0)
def test_it_ends_as_if_the_month_had_stayed(
    base: dict[int, tuple[float, int]],
    acts: Sequence[Act],
    back: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of the acts `back` come when the file can be read again, and the month is not yet back."""
    last = len(acts) - min(back, len(acts) - 1)
    with open_store("sqlite://") as stayed, open_store("sqlite://") as left:
        for store in (stayed, left):
            begun(store, base)
        with away(left, tmp_path_factory.mktemp("archive")):
            for hour, act in enumerate(acts[:last]):
                act(stayed, KNOWN + (hour + 1) * HOUR)
                act(left, KNOWN + (hour + 1) * HOUR)
        for hour, act in enumerate(acts[last:], last):
            act(stayed, KNOWN + (hour + 1) * HOUR)
            act(left, KNOWN + (hour + 1) * HOUR)
        laid = shown(left)
        restore_month(left, ME, MONTH)
        assert shown(left) == shown(stayed)
        assert counted(left) == counted(stayed)
        if not any(isinstance(act, Sent) and act.interval == HALF for act in acts):
            assert laid == shown(left)
        faults = {each.name for each in verify_store(left, ME).checks if each.faults}
        assert faults <= {"journal"}  # where what does not fit is told


def test_it_does_so_on_every_database(store: Store, tmp_path: Path) -> None:
    """What is told no more, what another length has, and what nobody measured; and it is told what was put aside."""
    begun(store, {0: (ONE, q.OF_REGISTER), 1: (TWO, q.ACTUAL)})
    acts: list[Act] = [
        Corrected(0, (ONE,), None),
        Corrected(1, (ONE,), Told(THREE)),
        Filled(2, THREE),
        Sent({3: (ONE, ESTIMATED)}),
        Sent({2: (TWO, q.RAW)}, HALF),
    ]
    with away(store, tmp_path):
        for hour, act in enumerate(acts, 1):
            act(store, KNOWN + hour * HOUR)
        with leaving_out() as lost:
            seen = shown(store)
        assert len(lost) == 1
        assert seen[2] == (THREE, q.pack(Status.DERIVED, q.Method.REGISTER))
    expected = [(-1.0, q.MISSING), (TWO, q.ACTUAL), (THREE, q.OF_REGISTER), (ONE, ESTIMATED)]
    assert shown(store)[:4] == expected
    restore_month(store, ME, MONTH)
    assert shown(store)[:4] == expected
    assert shown(store, KNOWN)[:2] == [(ONE, q.OF_REGISTER), (TWO, q.ACTUAL)], "what was known then is known still"
    assert counted(store) == [4]
    (aside,) = store.journal.put_aside(ME)
    assert "0:30:00 do not fit the stored ones of 0:15:00" in aside.reason


def test_a_reader_sees_what_counts_before_the_month_is_back(store: Store, tmp_path: Path) -> None:
    """Of another interval length, too, that came while the file could not be read."""
    begun(store, {0: (ONE, q.RAW)})
    with away(store, tmp_path):
        Sent({0: (TWO, q.RAW)}, HALF)(store, KNOWN + HOUR)
    between = store.readings.load(ME, "a", WHOLE)
    assert (between.interval, between.values[0, 0]) == (QUARTER, ONE)
    assert restore_month(store, ME, MONTH)
    assert shown(store)[0] == (ONE, q.RAW)
    (aside,) = store.journal.put_aside(ME)
    assert aside.received == KNOWN + HOUR
    assert "0:30:00 do not fit the stored ones of 0:15:00" in aside.reason


def test_a_profile_of_another_length_takes_the_place_of_what_registers_told(store: Store, tmp_path: Path) -> None:
    begun(store, {0: (ONE, q.OF_REGISTER), 5: (TWO, q.OF_REGISTER)})
    with away(store, tmp_path):
        Sent({0: (THREE, q.RAW)}, HALF)(store, KNOWN + HOUR)
    between = store.readings.load(ME, "a", WHOLE)
    assert (between.interval, between.values[0, 0]) == (HALF, THREE)
    assert restore_month(store, ME, MONTH)
    assert shown(store)[0] == (THREE, q.RAW)
    assert counted(store) == [1]
    assert not store.journal.put_aside(ME)


def test_another_length_is_refused_while_the_file_can_be_read(store: Store, tmp_path: Path) -> None:
    begun(store, {0: (ONE, q.RAW)})
    with away(store, tmp_path):
        pass
    with pytest.raises(GridMismatch, match="0:30:00 do not fit the stored ones of 0:15:00"):
        store.readings.save(ME, panel_of({0: (TWO, q.RAW)}, HALF), known_at=KNOWN + HOUR)
    assert restore_month(store, ME, MONTH)
    assert shown(store)[0] == (ONE, q.RAW)


def test_a_profile_does_so_while_the_file_can_be_read(store: Store, tmp_path: Path) -> None:
    begun(store, {0: (ONE, q.OF_REGISTER)})
    with away(store, tmp_path):
        pass
    store.readings.save(ME, panel_of({0: (TWO, q.RAW)}, HALF), known_at=KNOWN + HOUR)
    assert restore_month(store, ME, MONTH)
    assert shown(store)[0] == (TWO, q.RAW)
    assert counted(store) == [1]


class Reads(NamedTuple):
    """Register reads as they are posted, from a slot of a grid on: they tell what lies between two of them."""

    first: int
    values: tuple[float, ...]
    interval: timedelta

    def __call__(self, store: Store, known_at: datetime) -> None:
        ends = (DAY + (self.first + at) * self.interval for at in range(len(self.values)))
        reads = [RegisterReading("a", at, value) for at, value in zip(ends, self.values, strict=True)]
        keep_reads(store, ME, reads, known_at=known_at, derive=True)


def even(first: int, last: int, interval: timedelta, **other: float) -> Reads:
    """Reads of a register that counts 100 a quarter of an hour; `other`: what some show besides, by slot."""
    slots = range(first, last + 1)
    told = tuple(1000.0 + slot * (interval / QUARTER) * 100 + other.get(f"at_{slot}", 0) for slot in slots)
    return Reads(first, told, interval)


# What was measured on a grid, and told by reads, before the month left; what was told while it could not be read.
UNSEEN_GRIDS: dict[str, tuple[timedelta, tuple[int, ...], Reads | None, list[Reads | Sent]]] = {
    "told on another grid": (HALF, (0, 3), None, [even(4, 16, QUARTER)]),
    "told on another grid, behind readings of a third": (
        HALF,
        (1, 2),
        None,
        [Sent({4: (ONE, q.RAW)}), even(3, 8, HALF, at_5=10)],
    ),
    "corrected and told further, on the grid that it had been told on": (
        HALF,
        (0, 3),
        even(2, 11, QUARTER),
        [even(10, 15, QUARTER, at_10=10)],
    ),
    "told on its own grid beside shorter intervals": (HOUR, (1, 2, 3), even(14, 16, QUARTER), [even(2, 4, HOUR)]),
    "measured in full": (QUARTER, tuple(range(16)), even(6, 8, HALF), [even(1, 11, QUARTER), even(0, 5, HALF)]),
}


@pytest.mark.parametrize("what", UNSEEN_GRIDS)
def test_reads_tell_it_on_the_grid_that_it_turns_out_to_have(store: Store, tmp_path: Path, what: str) -> None:
    """Nobody saw that grid when they were told: the days are derived anew, and what was measured stays."""
    interval, measured, first, acts = UNSEEN_GRIDS[what]
    with open_store("sqlite://") as stayed:
        for each in (stayed, store):
            begun(each, {})
            each.readings.save(ME, panel_of(dict.fromkeys(measured, (ONE, q.RAW)), interval), known_at=KNOWN)
            if first:
                first(each, KNOWN + QUARTER)
        with away(store, tmp_path):
            for hour, act in enumerate(acts, 1):
                act(stayed, KNOWN + hour * HOUR)
                act(store, KNOWN + hour * HOUR)
        restore_month(store, ME, MONTH)
        for each in (stayed, store):
            found = each.readings.load(ME, "a", WHOLE, interval=interval)
            assert all(found.quality[0, slot] == q.RAW for slot in measured)
        ends = [each.readings.load(ME, "a", WHOLE, interval=interval) for each in (stayed, store)]
        assert np.array_equal(ends[0].values, ends[1].values, equal_nan=True)
        assert np.array_equal(ends[0].quality, ends[1].quality)
        assert {each.name for each in verify_store(store, ME).checks if each.faults} <= {"journal"}

"""Register reads that are wrong once: by whatever entrance and in whatever order they come, they make no energy."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, permutations
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store
from gridwright.vee.registers import Registers
from gridwright.vee.steps import steps_of
from tests.integration.store.test_rollovers import ALL_TIME, DAY, HOUR, NOW, SINGLE, START, Place, Read, a_place

# What counts on, or contradicts, is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)

WH = Meter("M-1", dials=9, lsb_wh=1)
QUARTER = HOUR / 4


@pytest.fixture
def home(store: Store) -> Place:
    """A meter in Wh behind a transformer of 2, whose connection nobody has told: V32 takes it for 100 kW."""
    return a_place(store, WH, None)


def quarters(*values: float) -> list[Read]:
    return [(START + QUARTER * slot, value) for slot, value in enumerate(values)]


def stored(place: Place, count: int) -> list[float | None]:
    """Return the energy of quarter-hours in Wh, None where there is none."""
    period = Interval(START, START + count * QUARTER)
    panel = place.store.readings.load(ME, "UP-1", period, interval=QUARTER)
    return [None if value != value else value for value in panel.values[0].tolist()]  # noqa: PLR0124 - NaN


def qualities(place: Place, count: int) -> list[int]:
    panel = place.store.readings.load(ME, "UP-1", Interval(START, START + count * QUARTER), interval=QUARTER)
    return [int(each) for each in panel.quality[0]]


# 900 kWh too low: from 115.0 to 1015.1 kWh in a quarter of an hour are 7,200 kW, and half of 200 kW is still too much.
FALLEN = quarters(1014.7, 1014.8, 1014.9, 115.0, 1015.1, 1015.2)


@pytest.mark.parametrize("entrance", SINGLE)
def test_a_rise_that_no_connection_carries_is_no_energy(home: Place, entrance: str) -> None:
    home.post_each(FALLEN, SINGLE[entrance])
    # Of what the wrong read lies in the registers know the sum alone: a straight line, in whole counts.
    assert stored(home, 5) == [200.0, 200.0, 200.0, 200.0, 200.0]
    assert qualities(home, 5) == [q.OF_REGISTER, q.OF_REGISTER, q.GUESSED, q.GUESSED, q.OF_REGISTER]


def test_what_waits_in_the_journal_gives_no_such_energy_either(home: Place) -> None:
    for read in FALLEN:
        home.post(SINGLE["json"]([read]), journal=True)
    # Of what the wrong read lies in the registers know the sum alone: a straight line, in whole counts.
    assert stored(home, 5) == [200.0, 200.0, 200.0, 200.0, 200.0]
    assert qualities(home, 5) == [q.OF_REGISTER, q.OF_REGISTER, q.GUESSED, q.GUESSED, q.OF_REGISTER]


@pytest.mark.parametrize(("rise_kwh", "energy"), [(12.5, 25_000.0), (12.501, None)])
def test_the_limit_of_derived_energy_is_that_of_v32_with_the_factor(
    home: Place, tmp_path: Path, rise_kwh: float, energy: float | None
) -> None:
    """100 kW carry 25 kWh in a quarter of an hour, which a register behind a factor of 2 counts as 12.5."""
    reads = quarters(100.0, 100.1, 100.1 + rise_kwh, 100.2 + rise_kwh)
    home.import_file(tmp_path, reads)
    assert stored(home, 3) == [200.0, energy, 200.0]


@pytest.mark.parametrize(("rise_kwh", "energy"), [(12.5, 25_000.0), (12.501, None)])
def test_a_batch_knows_the_same_limit(home: Place, rise_kwh: float, energy: float | None) -> None:
    home.post(SINGLE["json"](quarters(100.0, 100.1, 100.1 + rise_kwh, 100.2 + rise_kwh)))
    assert stored(home, 3) == [200.0, energy, 200.0]


def test_a_capacity_that_was_told_is_the_limit(store: Store) -> None:
    home = a_place(store, WH, 400.0)
    home.post_each(quarters(100.0, 150.0, 200.001))
    assert stored(home, 2) == [100_000.0, None]


# The right reads, and the one that is wrong in the place of 1000.2: too low, too high or too low by what 100 kW carry.
RIGHT = quarters(1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
WRONG = 2


def a_meter(store: Store, name: str) -> None:
    store.registry.save_points(ME, [UsagePoint(name)])
    store.registry.save_meter(ME, Meter(f"M-{name}", dials=9, lsb_wh=1))
    store.registry.exchange_meter(ME, install(name, f"M-{name}", ALL_TIME.start))


def send(place: Place, name: str, *reads: Read) -> None:
    records = [{"meter": f"M-{name}", "at": at.isoformat(), "register_kwh": value} for at, value in reads]
    place.post(decode_json(msgspec.json.encode(records), Said(), NOW))


def counted(store: Store, name: str, interval: timedelta) -> float:
    """Return what the reads of a usage point add up to, in Wh, as they are judged."""
    reads = store.registers.load(ME, name, ALL_TIME)
    installed = store.field.installations(ME, [name])
    panel = Panel((name,), START, interval, np.full((1, 8), np.nan))
    steps = steps_of(panel, Registers({name: reads}, store.field.meters(ME, [name]), installed), {name: 100.0})
    return float(np.nansum(steps.energy))


def quarters_of(store: Store, name: str) -> list[float | None]:
    period = Interval(START, START + 4 * QUARTER)
    values = store.readings.load(ME, name, period, interval=QUARTER).values[0].tolist()
    return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN


@pytest.mark.parametrize("wrong", [115.0, 1012.0, 999.0])
def test_one_wrong_read_changes_nothing_in_whatever_order_the_reads_come(store: Store, wrong: float) -> None:
    place = Place(store)
    for number, order in enumerate(islice(permutations(range(5)), 0, None, 4)):
        name = f"UP-{number}"
        a_meter(store, name)
        # The day is one of quarter-hours, whatever two reads come first.
        evening = Panel((name,), START + 20 * HOUR, QUARTER, np.full((1, 1), 100.0))
        store.readings.save(ME, evening, known_at=NOW)
        for at in order:
            send(place, name, (RIGHT[at][0], wrong) if at == WRONG else RIGHT[at])
        assert counted(store, name, QUARTER) == 400, order
        first, *beside, last = quarters_of(store, name)
        assert (first, last) == (100, 100), order
        assert beside == [100, 100], order
        send(place, name, RIGHT[WRONG])
        assert counted(store, name, QUARTER) == 400, order
        assert quarters_of(store, name) == [100, 100, 100, 100], order
        assert len({read.epoch for read in store.registers.load(ME, name, ALL_TIME)}) == 1, order


def days(*values: float) -> list[Read]:
    return [(START + DAY * day, value) for day, value in enumerate(values)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_a_day_without_intervals_gets_what_its_good_reads_tell(store: Store, order: tuple[int, ...]) -> None:
    """1,599.899 to 1,627.741 kWh over two days, of which 13.585 belong to the first: 14.257 are left, not 1,465.696."""
    place, name = Place(store), "A"
    a_meter(store, name)
    reads = days(1_586.314, 1_599.899, 162.045, 1_627.741)
    hours = Panel((name,), START, HOUR, np.r_[np.full(24, 13_585 / 24), np.full(24, 13_585 / 24)][None].round())
    store.readings.save(ME, hours, known_at=NOW)
    for at in order:
        send(place, name, reads[at])
    assert counted(store, name, HOUR) == 13_585 + 27_842
    send(place, name, (reads[2][0], 1_613.484))
    assert [read.epoch for read in store.registers.load(ME, name, ALL_TIME)] == [0, 0, 0, 0]
    assert counted(store, name, HOUR) == 13_585 + 13_585 + 14_257


def test_reads_that_were_stored_after_a_wrong_one_come_back_with_it(store: Store) -> None:
    """As they were stored before this was known: 1,599.899 in epoch 0, and everything from the wrong read on in 1."""
    place, name = Place(store), "A"
    a_meter(store, name)
    old = zip((1_599_899, 162_045, 1_627_741, 1_641_000, 1_655_000, 1_669_000), (0, 1, 1, 1, 1, 1), strict=True)
    stored = [
        RegisterReading(name, START + DAY * day, value, f"M-{name}", epoch) for day, (value, epoch) in enumerate(old)
    ]
    store.registers.save(ME, stored, known_at=NOW)
    assert counted(store, name, HOUR) == 69_101
    send(place, name, (START + DAY, 1_613.484))
    assert [read.epoch for read in store.registers.load(ME, name, ALL_TIME)] == [0] * 6
    assert counted(store, name, HOUR) == 69_101


def test_a_correction_past_an_exchange_leaves_its_reads_to_its_cancelling(store: Store) -> None:
    place, name = Place(store), "A"
    a_meter(store, name)
    serial = f"M-{name}"
    store.registers.save(
        ME,
        [RegisterReading(name, START + DAY * day, value, serial, day) for day, value in enumerate((5000, 10))],
        known_at=NOW,
    )
    final = RegisterReading(name, START + 2 * DAY, 5200, serial, 1)
    opening = RegisterReading(name, START + 2 * DAY, 0, "M-2", 2)
    store.exchange_reads.save(ME, [final, opening], known_at=NOW)
    send(place, name, (START + DAY, 5.1))
    reads = store.registers.load(ME, name, ALL_TIME)
    assert [(read.value, read.epoch) for read in reads] == [(5000, 0), (5100, 0), (5200, 0), (0, 1)]
    written = store.exchange_reads.written(ME, name, START + 2 * DAY)
    assert [each.read.epoch for each in written] == [0, 1]


def test_a_correction_that_moves_to_another_epoch_is_told_as_one_all_the_same(store: Store) -> None:
    place, name = Place(store), "A"
    a_meter(store, name)
    send(place, name, *days(1_599.899))
    for read in days(1_599.899, 162.045, 1_613.484)[1:]:
        send(place, name, read)
    send(place, name, (START + DAY, 1_600.0))
    correct(store, ME, SiteDefaults(), now=NOW)
    found = [each for each in store.findings.load(ME, [name]) if each.code.startswith("V03")]
    assert ["came again with another value, 1,600 kWh after 162.045 kWh" in each.message for each in found] == [True]


def test_what_a_device_gave_takes_its_place_too(store: Store) -> None:
    a_meter(store, "A")
    for at, value in days(1_599.899, 162.045, 1_627.741, 1_641.0):
        read = RegisterReading("A", at, value * 1000 // 1, "M-A")
        keep_reads(store, ME, in_epochs(store, ME, [read]), known_at=NOW)
    assert [read.epoch for read in store.registers.load(ME, "A", ALL_TIME)] == [0, 1, 0, 0]
    right = RegisterReading("A", START + DAY, 1_613_484, "M-A")
    saved = keep_reads(store, ME, in_epochs(store, ME, [right]), known_at=NOW)
    assert (saved.new, saved.changed) == (0, 1)
    assert [read.epoch for read in store.registers.load(ME, "A", ALL_TIME)] == [0] * 4


def import_days(store: Store, folder: Path, *reads: Read) -> None:
    path = folder / f"{reads[0][1]}.csv"
    path.write_text("meter,time,register_kwh\n" + "".join(f"A,{at:%Y-%m-%dT%H:%M:%SZ},{kwh}\n" for at, kwh in reads))
    done = ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    assert done.intake.accepted == len(reads), done


@pytest.mark.parametrize("wrong", [162.045, 1_999.0])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (3, 1, 2, 0), (2, 3, 0, 1)])
def test_reads_of_one_file_each_take_their_place_too(
    store: Store, tmp_path: Path, wrong: float, order: tuple[int, ...]
) -> None:
    a_meter(store, "A")
    reads = days(1_599.899, wrong, 1_627.741, 1_641.0)
    for at in order:
        import_days(store, tmp_path, reads[at])
    assert counted(store, "A", HOUR) == 41_101
    import_days(store, tmp_path, reads[0], (START + DAY, 1_613.484), reads[2])
    stored = store.registers.load(ME, "A", ALL_TIME)
    assert [read.value for read in stored] == [1_599_899, 1_613_484, 1_627_741, 1_641_000]
    assert len({read.epoch for read in stored}) == 1
    assert counted(store, "A", HOUR) == 41_101

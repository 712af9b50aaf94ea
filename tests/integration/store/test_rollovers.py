"""Registers that turn over, by whatever entrance: their energy is counted, that of a reset or another meter never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import numpy as np
import pytest

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.arrow import decode_csv
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.lines import LineMapping, decode_lines, usual_fields
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.verdicts import Status
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.tell_dials import tell_dials
from gridwright.listen.messages import Messages
from gridwright.store import Store

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2026, 11, 20, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL_TIME = Interval(START - DAY * 400, START + DAY * 400)
FIVE, FACTOR = Meter("M-1", dials=5, lsb_wh=1000), Decimal(2)
CAPACITY_KW = 2000.0  # an hour may count what a month of a home does
Read = tuple[datetime, float]
# What counts on over a rollover, or contradicts, is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)


def json_of(reads: Sequence[Read]) -> Decoded:
    records = [{"meter": "M-1", "at": at.isoformat(), "register_kwh": value} for at, value in reads]
    return decode_json(msgspec.json.encode(records), Said(), NOW)


def csv_of(reads: Sequence[Read]) -> Decoded:
    rows = "".join(f"M-1,{at.isoformat()},{value}\n" for at, value in reads)
    return decode_csv(f"meter,at,register_kwh\n{rows}".encode(), Said(), NOW)


def lines_of(reads: Sequence[Read]) -> Decoded:
    lines = "\n".join(f"meter,meter=M-1 register_kwh={value} {int(at.timestamp())}" for at, value in reads)
    return decode_lines(lines.encode(), LineMapping(usual_fields()), "s", NOW)


def form_of(reads: Sequence[Read]) -> Decoded:
    ((at, value),) = reads
    fields = urlencode({"meter_id": "M-1", "reading": value, "at": at.isoformat()})
    return decode_form(fields.encode(), "application/x-www-form-urlencoded", NOW)


def message_of(reads: Sequence[Read]) -> Decoded:
    ((at, value),) = reads
    messages = Messages(LineMapping(usual_fields()), ("gridwright/{usage_point}/{quantity}",))
    body = msgspec.json.encode({"value": value, "at": at.isoformat()})
    return messages.take("gridwright/M-1/register_kwh", body, NOW).decoded


SEVERAL: dict[str, Callable[[Sequence[Read]], Decoded]] = {"json": json_of, "csv": csv_of, "lines": lines_of}
SINGLE = SEVERAL | {"form": form_of, "mqtt": message_of}


@dataclass(frozen=True)
class Place:
    """One usage point with one meter, and what is brought there."""

    store: Store

    def post(self, decoded: Decoded, *, journal: bool = False) -> None:
        directory = directory_of(self.store.registry.keys(ME), self.store.registry.installed(ME), 0.0)
        batch = Batch(ME, NOW, decoded, resolve(decoded, directory, ME), directory, tell_readings, journal=journal)
        (told,) = write(self.store, [batch], NOW)
        assert isinstance(told, Answer), told
        assert {one.status for one in decoded.verdicts.listed} <= {Status.DOUBTED}

    def post_each(self, reads: Sequence[Read], decode: Callable[[Sequence[Read]], Decoded] = json_of) -> None:
        for read in reads:
            self.post(decode([read]))

    def import_file(self, folder: Path, reads: Sequence[Read]) -> None:
        path = folder / f"{reads[0][1]}.csv"
        path.write_text(
            "meter_id,time,meter_reading_kwh\n"
            + "".join(f"UP-1,{at:%Y-%m-%dT%H:%M:%SZ},{value}\n" for at, value in reads)
        )
        done = ingest_file(self.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
        assert done.intake.accepted == len(reads), done

    def import_text(self, folder: Path, lines: Sequence[str]) -> None:
        """Import a file of register reads, line by line."""
        path = folder / "reads.csv"
        path.write_text("\n".join([*lines, ""]))
        ingest_file(self.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)

    @property
    def reads(self) -> list[RegisterReading]:
        return list(self.store.registers.load(ME, "UP-1", ALL_TIME))

    @property
    def epochs(self) -> list[int]:
        return [read.epoch for read in self.reads]

    def hours(self, count: int) -> list[float]:
        panel = self.store.readings.load(ME, "UP-1", Interval(START, START + count * HOUR), interval=HOUR)
        values: list[float] = panel.values[0].tolist()
        return values

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.store.findings.load(ME, ["UP-1"])]


def a_place(store: Store, meter: Meter = FIVE, capacity_kw: float | None = CAPACITY_KW) -> Place:
    store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=capacity_kw)])
    store.registry.save_meter(ME, meter)
    store.registry.exchange_meter(ME, install("UP-1", meter.serial, ALL_TIME.start, FACTOR))
    return Place(store)


@pytest.fixture
def place(store: Store) -> Place:
    return a_place(store)


def hourly(*values: float) -> list[Read]:
    return [(START + HOUR * slot, value) for slot, value in enumerate(values)]


OVER = hourly(99_800, 99_990, 554, 600)
COUNTED = [380_000.0, 1_128_000, 92_000]  # times the factor


@pytest.mark.parametrize("entrance", SINGLE)
def test_single_reads_count_on_over_a_rollover(place: Place, entrance: str) -> None:
    place.post_each(OVER, SINGLE[entrance])
    assert (place.epochs, place.hours(3), place.codes) == ([0] * 4, COUNTED, [])


@pytest.mark.parametrize("entrance", SEVERAL)
def test_a_batch_counts_on_over_a_rollover(place: Place, entrance: str) -> None:
    place.post(SEVERAL[entrance](OVER))
    assert (place.epochs, place.hours(3), place.codes) == ([0] * 4, COUNTED, [])


def test_what_waits_in_the_journal_counts_on_over_a_rollover(place: Place) -> None:
    for read in OVER:
        place.post(json_of([read]), journal=True)
    assert (place.epochs, place.hours(3), place.codes) == ([0] * 4, COUNTED, [])


@pytest.mark.parametrize("cut", [4, 2])
def test_a_file_counts_on_over_a_rollover_within_it_and_before_it(place: Place, tmp_path: Path, cut: int) -> None:
    for part in (OVER[:cut], OVER[cut:]):
        if part:
            place.import_file(tmp_path, part)
    assert place.epochs == [0] * 4
    if cut == len(OVER):
        assert place.hours(3) == COUNTED


def test_a_file_counts_a_register_times_the_factor_of_the_meter_that_hung_there(place: Place, tmp_path: Path) -> None:
    """As a post of the same reads does; what would be no whole count is left out, by both.

    The read of the instant at which the meter was exchanged is one of the new meter, by both.
    """
    place.store.registry.save_meter(ME, Meter("M-2", dials=5, lsb_wh=1000))
    place.store.registry.exchange_meter(ME, install("UP-1", "M-2", START + 3 * HOUR, Decimal("1.5")))
    reads = hourly(100, 110, 125, 130, 140.001, 150.003)
    place.import_file(tmp_path, reads)
    by_file = place.hours(5)
    np.testing.assert_array_equal(by_file, [20_000, 30_000, np.nan, np.nan, 15_003])
    other = UsagePoint("UP-2", capacity_kw=CAPACITY_KW)
    place.store.registry.save_points(ME, [other])
    for serial, since, factor in (("M-3", ALL_TIME.start, FACTOR), ("M-4", START + 3 * HOUR, Decimal("1.5"))):
        place.store.registry.save_meter(ME, Meter(serial))
        place.store.registry.exchange_meter(ME, install("UP-2", serial, since, factor))
    for at, value in reads[3:]:
        record = {"usage_point": "UP-2", "at": at.isoformat(), "register_kwh": value}
        place.post(decode_json(msgspec.json.encode([record]), Said(), NOW))
    when = Interval(START + 3 * HOUR, START + 5 * HOUR)
    posted = place.store.readings.load(ME, "UP-2", when, interval=HOUR)
    np.testing.assert_array_equal(posted.values[0], by_file[3:])


def test_hourly_registers_beside_quarters_are_stored_and_nothing_of_them_is_refused(
    place: Place, tmp_path: Path
) -> None:
    quarters = Panel(("UP-1",), START, HOUR / 4, np.full((1, 96), 500.0))
    place.store.readings.save(ME, quarters, known_at=NOW)
    path, rejects = tmp_path / "r.csv", tmp_path / "rejects.csv"
    rows = "".join(f"UP-1,{at:%Y-%m-%dT%H:%M:%SZ},{value}\n" for at, value in hourly(100, 110, 125, 130))
    path.write_text(f"meter_id,time,meter_reading_kwh\n{rows}")
    done = ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW, rejects_to=rejects)
    assert (done.intake.accepted, done.intake.rejected, done.intake.rejects) == (4, 0, ())
    told = "energy of 60 min between register reads is left out of days with other intervals; the reads are stored"
    assert told in done.intake.notes
    assert not rejects.exists() or "60 min" not in rejects.read_text()
    assert len(place.reads) == 4
    assert place.store.readings.load(ME, "UP-1", quarters.period).values.tolist() == quarters.values.tolist()


def test_a_month_over_a_rollover_is_a_step_of_known_energy(place: Place) -> None:
    months = [(START - DAY * 90, 98_000.0), (START - DAY * 60, 99_000), (START - DAY * 30, 99_990), (START, 554)]
    place.post_each(months)
    steps = register_steps(place.reads, meter=FIVE, capacity_kw=100, multiplier=float(FACTOR))
    assert [(one.step, one.energy) for one in steps[1:]] == [(Step.NORMAL, 1_980_000), (Step.ROLLOVER, 1_128_000)]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize(
    ("meter", "values"),
    [
        (FIVE, (50_120, 50_400, 3, 10)),
        (FIVE, (97_000, 97_010, 3, 10)),  # a rollover would be three hundredths of the range
        (FIVE, (110_000, 110_010, 3, 10)),  # more than five dials show
        (Meter("M-1"), (99_800, 99_990, 554, 600)),  # nobody has said how many dials there are, nor how fast it counts
        (Meter("M-1", dials=6, lsb_wh=1000), (99_800, 99_990, 554, 600)),
    ],
)
def test_a_reset_adds_nothing(store: Store, meter: Meter, values: tuple[float, ...], *, together: bool) -> None:
    place = a_place(store, meter)
    if together:
        place.post(json_of(hourly(*values)))
    else:
        place.post_each(hourly(*values))
    assert place.epochs == [0, 0, 1, 1]
    wanted = [2000 * (values[1] - values[0]), np.nan, 2000 * (values[3] - values[2])]
    np.testing.assert_array_equal(place.hours(3), wanted)
    assert place.codes == ["V32_register"]


def test_more_than_the_connection_carries_is_a_reset(store: Store) -> None:
    place = a_place(store, capacity_kw=20)
    place.post_each(OVER[1:])
    assert (place.epochs, place.codes) == ([0, 1, 1], ["V32_register"])


def test_another_meter_begins_anew_however_near_its_end_the_old_one_was(place: Place) -> None:
    place.store.registry.save_meter(ME, Meter("M-2", dials=5, lsb_wh=1000))
    place.store.registry.exchange_meter(ME, install("UP-1", "M-2", START + HOUR + HOUR / 2, FACTOR))
    records = [{"usage_point": "UP-1", "at": at.isoformat(), "register_kwh": value} for at, value in OVER]
    for record in records:
        place.post(decode_json(msgspec.json.encode([record]), Said(), NOW))
    assert [(read.end_device, read.epoch) for read in place.reads] == [("M-1", 0)] * 2 + [("M-2", 1)] * 2
    np.testing.assert_array_equal(place.hours(3), [380_000, np.nan, 92_000])


def test_another_factor_within_the_step_leaves_nobody_who_can_tell(place: Place) -> None:
    place.store.registry.exchange_meter(ME, install("UP-1", "M-1", START + HOUR + HOUR / 2, Decimal(3)))
    place.post_each(OVER)
    assert place.epochs == [0, 0, 1, 1]


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("together", [False, True])
def test_a_read_around_a_rollover_may_come_late(place: Place, late: int, *, together: bool) -> None:
    reads = hourly(99_800, 99_990, 554, 600)
    others = [read for at, read in enumerate(reads) if at != late]
    if together:
        place.post(json_of(others))
    else:
        place.post_each(others)
    place.post_each([reads[late]])
    assert place.epochs == [0] * 4
    assert place.hours(3) == COUNTED
    assert place.codes == []


def test_a_late_read_before_a_reset_is_of_the_epoch_before_it(place: Place) -> None:
    reads = hourly(50_000, 50_010, 3, 10)
    place.post_each([*reads[2:], *reversed(reads[:2])])
    assert place.epochs == [-1, -1, 0, 0]
    np.testing.assert_array_equal(place.hours(3), [20_000, np.nan, 14_000])
    assert place.codes == ["V32_register"]


def test_how_fast_it_counted_before_tells_how_near_the_end_is(place: Place) -> None:
    """A house that counts 10 kWh a day is not 3,000 kWh from its end after a month, one of 100 kWh a day is."""
    for pace, turned in ((10, False), (100, True)):
        before = RegisterReading("UP-1", START, 97_100_000, "M-1", pace)
        history = RegisterReading("UP-1", START - DAY * 40, 97_100_000 - 40_000 * pace, "M-1", pace)
        place.store.registers.save(ME, [history, before], known_at=NOW)
        after = RegisterReading("UP-1", START + DAY * 30, 100_000, "M-1")
        assert (Rollovers(place.store, ME)(before, after) > 0) is turned


@pytest.mark.parametrize("apart", [HOUR, DAY])
def test_the_cascade_tells_a_rollover_as_no_doubt(place: Place, apart: timedelta) -> None:
    """Beside the intervals that are derived from it, and by itself where there are none."""
    place.post_each([(START + apart * at, value) for at, (_, value) in enumerate(OVER[1:3])])
    correct(place.store, ME, SiteDefaults(), now=NOW)
    (finding,) = (one for one in place.store.findings.load(ME, ["UP-1"]) if one.code == "V32_register")
    said = "register rolled over after 5 digits; 1,128 kWh counted"
    assert (finding.severity, finding.message) == (Severity.INFO, said)


def daily(*values: float) -> list[Read]:
    return [(START + DAY * (slot - len(values)), value) for slot, value in enumerate(values)]


UNTOLD = Meter("M-1")
STEADY = daily(99_900, 99_930, 99_960, 99_990)


def test_dials_are_learned_of_a_meter_that_nobody_registered(store: Store, tmp_path: Path) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=20)])
    place = Place(store)
    place.import_file(tmp_path, [*STEADY, (START, 30)])
    assert place.epochs == [0] * 5


@pytest.mark.parametrize("entrance", [*SINGLE, "file"])
def test_dials_are_learned_where_only_one_width_explains_the_fall(store: Store, tmp_path: Path, entrance: str) -> None:
    """30 kWh a day, and 40 over the end of five dials, of a meter that nobody described."""
    place = a_place(store, UNTOLD, capacity_kw=20)
    if entrance == "file":
        place.import_file(tmp_path, [*STEADY, (START, 30)])
    else:
        place.post_each([*STEADY, (START, 30)], SINGLE[entrance])
    assert (place.epochs, place.codes) == ([0] * 5, [])
    correct(store, ME, SiteDefaults(), now=NOW)
    (finding,) = (one for one in store.findings.load(ME, ["UP-1"]) if one.code == "V32_register")
    assert finding.severity is Severity.INFO
    assert "rolled over after 5 digits; 80 kWh counted; nobody has told its dials" in finding.message


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ([*daily(99_930, 99_960, 99_990), (START, 300)], True),  # ten times as fast as before
        ([*daily(50_000, 50_030, 50_060), (START, 30)], False),
        ([*daily(99.93, 99.96, 99.99), (START, 0.03)], False),  # no register is so narrow
        ([(START - DAY, 99_990.0), (START, 30)], True),  # nobody knows how fast it counts
    ],
)
def test_a_fall_that_nothing_bears_out_makes_no_energy_and_names_the_remedy(
    store: Store, reads: list[Read], *, told: bool
) -> None:
    place = a_place(store, UNTOLD, capacity_kw=20)
    place.post_each(reads)
    assert place.epochs == [0] * (len(reads) - 1) + [1]
    correct(store, ME, SiteDefaults(), now=NOW)
    (finding,) = (one for one in store.findings.load(ME, ["UP-1"]) if one.code == "V32_register")
    said = "if it turned over, tell how many dials it has: gridwright usage-point dials UP-1 --dials 5 --lsb-wh 1000"
    assert (said in finding.message) is told, finding.message


def test_dials_that_are_told_afterwards_let_the_register_go_on(store: Store) -> None:
    place = a_place(store, UNTOLD, capacity_kw=20)
    place.post_each([(START - DAY, 99_990.0), (START, 30), (START + DAY, 60), (START + 2 * DAY, 5)])
    assert place.epochs == [0, 1, 1, 2]
    told = tell_dials(store, ME, "UP-1", (5, 1000), now=NOW)
    assert [read.at for read in told.turned_over] == [START]
    assert place.epochs == [0, 0, 0, 1]
    assert tell_dials(store, ME, "UP-1", (5, 1000), now=NOW).turned_over == ()
    assert store.registry.meter(ME, "M-1") == FIVE
    steps = register_steps(place.reads, meter=FIVE, capacity_kw=20, multiplier=float(FACTOR))
    assert [one.energy for one in steps] == [80_000.0, 60_000.0, None]


def test_dials_that_cannot_be_are_refused_and_nothing_is_changed(store: Store) -> None:
    a_place(store, UNTOLD)
    with pytest.raises(InputError, match="5 dials of 1 Wh turn over after 100 kWh"):
        tell_dials(store, ME, "UP-1", (5, 1), now=NOW)
    with pytest.raises(NotFound, match="meter M-9 never hung at UP-1"):
        tell_dials(store, ME, "UP-1", (5, 1000), now=NOW, serial="M-9")
    assert store.registry.meter(ME, "M-1") == UNTOLD


def test_eight_dials_of_a_watt_hour_that_somebody_told_are_knowledge(store: Store) -> None:
    place = a_place(store, Meter("M-1", dials=8), capacity_kw=CAPACITY_KW)
    place.post_each(OVER)
    assert place.epochs == [0] * 4
    assert store.registry.meter(ME, "M-1") == Meter("M-1", dials=8)

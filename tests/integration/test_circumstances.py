"""What the store knows beside readings reaches its rule, and the finding goes when its cause is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink, ReadSession
from gridwright.domain.event import MARKING, TEST_MODE, TEST_MODE_OVER, EndDeviceEvent
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, RECEIVED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, UsagePoint, install
from gridwright.jobs.cascade.adopt_rules import adopt_rules
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.touch_checked import touch_checked
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store, open_store
from gridwright.vee import rule_book
from gridwright.vee.circumstances import CONDITION_OF_EVENT, Condition
from tests.integration.store.conftest import emptied

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 20
NOW = START + DAYS * DAY
SITE = SiteDefaults()
HOME = UsagePoint("UP-1", "Europe/Berlin", capacity_kw=17.0)
BERLIN = {"latitude": "52.5", "longitude": "13.4"}


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    lite = request.param == "sqlite"
    address = f"sqlite:///{tmp_path}/store.db" if lite else emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(address) as opened:
        yield ready(opened)


@pytest.fixture
def lite() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield ready(opened)


def ready(store: Store) -> Store:
    store.registry.save_points(ME, [HOME, UsagePoint("UP-2", "Europe/Berlin", capacity_kw=17.0)])
    store.registry.save_meter(ME, Meter("M-1"))
    store.registry.save_installation(ME, install("UP-1", "M-1", START - 90 * DAY))
    store.readings.save(ME, usual("UP-1"), known_at=NOW)
    assert judged(store) == set()
    return store


def usual(name: str, **other: object) -> Panel:
    hours = np.arange(24 * DAYS)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7)
    return Panel((name,), START, HOUR, np.rint(wave)[None], **other)  # type: ignore[arg-type]


def judged(store: Store) -> set[str]:
    """Run the cascade and return the codes of the findings that are open."""
    correct(store, ME, SITE, now=NOW)
    return {finding.code for finding in store.findings.load(ME)}


def with_attributes(store: Store, **attributes: str) -> None:
    store.registry.save_points(ME, [replace(HOME, attributes=attributes)])


def session(at: datetime, drift_s: float, *, clock_set: bool = False) -> ReadSession:
    return ReadSession("M-1", at, at + HOUR / 60, clock_drift_s=drift_s, clock_set=clock_set)


def test_a_wrong_clock_doubts_what_was_recorded_under_it_until_it_was_set(store: Store) -> None:
    store.devices.save_link(ME, DeviceLink("M-1", "iec62056-21", "tcp://127.0.0.1:1/M-1"))
    noon = START + 10 * DAY + 12 * HOUR
    for each in (session(noon - DAY, 1.0), session(noon, 400.0, clock_set=True), session(noon + DAY, 2.0)):
        store.devices.note_session(ME, each)
    store.dirty.touch(ME, ["UP-1"], DELIVERED_ENERGY, Interval(noon - DAY, noon))
    assert judged(store) == {"V01_clock"}
    (finding,) = store.findings.load(ME)
    assert finding.period == Interval(noon - DAY, noon)
    assert "400 s ahead" in finding.message
    assert store.devices.sessions(ME, "M-1")[1] == session(noon, 400.0, clock_set=True)


@pytest.mark.parametrize("checks", [{1: 400.0, 19: 1.0}, {1: 1.0, 19: 400.0}], ids=["far before", "far behind"])
def test_a_clock_check_speaks_however_far_away_it_is(store: Store, checks: dict[int, float]) -> None:
    """Which intervals are doubted hangs on what is stored, on no window that happens to be loaded."""
    store.devices.save_link(ME, DeviceLink("M-1", "iec62056-21", "tcp://127.0.0.1:1/M-1"))
    for day, drift_s in {-80: 400.0, -60: 1.0, **checks}.items():
        store.devices.note_session(ME, session(START + day * DAY, drift_s))
    store.devices.note_session(ME, ReadSession("M-1", START + 18 * DAY, START + 18 * DAY + HOUR))
    within = Interval(START + 10 * DAY, START + 11 * DAY)
    drifts = store.field.drifts(ME, ["UP-1", "UP-2"], within)
    assert [(drift.at, drift.seconds) for drift in drifts] == [(START + day * DAY, off) for day, off in checks.items()]
    store.dirty.touch(ME, ["UP-1"], DELIVERED_ENERGY, within)
    assert judged(store) == {"V01_clock"}


def test_a_wrong_clock_doubts_nothing_of_the_meter_before(lite: Store) -> None:
    lite.devices.save_link(ME, DeviceLink("M-2", "iec62056-21", "tcp://127.0.0.1:1/M-2"))
    swap, noon = START + 8 * DAY, START + 10 * DAY + 12 * HOUR
    exchange_meter(lite, ME, MeterExchange("UP-1", Meter("M-2"), swap, multiplier=Decimal(1)), now=NOW)
    lite.devices.note_session(ME, replace(session(noon, 4000.0, clock_set=True), serial="M-2"))
    lite.dirty.touch(ME, ["UP-1"], DELIVERED_ENERGY, Interval(START, NOW))
    assert "V01_clock" in judged(lite)
    (finding,) = (each for each in lite.findings.load(ME) if each.code == "V01_clock")
    assert finding.period == Interval(swap, noon)


def test_register_reads_of_another_meter_than_the_one_installed_are_told_and_count_nothing(lite: Store) -> None:
    swap = START + 8 * DAY
    total = np.cumsum(usual("UP-1").values[0])
    reads = []
    for day in range(1, DAYS):
        at, value = START + day * DAY, int(total[24 * day - 1])
        meter, epoch = ("M-1", 0) if at <= swap else ("M-2", 1)
        reads.append(RegisterReading("UP-1", at, value, meter, epoch))
    lite.registers.save(ME, reads, known_at=NOW)
    assert "V02_ident" in judged(lite)
    found = [each for each in lite.findings.load(ME) if each.code == "V02_ident"]
    assert all("end device M-2, installed is M-1" in each.message for each in found)
    assert [each.period.start for each in found] == [swap + day * DAY for day in range(1, 12)]
    final = lite.readings.load(ME, ["UP-1"], usual("UP-1").period, image=Image.FINAL, interval=HOUR)
    assert q.has_status(final.quality, q.TRUSTED).all()
    exchange_meter(lite, ME, MeterExchange("UP-1", Meter("M-2"), swap, multiplier=Decimal(1)), now=NOW)
    lite.dirty.touch(ME, ["UP-1"], DELIVERED_ENERGY, Interval(swap, NOW))
    assert "V02_ident" not in judged(lite)


def test_what_a_device_reports_marks_the_interval(store: Store) -> None:
    at = START + 10 * DAY + HOUR / 2
    store.devices.save_events(ME, [EndDeviceEvent("M-1", "3.12.29.39", at, NOW, "UP-1")])
    assert judged(store) == {"V14_status"}
    (finding,) = store.findings.load(ME)
    assert finding.message.startswith("the device says tamper")
    assert finding.period == Interval(START + 10 * DAY, START + 10 * DAY + HOUR)


def test_a_clock_that_we_set_in_time_is_no_doubt(lite: Store) -> None:
    noon = START + 10 * DAY + 12 * HOUR
    lite.devices.save_events(ME, [EndDeviceEvent("M-1", "3.36.114.24", noon + HOUR / 60, NOW, "UP-1")])
    assert judged(lite) == {"V14_status"}
    lite.devices.note_session(ME, session(noon, 75.0, clock_set=True))
    lite.dirty.touch(ME, ["UP-1"], DELIVERED_ENERGY, Interval(noon - DAY, noon))
    assert judged(lite) == set()


def test_events_that_mark_intervals_are_those_with_a_condition() -> None:
    assert {kind for kind, condition in CONDITION_OF_EVENT.items() if condition is not Condition.OUTAGE} == MARKING


def test_a_reason_code_of_a_file_marks_its_intervals(lite: Store, tmp_path: Path) -> None:
    values = ",".join(["0.5"] * 48)
    path = tmp_path / "nem12.csv"
    records = ("100,NEM12,202503050000,MDP,RET", "200,NMI0000001,E1,E1,E1,,SER-7,kWh,30,")
    days = [f"300,202503{day:02d},{values},A,,,20250310010000," for day in range(1, 9)]
    days[3] = days[3].replace(",A,,,", ",V,,,") + "\n400,1,20,A,,\n400,21,24,A,90,\n400,25,48,A,,"
    path.write_text("\n".join([*records, *days, "900", ""]), encoding="utf-8")
    ingest_file(lite, ME, path, known_at=NOW)
    judged(lite)
    (finding,) = (each for each in lite.findings.load(ME, ["NMI0000001"]) if each.code == "V14_status")
    begin = datetime(2025, 3, 3, 14, tzinfo=UTC) + 20 * HOUR / 2
    assert finding.period == Interval(begin, begin + 4 * HOUR / 2)
    assert finding.message.startswith("the device says test mode")
    assert finding.severity == "fail"


@pytest.mark.parametrize(("over", "hours"), [(None, 1), (5, 5)])
def test_a_test_lasts_until_the_device_says_that_it_is_over(lite: Store, over: int | None, hours: int) -> None:
    begin = START + 10 * DAY
    events = [EndDeviceEvent("M-1", TEST_MODE, begin, NOW, "UP-1")]
    if over:
        events.append(EndDeviceEvent("M-1", TEST_MODE_OVER, begin + over * HOUR, NOW, "UP-1"))
    lite.devices.save_events(ME, events)
    assert judged(lite) == {"V14_status"}
    (finding,) = lite.findings.load(ME)
    assert finding.period == Interval(begin, begin + hours * HOUR)


@pytest.mark.parametrize("condition", [each for each in Condition if each is not Condition.OUTAGE])
def test_every_condition_has_a_type_by_which_devices_tell_it(condition: Condition) -> None:
    assert condition in CONDITION_OF_EVENT.values()


def test_feeding_in_is_doubted_where_nothing_is_registered_and_at_night(lite: Store) -> None:
    fed = np.where(np.arange(24 * DAYS) % 24 == 11, 500.0, 0.0)
    fed[24 * 5] = 300.0  # one o'clock at night
    lite.readings.save(ME, Panel(("UP-1",), START, HOUR, fed[None], reading_type=RECEIVED_ENERGY), known_at=NOW)
    assert judged(lite) == set()
    with_attributes(lite, generation="none")
    assert judged(lite) == {"V22_export"}
    assert len(lite.findings.load(ME)) == DAYS + 1
    with_attributes(lite, generation="pv", **BERLIN)
    judged(lite)
    (finding,) = lite.findings.load(ME)
    assert "the sun was down" in finding.message
    with_attributes(lite, generation="pv, battery", **BERLIN)
    assert judged(lite) == set()


@pytest.mark.parametrize("told", ["true", "2025-03-01/2025-03-10", "2025-03-08/", "nonsense 2025-02-30/ 2025-03-08/"])
def test_energy_is_used_where_nobody_lives(lite: Store, told: str) -> None:
    with_attributes(lite, vacant=told)
    assert judged(lite) == {"V23_inactive"}
    with_attributes(lite, vacant="no")
    assert judged(lite) == set()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"attributes": {"base_load_kw": "0.4"}}, "V13_low_limit"),
        ({"attributes": {"recorder_bits": "9", "pulse_wh": "1"}}, "V15_overflow"),
        ({"capacity_kw": 0.4}, "V12_capacity"),
    ],
)
def test_what_is_changed_of_a_usage_point_has_its_readings_judged_again(
    lite: Store, change: dict[str, object], code: str
) -> None:
    lite.registry.save_points(ME, [replace(HOME, **change)])  # type: ignore[arg-type]
    assert code in judged(lite)
    lite.registry.save_points(ME, [HOME])
    assert judged(lite) == set()
    lite.registry.save_points(ME, [replace(HOME, attributes={"street": "Elm"})])
    assert lite.dirty.ranges(ME) == [], "what no rule rests on has nothing judged again"


LOW_FEEDER = """version = "1"
[[group]]
name = "low feeder"
extends = "residential"
attributes = { feeder = "F1" }
[group.rules]
V13_limit = { low = 0, high = 500, severity = "warn" }
"""


def test_an_attribute_that_chooses_a_group_of_rules_has_readings_judged_again(store: Store) -> None:
    """Only where the choice may be another: the address of a whole town judges nothing again."""
    book = rule_book(LOW_FEEDER, "low.toml")
    site = SiteDefaults(rules=book)
    adopt_rules(store, ME, None, now=NOW - DAY)
    adopt_rules(store, ME, book, now=NOW)
    correct(store, ME, site, now=NOW)
    assert not store.findings.load(ME)
    with_attributes(store, feeder="F1", street="Elm")
    correct(store, ME, site, now=NOW)
    assert {(found.code, found.usage_point) for found in store.findings.load(ME)} == {("V13_limit", "UP-1")}
    with_attributes(store, feeder="F1", street="Oak")
    assert store.dirty.ranges(ME) == []
    with_attributes(store, feeder="F2", street="Oak")
    correct(store, ME, site, now=NOW)
    assert not store.findings.load(ME)
    with_attributes(store, feeder="F3", street="Oak")
    assert store.dirty.ranges(ME) == [], "no rule asks for either of these feeders"
    adopt_rules(store, ME, None, now=NOW + DAY)
    correct(store, ME, SITE, now=NOW)
    with_attributes(store, feeder="F1")
    assert store.dirty.ranges(ME) == [], "rules that are no longer in force judge nothing"


def test_energy_is_used_where_the_meter_was_switched_off(store: Store) -> None:
    off = START + 12 * DAY
    confirm(store, Command.DISCONNECT, off)
    assert judged(store) == {"V23_inactive"}
    (finding,) = store.findings.load(ME)
    # Up to the last local midnight: in the hour after it less than a kWh was used.
    assert finding.period == Interval(off, NOW - HOUR)
    confirm(store, Command.RECONNECT, off + HOUR / 60)
    assert judged(store) == set()


def confirm(store: Store, command: Command, at: datetime) -> None:
    boris = Access("boris", Role.ADMIN)
    control = EndDeviceControl(
        str(command), "M-1", command, "debt", ME.actor, NOW + DAY, usage_point="UP-1", requested=at
    )
    store.controls.add(ME, control)
    for who, state in (
        (boris, ControlState.APPROVED),
        (ME, ControlState.ARMED),
        (ME, ControlState.SENT),
        (ME, ControlState.CONFIRMED),
    ):
        after = control.to(state, now=at, approved_by=boris.actor if state is ControlState.APPROVED else "")
        store.controls.advance(who, control, after, now=at)
        control = after


def test_energy_is_used_where_no_meter_hangs(lite: Store) -> None:
    lite.registry.save_meter(ME, Meter("M-2"))
    lite.registry.save_points(ME, [UsagePoint("UP-3", capacity_kw=17.0)])
    gone, back = START + 6 * DAY, START + 9 * DAY
    for meter, period in (("M-2", Interval(START - DAY, gone)), ("M-2", Interval(back, NOW + 99 * DAY))):
        lite.registry.save_installation(ME, Installation("UP-3", meter, period))
    lite.readings.save(ME, usual("UP-3"), known_at=NOW)
    assert judged(lite) == {"V23_inactive"}
    (finding,) = lite.findings.load(ME)
    assert finding.period == Interval(gone, back)


def test_a_check_meter_judges_the_main_one_and_stands_in_for_it(store: Store) -> None:
    with_attributes(store, checked_by="UP-2")
    # A day on which both are apart by a tenth; another on which the main one is silent for six hours.
    check = usual("UP-2").values.copy()
    check[0, 48:72] *= 1.1
    store.readings.save(ME, usual("UP-2").with_values(np.rint(check), usual("UP-2").quality), known_at=NOW)
    assert "V36_main_check" in judged(store)
    silent = usual("UP-1").values.copy()
    silent[0, 360:366] = np.nan
    gap = usual("UP-1").with_values(
        silent, np.where(np.isnan(silent), q.MISSING, usual("UP-1").quality).astype(np.uint8)
    )
    store.readings.save(ME, gap, known_at=NOW + HOUR)
    store.readings.save(ME, usual("UP-2"), known_at=NOW + HOUR)
    assert "V36_main_check" not in judged(store)
    final = store.readings.load(ME, ["UP-1"], gap.period, image=Image.FINAL, interval=HOUR)
    assert np.array_equal(final.values, usual("UP-2").values)


def test_new_readings_of_the_check_meter_alone_have_the_main_one_judged_again(store: Store) -> None:
    with_attributes(store, checked_by="UP-2")
    store.readings.save(ME, usual("UP-2"), known_at=NOW)
    assert judged(store) == set()
    off = usual("UP-2")
    off.values[0, 48:72] = np.rint(off.values[0, 48:72] * 1.1)
    for hour, (panel, told) in enumerate(((off, {"V36_main_check"}), (usual("UP-2"), set[str]()))):
        store.readings.save(ME, panel, known_at=NOW + hour * HOUR)
        assert {each.usage_point for each in store.dirty.ranges(ME)} == {"UP-2"}
        # That the check meter itself has other values than before is told once more.
        assert judged(store) == told | {"V03_duplicate"}
        assert {each.usage_point for each in store.findings.load(ME) if each.code == "V03_duplicate"} == {"UP-2"}
        assert store.dirty.ranges(ME) == []


def test_only_the_days_that_the_check_meter_changed_are_touched(lite: Store) -> None:
    with_attributes(lite, checked_by="UP-2")
    lite.readings.save(ME, usual("UP-2"), known_at=NOW)
    judged(lite)
    lite.readings.save(
        ME, usual("UP-2").slice(72, 73).with_values(np.array([[7.0]]), np.array([[q.ACTUAL]], np.uint8)), known_at=NOW
    )
    (check,) = lite.dirty.ranges(ME)
    assert touch_checked(lite, ME, [check])
    main, again = sorted(lite.dirty.ranges(ME), key=lambda each: each.usage_point)
    assert (main.usage_point, main.period, again) == ("UP-1", check.period, check)
    assert not touch_checked(lite, ME, [main, again]), "marked already"
    assert not touch_checked(lite, ME, [main]), "nobody is checked by a main meter"
    assert not touch_checked(lite, Access("viewer", Role.VIEWER, frozenset({"UP-2"})), [check]), "out of reach"


@pytest.mark.parametrize("told", ["T1 07:00-22:00; T2 rest", "", "T1 from seven"])
def test_each_register_of_a_meter_by_time_of_use_is_closed_by_itself(lite: Store, told: str) -> None:
    attributes = {"tou_registers": told} if told else {}
    lite.registry.save_points(ME, [UsagePoint("UP-5", "Europe/Berlin", capacity_kw=17.0, attributes=attributes)])
    panel = usual("UP-5")
    by_day = np.isin((np.arange(panel.slots) + 1) % 24, range(7, 22))  # Berlin is an hour ahead of UTC in March
    lost = panel.values.copy()
    lost[0, 230:250] = np.nan
    # By day the home used twice as much as its neighbours in time show, by night half as much.
    used = {"T1": 2 * panel.values[0, 230:250][by_day[230:250]], "T2": panel.values[0, 230:250][~by_day[230:250]] / 2}
    for channel, energy in used.items():
        counted = float(np.rint(energy.sum()))
        kind = replace(DELIVERED_REGISTER, channel=channel)
        for place, value in ((230, 1000.0), (250, 1000.0 + counted)):
            read = RegisterReading("UP-5", START + HOUR * place, value, "M-1", reading_type=kind)
            lite.registers.save(ME, [read], known_at=NOW)
        used[channel] = np.array([counted])
    gap = np.where(np.isnan(lost), q.MISSING, panel.quality).astype(np.uint8)
    lite.readings.save(ME, panel.with_values(lost, gap), known_at=NOW)
    judged(lite)
    final = lite.readings.load(ME, ["UP-5"], panel.period, image=Image.FINAL, interval=HOUR).values[0, 230:250]
    sums = [final[by_day[230:250]].sum(), final[~by_day[230:250]].sum()]
    assert not np.isnan(final).any()
    assert (sums == [used["T1"][0], used["T2"][0]]) is (told == "T1 07:00-22:00; T2 rest")


def test_the_interval_that_is_meant_is_compared(lite: Store) -> None:
    with_attributes(lite, interval_min="15")
    assert "V02_ident" in judged(lite)
    with_attributes(lite, interval_min="60")
    assert judged(lite) == set()


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"channels": "E2 B1"}, "channel E1, installed is B1 or E2"),
        ({"channels": "B1 E1"}, ""),
        ({"units": "varh m³"}, "unit Wh, installed is m³ or varh"),
        ({"units": "varh Wh"}, ""),
        ({"units": "varh", "interval_min": "15"}, "unit Wh, installed is varh, interval s 3600, installed is 900"),
    ],
)
def test_channel_and_unit_that_are_meant_are_compared(lite: Store, attributes: dict[str, str], says: str) -> None:
    lite.registry.save_points(ME, [UsagePoint("UP-4", "Europe/Berlin", capacity_kw=17.0, attributes=attributes)])
    lite.readings.save(ME, usual("UP-4", reading_type=replace(DELIVERED_ENERGY, channel="E1")), known_at=NOW)
    judged(lite)
    told = [finding.message for finding in lite.findings.load(ME) if finding.code == "V02_ident"]
    assert (len(told) == 1 and says in told[0]) if says else not told


def test_a_day_that_comes_too_late_is_told_once(store: Store) -> None:
    # A day is due at seven in the morning after it, by the clocks of Berlin: six in UTC.
    day = START + DAYS * DAY
    values = usual("UP-1").slice(0, 24).values
    found: list[Finding] = []
    for late, told in ((timedelta(hours=5), False), (timedelta(hours=30), True)):
        store.readings.save(ME, Panel(("UP-1",), day, HOUR, values), known_at=day + DAY + late)
        correct(store, ME, SITE, now=day + DAY + late)
        found = [each for each in store.findings.load(ME) if each.code == "V06_late"]
        assert bool(found) is told
        day += DAY
    (finding,) = found
    assert finding.message == "readings came, or were corrected, at 2025-03-26 07:00; they were due by 2025-03-25 07:00"
    store.readings.save(ME, Panel(("UP-1",), day - DAY, HOUR, values + 7), known_at=day + 2 * DAY)
    correct(store, ME, SITE, now=day + 2 * DAY)
    assert [each.code for each in store.findings.load(ME)].count("V06_late") == 1


def test_the_first_load_of_a_meter_is_not_late(lite: Store) -> None:
    lite.registry.save_points(ME, [UsagePoint("UP-9", "Europe/Berlin")])
    lite.readings.save(ME, usual("UP-9"), known_at=NOW + 3 * DAY)
    correct(lite, ME, SITE, now=NOW + 3 * DAY)
    assert lite.findings.load(ME, ["UP-9"]) == []


def test_rates_that_do_not_add_up_to_the_total_register(lite: Store) -> None:
    def rate(channel: str, *values: int) -> None:
        kind = replace(DELIVERED_REGISTER, channel=channel)
        at = (START + 5 * DAY, START + 6 * DAY)
        reads = [RegisterReading("UP-1", *read, "M-1", reading_type=kind) for read in zip(at, values, strict=True)]
        lite.registers.save(ME, reads, known_at=NOW)

    day = int(usual("UP-1").values[0, 5 * 24 : 6 * 24].sum())
    rate("", 100_000, 100_000 + day)
    rate("T1", 60_000, 60_000 + day - 3_000)
    rate("T2", 40_000, 40_000 + 5_000)
    assert judged(lite) == {"V31_tou_sum"}
    rate("T2", 40_000, 40_000 + 3_000)
    assert judged(lite) == {"V03_duplicate"}  # they add up; that one read was another before is told


@pytest.mark.parametrize("lost", [range(8, 9), range(4, 14)])
def test_gaps_around_an_exchange_are_closed_by_its_reads(lite: Store, lost: range) -> None:
    lite.registry.save_meter(ME, Meter("M-5"))
    lite.registry.save_points(ME, [UsagePoint("UP-5", capacity_kw=17.0)])
    lite.registry.save_installation(ME, install("UP-5", "M-5", START - DAY))
    panel, day = usual("UP-5"), 15 * 24
    swap = START + 15 * DAY + 8 * HOUR + HOUR / 4
    used = panel.values[0, day : day + 24].copy()
    before = round(float(used[:8].sum() + used[8] / 4))
    panel.values[0, [day + hour for hour in lost]] = np.nan
    lite.readings.save(ME, panel, known_at=NOW)
    for at, wh, meter in ((START + 15 * DAY, 70_000, "M-5"), (START + 16 * DAY, 500 + int(used.sum()) - before, "M-6")):
        read = RegisterReading("UP-5", at, wh, meter, epoch=int(meter == "M-6"))
        if meter == "M-6":
            wanted = MeterExchange(
                "UP-5",
                Meter("M-6"),
                swap,
                final_kwh=Decimal(70_000 + before) / 1000,
                opening_kwh=Decimal("0.5"),
            )
            exchange_meter(lite, ME, wanted, now=NOW)
        lite.registers.save(ME, [read], known_at=NOW)
    judged(lite)
    final = lite.readings.load(ME, ["UP-5"], panel.period, image=Image.FINAL, interval=HOUR).values[0, day : day + 24]
    assert final.sum() == used.sum(), "intervals and both meters' registers agree to the watt-hour"

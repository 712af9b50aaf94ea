"""The head-end over real sockets: what virtual meters measured is what the store holds, whatever went wrong before."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from gridwright.collect import CommissionPolicy, Harvest, ReadOrder, ReadPolicy
from gridwright.domain import quality as q
from gridwright.domain.access import Access, Role
from gridwright.domain.device import LinkState
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, install
from gridwright.jobs.field.commission_device import commission_devices
from gridwright.jobs.field.keep_harvest import keep_harvest
from gridwright.jobs.field.plan_reads import Planned, plan_reads
from gridwright.simulate.virtual_meter import VirtualMeter
from tests.integration.field.street import QUARTER, START, SYSTEM, TIMEOUT_S, Street

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
NOBODY_S = 0.1  # how long silence is waited for where nobody answers
ONE_FAULT_MORE_S = 0.2  # where a line may fail anyway, and a busy machine that answers late is one fault more


def stored(street: Street, point: str, start: datetime, end: datetime) -> Panel:
    return street.store.readings.load(SYSTEM, point, Interval(start, end), interval=QUARTER)


def same_as(street: Street, point: str, meter: VirtualMeter, start: datetime, end: datetime) -> bool:
    """Whether the store holds exactly what flowed through the meter."""
    kept = stored(street, point, start, end).values[0]
    return bool(np.array_equal(kept, meter.measured(Interval(start, end)), equal_nan=True))


# --- commissioning ----------------------------------------------------------------------------------------------------


def test_a_device_is_commissioned_and_read(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    assert street.link("M-1").state is LinkState.IN_SERVICE
    done = street.collect()
    assert (done.due, done.read, done.failed) == (1, 1, 0)
    assert same_as(street, "UP-1", meter, START, START + 5 * HOUR + 45 * MINUTE)
    reads = street.store.registers.load(SYSTEM, "UP-1", Interval(START, START + DAY))
    assert [read.value for read in reads] == [meter.register_wh()]
    assert street.collect().due == 0, "once a turn"


def test_each_step_of_commissioning_is_audited(street: Street) -> None:
    street.serve("M-1", "UP-1")
    states = [record.detail["state"] for record in street.store.audit.records(SYSTEM) if record.subject == "device M-1"]
    assert states[::-1] == ["registered", "discovered", "clock-checked", "capabilities-read", "in-service"]


def test_commissioning_goes_on_after_the_meter_was_silent(street: Street) -> None:
    meter = street.meter("M-1")
    street.add("M-1", "UP-1")
    meter.faults.silent = True
    (failed,) = street.commission().failed
    assert failed.state is LinkState.REGISTERED
    assert failed.problem
    assert failed.failures == 1
    meter.faults.silent = False
    assert street.commission().in_service == 1
    assert street.link("M-1").problem == ""


def test_a_wrong_serial_number_and_a_wrong_password_are_told(street: Street) -> None:
    street.meter("M-1").faults.wrong_serial = "M-7"
    street.add("M-1", "UP-1")
    street.meter("M-2")
    street.add("M-2", "UP-2")
    street.passwords["M-2"] = b"wrong"
    result = street.commission()
    assert result.in_service == 0
    problems = {link.serial: link.problem for link in result.failed}
    assert "M-7" in problems["M-1"]
    assert problems["M-2"]


def test_a_port_that_nobody_listens_on(street: Street) -> None:
    street.add("M-1", "UP-1", address="tcp://127.0.0.1:1/M-1")
    street.add("M-2", "UP-2", address="nonsense")
    assert [bool(link.problem) for link in street.commission().failed] == [True, True]


@pytest.mark.parametrize(
    ("drift_s", "policy", "state", "sets"),
    [
        (10, CommissionPolicy(), LinkState.IN_SERVICE, 0),
        (95, CommissionPolicy(), LinkState.IN_SERVICE, 1),
        (95, CommissionPolicy(set_clock=False), LinkState.DISCOVERED, 0),
        (400_000, CommissionPolicy(), LinkState.DISCOVERED, 0),
    ],
)
def test_the_clock_of_a_new_device(
    street: Street, drift_s: int, policy: CommissionPolicy, state: LinkState, sets: int
) -> None:
    meter = street.meter("M-1", drift_s=float(drift_s))
    street.add("M-1", "UP-1")
    street.commission(policy=policy)
    link = street.link("M-1")
    assert link.state is state
    assert len(meter.clock_sets) == sets
    assert link.clock_drift_s == pytest.approx(0 if sets else drift_s, abs=1.5)


def test_who_may_not_change_the_registry_may_not_commission(street: Street) -> None:
    with pytest.raises(AccessDenied):
        commission_devices(street.store, Access("eve", Role.VIEWER), street.lines, street.clock)


def test_an_unknown_device_and_one_not_in_service(street: Street) -> None:
    with pytest.raises(NotFound):
        street.commission("M-9")
    street.meter("M-1")
    street.add("M-1", "UP-1")
    with pytest.raises(Conflict, match="not in service"):
        street.collect("M-1")


# --- reading ----------------------------------------------------------------------------------------------------------


def test_reading_goes_on_where_it_was(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    for _ in range(8):
        street.collect()
        street.later(QUARTER)
    street.later(MINUTE)
    street.collect()
    assert same_as(street, "UP-1", meter, START, START + 8 * HOUR)
    sessions = street.store.devices.sessions(SYSTEM, "M-1")
    assert sum(each.readings for each in sessions[:-1]) < 40, "only what is new is asked for"


def test_a_hole_in_the_store_is_asked_for_again(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    street.later(10 * HOUR)
    before = meter.measured(Interval(START, START + 12 * HOUR)).copy()
    before[8:20] = np.nan  # what another entrance delivered has a hole
    street.store.readings.save(SYSTEM, Panel(("UP-1",), START, QUARTER, before[None, :]), known_at=street.now)
    street.collect()
    assert same_as(street, "UP-1", meter, START, START + 15 * HOUR)


def test_a_value_that_somebody_edited_is_not_read_over(street: Street) -> None:
    street.serve("M-1", "UP-1")
    street.later(12 * HOUR)
    edited = np.full((1, 4), 7.0)
    quality = np.full((1, 4), q.pack(q.Status.EDITED), np.uint8)
    panel = Panel(("UP-1",), START + 8 * HOUR, QUARTER, edited, quality)
    street.store.readings.save(SYSTEM, panel, known_at=street.now)
    street.collect()
    kept = stored(street, "UP-1", START + 8 * HOUR, START + 9 * HOUR)
    assert np.array_equal(kept.values, edited)
    assert np.array_equal(kept.quality, quality)
    assert not stored(street, "UP-1", START, START + 17 * HOUR).missing.any()


def test_a_gap_that_the_meter_itself_has_is_not_asked_for_forever(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    gap = Interval(START + HOUR, START + 3 * HOUR)
    meter.power_out(gap)
    street.later(12 * HOUR)
    street.collect()
    kept = street.store.outlooks.latest(SYSTEM, "absent-intervals", "M-1")
    lacking = int(stored(street, "UP-1", START, START + 5 * HOUR).missing.sum())
    street.later(HOUR)
    done = street.collect()
    asked = street.store.devices.sessions(SYSTEM, "M-1", limit=1)[0]
    assert (done.read, done.readings) == (1, 8)
    assert asked.readings == 8, "four new quarter-hours each way, and nothing of the outage again"
    assert (kept is not None) == (lacking > 0)


def test_a_silent_meter_is_tried_again_later_and_later_and_then_read_in_full(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    meter.faults.silent, street.timeout_s = True, NOBODY_S
    street.later(HOUR)
    tries = []
    for _ in range(120):
        if street.collect().failed:
            tries.append(street.now)
        street.later(MINUTE)
    waits = [(later - earlier) / MINUTE for earlier, later in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[-1] >= 30
    link = street.link("M-1")
    assert link.failures == len(tries)
    assert link.problem
    assert street.store.devices.sessions(SYSTEM, "M-1", limit=1)[0].attempt == len(tries)
    meter.faults.silent, street.timeout_s = False, TIMEOUT_S
    assert street.collect("M-1").read == 1
    assert street.link("M-1").failures == 0
    assert street.link("M-1").problem == ""
    assert same_as(street, "UP-1", meter, START, START + 8 * HOUR + 45 * MINUTE)


def test_what_came_before_the_line_broke_is_kept(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    meter.faults.dies_after = 400
    street.later(HOUR)
    done = street.collect()
    assert (done.read, done.failed) == (0, 1)
    meter.faults.dies_after = None
    assert street.collect("M-1").read == 1
    assert same_as(street, "UP-1", meter, START, START + 6 * HOUR + 45 * MINUTE)


def test_one_bad_device_does_not_hold_up_the_others(street: Street) -> None:
    meters = {f"M-{n}": street.serve(f"M-{n}", f"UP-{n}") for n in range(12)}
    meters["M-3"].faults.silent = True
    meters["M-5"].faults.garbage = True
    meters["M-7"].faults.wrong_serial = "X-1"
    street.later(HOUR)
    done = street.collect()
    assert (done.due, done.read, done.failed) == (12, 9, 3)
    assert len(done.notes) == 3
    for serial, meter in meters.items():
        if serial not in ("M-3", "M-5", "M-7"):
            assert same_as(street, serial.replace("M", "UP"), meter, START, START + 6 * HOUR + 45 * MINUTE)


def test_a_clock_that_drifts_is_set_at_the_daily_check(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    meter.drift_s = 75.0
    street.collect()
    assert meter.clock_sets != ()
    assert abs(meter.drift_s) < 2
    assert street.link("M-1").clock_drift_s == pytest.approx(75, abs=1.5)
    (session,) = street.store.devices.sessions(SYSTEM, "M-1", limit=1)
    assert session.clock_set
    assert session.clock_drift_s == pytest.approx(75, abs=1.5)
    street.later(HOUR)
    street.collect()
    types = [event.type for event in street.store.devices.events(SYSTEM, point="UP-1")]
    assert "3.36.114.24" in types, "the device's own log tells that its clock was set"
    (record,) = [each for each in street.store.audit.records(SYSTEM) if each.detail.get("what") == "clock set"]
    assert (record.subject, record.detail["drift_s"]) == ("device M-1", pytest.approx(75, abs=1.5))


def test_events_come_once_each_with_their_usage_point(street: Street) -> None:
    meter = street.serve("M-1", "UP-1")
    street.later(HOUR)
    meter.tamper()
    street.later(QUARTER)
    assert street.collect().events == 1
    for _ in range(3):
        street.later(QUARTER)
        assert street.collect().events == 0
    (event,) = street.store.devices.events(SYSTEM, point="UP-1")
    assert (event.end_device, event.usage_point) == ("M-1", "UP-1")


# --- where the meter hung ---------------------------------------------------------------------------------------------


def test_a_meter_exchange_splits_by_installation(street: Street) -> None:
    old = street.serve("M-1", "UP-1")
    street.collect()
    new = street.meter("M-2", opening_wh=5_000)
    street.later(6 * HOUR)
    moment = START + 9 * HOUR + 5 * MINUTE
    street.add("M-2")
    street.store.registry.save_meter(SYSTEM, Meter("M-2", dials=6))
    street.store.registry.exchange_meter(SYSTEM, install("UP-1", "M-2", moment))
    assert street.commission("M-2").failed == ()
    street.later(2 * HOUR)
    street.collect("M-1", "M-2")
    assert same_as(street, "UP-1", old, START, START + 9 * HOUR)
    between = stored(street, "UP-1", START + 9 * HOUR, START + 9 * HOUR + QUARTER)
    assert between.missing.all(), "the quarter-hour of the exchange belongs to neither meter"
    assert same_as(street, "UP-1", new, START + 9 * HOUR + QUARTER, START + 13 * HOUR + 45 * MINUTE)
    reads = street.store.registers.load(SYSTEM, "UP-1", Interval(START, START + DAY))
    assert {read.end_device for read in reads} == {"M-1", "M-2"}
    assert street.store.quarantine.meters(SYSTEM) == []


@pytest.mark.parametrize("interval", [QUARTER, HOUR])
def test_the_profile_is_asked_for_where_registers_alone_told_energy(street: Street, interval: timedelta) -> None:
    """Reads that somebody took from the display are no reason to leave the meter's own intervals unread."""
    meter = street.serve("M-1", "UP-1")
    energy = np.full((1, 4), 1000.0)
    told = Panel(("UP-1",), START, interval, energy, np.full((1, 4), q.OF_REGISTER, np.uint8))
    street.store.readings.save(SYSTEM, told, known_at=START)
    street.collect()
    assert same_as(street, "UP-1", meter, START, START + 5 * HOUR + 45 * MINUTE)


def test_collected_reads_tell_energy_as_posted_ones_do(street: Street) -> None:
    """Read each quarter, of a meter whose profile is not kept: what lies between the reads is derived."""
    street.serve("M-1", "UP-1")
    link = street.link("M-1")
    installed = street.store.registry.installations(SYSTEM, "UP-1")
    for quarter in range(5):
        at = START + quarter * QUARTER
        read = RegisterReading("M-1", at, 1000.0 + 100 * quarter * quarter, "M-1")
        harvest = Harvest("M-1", at, at, registers=[read])
        planned = Planned(link, ReadOrder("M-1"), installed)
        keep_harvest(street.store, SYSTEM, planned, harvest, now=at, policy=ReadPolicy())
    kept = stored(street, "UP-1", START, START + HOUR)
    assert kept.values[0].tolist() == [100, 300, 500, 700]
    assert q.of_register(kept.quality).all()


def test_the_transformer_factor_is_applied_to_the_profile_and_kept_from_the_register(street: Street) -> None:
    meter = street.meter("M-1")
    street.add("M-1", "UP-1", multiplier="40")
    street.commission()
    street.collect()
    kept = stored(street, "UP-1", START, START + 5 * HOUR).values[0]
    assert np.array_equal(kept, 40 * meter.measured(Interval(START, START + 5 * HOUR)))
    (read,) = street.store.registers.load(SYSTEM, "UP-1", Interval(START, START + DAY))
    assert read.value == meter.register_wh()


def test_a_broken_factor_counts_finer_and_stays_whole(street: Street) -> None:
    meter = street.meter("M-1")
    street.add("M-1", "UP-1", multiplier="1.25")
    street.commission()
    street.collect()
    kind = DELIVERED_ENERGY.finer(-2)
    hours = Interval(START, START + 5 * HOUR)
    panel = street.store.readings.load(SYSTEM, "UP-1", hours, reading_type=kind)
    assert np.array_equal(panel.values[0], 125 * meter.measured(hours))
    street.later(QUARTER)
    assert street.collect("M-1").readings < 10, "what is stored under the finer type is not asked for again"


def test_a_device_that_hangs_nowhere_waits_in_quarantine(street: Street) -> None:
    street.meter("M-1")
    street.add("M-1")
    street.commission()
    street.collect()
    (waiting,) = street.store.quarantine.meters(SYSTEM)
    assert waiting.meter == "M-1"
    before = waiting.readings
    street.later(QUARTER + MINUTE)
    done = street.collect("M-1")
    assert done.readings == 0
    assert 0 < done.quarantined <= 6, "only what is new"
    assert street.store.quarantine.meters(SYSTEM)[0].readings == before + done.quarantined


def test_a_device_of_which_very_much_waits_is_asked_only_for_what_is_new(street: Street) -> None:
    """The oldest hundred thousand readings were looked at, so that all that came behind them was read each time."""
    street.meter("M-1")
    street.add("M-1")
    street.commission()
    street.collect()
    until, many = street.store.quarantine.reaches(SYSTEM, "M-1"), 100_001
    at = int(START.timestamp()) - 900 * np.arange(1, many + 1)
    columns = np.zeros(many, np.int32), at, np.ones(many), np.zeros(many, np.uint8), np.arange(many)
    old = Readings(("M-1",), *columns, interval_s=900)
    street.store.quarantine.save_series(SYSTEM, [old], received=street.now)
    street.later(QUARTER + MINUTE)
    (planned,) = plan_reads(street.store, SYSTEM, street.now, ReadPolicy(), ["M-1"])
    assert until is not None
    assert {period.start for _, period in planned.order.profiles} == {until}


# --- plausibility -----------------------------------------------------------------------------------------------------


def test_a_profile_that_contradicts_its_register_is_kept_and_doubted(street: Street) -> None:
    street.serve("M-1", "UP-1")
    street.collect()
    street.later(DAY)
    loud = stored(street, "UP-1", START, START + HOUR)
    wrong = Panel(("UP-1",), START + 12 * HOUR, QUARTER, loud.values + 5_000)
    street.store.readings.save(SYSTEM, wrong, known_at=street.now)
    assert street.collect().findings == 0, "the last interval before the read has not come yet"
    street.later(QUARTER + MINUTE)
    assert street.collect("M-1").findings == 1
    (finding,) = street.store.findings.load(SYSTEM, ["UP-1"])
    assert finding.code == "V30_sum"
    kept = stored(street, "UP-1", START + 12 * HOUR, START + 13 * HOUR)
    assert np.array_equal(kept.values, wrong.values), "doubted, not dropped"


def test_an_honest_meter_closes_its_balance(street: Street) -> None:
    street.serve("M-1", "UP-1")
    for _ in range(4):
        for pause in (DAY - HOUR, HOUR):
            assert street.collect().findings == 0
            street.later(pause)
    reads = street.store.registers.load(SYSTEM, "UP-1", Interval(START, START + 9 * DAY), DELIVERED_REGISTER)
    assert len(reads) >= 3


# --- the whole --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_however_the_line_fails_in_the_end_the_store_holds_what_flowed(street: Street) -> None:
    rng = random.Random(11)  # noqa: S311 - seeded
    meters = {f"M-{n}": street.serve(f"M-{n}", f"UP-{n}") for n in range(6)}
    street.timeout_s = ONE_FAULT_MORE_S
    for _ in range(30):
        for meter in meters.values():
            meter.faults.silent = rng.random() < 0.2
            meter.faults.garbage = rng.random() < 0.1
            meter.faults.dies_after = rng.choice([None, None, None, 90, 700])
            meter.faults.bad_checksum_every = rng.choice([0, 0, 3])
        street.collect(policy=ReadPolicy(longest_pause=HOUR))
        street.later(timedelta(minutes=rng.randint(5, 90)))
    for meter in meters.values():
        meter.faults.silent = meter.faults.garbage = False
        meter.faults.dies_after, meter.faults.bad_checksum_every = None, 0
    street.timeout_s = TIMEOUT_S
    street.collect(*meters)
    end = START + (street.now - START - timedelta(seconds=5)) // QUARTER * QUARTER
    for serial, meter in meters.items():
        assert same_as(street, serial.replace("M", "UP"), meter, START, end)
    assert street.store.findings.load(SYSTEM) == []
    assert street.store.quarantine.meters(SYSTEM) == []
    street.store.audit.verify(SYSTEM)

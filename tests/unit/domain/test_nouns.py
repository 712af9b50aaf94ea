"""Meter exchange, registers, controls, access, quality codes and errors: the rules that nouns carry themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain import errors
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER, Access, Act, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.errors import AccessDenied, Conflict, ControlRefused, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.money import Rounding, round_money
from gridwright.domain.program import Event
from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.usage_point import Meter, UsagePoint, exchange, install, installed_at

START = datetime(2025, 3, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
METER = Meter("M-1", dials=5, lsb_wh=1000)


def a_read(value: float, days: float, *, epoch: int = 0, device: str = "M-1") -> RegisterReading:
    return RegisterReading("UP-1", START + timedelta(days=days), value * 1000, device, epoch)


@pytest.mark.parametrize(
    ("before", "after", "step", "kwh"),
    [
        (99950, 120, Step.ROLLOVER, 6800.0),  # catalogue C6, ×40
        (50120, 50100, Step.DECREASE, None),  # catalogue C6: 3,999,200 kWh is more than 100 kW can do
        (100, 200, Step.NORMAL, 4000.0),
        (0, 99000, Step.RESET, None),
    ],
)
def test_rollover_and_reset_never_create_energy(before: float, after: float, step: Step, kwh: float | None) -> None:
    (found,) = register_steps([a_read(after, 30), a_read(before, 0)], meter=METER, capacity_kw=100, multiplier=40)
    assert found.step is step
    assert found.energy == (None if kwh is None else kwh * 1000)


def test_epochs_and_meters_are_never_subtracted() -> None:
    reads = [a_read(10, 0), a_read(5, 1, epoch=1), a_read(7, 2, epoch=1, device="M-2")]
    steps = register_steps(reads, meter=METER, capacity_kw=100)
    assert [(one.step, one.energy) for one in steps] == [(Step.RESET, None), (Step.EXCHANGE, None)]


def test_a_meter_exchange_keeps_the_history() -> None:
    history = exchange([], install("UP-1", "M-1", START, Decimal(40)))
    history = exchange(history, install("UP-1", "M-2", START + MONTH))
    assert [one.end_device for one in history] == ["M-1", "M-2"]
    assert history[0].period == Interval(START, START + MONTH)
    found = installed_at(history, "UP-1", START + MONTH)
    assert found is not None
    assert found.end_device == "M-2"
    assert installed_at(history, "UP-1", START - MONTH) is None
    with pytest.raises(Conflict, match="overlaps meter M-1"):
        exchange(history, install("UP-1", "M-3", START))


def test_a_usage_point_checks_itself() -> None:
    with pytest.raises(InputError, match="time zone 'Mars/Base'"):
        UsagePoint("UP-1", zone="Mars/Base")
    with pytest.raises(InputError, match="must be positive"):
        UsagePoint("UP-1", capacity_kw=-3)
    with pytest.raises(InputError, match="1 to 120"):
        UsagePoint("")


def a_control(**other: object) -> EndDeviceControl:
    plain = EndDeviceControl("C-7", "M-88", Command.DISCONNECT, "move-out", "ann", START + MONTH)
    return replace(plain, **other)  # type: ignore[arg-type]


def test_a_disconnect_needs_a_second_person() -> None:
    with pytest.raises(ControlRefused, match="second person"):
        a_control(approved_by="ann")
    with pytest.raises(ControlRefused, match="without approval"):
        a_control(state=ControlState.ARMED)
    with pytest.raises(ControlRefused, match="needs a reason"):
        a_control(reason=" ")


def test_a_control_walks_its_states_in_order() -> None:
    control = a_control().to(ControlState.APPROVED, now=START, approved_by="bob")
    control = control.to(ControlState.ARMED, now=START).to(ControlState.SENT, now=START)
    assert control.to(ControlState.CONFIRMED, now=START + MONTH).state is ControlState.CONFIRMED
    with pytest.raises(ControlRefused, match="cannot become confirmed"):
        a_control().to(ControlState.CONFIRMED, now=START)
    with pytest.raises(ControlRefused, match="expired"):
        a_control().to(ControlState.APPROVED, now=START + MONTH, approved_by="bob")


def test_access_is_by_role_and_by_point() -> None:
    LOCAL_OWNER.require(Act.ADMINISTER)
    customer = Access("cara", Role.CUSTOMER, frozenset({"UP-1"}))
    customer.require(Act.READ, "UP-1")
    with pytest.raises(AccessDenied, match="may not see usage point UP-2"):
        customer.require(Act.READ, "UP-2")
    with pytest.raises(AccessDenied, match="may not control devices"):
        customer.require(Act.CONTROL)
    with pytest.raises(AccessDenied, match="needs a list"):
        Access("cara", Role.CUSTOMER)


@pytest.mark.parametrize(
    ("status", "method", "nem12", "espi"),
    [
        (q.Status.ACTUAL, q.Method.NONE, "A", 17),
        (q.Status.ESTIMATED, q.Method.LINEAR, "S17", 9),
        (q.Status.ESTIMATED, q.Method.LIKE_DAY, "S15", 8),
        (q.Status.ESTIMATED_FINAL, q.Method.SCALED, "F24", 19),
        (q.Status.MISSING, q.Method.NONE, "N", 10),
        (q.Status.EDITED, q.Method.AGREED, "F16", 7),
    ],
)
def test_quality_codes_at_the_edge(status: q.Status, method: q.Method, nem12: str, espi: int) -> None:
    byte = q.pack(status, method)
    assert (q.nem12_code(byte), q.espi_code(byte)) == (nem12, espi)
    array = np.array([byte], np.uint8)
    assert q.status_of(array)[0] == status
    assert q.method_of(array)[0] == method
    assert q.has_status(array, (status,)).all()


def test_money_is_rounded_by_the_rule() -> None:
    assert round_money(Decimal("2.665"), "EUR") == Decimal("2.67")  # B13
    assert round_money(Decimal("2.665"), "EUR", Rounding.HALF_EVEN) == Decimal("2.66")  # B13
    assert round_money(Decimal("2.5"), "JPY") == Decimal(3)


def test_an_event_has_a_length() -> None:
    with pytest.raises(InputError, match="period is empty"):
        Event("E-1", "P-1", Interval(START, START))


def test_an_interval_needs_zones_and_order() -> None:
    with pytest.raises(InputError, match="no time zone"):
        Interval(datetime(2025, 1, 1), START)  # noqa: DTZ001 - that is the mistake
    with pytest.raises(InputError, match="before it starts"):
        Interval(START, START - MONTH)


def test_an_error_says_where_and_what_to_do() -> None:
    error = errors.BadRecord("'abc' is no number", where="meter.csv line 7", remedy="use a decimal point")
    assert str(error) == "meter.csv line 7: 'abc' is no number (use a decimal point)"
    assert error.to_dict()["error"] == "BadRecord"


def test_the_drawn_tree_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = {line.split("──")[-1].split()[0] for line in errors.__doc__.splitlines() if "──" in line}
    real = {name for name, kind in vars(errors).items() if isinstance(kind, type) and name != "GridwrightError"}
    assert drawn == real

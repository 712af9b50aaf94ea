"""An event from plan to bill on a real store: its life by the clock, measurement, settlement, the credit's bill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridwright.billing import example_card, postings
from gridwright.billing.credit_line import with_credits
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound, TooLittleData
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval, local_midnight, local_month
from gridwright.domain.panel import Panel
from gridwright.domain.program import Event, EventState, Program
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.programs.measure_event import intervals_of
from gridwright.jobs.programs.run_event import advance_events, cancel_event, measure_event, opt_out, plan_event
from gridwright.jobs.programs.settle_event import event_credits, settle_event
from gridwright.store import Store, open_store

ME, SITE = LOCAL_OWNER, SiteDefaults()
ZONE = "Europe/Berlin"
TZ = ZoneInfo(ZONE)
QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NAMES = ("UP-1", "UP-2", "UP-3")
START = local_midnight(date(2025, 1, 6), TZ)
PERIOD = Interval(datetime(2025, 2, 26, 17, tzinfo=TZ), datetime(2025, 2, 26, 19, tzinfo=TZ))
BEFORE, AFTER = PERIOD.start - timedelta(days=1), PERIOD.end + timedelta(days=5)
FEBRUARY, MARCH = local_month(2025, 2, TZ), local_month(2025, 3, TZ)


@pytest.fixture
def store() -> Iterator[Store]:
    """UP-1 saves, UP-2 uses more than ever, UP-3 has no reading at all."""
    opened = open_store("sqlite://")
    points = [UsagePoint(name, ZONE, attributes={"committed_kw": "1"} if name == "UP-1" else {}) for name in NAMES]
    opened.registry.save_points(ME, points)
    opened.programs.save_program(ME, Program("peak", "Peak saver", "EUR", Decimal("0.50")))
    slots = (local_midnight(date(2025, 3, 2), TZ) - START) // QUARTER
    rng = np.random.default_rng(4)
    values = np.rint(300 + 50 * np.sin(np.arange(slots) / 96 * 2 * np.pi) + rng.normal(0, 20, (2, slots)))
    first = (PERIOD.start - START) // QUARTER
    values[0, first : first + 8] = 100
    values[1, first : first + 8] = 380
    panel = Panel(NAMES[:2], START, QUARTER, values)
    opened.readings.save(ME, panel, known_at=panel.end)
    yield opened
    opened.close()


def a_plan(store: Store, **other: object) -> Event:
    facts = {"program": "peak", "period": PERIOD, "targets": NAMES, "now": BEFORE, **other}
    return plan_event(store, ME, **facts)  # type: ignore[arg-type]


# --- its life ---------------------------------------------------------------------------------------------------------


def test_an_event_begins_and_ends_by_the_clock_and_only_once(store: Store) -> None:
    event = a_plan(store)
    assert (event.state, event.notified) == (EventState.PLANNED, BEFORE)
    assert event.signal
    assert advance_events(store, ME, BEFORE) == []
    assert [each.state for each in advance_events(store, ME, PERIOD.start)] == [EventState.ACTIVE]
    assert advance_events(store, ME, PERIOD.start) == []
    assert [each.state for each in advance_events(store, ME, PERIOD.end)] == [EventState.COMPLETED]
    assert advance_events(store, ME, AFTER) == []


def test_a_clock_that_jumps_over_an_event_completes_it(store: Store) -> None:
    a_plan(store)
    assert [each.state for each in advance_events(store, ME, AFTER)] == [EventState.COMPLETED]


@pytest.mark.parametrize(
    ("other", "error", "told"),
    [
        ({"program": "none"}, NotFound, "program 'none'"),
        ({"targets": ()}, InputError, "at least one usage point"),
        ({"targets": ("UP-9",)}, NotFound, "UP-9"),
        ({"now": PERIOD.start + HOUR}, InputError, "which has passed"),
        ({"period": Interval(PERIOD.start, PERIOD.start + timedelta(days=2))}, InputError, "too long"),
    ],
)
def test_what_cannot_be_planned_is_refused(store: Store, other: dict[str, object], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        a_plan(store, **other)
    assert store.programs.events(ME) == []


def test_nobody_is_in_two_events_at_once(store: Store) -> None:
    first = a_plan(store, targets=("UP-1",))
    overlapping = Interval(PERIOD.start + HOUR, PERIOD.end + HOUR)
    with pytest.raises(Conflict, match=f"UP-1 is in event {first.id}"):
        a_plan(store, period=overlapping)
    opt_out(store, ME, first.id, "UP-1", now=BEFORE)
    assert a_plan(store, period=overlapping).targets == NAMES


def test_opting_out_is_possible_until_the_end(store: Store) -> None:
    event = a_plan(store)
    assert opt_out(store, ME, event.id, "UP-2", now=PERIOD.start).participants == ("UP-1", "UP-3")
    assert opt_out(store, ME, event.id, "UP-2", now=AFTER).participants == ("UP-1", "UP-3")
    with pytest.raises(NotFound, match="UP-9 is no target"):
        opt_out(store, ME, event.id, "UP-9", now=BEFORE)
    with pytest.raises(Conflict, match="too late to opt out"):
        opt_out(store, ME, event.id, "UP-1", now=AFTER)


def test_a_cancelled_event_pays_nothing(store: Store) -> None:
    event = a_plan(store)
    assert cancel_event(store, ME, event.id, now=BEFORE).state is EventState.CANCELLED
    assert cancel_event(store, ME, event.id, now=AFTER).state is EventState.CANCELLED
    with pytest.raises(Conflict, match="is cancelled"):
        settle_event(store, ME, event.id, site=SITE, now=AFTER)


def test_a_completed_event_is_not_cancelled(store: Store) -> None:
    event = a_plan(store)
    with pytest.raises(Conflict, match="completed and cannot become cancelled"):
        cancel_event(store, ME, event.id, now=AFTER)


def test_a_viewer_plans_nothing(store: Store) -> None:
    with pytest.raises(AccessDenied):
        plan_event(store, Access("eve", Role.VIEWER), program="peak", period=PERIOD, targets=NAMES, now=BEFORE)


def test_a_customer_opts_out_for_their_own_usage_point_only(store: Store) -> None:
    event = a_plan(store)
    customer = Access("ada", Role.CUSTOMER, frozenset({"UP-1"}))
    assert opt_out(store, customer, event.id, "UP-1", now=BEFORE).opted_out == ("UP-1",)
    assert store.programs.event(ME, event.id).targets == NAMES
    assert store.audit.records(ME)[0].actor == "ada"
    with pytest.raises(AccessDenied):
        opt_out(store, customer, event.id, "UP-2", now=BEFORE)


def test_who_sees_a_part_only_moves_no_event(store: Store) -> None:
    event = a_plan(store)
    partial = Access("pat", Role.OPERATOR, frozenset({"UP-1"}))
    assert opt_out(store, partial, event.id, "UP-1", now=BEFORE).targets == ("UP-1",)
    assert store.programs.event(ME, event.id).targets == NAMES
    with pytest.raises(AccessDenied, match="only some of the usage points"):
        cancel_event(store, partial, event.id, now=BEFORE)
    with pytest.raises(AccessDenied, match="only some of the usage points"):
        settle_event(store, partial, event.id, site=SITE, now=AFTER)
    with pytest.raises(AccessDenied, match="only some of the usage points"):
        advance_events(store, partial, AFTER)


def test_an_operator_may_run_an_event_from_plan_to_settlement(store: Store) -> None:
    operator = Access("olga", Role.OPERATOR)
    event = plan_event(store, operator, program="peak", period=PERIOD, targets=NAMES, now=BEFORE)
    advance_events(store, operator, AFTER)
    assert settle_event(store, operator, event.id, site=SITE, now=AFTER).performances
    assert len(event_credits(store, Access("bea", Role.BILLER), "UP-1", FEBRUARY)) == 1


# --- measuring and settling -------------------------------------------------------------------------------------------


def test_measuring_before_the_end_is_refused(store: Store) -> None:
    event = a_plan(store)
    with pytest.raises(Conflict, match="not over before"):
        measure_event(store, ME, event.id, SITE, PERIOD.start)


def test_measuring_keeps_what_each_delivered(store: Store) -> None:
    event = a_plan(store)
    saver, waster = measure_event(store, ME, event.id, SITE, AFTER)
    assert saver.usage_point == "UP-1"
    assert saver.actual_kwh == Decimal("0.800")
    assert saver.reduction_kwh > Decimal("1.0")
    assert "of 1 kW committed" in saver.note
    assert len(saver.days) == 10
    assert waster.reduction_kwh < 0
    assert waster.payment == 0
    assert store.programs.performances(ME, event=event.id) == [saver, waster]
    kept = store.outlooks.latest(Access("customer", Role.CUSTOMER, frozenset({"UP-1"})), intervals_of(event.id), "UP-1")
    assert kept is not None
    assert kept.body["actual_kwh"] == [0.1] * 8
    assert measure_event(store, ME, event.id, SITE, AFTER) == [saver, waster]


def test_settling_twice_changes_nothing(store: Store) -> None:
    event = a_plan(store)
    statement = settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert statement.event.state is EventState.SETTLED
    assert store.programs.event(ME, event.id).state is EventState.SETTLED
    assert set(statement.problems) == {"UP-3"}
    audited = store.audit.records(ME)
    assert settle_event(store, ME, event.id, site=SITE, now=AFTER + HOUR) == statement
    assert store.audit.records(ME) == audited


def test_readings_that_come_after_the_settlement_do_not_move_it(store: Store) -> None:
    event = a_plan(store)
    statement = settle_event(store, ME, event.id, site=SITE, now=AFTER)
    late = Panel(("UP-1",), PERIOD.start, QUARTER, np.full((1, 8), 5.0))
    store.readings.save(ME, late, known_at=AFTER)
    assert settle_event(store, ME, event.id, site=SITE, now=AFTER) == statement
    assert measure_event(store, ME, event.id, SITE, AFTER) == list(statement.performances)


def test_settling_from_the_same_readings_makes_the_same_statement(store: Store) -> None:
    event = a_plan(store)
    measure_event(store, ME, event.id, SITE, AFTER)
    measured = store.programs.performances(ME, event=event.id)
    assert list(settle_event(store, ME, event.id, site=SITE, now=AFTER + HOUR).performances) == measured


def test_an_event_that_nobody_can_be_measured_in_stays_unsettled(store: Store) -> None:
    event = a_plan(store, targets=("UP-3",))
    with pytest.raises(
        TooLittleData, match=r"nobody in event .* can be measured .*UP-3: there are no interval readings"
    ):
        settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert store.programs.event(ME, event.id).state is not EventState.SETTLED


def test_days_of_other_events_are_not_like_days(store: Store) -> None:
    yesterday = Interval(PERIOD.start - timedelta(days=1), PERIOD.end - timedelta(days=1))
    a_plan(store, period=yesterday, now=yesterday.start)
    event = a_plan(store, now=BEFORE + HOUR * 3)
    saver, _ = measure_event(store, ME, event.id, SITE, AFTER)
    assert date(2025, 2, 25) not in saver.days


def test_who_was_without_power_is_not_paid_for_it(store: Store) -> None:
    event = a_plan(store)
    kinds = ((POWER_OFF, PERIOD.start + HOUR), (POWER_ON, PERIOD.end))
    store.devices.save_events(ME, [EndDeviceEvent("M-1", kind, at, at, "UP-1") for kind, at in kinds])
    statement = settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert [each.usage_point for each in statement.performances] == ["UP-2"]
    assert statement.problems["UP-1"] == "4 of 8 intervals of the event have no measured value"


# --- the bill ---------------------------------------------------------------------------------------------------------


def a_card() -> RateCard:
    return replace(example_card("EUR"), id="village", example=False)


def test_the_payment_is_a_line_of_the_bill_of_its_month(store: Store) -> None:
    event = a_plan(store)
    statement = settle_event(store, ME, event.id, site=SITE, now=AFTER)
    order = BillOrder(("UP-1",), "2025-02")
    run = run_billing(store, ME, order, lambda _: a_card(), SITE, now=AFTER)
    (bill,) = run.bills
    line = bill.lines[-1]
    assert line.charge == f"event {event.id}"
    assert -line.amount == statement.performances[0].payment > 0
    assert bill.total == sum(each.amount for each in bill.lines)
    again = run_billing(store, ME, order, lambda _: a_card(), SITE, now=AFTER + HOUR)
    assert (again.new, again.replaced) == (0, 0)
    store.ledger.issue(ME, bill.id)
    posted = store.ledger.lines(ME, bill.id)
    assert sum(each.amount for each in posted) == 0
    assert {each.account: each.amount for each in posted}["demand_response"] == -line.amount


def test_who_saved_nothing_has_no_line(store: Store) -> None:
    event = a_plan(store)
    settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert event_credits(store, ME, "UP-2", FEBRUARY) == ()
    assert event_credits(store, ME, "UP-3", FEBRUARY) == ()


def test_what_is_only_measured_is_not_yet_paid(store: Store) -> None:
    event = a_plan(store)
    measure_event(store, ME, event.id, SITE, AFTER)
    assert event_credits(store, ME, "UP-1", FEBRUARY) == ()


def issue(store: Store, period: Interval, credits_: tuple[BillLine, ...] = ()) -> Bill:
    line = BillLine("energy", "Energy", Decimal(10), "kWh", Decimal("0.30"), "EUR")
    key = f"{period.start.date()}".ljust(64, "0")
    bill = Bill(f"UP-1-{period.start.date()}-{key[:8]}", key, "UP-1", period, ZONE, "c 1", "EUR", (line,), "u", AFTER)
    bill = with_credits(bill, credits_)
    store.ledger.save_bill(ME, bill, postings(bill))
    store.ledger.issue(ME, bill.id)
    return bill


def test_a_bill_issued_before_the_settlement_leaves_the_payment_to_the_next(store: Store) -> None:
    event = a_plan(store)
    issue(store, FEBRUARY)
    settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert event_credits(store, ME, "UP-1", FEBRUARY) == ()
    (line,) = event_credits(store, ME, "UP-1", MARCH)
    issue(store, MARCH, (line,))
    # The March bill carries it, and carries it again when it is run again; April does not.
    assert event_credits(store, ME, "UP-1", MARCH) == (line,)
    assert event_credits(store, ME, "UP-1", local_month(2025, 4, TZ)) == ()


def test_while_the_month_of_the_event_is_not_issued_no_later_bill_pays(store: Store) -> None:
    event = a_plan(store)
    settle_event(store, ME, event.id, site=SITE, now=AFTER)
    assert len(event_credits(store, ME, "UP-1", FEBRUARY)) == 1
    assert event_credits(store, ME, "UP-1", MARCH) == ()
    assert event_credits(store, ME, "UP-1", local_month(2025, 1, TZ)) == ()


def test_instants_are_utc(store: Store) -> None:
    assert a_plan(store).period.start.tzinfo is UTC

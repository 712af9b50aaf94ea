from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.program import Event, EventState, Performance, Program
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

pytestmark = pytest.mark.servers_in_turn

NOW = datetime(2025, 6, 1, 17, tzinfo=UTC)
PERIOD = Interval(NOW, NOW + timedelta(hours=2))
OFFER = Program("P-1", "Evening peak", "EUR", Decimal("0.5000"))
EVENT = Event("E-1", "P-1", PERIOD, ("UP-3", "UP-1", "UP-2"), signal="less, please", notified=NOW - timedelta(hours=20))
HER = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
DONE = Performance(
    "E-1",
    "UP-1",
    Decimal("4.200"),
    Decimal("3.1"),
    Decimal("0.55"),
    "EUR",
    1.125,
    (date(2025, 5, 30),),
    "10-of-10/1",
    "ab",
    "ok",
)


@pytest.fixture(autouse=True)
def ready(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint(f"UP-{at}") for at in range(1, 5)])
    store.programs.save_program(ME, OFFER)


def test_programs_round_trip_and_change(store: Store) -> None:
    assert not store.programs.save_program(ME, OFFER)
    assert store.programs.program(ME, "P-1") == OFFER
    dearer = replace(OFFER, price_per_kwh=Decimal("0.75"))
    assert store.programs.save_program(ME, dearer)
    other = Program("P-0", "Noon", "EUR", Decimal(1), "5-of-10")
    store.programs.save_program(ME, other)
    assert store.programs.programs(HER) == (other, dearer)
    with pytest.raises(NotFound):
        store.programs.program(ME, "P-9")


def test_events_round_trip_with_targets_in_order(store: Store) -> None:
    assert [store.programs.save_event(ME, EVENT) for _ in range(2)] == [True, False]
    assert store.programs.event(ME, "E-1") == EVENT
    out = replace(EVENT, opted_out=("UP-2", "UP-3"))
    assert store.programs.save_event(ME, out)
    assert store.programs.event(ME, "E-1") == out
    assert store.programs.save_event(ME, replace(EVENT, targets=(), opted_out=()))
    assert store.programs.event(ME, "E-1").targets == ()


def test_an_event_only_goes_on(store: Store) -> None:
    store.programs.save_event(ME, EVENT)
    active = EVENT.to(EventState.ACTIVE)
    settled = active.to(EventState.COMPLETED).to(EventState.SETTLED)
    store.programs.save_event(ME, active)
    with pytest.raises(Conflict, match="cannot become planned"):
        store.programs.save_event(ME, EVENT)
    store.programs.save_event(ME, settled)
    assert not store.programs.save_event(ME, settled)
    with pytest.raises(Conflict, match="stays as it is"):
        store.programs.save_event(ME, replace(settled, opted_out=("UP-1",)))
    with pytest.raises(Conflict, match="cannot become cancelled"):
        store.programs.save_event(ME, replace(settled, state=EventState.CANCELLED))


def test_events_that_cannot_be(store: Store) -> None:
    with pytest.raises(NotFound, match="program 'P-9'"):
        store.programs.save_event(ME, replace(EVENT, program="P-9"))
    with pytest.raises(NotFound, match="UP-9"):
        store.programs.save_event(ME, replace(EVENT, targets=("UP-9",)))
    with pytest.raises(InputError, match="twice"):
        store.programs.save_event(ME, replace(EVENT, targets=("UP-1", "UP-1")))
    with pytest.raises(InputError, match="no target"):
        store.programs.save_event(ME, replace(EVENT, opted_out=("UP-4",)))
    assert store.programs.events(ME) == []
    with pytest.raises(NotFound):
        store.programs.event(ME, "E-1")


def test_finding_events(store: Store) -> None:
    store.programs.save_program(ME, replace(OFFER, id="P-2"))
    for at, targets in enumerate((("UP-1",), ("UP-2",), ("UP-1", "UP-2")), start=1):
        store.programs.save_event(ME, replace(EVENT, id=f"E-{at}", program=f"P-{1 + at % 2}", targets=targets))
    store.programs.save_event(ME, replace(EVENT, id="E-2", targets=("UP-2",), state=EventState.CANCELLED))
    assert [each.id for each in store.programs.events(ME, limit=2)] == ["E-3", "E-2"]
    assert [each.id for each in store.programs.events(ME, point="UP-1")] == ["E-3", "E-1"]
    assert [each.id for each in store.programs.events(ME, program="P-1")] == ["E-2"]
    assert [each.id for each in store.programs.events(ME, states=[EventState.PLANNED])] == ["E-3", "E-1"]


def test_a_customer_sees_themselves_alone(store: Store) -> None:
    store.programs.save_event(ME, replace(EVENT, opted_out=("UP-3",)))
    store.programs.save_event(ME, replace(EVENT, id="E-2", targets=("UP-2",)))
    seen = replace(EVENT, targets=("UP-1",))
    assert store.programs.events(HER) == [seen]
    assert store.programs.event(HER, "E-1") == seen
    with pytest.raises(AccessDenied):
        store.programs.event(HER, "E-2")
    store.programs.save_performances(ME, "E-1", [DONE, replace(DONE, usage_point="UP-2")])
    assert store.programs.performances(HER) == store.programs.performances(HER, event="E-1") == [DONE]
    with pytest.raises(AccessDenied):
        store.programs.performances(HER, point="UP-2")


def test_performances_are_superseded_not_overwritten(store: Store) -> None:
    store.programs.save_event(ME, EVENT)
    both = [DONE, replace(DONE, usage_point="UP-2", payment=Decimal("-0.10"))]
    assert store.programs.save_performances(ME, "E-1", both) == 2
    assert store.programs.save_performances(ME, "E-1", both) == 0
    known = store._session.clock()
    better = replace(DONE, actual_kwh=Decimal("3.0"), payment=Decimal("0.60"))
    assert store.programs.save_performances(ME, "E-1", [better]) == 1
    assert store.programs.performances(ME, event="E-1") == [better, both[1]]
    assert store.programs.performances(ME, event="E-1", as_of=known) == both
    assert store.programs.performances(ME, point="UP-1") == [better]
    with pytest.raises(InputError, match="E-1"):
        store.programs.save_performances(ME, "E-1", [replace(DONE, event="E-2")])
    with pytest.raises(NotFound):
        store.programs.save_performances(ME, "E-9", [])
    assert store.audit.verify(ME) == 5


def test_an_event_for_the_whole_town(store: Store) -> None:
    many = [f"T{at:05d}" for at in range(1500)]
    store.registry.save_points(ME, [UsagePoint(point) for point in many])
    event = replace(EVENT, targets=tuple(reversed(many)), opted_out=tuple(many[:3]))
    assert store.programs.save_event(ME, event)
    assert store.programs.event(ME, "E-1") == event

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, ControlStep, EndDeviceControl
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

pytestmark = pytest.mark.servers_in_turn

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANN, BOB, CAT = (Access(name, Role.OPERATOR) for name in ("ann", "bob", "cat"))
CUSTOMER = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
ASKED = EndDeviceControl(
    "C-1", "M-1", Command.DISCONNECT, "three dunnings", "ann", NOW + 60 * MINUTE, usage_point="UP-1", requested=NOW
)
APPROVED = ASKED.to(ControlState.APPROVED, now=NOW, approved_by="bob")


@pytest.fixture(autouse=True)
def points(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1"), UsagePoint("UP-2")])


def numbered(number: int, **changes: object) -> EndDeviceControl:
    return replace(ASKED, id=f"C-{number}", **changes)  # type: ignore[arg-type]


def test_a_control_is_asked_for_once(store: Store) -> None:
    store.controls.add(ANN, ASKED)
    store.controls.add(ANN, ASKED)
    assert store.controls.control(ANN, "C-1") == ASKED
    assert store.controls.steps(ANN, "C-1") == [ControlStep(ControlState.REQUESTED, NOW, "ann", "three dunnings")]
    with pytest.raises(Conflict, match="something else"):
        store.controls.add(ANN, replace(ASKED, command=Command.RECONNECT))
    with pytest.raises(NotFound, match="C-2"):
        store.controls.control(ANN, "C-2")
    with pytest.raises(NotFound, match="UP-9"):
        store.controls.add(ANN, numbered(2, usage_point="UP-9"))


def test_the_whole_life_step_by_step(store: Store) -> None:
    store.controls.add(ANN, ASKED)
    armed = APPROVED.to(ControlState.ARMED, now=NOW)
    sent = replace(armed.to(ControlState.SENT, now=NOW), attempts=1)
    again = replace(sent, attempts=2)
    done = replace(again.to(ControlState.CONFIRMED, now=NOW), evidence="relay open, 0 W")
    for at, (before, after) in enumerate(
        [(ASKED, APPROVED), (APPROVED, armed), (armed, sent), (sent, again), (again, done)]
    ):
        who = BOB if after is APPROVED else ME
        store.controls.advance(who, before, after, detail=f"step {at}", now=NOW + at * MINUTE)
        assert store.controls.control(ME, "C-1") == after
    steps = store.controls.steps(ME, "C-1")
    assert [str(each.state) for each in steps] == ["requested", "approved", "armed", "sent", "sent", "confirmed"]
    assert steps[1] == ControlStep(ControlState.APPROVED, NOW, "bob", "step 0")
    for after in (sent, replace(done, evidence="other")):
        with pytest.raises(Conflict):
            store.controls.advance(ME, done, after, now=NOW)
    audited = [(each.actor, each.act, each.detail["state"]) for each in store.audit.records(ME, limit=6)][::-1]
    assert audited[:2] == [("ann", "control devices", "requested"), ("bob", "control devices", "approved")]
    assert store.audit.verify(ME) == 7


def test_a_step_from_a_state_that_is_over_is_a_conflict(store: Store) -> None:
    store.controls.add(ANN, ASKED)
    store.controls.advance(BOB, ASKED, APPROVED, now=NOW)
    rejected = ASKED.to(ControlState.FAILED, now=NOW)
    with pytest.raises(Conflict, match="approved"):
        store.controls.advance(CAT, ASKED, rejected, now=NOW)
    assert store.controls.control(ME, "C-1") == APPROVED
    assert len(store.controls.steps(ME, "C-1")) == 2


def test_nobody_asks_or_approves_in_anothers_name(store: Store) -> None:
    with pytest.raises(AccessDenied, match="in the name of ann"):
        store.controls.add(BOB, ASKED)
    store.controls.add(ANN, ASKED)
    with pytest.raises(AccessDenied, match="in the name of bob"):
        store.controls.advance(ANN, ASKED, APPROVED, now=NOW)
    with pytest.raises(Conflict, match="before it was requested"):
        store.controls.add(ANN, replace(APPROVED, id="C-2"))
    with pytest.raises(AccessDenied, match="viewer"):
        store.controls.advance(Access("v", Role.VIEWER), ASKED, APPROVED, now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"end_device": "M-2"},
        {"command": Command.RECONNECT},
        {"expires": NOW + 90 * MINUTE},
        {"requested_by": "cat"},
        {"state": ControlState.ARMED},
        {"usage_point": "UP-2"},
    ],
    ids=str,
)
def test_what_was_asked_for_cannot_be_changed(store: Store, changes: dict[str, object]) -> None:
    store.controls.add(ANN, ASKED)
    with pytest.raises(Conflict):
        store.controls.advance(BOB, ASKED, replace(APPROVED, **changes), now=NOW)  # type: ignore[arg-type]
    assert store.controls.control(ME, "C-1") == ASKED


def test_an_approval_is_not_replaced(store: Store) -> None:
    store.controls.add(ANN, ASKED)
    store.controls.advance(BOB, ASKED, APPROVED, now=NOW)
    armed = replace(APPROVED.to(ControlState.ARMED, now=NOW), approved_by="cat")
    with pytest.raises(Conflict, match="approved by bob"):
        store.controls.advance(CAT, APPROVED, armed, now=NOW)


def test_of_two_approvals_at_once_one_holds(store: Store, again: Callable[[], Store]) -> None:
    store.controls.add(ANN, ASKED)
    barrier, refused = threading.Barrier(2), []

    def approve(access: Access) -> None:
        after = ASKED.to(ControlState.APPROVED, now=NOW, approved_by=access.actor)
        with again() as mine:
            barrier.wait()
            try:
                mine.controls.advance(access, ASKED, after, now=NOW)
            except Conflict:
                refused.append(access.actor)

    threads = [threading.Thread(target=approve, args=[access]) for access in (BOB, CAT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert store.controls.control(ME, "C-1").approved_by == ({"bob", "cat"} - set(refused)).pop()
    assert len(store.controls.steps(ME, "C-1")) == 2
    assert store.audit.verify(ME) == 3


def test_pages_newest_first(store: Store) -> None:
    for number in range(1, 8):
        store.controls.add(ANN, numbered(number, usage_point=f"UP-{1 + number % 2}", end_device=f"M-{number % 3}"))
    ids = [each.id for each in store.controls.find(ME, limit=3)]
    assert ids == ["C-7", "C-6", "C-5"]
    store.controls.add(ANN, numbered(8))
    assert [each.id for each in store.controls.find(ME, limit=3, before=ids[-1])] == ["C-4", "C-3", "C-2"]
    assert [each.id for each in store.controls.find(ME, point="UP-2")] == ["C-7", "C-5", "C-3", "C-1"]
    assert [each.id for each in store.controls.find(ME, device="M-0")] == ["C-6", "C-3"]
    first = numbered(1, usage_point="UP-2", end_device="M-1")
    store.controls.advance(ME, first, first.to(ControlState.FAILED, now=NOW), now=NOW)
    assert [each.id for each in store.controls.find(ME, states=[ControlState.FAILED, ControlState.SENT])] == ["C-1"]
    assert len(store.controls.find(ME, states=[ControlState.REQUESTED])) == 7
    with pytest.raises(NotFound):
        store.controls.find(ME, before="C-99")


def test_a_customer_sees_what_concerns_their_own(store: Store) -> None:
    for number, point in enumerate(("UP-1", "UP-2", ""), start=1):
        store.controls.add(ANN, numbered(number, usage_point=point))
    assert [each.id for each in store.controls.find(CUSTOMER)] == ["C-1"]
    assert store.controls.steps(CUSTOMER, "C-1")
    for ask in (store.controls.control, store.controls.steps):
        for code in ("C-2", "C-3"):
            with pytest.raises(AccessDenied):
                ask(CUSTOMER, code)
    with pytest.raises(AccessDenied):
        store.controls.find(CUSTOMER, point="UP-2")
    with pytest.raises(AccessDenied):
        store.controls.add(
            Access("op", Role.OPERATOR, frozenset({"UP-1"})), numbered(4, usage_point="", requested_by="op")
        )


@pytest.mark.parametrize("change", ["UPDATE control_step SET actor = 'eve'", "DELETE FROM control_step"])
def test_the_database_refuses_to_change_a_step(store: Store, change: str) -> None:
    store.controls.add(ANN, ASKED)
    with pytest.raises(DBAPIError, match="never changed"), store._engine.begin() as connection:
        connection.execute(text(change))

"""The same difference more than once: readings go back and forth, notes and bills are cancelled; the money is right."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import Correction, CorrectionState, NoteKind
from gridwright.domain.errors import Conflict
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade import rerate_bill as rating
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.schema.trust import correction, rerate
from tests.integration.test_cascade import (
    APRIL,
    FLAT_CARD,
    GAP,
    HOME,
    MAY,
    SITE,
    Fatal,
    address,
    again,
    bill,
    killed,
    part,
    store,
    usage,
)
from tests.integration.test_cascade_together import emptied, in_a_process, waits
from tests.remembered import remembered

pytestmark = pytest.mark.servers_in_turn

__all__ = ["address", "emptied", "store"]
OPEN = (CorrectionState.DRAFT, CorrectionState.HELD)
# What the meter says of one day in March: as it was billed, or otherwise.
FACTORS = {"A": 1.0, "B": 1.7, "C": 0.4}
ME = LOCAL_OWNER


def read(store: Store, what: str) -> None:
    store.readings.save(ME, part(usage(), GAP, FACTORS[what]), known_at=MAY)


def billed(store: Store) -> str:
    """Into a store that holds nothing else a March is put that is billed by readings A and issued."""
    return remembered(store, bill_march)


def bill_march(store: Store) -> str:
    """March is billed by readings A and issued."""
    store.registry.save_points(ME, [HOME])
    store.readings.save(ME, usage().slice(69 * 48, 74 * 48), known_at=APRIL)
    (made,) = bill(store, "2025-03", APRIL).bills
    store.ledger.issue(ME, made.id)
    again(store, APRIL)
    return made.id


def opened(store: Store) -> list[Correction]:
    return [each for each in store.corrections.page(ME) if each.state in OPEN]


def standing(store: Store) -> Bill | None:
    """The issued bill of March, None where it was cancelled."""
    found = [each.bill for each in store.ledger.bills(ME) if each.bill.state is BillState.ISSUED]
    assert len(found) <= 1
    return found[0] if found else None


def right(store: Store) -> Decimal:
    """What March comes to by the readings as they are."""
    order = BillOrder(["UP-1"], "2025-03", dry_run=True)
    (made,) = run_billing(store, ME, order, lambda _: FLAT_CARD, SITE, now=MAY).bills
    return made.total


def owed(store: Store) -> Decimal:
    return store.ledger.balances(ME)["receivable", "EUR"]


def faults(store: Store) -> dict[str, tuple[str, ...]]:
    return {each.name: each.first for each in verify_store(store, ME).checks if not each.ok}


def doubts(store: Store) -> int:
    return sum(each.code == "V38_replacement" for each in store.findings.load(ME))


def corrected(store: Store) -> Correction:
    again(store, MAY)
    (note,) = opened(store)
    return note


def test_each_time_the_readings_go_back_and_forth_there_is_a_note_of_its_own(store: Store) -> None:
    billed(store)
    notes = list[Correction]()
    for what in "BABABA":
        read(store, what)
        note = corrected(store)
        # The same cascade again is the same draft.
        read(store, what)
        assert corrected(store) == note
        assert bill(store, "2025-03", MAY).new == 0
        assert opened(store) == [note]
        store.corrections.issue(ME, note.id)
        notes.append(note)
        assert (owed(store), doubts(store), faults(store)) == (right(store), 0, {})
    assert [note.kind for note in notes] == [NoteKind.DEBIT, NoteKind.CREDIT] * 3
    assert {abs(note.total) for note in notes} == {notes[0].total}
    assert len({note.id for note in notes}) == 6
    # The first ones have the ids that they always had.
    assert [note.id for note in notes[2:]] == [f"{note.id}-{turn}" for turn in (2, 3) for note in notes[:2]]
    assert [note.number for note in store.corrections.page(ME)] == [1, 1, 2, 2, 3, 3]
    store.audit.verify(ME)


def test_a_cancelled_note_is_drafted_anew(store: Store) -> None:
    billed(store)
    before = owed(store)
    read(store, "B")
    first = corrected(store)
    for turn in (2, 3):
        last = opened(store)[0]
        assert store.corrections.cancel(ME, last.id)
        assert (opened(store), len(store.rerates.pending(ME))) == ([], 1)
        with pytest.raises(Conflict, match="is cancelled") as refused:
            store.corrections.issue(ME, last.id)
        assert "gridwright bill correct makes it anew" in refused.value.remedy
        note = corrected(store)
        assert (note.id, note.total) == (f"{first.id}-{turn}", first.total)
    # One that was issued and is reversed comes again, too; and nothing waits once it is there.
    store.corrections.issue(ME, f"{first.id}-3")
    assert store.corrections.cancel(ME, f"{first.id}-3")
    assert owed(store) == before
    assert bill(store, "2025-03", MAY).new == 0
    assert corrected(store).id == f"{first.id}-4"
    store.corrections.issue(ME, f"{first.id}-4")
    assert (owed(store), store.rerates.pending(ME), again(store, MAY).bills) == (right(store), [], 0)
    assert faults(store) == {}


def test_a_note_that_is_cancelled_takes_a_draft_that_starts_from_it_along(store: Store) -> None:
    billed(store)
    read(store, "B")
    store.corrections.issue(ME, corrected(store).id)
    issued = store.corrections.page(ME)[0]
    read(store, "C")
    stale = corrected(store)
    assert store.corrections.cancel(ME, issued.id)
    with pytest.raises(Conflict, match="starts from what is not billed any more"):
        store.corrections.issue(ME, stale.id)
    note = corrected(store)
    assert (note.base_key, store.corrections.correction(ME, stale.id).state) == (
        issued.base_key,
        CorrectionState.REPLACED,
    )
    with pytest.raises(Conflict, match="starts from what is not billed any more"):
        store.corrections.save(ME, stale)
    store.corrections.issue(ME, note.id)
    assert (owed(store), faults(store)) == (right(store), {})


def test_a_bill_that_was_issued_and_cancelled_is_billed_again(store: Store) -> None:
    first = billed(store)
    read(store, "B")
    corrected(store)
    read(store, "A")
    again(store, MAY)
    for turn in (2, 3):
        last = standing(store)
        assert last is not None
        assert store.ledger.cancel(ME, last.id) == turn - 1
        run = bill(store, "2025-03", MAY)
        assert ([each.id for each in run.bills], run.new, run.same) == ([f"{first}-{turn}"], 1, 0)
        again(store, MAY)
        run = bill(store, "2025-03", MAY)
        assert ([each.id for each in run.bills], run.new, run.same) == ([f"{first}-{turn}"], 0, 1)
        assert store.ledger.issue(ME, f"{first}-{turn}") == turn
        assert {line.document for line in store.ledger.lines(ME, f"{first}-{turn}")} == {f"{first}-{turn}"}
    assert (owed(store), doubts(store), faults(store)) == (right(store), 0, {})
    # Notes to the bill of a later turn are its own, though the step is that of an earlier one's.
    read(store, "B")
    note = corrected(store)
    assert note.bill == f"{first}-3"
    store.corrections.issue(ME, note.id)
    assert (owed(store), faults(store)) == (right(store), {})


def test_a_draft_whose_readings_go_back_and_forth_is_a_draft_each_time(store: Store) -> None:
    first = billed(store)
    store.ledger.cancel(ME, first)
    assert bill(store, "2025-03", MAY).bills[0].id == f"{first}-2"
    for turn, what in ((1, "B"), (3, "A"), (2, "B"), (4, "A")):
        read(store, what)
        done = again(store, MAY)
        assert (done.changes > 0, done.drafts, done.notes) == (True, 1, [])
        (draft,) = [each.bill for each in store.ledger.bills(ME) if each.bill.state is BillState.DRAFT]
        assert draft.total == right(store)
        assert draft.id.endswith("" if turn == 1 else f"-{turn}")
        assert (again(store, MAY).bills, bill(store, "2025-03", MAY).same) == (0, 1)
    assert [each.bill.id for each in store.ledger.bills(ME) if each.bill.state is BillState.DRAFT] == [f"{first}-4"]


def test_a_period_that_cuts_an_issued_month_is_no_draft_as_before(store: Store) -> None:
    first = billed(store)
    run = bill(store, "2025-03-12/2025-03-13", MAY)
    assert (run.bills, run.new, run.same, run.issued) == ([], 0, 0, 1)
    (told,) = run.notes
    assert f"bill {first} is issued for" in told
    assert [each.bill.id for each in store.ledger.bills(ME)] == [first]
    # Of the same period the issued bill itself is told, and the note in which it differs.
    read(store, "B")
    run = bill(store, "2025-03", MAY)
    assert ([each.id for each in run.bills], run.new, run.same, run.issued) == ([first], 0, 0, 1)
    assert (opened(store)[0].id in run.notes[0], doubts(store)) == (True, 1)


def second_time(store: Store) -> None:
    """A difference that has had its note before waits to be drafted."""
    billed(store)
    for what in "BA":
        read(store, what)
        store.corrections.issue(ME, corrected(store).id)
    read(store, "B")


def ended(store: Store) -> list[tuple[str, str, Decimal]]:
    return [(each.id, str(each.state), each.total) for each in store.corrections.page(ME)]


@cache
def undisturbed() -> list[tuple[str, str, Decimal]]:
    with open_store("sqlite://") as calm:
        second_time(calm)
        again(calm, MAY)
        assert [state for _, state, _ in ended(calm)] == ["issued", "issued", "draft"]
        return ended(calm)


def test_several_at_once_draft_it_once(address: str) -> None:
    with open_store(address) as store:
        second_time(store)

    def work() -> None:
        with open_store(address) as mine:
            again(mine, MAY)

    children = [in_a_process(work) for _ in range(2)]
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    with open_store(address) as store:
        again(store, MAY)
        assert ended(store) == undisturbed()


@pytest.mark.parametrize("fatal", [Fatal("corrections", "save"), Fatal("rerates", "clear")], ids=lambda it: it.method)
def test_killed_meanwhile_it_goes_on_to_the_same_end(address: str, fatal: Fatal) -> None:
    with open_store(address) as store:
        second_time(store)
    killed(address, fatal, lambda mine: again(mine, MAY))
    with open_store(address) as store:
        again(store, MAY)
        assert (ended(store), faults(store)) == (undisturbed(), {})


def test_who_issues_a_draft_while_its_bill_is_rated_waits_and_finds_it_replaced(
    emptied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others, refused = rating.reason_of, list[Thread](), list[str]()

    def issue(code: str) -> None:
        with open_store(emptied) as theirs:
            try:
                theirs.corrections.issue(ME, code)
            except Conflict as error:
                refused.append(str(error))

    def slow(store: Store, *given: object) -> object:
        if not others:
            others.append(Thread(target=issue, args=(old.id,)))
            others[0].start()
            while others[0].is_alive() and not waits(store):
                time.sleep(0.01)
        return real(store, *given)  # type: ignore[arg-type]

    with open_store(emptied) as store:
        billed(store)
        read(store, "B")
        old = corrected(store)
        read(store, "C")
        monkeypatch.setattr(rating, "reason_of", slow)
        note = corrected(store)
        others[0].join()
        assert ["is replaced" in each for each in refused] == [True]
        store.corrections.issue(ME, note.id)
        assert (owed(store), faults(store)) == (right(store), {})


# --- what verify sees -------------------------------------------------------------------------------------------------


def test_verify_names_a_note_that_was_never_drafted_and_a_draft_that_is_out_of_date(store: Store) -> None:
    billed(store)
    read(store, "B")
    note = corrected(store)
    assert store.corrections.cancel(ME, note.id)
    with store._session.writing() as unit:
        unit.connection.execute(delete(rerate))
    assert "no correction is open" in faults(store)["corrected bills"][0]
    # A billing run drafts what is missing.
    bill(store, "2025-03", MAY)
    assert (opened(store)[0].id, faults(store)) == (f"{note.id}-2", {})
    store.corrections.issue(ME, f"{note.id}-2")
    read(store, "C")
    stale = corrected(store)
    assert store.corrections.cancel(ME, f"{note.id}-2")
    assert faults(store) == {}  # its bill waits
    with store._session.writing() as unit:
        unit.connection.execute(delete(rerate))
    assert stale.id in faults(store)["notes"][0]


def test_verify_names_notes_that_do_not_follow_one_another(store: Store) -> None:
    billed(store)
    for what in "BC":
        read(store, what)
        store.corrections.issue(ME, corrected(store).id)
    first, second = store.corrections.page(ME)
    with store._session.writing() as unit:
        unit.connection.execute(update(correction).where(correction.c.code == first.id).values(state="cancelled"))
    assert [second.id in text for text in faults(store)["notes"]] == [True]


# --- any story --------------------------------------------------------------------------------------------------------


def issue_note(store: Store) -> None:
    for note in opened(store):
        with suppress(Conflict):  # it started from a note that was cancelled since
            store.corrections.issue(ME, note.id)


def cancel_draft(store: Store) -> None:
    for note in opened(store):
        store.corrections.cancel(ME, note.id)


def cancel_note(store: Store) -> None:
    for note in [each for each in store.corrections.page(ME) if each.state is CorrectionState.ISSUED][-1:]:
        store.corrections.cancel(ME, note.id)


def cancel_bill(store: Store) -> None:
    there = standing(store)
    if there is not None and not any(each.state is CorrectionState.ISSUED for each in store.corrections.page(ME)):
        store.ledger.cancel(ME, there.id)


def bill_again(store: Store) -> None:
    bill(store, "2025-03", MAY)
    for each in store.ledger.bills(ME):
        if each.bill.state is BillState.DRAFT:
            store.ledger.issue(ME, each.bill.id)


def cascade(store: Store) -> None:
    again(store, MAY)


ACTS: dict[str, Callable[[Store], None]] = {
    **{what: (lambda store, what=what: read(store, what)) for what in FACTORS},  # type: ignore[misc]
    "correct": cascade,
    "bill run, issue": bill_again,
    "issue note": issue_note,
    "cancel draft": cancel_draft,
    "cancel note": cancel_note,
    "cancel bill": cancel_bill,
}
STORY = st.lists(st.sampled_from([*ACTS, "correct", "correct", "issue note", "A", "B"]), max_size=14)


@settings(max_examples=40 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 12)
@given(STORY)
def test_whatever_happened_corrected_and_issued_the_money_is_that_of_the_readings(story: list[str]) -> None:
    moments = (datetime(2025, 5, 3, tzinfo=UTC) + timedelta(seconds=at) for at in range(100_000))
    with open_store("sqlite://", clock=lambda: next(moments)) as store:
        bill_march(store)
        for act in story:
            ACTS[act](store)
            assert len(opened(store)) <= 1
            assert faults(store) == {}
        again(store, MAY)
        bill_again(store)
        again(store, MAY)
        issue_note(store)
        assert owed(store) == right(store)
        there = standing(store)
        assert there is not None
        notes = [each for each in store.corrections.of_bill(ME, there.id) if each.state is CorrectionState.ISSUED]
        assert there.total + sum((each.total for each in notes), Decimal(0)) == owed(store)
        before = ended(store)
        done = again(store, MAY)
        assert (done.bills, ended(store), opened(store), doubts(store)) == (0, before, [], 0)
        assert faults(store) == {}
        assert store.audit.verify(ME)


def test_a_biller_may_do_all_of_it(store: Store) -> None:
    billed(store)
    carla = Access("carla", Role.BILLER)
    read(store, "B")
    run = run_billing(store, carla, BillOrder(["UP-1"], "2025-03"), lambda _: FLAT_CARD, SITE, now=MAY)
    assert (run.issued, doubts(store)) == (1, 1)
    (note,) = opened(store)
    assert store.corrections.cancel(carla, note.id)
    run_billing(store, carla, BillOrder(["UP-1"], "2025-03"), lambda _: FLAT_CARD, SITE, now=MAY)
    (note,) = opened(store)
    store.corrections.issue(carla, note.id)
    assert owed(store) == right(store)


def test_the_same_energy_on_other_days_is_no_note(store: Store) -> None:
    """A flat price: what moves within the month changes no line, and no note is missing."""
    billed(store)
    moved = part(usage(), GAP)
    values = np.roll(moved.values, 7, axis=1)
    store.readings.save(ME, moved.with_values(values), known_at=MAY)
    again(store, MAY)
    assert (opened(store), owed(store), faults(store)) == ([], right(store), {})

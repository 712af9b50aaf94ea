"""From a late reading to a credit note: every step once, run again nothing, killed and gone on with, the same end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.billing import parse_rate_card
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.bill import BillState
from gridwright.domain.calendar import day_number
from gridwright.domain.correction import CorrectionState, NoteKind
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.image import Image
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel, default_quality
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, Rerated, rerate
from gridwright.jobs.cascade.rerate_bill import CorrectionPolicy
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.remembered import remembered

HALF = timedelta(minutes=30)
pytestmark = pytest.mark.few_on_servers(0)
ON_SERVERS = pytest.mark.few_on_servers(1)
START = datetime(2024, 12, 31, 23, tzinfo=UTC)  # midnight in Berlin
DAYS = 90  # January to March; the clock goes forward on 30 March
SLOTS = DAYS * 48 - 2
APRIL, MAY = datetime(2025, 4, 2, tzinfo=UTC), datetime(2025, 5, 2, tzinfo=UTC)
SITE = SiteDefaults()
HOME = UsagePoint("UP-1", "Europe/Berlin", capacity_kw=17.0)
# One day in March, away from its edges.
GAP = slice(71 * 48, 72 * 48)
FLAT = """
[tariff]
id = "flat"
version = 1
currency = "EUR"
tz = "Europe/Berlin"

[[charges]]
id = "energy"
label = "Energy"
price = { rate = 0.30 }

[[charges]]
id = "standing"
label = "Standing charge"
quantity = { reduce = "one" }
price = { rate = 10.00 }

[[taxes]]
code = "vat"
label = "VAT"
rate = 0.19
base = ["energy", "standing"]
"""
YEARLY = """
[tariff]
id = "ladder"
version = 1
currency = "EUR"
tz = "Europe/Berlin"

[[charges]]
id = "energy"
label = "Energy"

[charges.price]
mode = "graduated"
reset = "year"
blocks = [{ upto = 700, rate = 0.20 }, { rate = 0.40 }]
"""
CARDS = {card.reference: card for card in (parse_rate_card(text, where="a test") for text in (FLAT, YEARLY))}
FLAT_CARD, LADDER = CARDS["flat@1"], CARDS["ladder@1"]


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return emptied(str(request.getfixturevalue("postgres_url")))


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """An open store that knows one home."""
    with open_store(address) as opened:
        opened.registry.save_points(LOCAL_OWNER, [HOME])
        yield opened


def usage() -> Panel:
    """Three months of half-hours, about 10 kWh a day, with the ups and downs of a home."""
    draw = np.random.default_rng(5)
    slots = np.arange(SLOTS)
    wave = 220 + 90 * np.sin(2 * np.pi * (slots % 48) / 48) + draw.normal(0, 25, SLOTS)
    return Panel(("UP-1",), START, HALF, np.rint(np.maximum(wave, 20))[None, :])


def without(panel: Panel, gap: slice) -> Panel:
    values = panel.values.copy()
    values[:, gap] = np.nan
    return panel.with_values(values, default_quality(values))


def part(panel: Panel, cells: slice, factor: float = 1.0) -> Panel:
    some = panel.slice(cells.start, cells.stop)
    return some.with_values(np.rint(some.values * factor))


def bill(store: Store, period: str, now: datetime, card: RateCard | None = None) -> BillRun:
    return run_billing(store, LOCAL_OWNER, BillOrder(["UP-1"], period), lambda _: card or FLAT_CARD, SITE, now=now)


def again(store: Store, now: datetime, *, policy: CorrectionPolicy | None = None, dry_run: bool = False) -> Rerated:
    """The whole cascade, as the worker runs it."""
    if not dry_run:
        correct(store, LOCAL_OWNER, SITE, now=now)
    pricing = Pricing(lambda _, name: CARDS[name], SITE, policy or CorrectionPolicy())
    return rerate(store, LOCAL_OWNER, pricing, now=now, dry_run=dry_run)


def issued_march(store: Store) -> str:
    """March of a home of which nothing else is known is billed, as `bill_march` does."""
    return remembered(store, bill_march)


def bill_march(store: Store) -> str:
    """March is billed with a day estimated, and issued."""
    store.readings.save(LOCAL_OWNER, without(usage(), GAP), known_at=APRIL)
    (made,) = bill(store, "2025-03", APRIL).bills
    assert made.estimated == 48
    store.ledger.issue(LOCAL_OWNER, made.id)
    again(store, APRIL)
    return made.id


def state_of(store: Store) -> tuple[object, ...]:
    """Everything that a second run must leave as it is."""
    final = store.readings.load(LOCAL_OWNER, "UP-1", usage().period, interval=HALF, image=Image.FINAL)
    corrections = [(c.id, c.state, c.total, c.number) for c in store.corrections.page(LOCAL_OWNER)]
    bills = [(b.bill.id, b.bill.state, b.bill.total, b.number) for b in store.ledger.bills(LOCAL_OWNER)]
    days = store.day_totals.load(LOCAL_OWNER, ["UP-1"], range(day_number(START.date()), day_number(MAY.date())))
    ledger = [(line.document, line.account, line.amount) for line in store.ledger.lines(LOCAL_OWNER)]
    arrays = (final.values.tobytes(), final.quality.tobytes(), days.total.tobytes(), days.estimated.tobytes())
    waiting = (store.dirty.ranges(LOCAL_OWNER), store.rerates.pending(LOCAL_OWNER))
    return (arrays, corrections, bills, ledger, [len(some) for some in waiting])


def balanced(store: Store) -> None:
    assert set(store.ledger.balances(LOCAL_OWNER).values()) <= {Decimal(0)} or sum(
        store.ledger.balances(LOCAL_OWNER).values()
    ) == Decimal(0)


@ON_SERVERS
def test_a_late_reading_becomes_a_note_and_the_second_time_nothing_happens(store: Store) -> None:
    march = issued_march(store)
    billed = store.ledger.bill(LOCAL_OWNER, march).bill
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    done = again(store, MAY)
    (note,) = done.corrections
    assert (done.new, note.kind, note.state) == (1, NoteKind.CREDIT, CorrectionState.DRAFT)
    assert (note.reason.replaced, [day.day.isoformat() for day in note.reason.days]) == (48, ["2025-03-13"])
    assert note.reason.days[0].now_kwh == Decimal(int(part(usage(), GAP, 0.4).values.sum())) / 1000
    energy, standing, tax = note.lines
    assert (standing.differs, energy.differs, tax.differs) == (False, True, True)
    assert energy.billed.quantity - energy.now.quantity == -note.energy_kwh
    assert note.total == note.now.total - billed.total == energy.difference + tax.difference
    before, records = state_of(store), len(store.audit.records(LOCAL_OWNER))
    assert again(store, MAY + timedelta(days=1)).new == 0
    assert bill(store, "2025-03", MAY + timedelta(days=1)).new == 0
    assert state_of(store) == before
    assert len(store.audit.records(LOCAL_OWNER)) == records
    assert store.audit.verify(LOCAL_OWNER) == records
    chain = [record for record in store.audit.records(LOCAL_OWNER) if record.detail.get("cascade") == note.cascade]
    assert {record.subject for record in chain} >= {"UP-1", note.id}


@ON_SERVERS
def test_notes_have_numbers_of_their_own_and_post_the_difference(store: Store) -> None:
    march = issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    (less,) = again(store, MAY).corrections
    assert store.corrections.issue(LOCAL_OWNER, less.id) == store.corrections.issue(LOCAL_OWNER, less.id) == 1
    posted = {line.account: line.amount for line in store.ledger.lines(LOCAL_OWNER, less.id)}
    assert posted["receivable"] == less.total < 0
    # The second correction starts from the bill as the first one left it.
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.9), known_at=MAY + HALF)
    (more,) = again(store, MAY + HALF).corrections
    assert (more.kind, more.base_key) == (NoteKind.DEBIT, less.now.key)
    assert more.lines[0].billed.quantity == less.lines[0].now.quantity
    assert store.corrections.issue(LOCAL_OWNER, more.id) == 1
    with pytest.raises(Conflict, match="followed by"):
        store.corrections.cancel(LOCAL_OWNER, less.id)
    with pytest.raises(Conflict, match="corrected by"):
        store.ledger.cancel(LOCAL_OWNER, march)
    balanced(store)
    owed = store.ledger.balances(LOCAL_OWNER)["receivable", "EUR"]
    assert owed == more.now.total
    assert store.corrections.cancel(LOCAL_OWNER, more.id)
    assert store.corrections.cancel(LOCAL_OWNER, less.id)
    assert store.ledger.cancel(LOCAL_OWNER, march) == 2
    assert store.ledger.balances(LOCAL_OWNER)["receivable", "EUR"] == 0


@ON_SERVERS
def test_a_draft_that_is_overtaken_is_replaced_and_one_without_reason_goes(store: Store) -> None:
    issued_march(store)
    estimated = store.readings.load(LOCAL_OWNER, "UP-1", part(usage(), GAP).period, image=Image.FINAL)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    (first,) = again(store, MAY).corrections
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.5), known_at=MAY + HALF)
    (second,) = again(store, MAY + HALF).corrections
    assert [each.id for each in store.corrections.page(LOCAL_OWNER)] == [second.id]
    assert store.corrections.correction(LOCAL_OWNER, first.id).state is CorrectionState.REPLACED
    with pytest.raises(Conflict, match="replaced"):
        store.corrections.issue(LOCAL_OWNER, first.id)
    # What the meter sends at last is what was estimated and billed.
    store.readings.save(
        LOCAL_OWNER, estimated.with_values(estimated.values, np.zeros((1, 48), np.uint8)), known_at=MAY + 2 * HALF
    )
    done = again(store, MAY + 2 * HALF)
    assert (done.corrections, done.replaced) == ([], 1)
    assert store.corrections.page(LOCAL_OWNER) == []
    # And once more the other way: the draft that was put aside is open again.
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.5), known_at=MAY + 3 * HALF)
    assert again(store, MAY + 3 * HALF).corrections[0].state is CorrectionState.DRAFT
    assert [each.id for each in store.corrections.page(LOCAL_OWNER)] == [second.id]


def test_what_is_too_small_for_a_note_is_held_back_and_visible(store: Store) -> None:
    issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.9), known_at=MAY)
    patient = CorrectionPolicy(least_money=Decimal(50))
    (held,) = again(store, MAY, policy=patient).corrections
    assert held.state is CorrectionState.HELD
    assert [each.state for each in store.corrections.page(LOCAL_OWNER)] == [CorrectionState.HELD]
    energy = CorrectionPolicy(least_money=Decimal(50), least_share=Decimal("0.0001"))
    assert energy.is_worth(held, Decimal(300))


def test_a_trial_keeps_nothing(store: Store) -> None:
    issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    correct(store, LOCAL_OWNER, SITE, now=MAY)
    before = state_of(store)
    (note,) = again(store, MAY, dry_run=True).corrections
    assert note.total < 0
    assert state_of(store) == before


def test_a_draft_bill_is_made_anew(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, without(usage(), GAP), known_at=APRIL)
    (old,) = bill(store, "2025-03", APRIL).bills
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    assert again(store, MAY).drafts == 1
    states = {each.bill.id: each.bill.state for each in store.ledger.bills(LOCAL_OWNER)}
    assert states.pop(old.id) is BillState.CANCELLED
    assert list(states.values()) == [BillState.DRAFT]


def test_a_ladder_of_the_year_carries_a_change_into_later_months(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    bills = [bill(store, month, APRIL, LADDER).bills[0] for month in ("2025-01", "2025-02", "2025-03")]
    for each in bills:
        store.ledger.issue(LOCAL_OWNER, each.id)
    # Together as if they were billed at once: the ladder went on from February.
    whole = bill(store, "", APRIL, LADDER).bills
    assert [each.key for each in whole] == [each.key for each in bills]
    february = slice(40 * 48, 41 * 48)
    store.readings.save(LOCAL_OWNER, part(usage(), february, 0.5), known_at=MAY)
    done = again(store, MAY)
    assert [(note.bill, note.kind) for note in done.corrections] == [
        (bills[1].id, NoteKind.CREDIT),
        (bills[2].id, NoteKind.CREDIT),
    ]
    # A kilowatt-hour saved in February is one of the dear ones of March.
    assert done.corrections[1].now.energy_kwh == bills[2].energy_kwh


@ON_SERVERS
def test_bills_readings_and_totals_as_known_on_a_day(store: Store) -> None:
    march = issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    (note,) = again(store, MAY).corrections
    store.corrections.issue(LOCAL_OWNER, note.id)
    assert store.corrections.of_bill(LOCAL_OWNER, march, as_of=APRIL) == []
    assert (
        store.ledger.bill(LOCAL_OWNER, march, as_of=APRIL).bill.total
        == store.ledger.bill(LOCAL_OWNER, march).bill.total
    )
    (known,) = store.corrections.of_bill(LOCAL_OWNER, march, as_of=MAY)
    assert known.state is CorrectionState.DRAFT  # it was issued later than that
    day = part(usage(), GAP)
    then = store.readings.load(LOCAL_OWNER, "UP-1", day.period, image=Image.FINAL, as_of=APRIL)
    now = store.readings.load(LOCAL_OWNER, "UP-1", day.period, image=Image.FINAL)
    assert set(q.status_of(then.quality).ravel()) == {q.Status.ESTIMATED}
    np.testing.assert_array_equal(now.values, part(usage(), GAP, 0.4).values)


def test_a_biller_may_run_bills_and_the_cascade_acts_on_her_behalf(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    carla = Access("carla", Role.BILLER)
    run = run_billing(store, carla, BillOrder(["UP-1"], "2025-03"), lambda _: FLAT_CARD, SITE, now=APRIL)
    assert (run.new, run.notes) == (1, [])
    assert {record.actor for record in store.audit.records(LOCAL_OWNER)[:2]} <= {"carla", "gridwright for carla"}


def test_a_bill_whose_card_is_gone_stops_no_other_and_its_change_waits(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    bill(store, "2025-02", APRIL)
    march = bill(store, "2025-03", APRIL, LADDER).bills[0]
    february = slice(40 * 48, 41 * 48)
    store.readings.save(LOCAL_OWNER, part(usage(), february, 0.4), known_at=MAY)

    def only_flat(point: UsagePoint, reference: str) -> RateCard:
        if reference != FLAT_CARD.reference:
            raise NotFound(f"rate card {reference} is not there", where=point.id)
        return FLAT_CARD

    correct(store, LOCAL_OWNER, SITE, now=MAY)
    done = rerate(store, LOCAL_OWNER, Pricing(only_flat, SITE), now=MAY)
    assert (done.drafts, done.changes) == (1, 0)
    assert [march.id in note and "ladder@1" in note for note in done.notes] == [True]
    assert store.rerates.pending(LOCAL_OWNER)
    later = again(store, MAY)
    assert (later.drafts, later.notes, store.rerates.pending(LOCAL_OWNER)) == (1, [], [])


@ON_SERVERS
def test_a_draft_that_was_issued_meanwhile_is_not_cancelled_as_a_draft(store: Store) -> None:
    march = issued_march(store)
    with pytest.raises(Conflict, match="is issued by now"):
        store.ledger.cancel(LOCAL_OWNER, march, only=BillState.DRAFT)
    assert store.ledger.bill(LOCAL_OWNER, march).credit_number is None


@ON_SERVERS
def test_the_first_hours_of_a_month_come_back_from_the_archive_before_it_is_billed_again(
    store: Store, tmp_path: Path
) -> None:
    march = issued_march(store)
    archive_months(store, LOCAL_OWNER, str(tmp_path), before=parse_month("2025-03"), drop_before=parse_month("2025-03"))
    carla = Access("carla", Role.BILLER)
    run = run_billing(store, carla, BillOrder(["UP-1"], "2025-03"), lambda _: FLAT_CARD, SITE, now=MAY)
    assert (run.new, store.corrections.page(LOCAL_OWNER)) == (0, [])
    assert run.notes == ["brought back from the archive: 2025-02"]
    assert store.ledger.bill(LOCAL_OWNER, march).bill.state is BillState.ISSUED
    # A bill before a late reading looks at what the archive holds of its month, too.
    archive_months(store, LOCAL_OWNER, str(tmp_path), before=parse_month("2025-04"), drop_before=parse_month("2025-04"))
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    late = run_billing(store, carla, BillOrder(["UP-1"], "2025-03"), lambda _: FLAT_CARD, SITE, now=MAY)
    (note,) = store.corrections.page(LOCAL_OWNER)
    assert [day.day.isoformat() for day in note.reason.days] == ["2025-03-13"]
    assert len(late.notes) == 1


def test_a_customer_sees_notes_not_their_drafts(store: Store) -> None:
    march = issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    (note,) = again(store, MAY).corrections
    dora = Access("dora", Role.CUSTOMER, frozenset({"UP-1"}))
    assert (store.corrections.page(dora), store.corrections.of_bill(dora, march)) == ([], [])
    with pytest.raises(AccessDenied, match="draft"):
        store.corrections.correction(dora, note.id)
    store.corrections.issue(LOCAL_OWNER, note.id)
    assert [each.number for each in store.corrections.page(dora)] == [1]
    assert store.corrections.correction(dora, note.id) == store.corrections.of_bill(dora, march)[0]


# --- killed in the middle ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fatal:
    """Where a process dies: when it enters the n-th call of a method of the store."""

    part: str
    method: str
    call: int = 1

    def arm(self, store: Store) -> None:
        held, calls = getattr(store, self.part), iter(range(1, 1000))
        real: Callable[..., object] = getattr(held, self.method)

        def deadly(*positional: object, **named: object) -> object:
            if next(calls) == self.call:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*positional, **named)

        setattr(held, self.method, deadly)


FATAL = [
    Fatal("dirty", "clear"),
    Fatal("findings", "save"),
    Fatal("readings", "save"),
    Fatal("day_totals", "save"),
    Fatal("rerates", "add"),
    Fatal("rerates", "pending"),
    Fatal("rerates", "claim"),
    Fatal("corrections", "save"),
    Fatal("rerates", "clear"),
]


def killed(address: str, fatal: Fatal, work: Callable[[Store], object]) -> None:
    """Let a process of its own do the work, and die at it."""
    child = os.fork()
    if child == 0:  # pragma: no cover - this process is killed
        try:
            with open_store(address) as mine:
                fatal.arm(mine)
                work(mine)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it did not come to {fatal}"


def change_late(store: Store) -> None:
    """What an issued bill rests on changes: nothing of it has been carried through yet."""
    store.registry.save_points(LOCAL_OWNER, [HOME])
    issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)


@cache
def undisturbed() -> tuple[object, ...]:
    """Return the end that such a change comes to where nobody dies: the same for all."""
    with open_store("sqlite://") as calm:
        change_late(calm)
        again(calm, MAY)
        return state_of(calm)


@pytest.mark.few_on_servers(3)
@pytest.mark.parametrize("fatal", FATAL, ids=lambda each: f"{each.part}.{each.method}")
def test_a_cascade_that_is_killed_goes_on_to_the_same_end(address: str, fatal: Fatal) -> None:
    with open_store(address) as store:
        change_late(store)
    killed(address, fatal, lambda mine: again(mine, MAY))
    with open_store(address) as store:
        again(store, MAY)
        assert state_of(store) == undisturbed()
        store.audit.verify(LOCAL_OWNER)


# --- in any order -----------------------------------------------------------------------------------------------------


def short() -> Panel:
    """Twenty days from 1 March; a gap that no order of arrival fills."""
    return without(usage(), slice(66 * 48 + 9, 66 * 48 + 20)).slice(59 * 48, 79 * 48)


@settings(max_examples=12 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 4)
@given(st.permutations(range(10)), st.sets(st.integers(0, 9)), st.booleans())
@ON_SERVERS
def test_readings_in_any_order_and_batching_end_in_the_same_money(
    order: list[int], runs: set[int], twice: bool
) -> None:
    panel = short()
    pieces = [panel.slice(at * 96, at * 96 + 96) for at in range(10)]
    with open_store("sqlite://") as at_once, open_store("sqlite://") as bit_by_bit:
        for store in (at_once, bit_by_bit):
            store.registry.save_points(LOCAL_OWNER, [HOME])
        at_once.readings.save(LOCAL_OWNER, panel, known_at=APRIL)
        for step, piece in enumerate(order):
            bit_by_bit.readings.save(LOCAL_OWNER, pieces[piece], known_at=APRIL)
            if twice:
                bit_by_bit.readings.save(LOCAL_OWNER, pieces[order[0]], known_at=APRIL)
            if step in runs:
                again(bit_by_bit, APRIL)
        bills = [bill(store, "2025-03", APRIL).bills[0] for store in (at_once, bit_by_bit)]
        assert state_of(at_once)[0] == state_of(bit_by_bit)[0]
        assert (bills[0].key, bills[0].total) == (bills[1].key, bills[1].total)

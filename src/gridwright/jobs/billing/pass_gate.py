"""Bills and notes before the gate: what withholds them, and their issue where nothing does, or in spite of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gridwright.billing.gate import bears_on_bills, obstacles_to, packaged_gate
from gridwright.domain.access import Access, Act
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.obstacle import BillGate, Obstacle
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity
from gridwright.jobs.billing.bill_seams import require_fit
from gridwright.store import Store
from gridwright.store.findings import StoredFinding

Doubts = Mapping[str, Sequence[StoredFinding]]
NAMED = 20  # obstacles that the audit record tells
OPEN = (CorrectionState.DRAFT, CorrectionState.HELD)


def open_doubts(store: Store, access: Access, gate: BillGate, points: Sequence[str], period: Interval) -> Doubts:
    """Return the open findings that may withhold bills of a period, by usage point."""
    if not gate.rules:
        return {}
    found: dict[str, list[StoredFinding]] = {}
    several = store.findings.open_of(access, points, tuple(gate.rules), period, only=bears_on_bills)
    for each in of_what_is_billed(store, access, several):
        found.setdefault(each.finding.usage_point, []).append(each)
    return found


def of_what_is_billed(store: Store, access: Access, found: Sequence[StoredFinding]) -> list[StoredFinding]:
    """Leave out doubts about the power of usage points whose energy is read too: their bills rest on that alone."""
    power = {each.finding.usage_point for each in found if each.finding.reading_type.quantity is Quantity.POWER}
    extents = store.readings.extents(access, sorted(power)) if power else ()
    metered = {each.usage_point for each in extents if each.reading_type.finer(0) == DELIVERED_ENERGY}
    beside = power & metered
    return [
        each
        for each in found
        if each.finding.usage_point not in beside or each.finding.reading_type.quantity is not Quantity.POWER
    ]


def obstacles_in(gate: BillGate, bill: Bill, doubts: Iterable[StoredFinding]) -> tuple[Obstacle, ...]:
    """Return what withholds a bill, of the findings at hand."""
    return obstacles_to(gate, bill, [(each.id, each.finding) for each in doubts])


def obstacles_of(store: Store, access: Access, bill: Bill, gate: BillGate | None = None) -> tuple[Obstacle, ...]:
    """Return what withholds a bill as it stands: nothing where it is no draft, or nobody would owe it."""
    if bill.state is not BillState.DRAFT or bill.example:
        return ()
    gate = gate or packaged_gate()
    doubts = open_doubts(store, access, gate, [bill.usage_point], bill.period)
    return obstacles_in(gate, bill, doubts.get(bill.usage_point, ()))


def obstacles_of_notes(
    store: Store, access: Access, notes: Sequence[Correction], gate: BillGate | None = None
) -> list[tuple[Obstacle, ...]]:
    """Return for each credit or debit note what withholds it; nothing where it is issued or put aside."""
    gate, waiting = gate or packaged_gate(), [each for each in notes if each.state in OPEN]
    if not waiting:
        return [() for _ in notes]
    points = sorted({each.usage_point for each in waiting})
    whole = Interval(min(each.period.start for each in waiting), max(each.period.end for each in waiting))
    doubts = open_doubts(store, access, gate, points, whole)
    return [
        obstacles_in(gate, each.now, doubts.get(each.usage_point, ())) if each.state in OPEN else () for each in notes
    ]


def issue_bill(store: Store, access: Access, name: str, *, gate: BillGate | None = None, despite: str = "") -> int:
    """Issue a draft and return its number; one that is withheld is a Conflict, unless `despite` says why it goes.

    What it went in spite of stays in the audit chain, with the reason. One whose days others have by now is a Conflict.
    """
    access.require(Act.WRITE_BILLS)
    with store.transaction():
        # Locked first: no finding comes up between the look and the issue.
        store.rerates.hold(access, store.ledger.bill(access, name).bill.usage_point)
        require_fit(store, access, store.ledger.bill(access, name).bill)
        found = obstacles_of(store, access, store.ledger.bill(access, name).bill, gate)
        _require_clear(store, access, name, found, despite)
        return store.ledger.issue(access, name)


def issue_note(store: Store, access: Access, name: str, *, gate: BillGate | None = None, despite: str = "") -> int:
    """Issue the draft of a credit or debit note as `issue_bill` does a bill."""
    access.require(Act.WRITE_BILLS)
    with store.transaction():
        store.rerates.hold(access, store.corrections.correction(access, name).usage_point)
        (found,) = obstacles_of_notes(store, access, [store.corrections.correction(access, name)], gate)
        _require_clear(store, access, name, found, despite)
        return store.corrections.issue(access, name)


def _require_clear(store: Store, access: Access, document: str, obstacles: Sequence[Obstacle], despite: str) -> None:
    """Raise a Conflict where obstacles stand in the way; with a reason, put on record what was passed over."""
    if despite and not despite.strip():
        raise InputError("to pass over what withholds a bill needs a reason", remedy="say why it may go all the same")
    if obstacles and not despite:
        more = f", and {len(obstacles) - 1} more" if len(obstacles) > 1 else ""
        raise Conflict(
            f"{document} is withheld by {obstacles[0]}{more}",
            remedy=f"{obstacles[0].resolve}, or issue it with a reason (despite)",
        )
    if obstacles:
        record_despite(store, access, document, obstacles, despite)


def record_despite(store: Store, access: Access, document: str, obstacles: Sequence[Obstacle], despite: str) -> None:
    """Put on record in spite of what a document is made or issued, and why."""
    each_named = [each.code if each.finding is None else f"{each.code} {each.finding}" for each in obstacles]
    passed = ", ".join(each_named[:NAMED]) + (", …" if len(each_named) > NAMED else "")
    store.audit.append(access, Act.WRITE_BILLS, document, despite=despite.strip(), withheld_by=passed)

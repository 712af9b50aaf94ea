"""Settle an event once and for all, and hand its payments to the bills of those who earned them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gridwright.demand_response import Portfolio, Settlement, credit
from gridwright.domain.access import Access
from gridwright.domain.bill import Bill, BillLine, BillState
from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.interval import Interval
from gridwright.domain.program import Event, EventState, Performance
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.programs.measure_event import keep, measured_event, sees_all
from gridwright.jobs.programs.run_event import by_clock
from gridwright.store import Store

# What is kept of a settlement beside the performances: portfolio, problems and the statement's hash.
OUTLOOK = "settlement"


def settle_event(store: Store, access: Access, event_id: str, *, site: SiteDefaults, now: datetime) -> Settlement:
    """Measure and settle an event that is over; settling it again returns what was settled and changes nothing.

    Participants who cannot be measured are named with the reason and are paid nothing; when nobody can be, it is
    TooLittleData and the event stays unsettled.
    """
    sees_all(access)
    event = by_clock(store.programs.event(access, event_id), now)
    if event.state is EventState.SETTLED:
        return settled(store, access, event)
    measured = measured_event(store, access, event, site, now)
    with store.transaction():
        fresh = by_clock(store.programs.event(access, event_id), now)
        if fresh.state is EventState.SETTLED:
            return settled(store, access, fresh)
        if fresh.state is not store.programs.event(access, event_id).state:
            store.programs.save_event(access, fresh)
        statement = measured.settlement(store, access, fresh.to(EventState.SETTLED))
        keep(store, access, measured, statement, now)
        store.programs.save_event(access, statement.event)
        store.outlooks.save(access, OUTLOOK, event_id, statement.to_dict(), issued=now)
    return statement


def settled(store: Store, access: Access, event: Event) -> Settlement:
    """Return the statement of a settled event as it was made."""
    kept = store.outlooks.latest(access, OUTLOOK, event.id)
    if kept is None:
        raise StoreCorrupt(f"event {event.id} is settled, but its statement is not in the store")
    body = kept.body
    return Settlement(
        event,
        str(body["rule"]),
        tuple(store.programs.performances(access, event=event.id)),
        Portfolio.from_dict(body["portfolio"]),
        str(body["statement_hash"]),
        dict(body["problems"]),
    )


def event_credits(store: Store, access: Access, point: str, period: Interval) -> tuple[BillLine, ...]:
    """Return the payments that belong on a usage point's bill of `period`.

    A payment stands on the bill of the period in which the event began. Where that bill was issued before the event
    was settled, it stands on the next one.
    """
    earned = [each for each in store.programs.performances(access, point=point) if each.payment > 0]
    if not earned:
        return ()
    issued = [kept.bill for kept in store.ledger.bills(access, point) if kept.bill.state is BillState.ISSUED]
    lines = []
    for performance in earned:
        event = store.programs.event(access, performance.event)
        line = _line(store, access, event, performance)
        if event.state is EventState.SETTLED and _belongs(line.charge, event, period, issued):
            lines.append(line)
    return tuple(sorted(lines, key=lambda line: line.charge))


def _line(store: Store, access: Access, event: Event, performance: Performance) -> BillLine:
    program = store.programs.program(access, event.program)
    return credit(performance, event, program.price_per_kwh)


def _belongs(charge: str, event: Event, period: Interval, issued: Sequence[Bill]) -> bool:
    """Tell whether a payment stands on the bill of `period`, given the bills that were issued."""
    if any(_carries(bill, charge) for bill in issued):
        return any(_carries(bill, charge) for bill in issued if bill.period == period)
    if any(bill.period == period for bill in issued) or event.period.start >= period.end:
        return False
    return event.period.start in period or _closed(Interval(event.period.start, period.start), issued)


def _carries(bill: Bill, charge: str) -> bool:
    return any(line.charge == charge for line in bill.lines)


def _closed(past: Interval, issued: Sequence[Bill]) -> bool:
    """Tell whether issued bills cover all of the past, so that this bill is the first that is still open."""
    at = past.start
    for bill in sorted(issued, key=lambda each: each.period):
        if bill.period.start <= at < bill.period.end:
            at = bill.period.end
    return at >= past.end

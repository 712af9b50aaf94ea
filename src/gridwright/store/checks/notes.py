"""Notes looked at: those of a bill follow one another, add up to what it should have been, and none is missing."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Row, func, select

from gridwright.domain.bill import BillState
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.errors import GridwrightError
from gridwright.store import schema
from gridwright.store.checks.checks import BACKUP, Finder
from gridwright.store.money.correction_rows import to_correction
from gridwright.store.money.corrections import OPEN, correction_query
from gridwright.store.money.ledger import REPLACED_CODE
from gridwright.store.money.turns import content_of
from gridwright.store.schema.trust import correction, rerate
from gridwright.store.session import Unit

STANDING = (CorrectionState.ISSUED, *OPEN)
ANEW = "gridwright bill run --period MONTH drafts the note that is missing; otherwise "
# How V38 tells that no money differs, whatever the energy does.
NO_MONEY = (": +0.00 ", ": -0.00 ")


def check_notes(unit: Unit) -> Finder:
    """Each issued note starts from what the one before left, and bill and notes add up to the bill as it should be."""
    finder = Finder("notes", ANEW + BACKUP)
    table, bill = correction, schema.bill
    query = correction_query().where(table.c.state.in_([str(state) for state in STANDING]))
    query = query.add_columns(bill.c.key.label("bill_key"), bill.c.total.label("bill_total"))
    waiting = set(unit.connection.execute(select(rerate.c.usage_point).distinct()).scalars())
    rows = unit.connection.execute(query.order_by(table.c.bill, table.c.issued_at_us, table.c.id))
    for _, mine in groupby(rows, key=lambda row: row.bill):
        notes = list(mine)
        finder.looked_at += len(notes)
        for text in _breaks(notes, waiting):
            finder.fault(text)
    return finder


def _breaks(rows: list[Row[Any]], waiting: set[int]) -> Iterator[str]:
    """Yield where the chain of one bill's notes is broken; a draft whose bill waits is made anew anyway."""
    try:
        found = [to_correction(row) for row in rows]
        yield from _chain(found, rows[0], stale=rows[0].usage_point not in waiting)
    except (ValueError, TypeError, KeyError, ArithmeticError, GridwrightError) as error:
        yield f"bill {rows[0].bill_code}: its notes cannot be read ({error})"


def _chain(found: list[Correction], bill: Row[Any], *, stale: bool) -> Iterator[str]:
    billed, total = content_of(bill.bill_key), Decimal(bill.bill_total)
    for each in (note for note in found if note.state is CorrectionState.ISSUED):
        total += each.total
        if each.base_key != billed:
            yield f"{each.id}: it does not start from what bill {each.bill} and the notes before it came to"
        elif total != each.now.total:
            yield f"{each.id}: bill and notes add up to {total}, and the bill should be {each.now.total}"
        billed = each.now.key
    for each in found if stale else ():
        if each.state in OPEN and each.base_key != billed:
            yield f"{each.id}: it starts from what is not billed any more, and its bill does not wait to be rated again"


def check_corrected(unit: Unit) -> Finder:
    """Where V38 says that an issued bill's money is another by now, a correction is open or its bill waits."""
    finder, bill, doubt = Finder("corrected bills", ANEW + BACKUP), schema.bill, schema.finding
    finder.looked_at = int(
        unit.connection.execute(select(func.count()).where(bill.c.state == str(BillState.ISSUED))).scalar_one()
    )
    over = (bill.c.usage_point == doubt.c.usage_point) & (bill.c.start_s == doubt.c.start_s)
    query = select(bill.c.code, doubt.c.message).join(doubt, over & (bill.c.end_s == doubt.c.end_s))
    query = query.where(
        bill.c.state == str(BillState.ISSUED),
        doubt.c.code == REPLACED_CODE,
        doubt.c.resolved_at_us.is_(None),
        bill.c.id.not_in(select(correction.c.bill).where(correction.c.state.in_([str(state) for state in OPEN]))),
        bill.c.usage_point.not_in(select(rerate.c.usage_point)),
        bill.c.usage_point.not_in(select(schema.dirty_range.c.usage_point)),
    )
    for row in unit.connection.execute(query.order_by(bill.c.id)):
        if not any(nothing in row.message for nothing in NO_MONEY):
            finder.fault(f"bill {row.code}: {row.message}, and no correction is open")
    return finder

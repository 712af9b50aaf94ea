"""Money looked at: bills are the sums of their lines, the ledger sums to zero, and no number is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, func, select

from gridwright.domain.bill import LedgerLine
from gridwright.domain.correction import CorrectionState
from gridwright.domain.errors import GridwrightError
from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.instant import from_us, to_minor
from gridwright.store.money.bill_rows import postings_from
from gridwright.store.money.corrections import reversal_of
from gridwright.store.money.ledger import credit_note
from gridwright.store.schema.trust import correction
from gridwright.store.session import Unit


def check_bills(unit: Unit) -> Finder:
    """Each bill's total is the sum of its lines."""
    finder, sums = Finder("bill totals"), defaultdict[int, Decimal](Decimal)
    line = schema.bill_line
    for row in unit.connection.execute(select(line.c.bill, line.c.position, line.c.amount)):
        try:
            sums[row.bill] += Decimal(row.amount)
        except InvalidOperation:
            finder.fault(f"line {row.position} of bill number {row.bill}: {row.amount!r} is no amount")
    table = schema.bill
    for row in unit.connection.execute(select(table.c.id, table.c.code, table.c.total).order_by(table.c.id)):
        finder.looked_at += 1
        try:
            differs = sums[row.id] != Decimal(row.total)
        except InvalidOperation:
            differs = True
        if differs:
            finder.fault(f"bill {row.code}: its total is {row.total}, its lines sum to {sums[row.id]}")
    return finder


def check_ledger(unit: Unit) -> Finder:
    """Each document's postings sum to zero in each currency."""
    finder, table = Finder("ledger"), schema.ledger_line
    finder.looked_at = int(unit.connection.execute(select(func.count()).select_from(table)).scalar_one())
    total = func.sum(table.c.amount_minor)
    query = select(table.c.document, table.c.currency, total.label("total"))
    query = query.group_by(table.c.document, table.c.currency).having(total != 0).order_by(table.c.document)
    for row in unit.connection.execute(query):
        finder.fault(f"document {row.document}: its postings are {int(row.total)} minor units of {row.currency} off")
    return finder


def check_postings(unit: Unit) -> Finder:
    """Compare what issued bills and notes, and their reversals, were to post with what was posted, and when."""
    finder, line = Finder("postings"), schema.ledger_line
    posted: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in unit.connection.execute(select(line)):
        posted[row.document].append(row)
    for table in (schema.bill, correction):
        for row in unit.connection.execute(select(table).where(table.c.number.is_not(None)).order_by(table.c.id)):
            finder.looked_at += 1
            documents = list(_documents(row, is_bill=table is schema.bill))
            there = {document: posted.pop(document, []) for document, _, _ in documents}
            try:
                wanted = postings_from(row.postings)
            except (ValueError, TypeError, ArithmeticError, GridwrightError) as error:
                finder.fault(f"{row.code}: its postings cannot be read ({error})")
                continue
            for document, sign, at_us in documents:
                for text in _unlike(there[document], wanted, sign, at_us):
                    finder.fault(f"{document}: {text}")
    for document in sorted(posted):
        finder.fault(f"{document}: the ledger holds postings of it, and it is no document that was issued or reversed")
    return finder


def _documents(row: Row[Any], *, is_bill: bool) -> Iterator[tuple[str, int, int | None]]:
    """Yield what an issued document posts under which name, with which sign and when: itself, and its reversal."""
    yield row.code, 1, row.issued_at_us
    if is_bill and row.credit_number is not None:
        yield credit_note(row.code), -1, row.cancelled_at_us
    elif not is_bill and row.state == CorrectionState.CANCELLED:
        yield reversal_of(row.code), -1, row.cancelled_at_us


def _unlike(there: Sequence[Row[Any]], wanted: Sequence[LedgerLine], sign: int, at_us: int | None) -> Iterator[str]:
    due = sorted((each.account, sign * to_minor(each.amount, each.currency), each.currency) for each in wanted)
    if sorted((row.account, row.amount_minor, row.currency) for row in there) != due:
        yield "the ledger holds other postings than it was issued with"
    other = next((row.posted_at_us for row in there if row.posted_at_us != at_us), None)
    if other is not None:
        yield f"it is posted on {_day(other)}, and was issued or reversed on {_day(at_us)}"


def _day(at_us: int | None) -> str:
    return "no day" if at_us is None else from_us(at_us).isoformat()


def check_numbers(unit: Unit) -> Finder:
    """Each series of numbers is 1, 2, 3 … up to the last one given, each once."""
    finder = Finder("numbers", "numbers are never given back: compare the database with a backup")
    given: dict[str, list[int]] = defaultdict(list)
    table = schema.bill
    for name, column in (("bill", table.c.number), ("credit note", table.c.credit_number)):
        given[name] += _numbers(unit, select(column).where(column.is_not(None)))
    for kind in unit.connection.execute(select(correction.c.kind).distinct()).scalars().all():
        query = select(correction.c.number).where(correction.c.kind == kind, correction.c.number.is_not(None))
        given[str(kind)] += _numbers(unit, query)
    series = schema.number_series
    last = {row.name: int(row.last) for row in unit.connection.execute(select(series))}
    for name in sorted(given.keys() | last.keys()):
        numbers = sorted(given[name])
        finder.looked_at += len(numbers)
        if numbers != list(range(1, last.get(name, 0) + 1)):
            finder.fault(f"{name}: {_what(numbers, last.get(name, 0))}")
    return finder


def _numbers(unit: Unit, query: object) -> list[int]:
    return [int(number) for number in unit.connection.execute(query).scalars()]  # type: ignore[call-overload]


def _what(numbers: Sequence[int], last: int) -> str:
    missing = sorted(set(range(1, last + 1)) - set(numbers))
    if missing:
        return f"number {missing[0]} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else "")
    twice = next((number for number, after in pairwise(numbers) if number == after), None)
    return f"number {twice} was given twice" if twice else f"numbers above {last}, the last one given"

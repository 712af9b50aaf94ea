"""Bills and notes looked at line by line: each is what follows from what it says it was made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Row

from gridwright.domain.bill import Bill, BillLine, LedgerLine
from gridwright.domain.correction import Correction, CorrectionLine, Figures, correction_key, line_to_dict
from gridwright.domain.errors import GridwrightError
from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.money.bill_rows import bill_of_row, postings_from, to_line
from gridwright.store.money.correction_rows import to_correction
from gridwright.store.money.corrections import correction_query
from gridwright.store.money.ledger import bill_query, lines_of
from gridwright.store.money.turns import content_of
from gridwright.store.names import FEW
from gridwright.store.schema.trust import correction
from gridwright.store.session import Unit

DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, GridwrightError)
Side = tuple[str, str, Decimal, Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class DocumentRules:
    """How bills are made: whether one's key is that of what it was made of, and what it has to post."""

    is_keyed: Callable[[Bill], bool]
    postings: Callable[[Bill], Sequence[LedgerLine]]


def check_documents(unit: Unit, rules: DocumentRules) -> list[Finder]:
    """Look at every bill, and at every note in any state, drafts too."""
    bills, notes = Finder("bills"), Finder("corrections")
    for row, lines, mine in _each(unit):
        bills.looked_at += 1
        for text in _guarded(_of_bill(row, lines, rules)):
            bills.fault(f"bill {row.code}: {text}")
        for note in mine:
            notes.looked_at += 1
            for text in _guarded(_of_note(note, (row, lines), mine, rules)):
                notes.fault(f"note {note.code}: {text}")
    return [bills, notes]


def _each(unit: Unit) -> Iterator[tuple[Row[Any], Sequence[Row[Any]], Sequence[Row[Any]]]]:
    """Yield each bill with its lines and its notes."""
    table, after = schema.bill, 0
    while rows := unit.connection.execute(bill_query().where(table.c.id > after).order_by(table.c.id).limit(FEW)).all():
        after = rows[-1].id
        lines, notes = lines_of(unit, [row.id for row in rows]), defaultdict[int, list[Row[Any]]](list)
        query = correction_query().where(correction.c.bill.in_([row.id for row in rows])).order_by(correction.c.id)
        for note in unit.connection.execute(query):
            notes[note.bill].append(note)
        yield from ((row, lines.get(row.id, ()), notes[row.id]) for row in rows)


def _guarded(faults: Iterator[str]) -> Iterator[str]:
    """Yield faults; what cannot be read is the last one."""
    try:
        yield from faults
    except InvalidOperation:  # of which the message is no sentence
        yield "it cannot be read (what should be a number is none)"
    except DAMAGE as error:
        yield f"it cannot be read ({error})"


def _of_bill(row: Row[Any], lines: Sequence[Row[Any]], rules: DocumentRules) -> Iterator[str]:
    gone = sorted(set(range(1, len(lines) + 1)) - {line.position for line in lines})
    if gone:
        yield f"line {gone[0]} is gone"
    made: list[BillLine] = []
    for line in lines:
        yield from (f"line {line.position} ({line.charge}): {text}" for text in _guarded(_of_line(line, made)))
    if len(made) < len(lines):
        return
    bill = bill_of_row(row, made)
    if not rules.is_keyed(bill):
        made_of = f"{bill.usage_point}, {bill.period}, {bill.rate_card}, usage {bill.usage_hash[:16]}"
        yield f"its key is of another usage point, period, rate card, usage or credits than {made_of}"
    if _posted(postings_from(row.postings)) != _posted(rules.postings(bill)):
        yield "its postings are not those of its lines"


def _of_line(line: Row[Any], made: list[BillLine]) -> Iterator[str]:
    """Add a line to those that were `made`, and yield whether its amount does not follow from it."""
    made.append(to_line(line))
    amount = str(made[-1].amount)
    if amount != line.amount:
        yield f"{line.quantity} {line.unit} × {line.price} comes to {amount}, and its amount is {line.amount}"


def _posted(lines: Iterable[LedgerLine]) -> list[tuple[str, Decimal, str]]:
    return sorted((line.account, line.amount, line.currency) for line in lines)


def _of_note(
    row: Row[Any], of: tuple[Row[Any], Sequence[Row[Any]]], mine: Sequence[Row[Any]], rules: DocumentRules
) -> Iterator[str]:
    note, detail = to_correction(row), json.loads(row.detail)
    if note.key != correction_key(note.base_key, note.now.key):
        yield "its key is not of the step from what was billed to what should have been"
    if not rules.is_keyed(note.now):
        yield "the bill as it should have been has the key of another usage point, period, rate card, usage or credits"
    if not _holds(detail["now"], note.now.to_dict()):
        yield "an amount of the bill as it should have been is not quantity × price, or its total not their sum"
    if not _holds(detail["lines"], [line_to_dict(line) for line in note.lines]):
        yield "a difference is not what is now less what was billed"
    columns = {"kind": str(note.kind), "currency": note.currency, "usage_hash": note.now.usage_hash}
    columns |= {"point": note.usage_point, "usage_point": of[0].usage_point}
    for name, wanted in columns.items():
        if getattr(row, name) != wanted:
            yield f"its {name} is {getattr(row, name)}, by its content {wanted}"
    yield from _of_sides(note, _base(note, of, mine))
    if _posted(postings_from(row.postings)) != _posted(note.postings(note.known_at)):
        yield "its postings are not those of its lines"


def _holds(said: Any, found: Any) -> bool:  # noqa: ANN401 - JSON
    """Tell whether all that is written down is so; of old, less was."""
    if isinstance(said, dict) and isinstance(found, dict):
        return all(name in found and _holds(value, found[name]) for name, value in said.items())
    if isinstance(said, list) and isinstance(found, list):
        return len(said) == len(found) and all(map(_holds, said, found))
    return bool(said == found)


def _base(note: Correction, of: tuple[Row[Any], Sequence[Row[Any]]], mine: Sequence[Row[Any]]) -> Bill | None:
    """Return what was billed when a note was made: the bill, or what an earlier note left; None where it is gone."""
    if content_of(of[0].key) == note.base_key:
        return bill_of_row(of[0], map(to_line, of[1]))
    others = (to_correction(each).now for each in mine if each.code != note.id)
    return next((each for each in others if each.key == note.base_key), None)


def _of_sides(note: Correction, base: Bill | None) -> Iterator[str]:
    if base is None:
        yield "it starts from what neither the bill nor another note of it came to"
    elif _side(note.lines, "billed") != _lines(base):
        yield "what its lines say was billed is not what was"
    if _side(note.lines, "now") != _lines(note.now):
        yield "what its lines say should have been billed is not the bill as it should have been"


def _side(lines: Iterable[CorrectionLine], name: str) -> list[Side]:
    """Return one side of a note's lines; zero stands where the bill has no such line."""
    sides: Iterable[tuple[CorrectionLine, Figures]] = ((line, getattr(line, name)) for line in lines)
    told = ((line, at) for line, at in sides if at != Figures())
    return sorted((line.charge, line.unit, at.quantity, at.price, at.amount) for line, at in told)


def _lines(bill: Bill) -> list[Side]:
    """Return a bill's lines as a note has them."""
    found = ((line, Figures(line.quantity, line.price, line.amount)) for line in bill.lines)
    return sorted((line.charge, line.unit, at.quantity, at.price, at.amount) for line, at in found if at != Figures())

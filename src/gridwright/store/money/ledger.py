"""Ledger: bills that are never edited, gap-free numbers at issue, and double entry that sums to zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.bill import Bill, BillState, LedgerLine
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.findings import resolve_those
from gridwright.store.instant import from_minor, from_us, from_us_if, to_minor, to_period, to_us
from gridwright.store.money.bill_rows import bill_row, line_rows, postings_from, postings_text, to_bill
from gridwright.store.money.turns import Saved, free_turn
from gridwright.store.names import FEW, Names, new_key, within
from gridwright.store.schema import trust as schema_trust
from gridwright.store.session import Session, Unit

# The doubt that a bill is billed otherwise than its readings are now (V38).
REPLACED_CODE = "V38_replacement"


@dataclass(frozen=True, slots=True)
class IssuedBill:
    """A bill as it stands in the ledger: with its number (None for a draft) and its credit note's, if cancelled.

    `key`: its place in the order in which bills were saved, for going on behind it.
    """

    bill: Bill
    number: int | None
    issued_at: datetime | None
    credit_number: int | None
    cancelled_at: datetime | None
    key: int = field(default=0, compare=False)


class Ledger:
    """Bills and their double entry."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save_bill(self, access: Access, bill: Bill, postings: Iterable[LedgerLine] = ()) -> Saved[Bill]:
        """Save a draft and the postings that its issue will make; return it as it is kept.

        The same key again writes nothing. A bill that was cancelled, as a draft or after its issue, stays so: the same
        once more is a draft with an id of its own. Postings that do not sum to zero in each currency are an InputError.
        """
        access.require(Act.WRITE_BILLS, bill.usage_point)
        lines = tuple(postings)
        check_balance(lines)
        if bill.state is not BillState.DRAFT:
            raise InputError(f"bill {bill.id} is {bill.state}", remedy="save it as a draft, then issue it")
        with self._session.writing() as unit:
            point = self._names.point_keys(unit, [bill.usage_point])[0]
            table = schema.bill
            turn = free_turn(
                bill.key,
                lambda key: unit.connection.execute(select(table).where(table.c.key == key)).first(),
                lambda row: row.state == BillState.CANCELLED,
            )
            bill = replace(bill, id=turn.id_of(bill.id))
            if turn.row is not None:
                return Saved(bill, new=False)
            mine = [replace(line, document=bill.id) for line in lines]
            row = {**bill_row(bill, point), "key": turn.key, "postings": postings_text(mine)}
            result = unit.connection.execute(insert(table).values(row))
            if bill.lines:
                rows = line_rows(bill, new_key(result))
                unit.connection.execute(insert(schema.bill_line), rows)
            at = self._session.clock()
            note(unit, access, Act.WRITE_BILLS, subject=bill.id, at=at, saved=turn.key, total=str(bill.total))
            return Saved(bill, new=True)

    def bill(self, access: Access, code: str, *, as_of: datetime | None = None) -> IssuedBill:
        """Return one bill with its number and state; `as_of`: as it stood then, NotFound before it was made.

        To a customer a draft is AccessDenied.
        """
        access.require(Act.READ_BILLS)
        with self._session.reading() as unit:
            row = _find(unit, code)
            access.require(Act.READ_BILLS, row.point)
            found = _load(unit, [row])[0]
        found = found if as_of is None else _as_known(found, as_of)
        if not _may_see(access, found):
            raise AccessDenied(f"{access.actor} may not see the draft of bill {code}")
        return found

    def bills(self, access: Access, point: str | None = None) -> list[IssuedBill]:
        """Return the bills of a usage point, or all that may be seen, in order of period; to customers no draft."""
        access.require(Act.READ_BILLS, point)
        query = bill_query().order_by(schema.bill.c.start_s, schema.bill.c.id)
        with self._session.reading() as unit:
            if point is not None:
                query = query.where(schema.bill.c.usage_point == self._names.point_keys(unit, [point])[0])
            found = _load(unit, [row for row in unit.connection.execute(query).all() if access.may_see(row.point)])
        return [each for each in found if _may_see(access, each)]

    def page(
        self,
        access: Access,
        *,
        point: str | None = None,
        state: BillState | None = None,
        limit: int = 100,
        after: int = 0,
    ) -> list[IssuedBill]:
        """Return bills in the order in which they were saved, behind the key `after`; to customers no draft."""
        access.require(Act.READ_BILLS, point)
        table = schema.bill
        query = within(bill_query(), table.c.usage_point, access).where(table.c.id > after)
        if access.role is Role.CUSTOMER:
            query = query.where(table.c.number.is_not(None))
        if state is not None:
            query = query.where(table.c.state == str(state))
        with self._session.reading() as unit:
            if point is not None:
                query = query.where(table.c.usage_point == self._names.point_keys(unit, [point])[0])
            return _load(unit, unit.connection.execute(query.order_by(table.c.id).limit(limit)).all())

    def issue(self, access: Access, code: str) -> int:
        """Issue a draft: allot the next number without a gap, and post its lines; return the number.

        Issuing twice returns the same number; a cancelled bill is a Conflict.
        """
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            row = _find(unit, code, lock=True)
            access.require(Act.WRITE_BILLS, row.point)
            if row.state == BillState.ISSUED:
                return int(row.number)
            if row.state == BillState.CANCELLED:
                raise Conflict(f"bill {code} is cancelled", remedy="bill the period again")
            at = self._session.clock()
            number = next_number(unit, "bill")
            _change(unit, row.id, state=str(BillState.ISSUED), number=number, issued_at_us=to_us(at))
            post(unit, code, postings_from(row.postings), at)
            note(unit, access, Act.WRITE_BILLS, subject=code, at=at, issued=number)
            return number

    def cancel(self, access: Access, code: str, *, only: BillState | None = None) -> int | None:
        """Cancel a bill; an issued one gets a credit note, whose number is returned, that reverses its postings.

        Cancelling twice changes nothing. A draft is only marked. `only`: a Conflict when it is in another state by now.
        """
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            row = _find(unit, code, lock=True)
            access.require(Act.WRITE_BILLS, row.point)
            if row.state == BillState.CANCELLED:
                return None if row.credit_number is None else int(row.credit_number)
            if only is not None and row.state != only:
                raise Conflict(f"bill {code} is {row.state} by now", remedy="gridwright bill correct looks at it again")
            _refuse_corrected(unit, row)
            at = self._session.clock()
            number = next_number(unit, "credit note") if row.state == BillState.ISSUED else None
            state = str(BillState.CANCELLED)
            _change(unit, row.id, state=state, credit_number=number, cancelled_at_us=to_us(at))
            if number is not None:
                resolve_those(unit, row.usage_point, REPLACED_CODE, to_period(row.start_s, row.end_s), at)
                post(unit, credit_note(code), reversal(credit_note(code), postings_from(row.postings)), at)
            note(unit, access, Act.WRITE_BILLS, subject=code, at=at, cancelled=number)
            return number

    def lines(self, access: Access, document: str | None = None) -> list[LedgerLine]:
        """Return what was posted, for one document or all, in order."""
        access.require(Act.READ_BILLS)
        if access.points is not None:
            if document is None:
                access.require(Act.READ_BILLS, "of every customer")
            else:
                self._require_document(access, document)
        table = schema.ledger_line
        query = select(table).order_by(table.c.posted_at_us, table.c.document, table.c.position)
        if document is not None:
            query = query.where(table.c.document == document)
        with self._session.reading() as unit:
            rows = unit.connection.execute(query).all()
        return [
            LedgerLine(
                r.document,
                r.account,
                from_minor(r.amount_minor, r.currency),
                r.currency,
                from_us(r.posted_at_us),
                r.text,
            )
            for r in rows
        ]

    def _require_document(self, access: Access, document: str) -> None:
        """Raise unless the bill or correction that a document belongs to is within reach."""
        code = document.removeprefix("credit:").removeprefix("reversal:")
        table, point = schema_trust.correction, schema.usage_point
        query = select(point.c.code).join(table, table.c.usage_point == point.c.id).where(table.c.code == code)
        with self._session.reading() as unit:
            found = unit.connection.execute(query).scalar()
        if found is None:
            self.bill(access, code)
        else:
            access.require(Act.READ_BILLS, found)

    def balances(self, access: Access) -> dict[tuple[str, str], Decimal]:
        """Return the trial balance: (account, currency) → sum; each currency sums to zero."""
        access.require(Act.READ_BILLS)
        if access.points is not None:
            access.require(Act.READ_BILLS, "of every customer")
        table = schema.ledger_line
        query = select(table.c.account, table.c.currency, func.sum(table.c.amount_minor))
        with self._session.reading() as unit:
            rows = unit.connection.execute(query.group_by(table.c.account, table.c.currency)).all()
        return {(account, currency): from_minor(int(total), currency) for account, currency, total in rows}


def _may_see(access: Access, kept: IssuedBill) -> bool:
    """Tell whether whoever asks may see it: a customer sees bills, not what was drafted and may never be issued."""
    return access.role is not Role.CUSTOMER or kept.number is not None


def check_balance(lines: Sequence[LedgerLine]) -> None:
    """Raise InputError unless the postings of each document sum to zero in each currency."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        sums[(line.document, line.currency)] += to_minor(line.amount, line.currency)
    for (document, currency), total in sums.items():
        if total:
            raise InputError(
                f"postings are {from_minor(total, currency)} {currency} out of balance",
                where=f"document {document}",
                remedy="debits (positive) and credits (negative) must sum to zero",
            )


def credit_note(code: str) -> str:
    """Return the document that reverses a bill."""
    return f"credit:{code}"


def reversal(document: str, lines: Sequence[LedgerLine]) -> list[LedgerLine]:
    """Return the postings of `document` that take others back."""
    return [
        LedgerLine(document, line.account, -line.amount, line.currency, line.posted_at, line.text) for line in lines
    ]


def _refuse_corrected(unit: Unit, row: Row[Any]) -> None:
    """Refuse to cancel a bill below a correction that stands; drafts of corrections are put aside with it."""
    table = schema_trust.correction
    mine = unit.connection.execute(select(table.c.id, table.c.code, table.c.state).where(table.c.bill == row.id)).all()
    standing = [each.code for each in mine if each.state == "issued"]
    if standing:
        raise Conflict(
            f"bill {row.code} is corrected by {standing[-1]}", remedy="cancel its corrections first, the last one first"
        )
    opened = [each.id for each in mine if each.state in {"draft", "held"}]
    if opened:
        unit.connection.execute(update(table).where(table.c.id.in_(opened)).values(state="replaced"))


def _as_known(kept: IssuedBill, as_of: datetime) -> IssuedBill:
    if kept.bill.known_at > as_of:
        raise NotFound(f"bill {kept.bill.id} was not made yet on {as_of.isoformat()}", remedy="ask for a later date")
    if kept.cancelled_at is not None and kept.cancelled_at > as_of:
        state = BillState.DRAFT if kept.issued_at is None else BillState.ISSUED
        kept = replace(kept, bill=replace(kept.bill, state=state), credit_number=None, cancelled_at=None)
    if kept.issued_at is not None and kept.issued_at > as_of:
        kept = replace(kept, bill=replace(kept.bill, state=BillState.DRAFT), number=None, issued_at=None)
    return kept


def bill_query() -> Any:  # noqa: ANN401 - SQLAlchemy's type of a join would say no more
    """Return the query of bills as `to_bill` reads them: with the code of their usage point."""
    table, point = schema.bill, schema.usage_point
    return select(table, point.c.code.label("point")).join(point, point.c.id == table.c.usage_point)


def _find(unit: Unit, code: str, *, lock: bool = False) -> Row[Any]:
    query = bill_query().where(schema.bill.c.code == code)
    row = unit.connection.execute(query.with_for_update(of=schema.bill) if lock else query).first()
    if row is None:
        raise NotFound(f"bill {code!r} does not exist", remedy="list the bills of the usage point")
    found: Row[Any] = row
    return found


def _load(unit: Unit, rows: Sequence[Row[Any]]) -> list[IssuedBill]:
    """Return the bills of some rows, in their order, with every line."""
    lines = lines_of(unit, [row.id for row in rows])
    return [_to_issued(row, lines[row.id]) for row in rows]


def lines_of(unit: Unit, bills: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """Return the rows of the lines of bills, by the key of the bill, in order."""
    table = schema.bill_line
    lines: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for at in range(0, len(bills), FEW):
        mine = table.c.bill.in_(bills[at : at + FEW])
        for line in unit.connection.execute(select(table).where(mine).order_by(table.c.bill, table.c.position)):
            lines[line.bill].append(line)
    return lines


def _to_issued(row: Row[Any], lines: Sequence[Row[Any]]) -> IssuedBill:
    issued, cancelled = from_us_if(row.issued_at_us), from_us_if(row.cancelled_at_us)
    return IssuedBill(to_bill(row, lines), row.number, issued, row.credit_number, cancelled, row.id)


def next_number(unit: Unit, name: str) -> int:
    """Count on within the transaction: a number that is rolled back is given again, so there is no gap."""
    table = schema.number_series
    unit.connection.execute(update(table).where(table.c.name == name).values(last=table.c.last + 1))
    return int(unit.connection.execute(select(table.c.last).where(table.c.name == name)).scalar_one())


def _change(unit: Unit, key: int, **values: Any) -> None:  # noqa: ANN401 - columns of several types
    unit.connection.execute(update(schema.bill).where(schema.bill.c.id == key).values(**values))


def post(unit: Unit, document: str, lines: Sequence[LedgerLine], at: datetime) -> None:
    """Write the lines of a document to the ledger; lines out of balance are an InputError."""
    check_balance(lines)
    if not lines:
        return
    rows = [
        {
            "document": document,
            "position": position,
            "account": line.account,
            "amount_minor": to_minor(line.amount, line.currency),
            "currency": line.currency,
            "posted_at_us": to_us(at),
            "text": line.text,
        }
        for position, line in enumerate(lines, start=1)
    ]
    unit.connection.execute(insert(schema.ledger_line), rows)

"""Corrections of issued bills: saved once, replaced while they are drafts, numbered without a gap at issue."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.findings import resolve_those
from gridwright.store.instant import to_us
from gridwright.store.money.bill_rows import postings_from, postings_text
from gridwright.store.money.correction_rows import AWAY, as_known, correction_row, stood, to_correction
from gridwright.store.money.ledger import REPLACED_CODE, check_balance, next_number, post, reversal
from gridwright.store.money.rerates import Rerate, queue
from gridwright.store.money.turns import Saved, Turn, content_of, free_turn
from gridwright.store.names import Names, within
from gridwright.store.schema.trust import correction as table
from gridwright.store.session import Session, Unit

OPEN = (CorrectionState.DRAFT, CorrectionState.HELD)
# Those that are not used again: what is to be corrected in the same way once more is another note.
SPENT = (CorrectionState.ISSUED, CorrectionState.CANCELLED)
ANEW = "gridwright bill correct makes it anew"
REMEDIES = {
    CorrectionState.CANCELLED: f"{ANEW} with an id of its own, as long as the readings differ from what is billed",
    CorrectionState.REPLACED: "gridwright bill corrections list shows what took its place, if anything still differs",
}


@dataclass(frozen=True, slots=True)
class CorrectedBill:
    """What was billed so far: the bill as its last issued correction left it; the note that did, and what is open."""

    billed: Bill
    last: Correction | None
    opened: tuple[Correction, ...]


class Corrections:
    """Corrections of bills and their double entry."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(self, access: Access, correction: Correction) -> Saved[Correction]:
        """Keep a draft, or one held back as too small, in place of what else is open for the bill, and return it.

        The same key again writes nothing; one that was replaced meanwhile is open again. One that was issued or
        cancelled is spent: the same step once more is another note, with an id of its own. A bill that is not issued,
        and a correction that does not start from what is billed, are a Conflict.
        """
        access.require(Act.WRITE_BILLS, correction.usage_point)
        with self._session.writing() as unit:
            bill = _issued_bill(unit, correction.bill)
            self._require_base(unit, bill, correction)
            self._replace_open(unit, access, correction.bill, correction.known_at, but=correction.key)
            turn = _turn(unit, correction.key, bill.id)
            made = replace(correction, id=turn.id_of(correction.id))
            if turn.row is not None:
                return Saved(made, self._reopen(unit, access, turn.row, made))
            unit.connection.execute(insert(table).values(_placed(made, bill, turn)))
            self._note(unit, access, made, saved=turn.key, total=str(made.total))
            return Saved(made, new=True)

    def _reopen(self, unit: Unit, access: Access, old: Row[Any], correction: Correction) -> bool:
        if old.state != CorrectionState.REPLACED:
            return False
        away = [*json.loads(old.detail).get(AWAY, ()), [old.cancelled_at_us, to_us(correction.known_at)]]
        row = correction_row(correction)
        row["detail"] = json.dumps({**json.loads(row["detail"]), AWAY: away}, ensure_ascii=False, sort_keys=True)
        kept = {name: row[name] for name in ("kind", "state", "total", "cascade", "detail")}
        _change(unit, old.id, **kept, postings=_postings(correction), cancelled_at_us=None)
        self._note(unit, access, correction, reopened=old.key)
        return True

    def replace_open(self, access: Access, bill: str) -> int:
        """Put aside what is open for a bill, because nothing differs any more; return how many that were."""
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            return self._replace_open(unit, access, bill, self._session.clock())

    def _replace_open(self, unit: Unit, access: Access, bill: str, at: datetime, but: str = "") -> int:
        mine = correction_query().where(schema.bill.c.code == bill, table.c.state.in_([str(state) for state in OPEN]))
        rows = [row for row in unit.connection.execute(mine) if content_of(row.key) != but]
        for row in rows:
            _change(unit, row.id, state=str(CorrectionState.REPLACED), cancelled_at_us=to_us(at))
            self._note(unit, access, to_correction(row), replaced=row.key)
        return len(rows)

    def correction(self, access: Access, code: str) -> Correction:
        """Return one correction."""
        access.require(Act.READ_BILLS)
        with self._session.reading() as unit:
            row = _find(unit, code)
        access.require(Act.READ_BILLS, row.point)
        found = to_correction(row)
        if not _may_see(access, found):
            raise AccessDenied(f"{access.actor} may not see the draft of correction {code}")
        return found

    def of_bill(self, access: Access, bill: str, *, as_of: datetime | None = None) -> list[Correction]:
        """Return a bill's corrections, the oldest first, without replaced ones.

        `as_of`: those that stood then, as they were then; one that was replaced since among them.
        """
        access.require(Act.READ_BILLS)
        query = correction_query().where(schema.bill.c.code == bill)
        if as_of is None:
            query = query.where(table.c.state != str(CorrectionState.REPLACED))
        with self._session.reading() as unit:
            rows = unit.connection.execute(query.order_by(table.c.id)).all()
        for row in rows[:1]:
            access.require(Act.READ_BILLS, row.point)
        if as_of is None:
            found = [to_correction(row) for row in rows]
        else:
            found = [as_known(row, as_of) for at, row in enumerate(rows) if stood(row, rows[at + 1 :], as_of)]
        return [each for each in found if _may_see(access, each)]

    def corrected(self, access: Access, bill: Bill, *, hold: bool = False) -> CorrectedBill:
        """Return what of a bill was billed so far, and what is still open.

        `hold`: nobody else issues or cancels anything of it until the end of this transaction.
        """
        if hold:
            with self._session.writing() as unit:
                _lock_bill(unit, bill.id)
        mine = self.of_bill(access, bill.id)
        issued = [each for each in mine if each.state is CorrectionState.ISSUED]
        opened = tuple(each for each in mine if each.state in OPEN)
        last = max(issued, key=lambda each: (each.issued_at or each.known_at, each.order)) if issued else None
        return CorrectedBill(last.now if last else bill, last, opened)

    def page(
        self,
        access: Access,
        *,
        point: str | None = None,
        state: CorrectionState | None = None,
        limit: int = 100,
        after: int = 0,
    ) -> list[Correction]:
        """Return corrections in the order in which they were made, those behind the one whose `order` is `after`.

        Replaced ones are shown only when asked for.
        """
        access.require(Act.READ_BILLS, point)
        query = within(correction_query(), table.c.usage_point, access).where(table.c.id > after)
        if access.role is Role.CUSTOMER:
            query = query.where(table.c.number.is_not(None))
        if state is None:
            query = query.where(table.c.state != str(CorrectionState.REPLACED))
        else:
            query = query.where(table.c.state == str(state))
        with self._session.reading() as unit:
            if point is not None:
                query = query.where(table.c.usage_point == self._names.point_keys(unit, [point])[0])
            rows = unit.connection.execute(query.order_by(table.c.id).limit(limit)).all()
        return [to_correction(row) for row in rows]

    def issue(self, access: Access, code: str) -> int:
        """Issue a draft (or one held back) as a note: the next number of its series, and its lines posted.

        Issuing twice returns the same number; one that no longer starts from what was billed is a Conflict.
        """
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            row = _find(unit, code)
            access.require(Act.WRITE_BILLS, row.point)
            bill = _issued_bill(unit, row.bill_code)
            # Once more: the lock on the bill let others finish first.
            row = _find(unit, code)
            correction = to_correction(row)
            if correction.state is CorrectionState.ISSUED:
                return int(row.number)
            if correction.state not in OPEN:
                raise Conflict(f"correction {code} is {correction.state}", remedy=REMEDIES[correction.state])
            self._require_base(unit, bill, correction)
            at = self._session.clock()
            number = next_number(unit, str(correction.kind))
            _change(unit, row.id, state=str(CorrectionState.ISSUED), number=number, issued_at_us=to_us(at))
            post(unit, code, postings_from(row.postings), at)
            resolve_those(unit, bill.usage_point, REPLACED_CODE, correction.period, at)
            self._note(unit, access, correction, issued=number)
            return number

    def _require_base(self, unit: Unit, bill: Row[Any], correction: Correction) -> None:
        mine = correction_query().where(table.c.bill == bill.id, table.c.state == str(CorrectionState.ISSUED))
        issued = [
            to_correction(row) for row in unit.connection.execute(mine.order_by(table.c.issued_at_us, table.c.id))
        ]
        billed = issued[-1].now.key if issued else content_of(bill.key)
        if billed != correction.base_key:
            raise Conflict(f"correction {correction.id} starts from what is not billed any more", remedy=ANEW)

    def cancel(self, access: Access, code: str) -> bool:
        """Cancel a correction and tell whether that changed anything; an issued one's postings are reversed.

        Only the last issued correction of a bill can be cancelled, any other is a Conflict. Its bill waits to be rated
        again: what differs from its readings is drafted anew.
        """
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            row = _find(unit, code)
            access.require(Act.WRITE_BILLS, row.point)
            # As whoever rates does: the usage point before its bill, so that neither waits for the other.
            lock_points(unit, [row.usage_point])
            _lock_bill(unit, row.bill_code)
            row = _find(unit, code)
            correction = to_correction(row)
            if correction.state in {CorrectionState.CANCELLED, CorrectionState.REPLACED}:
                return False
            at = self._session.clock()
            if correction.state is CorrectionState.ISSUED:
                self._require_last(unit, row)
                document = reversal_of(code)
                post(unit, document, reversal(document, postings_from(row.postings)), at)
            _change(unit, row.id, state=str(CorrectionState.CANCELLED), cancelled_at_us=to_us(at))
            queue(unit, [row.usage_point], [Rerate(row.point, correction.period, correction.cascade, at)])
            self._note(unit, access, correction, cancelled=correction.number)
            return True

    def _require_last(self, unit: Unit, row: Row[Any]) -> None:
        mine = select(table.c.code).where(table.c.bill == row.bill, table.c.state == str(CorrectionState.ISSUED))
        last = unit.connection.execute(mine.order_by(table.c.issued_at_us.desc(), table.c.id.desc()).limit(1)).scalar()
        if last != row.code:
            raise Conflict(f"correction {row.code} is followed by {last}", remedy=f"cancel {last} first")

    def _note(self, unit: Unit, access: Access, correction: Correction, **detail: str | int | None) -> None:
        at = self._session.clock()
        if correction.cascade:
            detail = {"cascade": correction.cascade, **detail}
        note(unit, access, Act.WRITE_BILLS, subject=correction.id, at=at, bill=correction.bill, **detail)


def _may_see(access: Access, correction: Correction) -> bool:
    """Tell whether whoever asks may see it: a customer sees notes, not what was drafted and may never be issued."""
    return access.role is not Role.CUSTOMER or correction.number is not None


def reversal_of(code: str) -> str:
    """Return the document that takes an issued note back."""
    return f"reversal:{code}"


def correction_query() -> Select[Any]:
    """Return the query of corrections as `to_correction` reads them: with the codes of their bill and usage point."""
    bill, point = schema.bill, schema.usage_point
    return (
        select(table, bill.c.code.label("bill_code"), bill.c.number.label("bill_number"), point.c.code.label("point"))
        .join(bill, bill.c.id == table.c.bill)
        .join(point, point.c.id == table.c.usage_point)
    )


def _find(unit: Unit, code: str) -> Row[Any]:
    row: Row[Any] | None = unit.connection.execute(correction_query().where(table.c.code == code)).first()
    if row is None:
        raise NotFound(f"correction {code!r} does not exist", remedy="see gridwright bill corrections list")
    return row


def _lock_bill(unit: Unit, code: str) -> Row[Any]:
    row: Row[Any] | None = unit.connection.execute(
        select(schema.bill).where(schema.bill.c.code == code).with_for_update()
    ).first()
    if row is None:
        raise NotFound(f"bill {code!r} does not exist", remedy="list the bills of the usage point")
    return row


def _issued_bill(unit: Unit, code: str) -> Row[Any]:
    """Return a bill, locked, so that its corrections are made one after the other."""
    row = _lock_bill(unit, code)
    if row.state != BillState.ISSUED:
        raise Conflict(f"bill {code} is {row.state}", remedy="only an issued bill is corrected by a note")
    return row


def _turn(unit: Unit, content: str, bill: int) -> Turn:
    """Return the turn in which a step is drafted: one that was replaced may be open again until a note follows it."""
    spent = select(table.c.id).where(table.c.bill == bill, table.c.state.in_([str(state) for state in SPENT]))
    last = unit.connection.execute(spent.order_by(table.c.id.desc()).limit(1)).scalar() or 0

    def find(key: str) -> Row[Any] | None:
        return unit.connection.execute(select(table).where(table.c.key == key)).first()

    return free_turn(content, find, lambda row: row.bill != bill or (row.state not in OPEN and row.id <= last))


def _placed(correction: Correction, bill: Row[Any], turn: Turn) -> dict[str, Any]:
    """Return the columns of a new correction of a bill in its turn."""
    placed = {"key": turn.key, "bill": bill.id, "usage_point": bill.usage_point}
    return {**correction_row(correction), **placed, "postings": _postings(correction)}


def _postings(correction: Correction) -> str:
    lines = correction.postings(correction.known_at)
    check_balance(lines)
    return postings_text(lines)


def _change(unit: Unit, key: int, **values: Any) -> None:  # noqa: ANN401 - columns of several types
    unit.connection.execute(update(table).where(table.c.id == key).values(**values))

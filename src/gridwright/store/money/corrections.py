"""Corrections of issued bills: saved once, replaced while they are drafts, numbered without a gap at issue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.correction import (
    Correction,
    CorrectionState,
    line_from_dict,
    line_to_dict,
    reason_from_dict,
    reason_to_dict,
)
from gridwright.domain.errors import AccessDenied, Conflict, NotFound, StoreCorrupt
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.findings import resolve_those
from gridwright.store.instant import from_us, from_us_if, to_us
from gridwright.store.money.bill_rows import postings_from, postings_text
from gridwright.store.money.ledger import check_balance, next_number, post, reversal
from gridwright.store.names import Names, new_key, within
from gridwright.store.schema.trust import correction as table
from gridwright.store.session import Session, Unit

# The doubt that a bill is billed otherwise than its readings are now (V38).
REPLACED_CODE = "V38_replacement"
OPEN = (CorrectionState.DRAFT, CorrectionState.HELD)
# A revived one: overtaken by another change, which was taken back.
AGAIN = (*OPEN, CorrectionState.REPLACED)
# In the detail of a row: as what it was opened, and from when to when others had taken its place, in microseconds.
OPENED, AWAY = "opened", "away"


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

    def save(self, access: Access, correction: Correction) -> bool:
        """Keep a draft, or one held back as too small, in place of what else is open for the bill; tell if it is new.

        The same key again writes nothing; one that was replaced meanwhile is open again. A bill that is not issued is
        a Conflict.
        """
        access.require(Act.WRITE_BILLS, correction.usage_point)
        postings = correction.postings(correction.known_at)
        check_balance(postings)
        with self._session.writing() as unit:
            bill = _issued_bill(unit, correction.bill)
            self._replace_open(unit, access, correction.bill, correction.known_at, but=correction.key)
            old = unit.connection.execute(select(table).where(table.c.key == correction.key)).first()
            if old is not None:
                return self._reopen(unit, access, old, correction)
            row = {**_row(correction), "bill": bill.id, "usage_point": bill.usage_point}
            result = unit.connection.execute(insert(table).values({**row, "postings": postings_text(postings)}))
            new_key(result)
            self._note(unit, access, correction, saved=correction.key, total=str(correction.total))
            return True

    def _reopen(self, unit: Unit, access: Access, old: Row[Any], correction: Correction) -> bool:
        if old.state != CorrectionState.REPLACED:
            return False
        detail = json.loads(old.detail)
        away = [*detail.get(AWAY, ()), [old.cancelled_at_us, to_us(correction.known_at)]]
        kept = json.dumps({**detail, AWAY: away, OPENED: str(correction.state)}, ensure_ascii=False, sort_keys=True)
        open_again = {"state": str(correction.state), "cancelled_at_us": None, "detail": kept}
        _change(unit, old.id, **open_again, cascade=correction.cascade)
        self._note(unit, access, correction, reopened=correction.key)
        return True

    def replace_open(self, access: Access, bill: str) -> int:
        """Put aside what is open for a bill, because nothing differs any more; return how many that were."""
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            return self._replace_open(unit, access, bill, self._session.clock())

    def _replace_open(self, unit: Unit, access: Access, bill: str, at: datetime, but: str = "") -> int:
        mine = _query().where(schema.bill.c.code == bill, table.c.state.in_([str(state) for state in OPEN]))
        rows = [row for row in unit.connection.execute(mine) if row.key != but]
        for row in rows:
            _change(unit, row.id, state=str(CorrectionState.REPLACED), cancelled_at_us=to_us(at))
            self._note(unit, access, _to_correction(row), replaced=row.key)
        return len(rows)

    def correction(self, access: Access, code: str) -> Correction:
        """Return one correction."""
        access.require(Act.READ_BILLS)
        with self._session.reading() as unit:
            row = _find(unit, code)
        access.require(Act.READ_BILLS, row.point)
        found = _to_correction(row)
        if not _may_see(access, found):
            raise AccessDenied(f"{access.actor} may not see the draft of correction {code}")
        return found

    def of_bill(self, access: Access, bill: str, *, as_of: datetime | None = None) -> list[Correction]:
        """Return a bill's corrections, the oldest first, without replaced ones.

        `as_of`: those that stood then, as they were then; one that was replaced since among them.
        """
        access.require(Act.READ_BILLS)
        query = _query().where(schema.bill.c.code == bill)
        if as_of is None:
            query = query.where(table.c.state != str(CorrectionState.REPLACED))
        with self._session.reading() as unit:
            rows = unit.connection.execute(query.order_by(table.c.id)).all()
        for row in rows[:1]:
            access.require(Act.READ_BILLS, row.point)
        if as_of is None:
            found = [_to_correction(row) for row in rows]
        else:
            found = [_as_known(row, as_of) for at, row in enumerate(rows) if _stood(row, rows[at + 1 :], as_of)]
        return [each for each in found if _may_see(access, each)]

    def corrected(self, access: Access, bill: Bill) -> CorrectedBill:
        """Return what of a bill was billed so far, and what is still open."""
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
        query = within(_query(), table.c.usage_point, access).where(table.c.id > after)
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
        return [_to_correction(row) for row in rows]

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
            correction = _to_correction(row)
            if correction.state is CorrectionState.ISSUED:
                return int(row.number)
            if correction.state not in OPEN:
                raise Conflict(
                    f"correction {code} is {correction.state}", remedy="gridwright bill correct makes it anew"
                )
            self._require_base(unit, bill, correction)
            at = self._session.clock()
            number = next_number(unit, str(correction.kind))
            _change(unit, row.id, state=str(CorrectionState.ISSUED), number=number, issued_at_us=to_us(at))
            post(unit, code, postings_from(row.postings), at)
            resolve_those(unit, bill.usage_point, REPLACED_CODE, correction.period, at)
            self._note(unit, access, correction, issued=number)
            return number

    def _require_base(self, unit: Unit, bill: Row[Any], correction: Correction) -> None:
        mine = _query().where(table.c.bill == bill.id, table.c.state == str(CorrectionState.ISSUED))
        issued = [
            _to_correction(row) for row in unit.connection.execute(mine.order_by(table.c.issued_at_us, table.c.id))
        ]
        billed = issued[-1].now.key if issued else bill.key
        if billed != correction.base_key:
            raise Conflict(
                f"correction {correction.id} starts from what is not billed any more",
                remedy="gridwright bill correct makes it anew",
            )

    def cancel(self, access: Access, code: str) -> bool:
        """Cancel a correction and tell whether that changed anything; an issued one's postings are reversed.

        Only the last issued correction of a bill can be cancelled, any other is a Conflict.
        """
        access.require(Act.WRITE_BILLS)
        with self._session.writing() as unit:
            row = _find(unit, code)
            access.require(Act.WRITE_BILLS, row.point)
            _lock_bill(unit, row.bill_code)
            row = _find(unit, code)
            correction = _to_correction(row)
            if correction.state in {CorrectionState.CANCELLED, CorrectionState.REPLACED}:
                return False
            at = self._session.clock()
            if correction.state is CorrectionState.ISSUED:
                self._require_last(unit, row)
                document = f"reversal:{code}"
                post(unit, document, reversal(document, postings_from(row.postings)), at)
            _change(unit, row.id, state=str(CorrectionState.CANCELLED), cancelled_at_us=to_us(at))
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


def _stood(row: Row[Any], later: Sequence[Row[Any]], as_of: datetime) -> bool:
    """Tell whether a correction was there at an instant, and not replaced by another one of its bill."""
    moment = to_us(as_of)
    away = json.loads(row.detail).get(AWAY, [])
    if row.known_at_us > moment or any(gone <= moment < again for gone, again in away):
        return False
    if row.state != CorrectionState.REPLACED:
        return True
    gone = row.cancelled_at_us
    if gone is None:  # from before it was written down: the next one took its place
        gone = min((each.known_at_us for each in later), default=row.known_at_us)
    return bool(moment < gone)


def _as_known(row: Row[Any], as_of: datetime) -> Correction:
    correction = _to_correction(row)
    opened = CorrectionState(json.loads(row.detail).get(OPENED, CorrectionState.DRAFT))
    state, number, issued_at, cancelled_at = (
        correction.state,
        correction.number,
        correction.issued_at,
        correction.cancelled_at,
    )
    if state is CorrectionState.REPLACED or (cancelled_at is not None and cancelled_at > as_of):
        state, cancelled_at = (CorrectionState.ISSUED if issued_at else opened), None
    if issued_at is not None and issued_at > as_of:
        state, number, issued_at = opened, None, None
    return replace(correction, state=state, number=number, issued_at=issued_at, cancelled_at=cancelled_at)


def _query() -> Select[Any]:
    bill, point = schema.bill, schema.usage_point
    return (
        select(table, bill.c.code.label("bill_code"), bill.c.number.label("bill_number"), point.c.code.label("point"))
        .join(bill, bill.c.id == table.c.bill)
        .join(point, point.c.id == table.c.usage_point)
    )


def _find(unit: Unit, code: str) -> Row[Any]:
    row: Row[Any] | None = unit.connection.execute(_query().where(table.c.code == code)).first()
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


def _change(unit: Unit, key: int, **values: Any) -> None:  # noqa: ANN401 - columns of several types
    unit.connection.execute(update(table).where(table.c.id == key).values(**values))


def _row(correction: Correction) -> dict[str, Any]:
    detail = {
        "base_key": correction.base_key,
        "now": correction.now.to_dict(),
        "lines": [line_to_dict(line) for line in correction.lines],
        "reason": reason_to_dict(correction.reason),
        OPENED: str(correction.state),
    }
    return {
        "code": correction.id,
        "key": correction.key,
        "kind": str(correction.kind),
        "state": str(correction.state),
        "currency": correction.currency,
        "total": str(correction.total),
        "usage_hash": correction.now.usage_hash,
        "cascade": correction.cascade,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        "known_at_us": to_us(correction.known_at),
    }


def _to_correction(row: Row[Any]) -> Correction:
    detail = json.loads(row.detail)
    found = Correction(
        id=row.code,
        key=row.key,
        bill=row.bill_code,
        bill_number=row.bill_number,
        base_key=detail["base_key"],
        now=Bill.from_dict(detail["now"]),
        lines=tuple(line_from_dict(line) for line in detail["lines"]),
        known_at=from_us(row.known_at_us),
        reason=reason_from_dict(detail["reason"]),
        cascade=row.cascade,
        state=CorrectionState(row.state),
        number=row.number,
        issued_at=from_us_if(row.issued_at_us),
        cancelled_at=from_us_if(row.cancelled_at_us),
        order=row.id,
    )
    if str(found.total) != row.total:
        raise StoreCorrupt(
            f"correction {row.code}: the stored total does not follow from its lines",
            remedy="someone has changed the database from outside; compare it with a backup",
        )
    return found

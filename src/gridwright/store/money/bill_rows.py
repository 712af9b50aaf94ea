"""Bills as rows and back: exact decimals as text, what nobody searches for as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from gridwright.domain.bill import Bill, BillLine, BillState, LedgerLine
from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.interval import Interval
from gridwright.domain.money import Rounding
from gridwright.store.instant import from_us, to_period, to_seconds, to_us
from gridwright.store.money.turns import content_of


def bill_row(bill: Bill, point: int) -> dict[str, Any]:
    """Return the columns of a bill, without its lines and postings."""
    return {
        "code": bill.id,
        "key": bill.key,
        "usage_point": point,
        "start_s": to_seconds(bill.period.start),
        "end_s": to_seconds(bill.period.end),
        "zone": bill.zone,
        "rate_card": bill.rate_card,
        "currency": bill.currency,
        "total": str(bill.total),
        "usage_hash": bill.usage_hash,
        "known_at_us": to_us(bill.known_at),
        "state": str(bill.state),
        "detail": _text(
            energy_kwh=str(bill.energy_kwh),
            intervals=bill.intervals,
            estimated=bill.estimated,
            missing=bill.missing,
            example=bill.example,
            notes=list(bill.notes),
        ),
    }


def line_rows(bill: Bill, key: int) -> list[dict[str, Any]]:
    """Return the columns of a bill's lines."""
    return [
        {
            "bill": key,
            "position": position,
            "charge": line.charge,
            "quantity": str(line.quantity),
            "unit": line.unit,
            "price": str(line.price),
            "amount": str(line.amount),
            "ledger_account": line.ledger_account,
            "detail": _line_detail(line),
        }
        for position, line in enumerate(bill.lines, start=1)
    ]


def _line_detail(line: BillLine) -> str:
    return _text(
        text=line.text,
        currency=line.currency,
        rounding=str(line.rounding),
        period=None if line.period is None else [to_seconds(line.period.start), to_seconds(line.period.end)],
        determinant=line.determinant,
        label=line.label,
        block=line.block,
        intervals=line.intervals,
        estimated=line.estimated,
        basis=line.basis,
    )


def to_bill(row: Row[Any], lines: Sequence[Row[Any]]) -> Bill:
    """Return the bill; a total that is not the sum of the stored lines is StoreCorrupt."""
    bill = bill_of_row(row, [to_line(line) for line in lines])
    if [str(line.amount) for line in bill.lines] != [line.amount for line in lines] or str(bill.total) != row.total:
        raise StoreCorrupt(
            f"bill {row.code}: the stored amounts do not follow from its lines",
            remedy="someone has changed the database from outside; compare it with a backup",
        )
    return bill


def bill_of_row(row: Row[Any], lines: Iterable[BillLine]) -> Bill:
    """Return the bill as its columns say, whatever total stands beside them."""
    detail = json.loads(row.detail)
    return Bill(
        id=row.code,
        key=content_of(row.key),
        usage_point=row.point,
        period=to_period(row.start_s, row.end_s),
        zone=row.zone,
        rate_card=row.rate_card,
        currency=row.currency,
        lines=tuple(lines),
        usage_hash=row.usage_hash,
        known_at=from_us(row.known_at_us),
        state=BillState(row.state),
        energy_kwh=Decimal(detail["energy_kwh"]),
        intervals=detail["intervals"],
        estimated=detail["estimated"],
        missing=detail["missing"],
        example=detail["example"],
        notes=tuple(detail["notes"]),
    )


def to_line(row: Row[Any]) -> BillLine:
    """Return the line of a row; its amount follows from quantity and price, whatever the row says."""
    detail = json.loads(row.detail)
    period: Interval | None = None if detail["period"] is None else to_period(*detail.pop("period"))
    known = {name: detail[name] for name in ("text", "currency", "determinant", "label", "block", "intervals")}
    return BillLine(
        charge=row.charge,
        quantity=Decimal(row.quantity),
        unit=row.unit,
        price=Decimal(row.price),
        rounding=Rounding(detail["rounding"]),
        period=period,
        estimated=detail["estimated"],
        basis=detail["basis"],
        ledger_account=row.ledger_account,
        **known,
    )


def postings_text(lines: Sequence[LedgerLine]) -> str:
    """Return the postings as JSON text, kept with the draft until it is issued."""
    return json.dumps(
        [[ln.document, ln.account, str(ln.amount), ln.currency, to_us(ln.posted_at), ln.text] for ln in lines],
        ensure_ascii=False,
    )


def postings_from(text: str) -> list[LedgerLine]:
    """Read `postings_text` back."""
    return [
        LedgerLine(document, account, Decimal(amount), currency, from_us(posted_at), words)
        for document, account, amount, currency, posted_at, words in json.loads(text)
    ]


def _text(**detail: Any) -> str:  # noqa: ANN401 - JSON holds several types
    return json.dumps(detail, ensure_ascii=False, sort_keys=True)

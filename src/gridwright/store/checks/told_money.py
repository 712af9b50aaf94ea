"""Money held against the audit chain: bills, notes, and payments of demand response are what was recorded of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, select

from gridwright.domain.access import Act
from gridwright.domain.bill import BillState
from gridwright.domain.correction import CorrectionState
from gridwright.domain.program import Performance, payment_of
from gridwright.store import schema
from gridwright.store.checks.checks import Finder
from gridwright.store.checks.told import Told, each_row, naming, told
from gridwright.store.field.event_rows import to_performance
from gridwright.store.field.programs import performance_query
from gridwright.store.instant import from_us
from gridwright.store.money.corrections import OPEN
from gridwright.store.schema import audit_record as audit
from gridwright.store.schema.trust import correction
from gridwright.store.schema.work import performance, program
from gridwright.store.session import Unit

RECORD = ("saved", "reopened", "issued", "cancelled", "replaced")
# A column, and what it is called.
COLUMNS = {
    "key": "key",
    "total": "total",
    "state": "state",
    "number": "number",
    "credit_number": "number of its credit note",
    "issued_at_us": "time of issue",
    "cancelled_at_us": "time of cancellation",
}
EVENT, PROGRAM = "event ", "program "
# By event and instant of settlement: how many payments, and their sum.
_Sums = defaultdict[tuple[str, int], tuple[int, Decimal]]


@dataclass(slots=True)
class _Document:
    """What the chain says of a bill or a note so far, by column; what it does not tell is not there."""

    columns: dict[str, Any] = field(default_factory=dict)

    def add(self, each: Told, *, is_bill: bool) -> None:
        """Go on by one record."""
        said = each.detail
        if "saved" in said:
            self.columns |= {"key": said["saved"], "state": "draft", "number": None}
            if "total" in said:
                self.columns["total"] = said["total"]
        elif "reopened" in said:  # rated again meanwhile: its total may be another
            self.columns = {"key": said["reopened"], "state": "draft", "number": None}
        elif "issued" in said:
            self.columns |= {"state": "issued", "number": said["issued"]}
            self.columns |= {"issued_at_us": each.at_us} if is_bill else {}
        elif "cancelled" in said:
            self.columns["state"] = "cancelled"
            self.columns |= {"credit_number": said["cancelled"], "cancelled_at_us": each.at_us} if is_bill else {}
        elif "replaced" in said:
            self.columns["state"] = "replaced"


def check_told_documents(unit: Unit) -> Finder:
    """Each bill and note is on record, and its key, total, state, number and times are what the record says."""
    finder = Finder("recorded bills")
    bills: dict[str, _Document] = {}
    notes: dict[str, _Document] = {}
    for each in told(unit, audit.c.act == str(Act.WRITE_BILLS)):
        if any(name in each.detail for name in RECORD):
            of_bill = "bill" not in each.detail
            (bills if of_bill else notes).setdefault(each.subject, _Document()).add(each, is_bill=of_bill)
    cancelled = set()
    for row in each_row(unit, _said_of(schema.bill)):
        finder.looked_at += 1
        if row.state == BillState.CANCELLED:
            cancelled.add(row.id)
        for text in _differences(row, bills.pop(row.code, None)):
            finder.fault(f"bill {row.code}: {text}")
    for row in each_row(unit, _said_of(correction, correction.c.bill)):
        finder.looked_at += 1
        of_open = (str(state) for state in OPEN)
        put_aside = row.bill in cancelled and row.state == CorrectionState.REPLACED
        for text in _differences(row, notes.pop(row.code, None), {row.state} if put_aside else {*of_open}):
            finder.fault(f"note {row.code}: {text}")
    for what, left in (("bill", bills), ("note", notes)):
        for code in left:
            finder.fault(f"{what} {code}: the audit chain tells that it was saved, and it is not there")
    return finder


def _said_of(table: Table, *more: ColumnElement[Any]) -> Select[Any]:
    """Select what the chain may tell of documents."""
    told_of = (column for column in table.c if column.name in {"id", "code", *COLUMNS})
    return select(*told_of, *more).order_by(table.c.id)


def _differences(row: Row[Any], said: _Document | None, drafts: set[str] | None = None) -> Iterator[str]:
    """Yield where a row is another than its record; `drafts`: what a draft may be called by now."""
    if said is None:
        yield "no audit record tells that it was saved"
        return
    for name, wanted in said.columns.items():
        found = getattr(row, name)
        if name == "state" and wanted == "draft" and found in (drafts or ()):
            continue
        if found != wanted:
            yield f"its {COLUMNS[name]} is {_shown(name, found)}, by the audit chain {_shown(name, wanted)}"


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - whatever stands there now
    if value is None:
        return "none"
    return from_us(value).isoformat() if name.endswith("_us") and isinstance(value, int) else str(value)


def check_told_payments(unit: Unit) -> Finder:
    """Payments sum to what was recorded of them, each is energy × a price that was offered, and prices are as told."""
    finder = Finder("recorded payments")
    prices: dict[str, list[str]] = defaultdict(list)
    for each in told(unit, audit.c.act == str(Act.WRITE_REGISTRY), audit.c.subject.startswith(PROGRAM)):
        if "price" in each.detail:
            prices[each.subject.removeprefix(PROGRAM)].append(str(each.detail["price"]))
    for row in unit.connection.execute(select(program).order_by(program.c.code)):
        finder.looked_at += 1
        price, last = f"{row.price_per_kwh} {row.currency}", (prices.get(row.code) or ["none"])[-1]
        if price != last:
            finder.fault(f"program {row.code}: its price is {price} per kWh, by the audit chain {last}")
    _check_payments(unit, finder, prices)
    return finder


def _check_payments(unit: Unit, finder: Finder, prices: Mapping[str, list[str]]) -> None:
    paid: _Sums = defaultdict(lambda: (0, Decimal(0)))
    rows = unit.connection.execute(performance_query().order_by(performance.c.id)).all()
    for row in rows:
        finder.looked_at += 1
        where = f"event {row.event_code}, {row.point}"
        try:
            found = to_performance(row)
            many, total = paid[row.event_code, row.known_at_us]
            paid[row.event_code, row.known_at_us] = (many + 1, total + found.payment)
            if not _is_offered(found, prices.get(row.program_code, ())):
                pays = f"{found.payment} {found.currency} are paid for {found.reduction_kwh} kWh saved"
                finder.fault(f"{where}: {pays}, at no price that program {row.program_code} ever had")
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            finder.fault(f"{where}: it cannot be read ({type(error).__name__}: {error})")
    for text in (*_unlike(paid, _told_sums(unit)), *_out_of_turn(rows)):
        finder.fault(text)


def _is_offered(found: Performance, prices: Sequence[str]) -> bool:
    offered = (price.split(" ", 1) for price in prices)
    wanted = {(payment_of(found.reduction_kwh, Decimal(each), money), money) for each, money in offered}
    return (found.payment, found.currency) in wanted


def _told_sums(unit: Unit) -> _Sums:
    """Return how many payments were settled when, and their sum."""
    said: _Sums = defaultdict(lambda: (0, Decimal(0)))
    for each in told(unit, audit.c.act == str(Act.CONTROL), audit.c.subject.startswith(EVENT), naming("payment")):
        key = each.subject.removeprefix(EVENT), each.at_us
        many, total = said[key]
        said[key] = (many + int(each.detail["performances"]), total + Decimal(each.detail["payment"]))
    return said


def _unlike(paid: _Sums, said: _Sums) -> Iterator[str]:
    for code, at_us in sorted(paid.keys() | said.keys()):
        (many, total), (told_many, told_total) = paid[code, at_us], said[code, at_us]
        if (many, total) != (told_many, told_total):
            what = f"{many} payments of {total} in all, by the audit chain {told_many} of {told_total}"
            yield f"event {code}, settled {from_us(at_us).isoformat()}: {what}"


def _out_of_turn(rows: Sequence[Row[Any]]) -> Iterator[str]:
    """Yield where it is not the newest payment that counts, or one did not give way when the next one came."""
    turns: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
    for row in rows:
        turns[row.event_code, row.point].append(row)
    for (event, point), mine in turns.items():
        ends = [*(row.known_at_us for row in mine[1:]), None]
        if [row.superseded_us for row in mine] != ends:
            yield f"event {event}, {point}: of {len(mine)} payments it is not the last one alone that counts"

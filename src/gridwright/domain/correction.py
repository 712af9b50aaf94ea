"""Correction: what an issued bill should have been, line by line against what was billed, as a credit or debit note."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from gridwright.domain.bill import Bill, BillLine, LedgerLine, plain
from gridwright.domain.interval import Interval

NOTHING = Decimal(0)
RECEIVABLE = "receivable"
SIDE = ("quantity", "price", "amount")


class NoteKind(StrEnum):
    """Whom it favours: a credit note gives money back, a debit note asks for more; each has its own numbers."""

    CREDIT = "credit note"
    DEBIT = "debit note"


class CorrectionState(StrEnum):
    """Life of a correction. `held`: too small for a note, but visible; `replaced`: overtaken before it was issued."""

    DRAFT = "draft"
    HELD = "held"
    ISSUED = "issued"
    CANCELLED = "cancelled"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Figures:
    """One side of a line: quantity × price, and the rounded amount; all zero where the bill has no such line."""

    quantity: Decimal = NOTHING
    price: Decimal = NOTHING
    amount: Decimal = NOTHING


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """One charge as it was `billed` and as it is `now`."""

    charge: str
    text: str
    unit: str
    currency: str
    billed: Figures
    now: Figures
    label: str = ""
    block: str = ""
    ledger_account: str = "revenue"

    @property
    def difference(self) -> Decimal:
        """What is to be paid in addition; negative: what is given back."""
        return self.now.amount - self.billed.amount

    @property
    def differs(self) -> bool:
        """Tell whether anything of the line is another than billed."""
        return self.billed != self.now


@dataclass(frozen=True, slots=True)
class DayChange:
    """A civil day whose energy is another than billed; `replaced`: how many estimates gave way to measured values."""

    day: date
    billed_kwh: Decimal
    now_kwh: Decimal
    replaced: int = 0

    @property
    def difference_kwh(self) -> Decimal:
        """Energy more than billed, negative: less."""
        return self.now_kwh - self.billed_kwh


@dataclass(frozen=True, slots=True)
class Reason:
    """Why: which days changed by how much, and who edited readings, with the reason they gave."""

    days: tuple[DayChange, ...] = ()
    edits: tuple[str, ...] = ()

    @property
    def replaced(self) -> int:
        """How many estimated intervals were replaced by measured ones."""
        return sum(day.replaced for day in self.days)

    def sentences(self) -> list[str]:
        """Return the reason in words."""
        told = []
        if self.replaced:
            some = "1 estimated interval was" if self.replaced == 1 else f"{self.replaced} estimated intervals were"
            told.append(f"{some} replaced by what the meter measured.")
        told += [f"Readings were edited: {edit}." for edit in self.edits]
        return told or ["The readings of the period have changed since the bill was made."]


@dataclass(frozen=True, slots=True, repr=False)
class Correction:
    """The difference between a bill, with its earlier corrections, and what it should have been.

    `base_key` is the key of what was billed so far, `now` the bill as it should have been; `key` follows from both, so
    that the same correction is made once. `cascade` caused it; `number` is given at issue.
    """

    id: str
    key: str
    bill: str
    bill_number: int | None
    base_key: str
    now: Bill
    lines: tuple[CorrectionLine, ...]
    known_at: datetime
    reason: Reason = field(default_factory=Reason)
    cascade: str = ""
    state: CorrectionState = CorrectionState.DRAFT
    number: int | None = None
    issued_at: datetime | None = None
    cancelled_at: datetime | None = None
    order: int = field(default=0, compare=False)

    @property
    def usage_point(self) -> str:
        """Whose bill it is."""
        return self.now.usage_point

    @property
    def period(self) -> Interval:
        """The period billed."""
        return self.now.period

    @property
    def currency(self) -> str:
        """The bill's currency."""
        return self.now.currency

    @property
    def total(self) -> Decimal:
        """Sum of the lines' differences: negative gives money back."""
        return sum((line.difference for line in self.lines), NOTHING)

    @property
    def energy_kwh(self) -> Decimal:
        """Energy more than billed, of the days that changed."""
        return sum((day.difference_kwh for day in self.reason.days), NOTHING)

    @property
    def kind(self) -> NoteKind:
        """Credit note where money is given back, else debit note."""
        return NoteKind.CREDIT if self.total < 0 else NoteKind.DEBIT

    def held(self) -> Correction:
        """Return the same, held back because it is too small for a note."""
        return replace(self, state=CorrectionState.HELD)

    def postings(self, at: datetime) -> tuple[LedgerLine, ...]:
        """Return the double entry of the difference; its lines sum to zero."""
        accounts: dict[str, Decimal] = defaultdict(Decimal)
        accounts[RECEIVABLE] = self.total
        for line in self.lines:
            accounts[line.ledger_account] -= line.difference
        text = f"{self.kind} to bill {self.bill}"
        return tuple(
            LedgerLine(self.id, name, sum_, self.currency, at, text) for name, sum_ in accounts.items() if sum_
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; decimals and instants are texts."""
        return {
            "id": self.id,
            "bill": self.bill,
            "bill_number": self.bill_number,
            "kind": str(self.kind),
            "state": str(self.state),
            "number": self.number,
            "usage_point": self.usage_point,
            "period": plain(self.period),
            "currency": self.currency,
            "total": plain(self.total),
            "lines": [line_to_dict(line) for line in self.lines],
            "reason": {**reason_to_dict(self.reason), "sentences": self.reason.sentences()},
            "cascade": self.cascade,
            "known_at": plain(self.known_at),
            "issued_at": plain(self.issued_at),
            "cancelled_at": plain(self.cancelled_at),
        }

    def __repr__(self) -> str:
        return f"<Correction {self.id}: {self.kind}, {self.total:f} {self.currency}, {self.state}>"


def correction_key(base_key: str, now_key: str) -> str:
    """Return the key of the step from one bill to another."""
    return hashlib.sha256(json.dumps([base_key, now_key]).encode()).hexdigest()


def differences(billed: Sequence[BillLine], now: Sequence[BillLine]) -> tuple[CorrectionLine, ...]:
    """Set two bills' lines against each other: charge, label, block and period name a line; alike ones in order."""
    old, new = dict(_named(billed)), dict(_named(now))
    return tuple(_line(old.get(name), new.get(name)) for name in dict.fromkeys((*old, *new)))


def _named(lines: Sequence[BillLine]) -> Iterator[tuple[tuple[object, ...], BillLine]]:
    seen: dict[tuple[object, ...], int] = defaultdict(int)
    for line in lines:
        name = (line.charge, line.label, line.block, line.period, line.unit)
        yield (*name, seen[name]), line
        seen[name] += 1


def _line(old: BillLine | None, new: BillLine | None) -> CorrectionLine:
    known = new or old
    if known is None:  # pragma: no cover - a name comes from one of the two
        raise AssertionError("a line of neither bill")
    return CorrectionLine(
        charge=known.charge,
        text=known.text,
        unit=known.unit,
        currency=known.currency,
        billed=_figures(old),
        now=_figures(new),
        label=known.label,
        block=known.block,
        ledger_account=known.ledger_account,
    )


def _figures(line: BillLine | None) -> Figures:
    return Figures() if line is None else Figures(line.quantity, line.price, line.amount)


def line_to_dict(line: CorrectionLine) -> dict[str, Any]:
    """Return a line as a JSON object, with its difference."""
    names = ("charge", "text", "unit", "currency", "label", "block", "ledger_account")
    sides = {name: _side(getattr(line, name)) for name in ("billed", "now")}
    return {**{name: getattr(line, name) for name in names}, **sides, "difference": plain(line.difference)}


def line_from_dict(data: Mapping[str, Any]) -> CorrectionLine:
    """Read `line_to_dict` back."""
    rest = {name: value for name, value in data.items() if name not in {"billed", "now", "difference"}}
    billed, now = (Figures(**{name: Decimal(data[side][name]) for name in SIDE}) for side in ("billed", "now"))
    return CorrectionLine(**rest, billed=billed, now=now)


def _side(figures: Figures) -> dict[str, str]:
    return {name: plain(getattr(figures, name)) for name in SIDE}


def reason_to_dict(reason: Reason) -> dict[str, Any]:
    """Return a reason as a JSON object."""
    days = [
        {
            "day": each.day.isoformat(),
            "billed_kwh": plain(each.billed_kwh),
            "now_kwh": plain(each.now_kwh),
            "replaced": each.replaced,
        }
        for each in reason.days
    ]
    return {"days": days, "edits": list(reason.edits)}


def reason_from_dict(data: Mapping[str, Any]) -> Reason:
    """Read `reason_to_dict` back."""
    days = tuple(
        DayChange(
            date.fromisoformat(each["day"]), Decimal(each["billed_kwh"]), Decimal(each["now_kwh"]), each["replaced"]
        )
        for each in data["days"]
    )
    return Reason(days, tuple(data["edits"]))

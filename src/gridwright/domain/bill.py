"""Bill: an immutable document of rounded lines, each of which explains itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from gridwright.domain.interval import Interval
from gridwright.domain.money import Rounding, round_money


class BillState(StrEnum):
    """Life of a bill; an issued one is never edited, only cancelled by a credit note and reissued."""

    DRAFT = "draft"
    ISSUED = "issued"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: quantity × price, rounded once; tax and minimum lines carry their own amount rule.

    `intervals`: how many intervals the quantity is made of; `basis`: the sentence that `--explain` prints;
    `determinant`: name of the billed quantity; `label`: time-of-use label, `block`: tier bounds as text.
    """

    charge: str
    text: str
    quantity: Decimal
    unit: str
    price: Decimal
    currency: str
    rounding: Rounding = Rounding.HALF_UP
    period: Interval | None = None
    determinant: str = ""
    label: str = ""
    block: str = ""
    intervals: int = 0
    estimated: int = 0
    basis: str = ""
    ledger_account: str = "revenue"

    @property
    def amount(self) -> Decimal:
        """The only place where money is rounded."""
        return round_money(self.quantity * self.price, self.currency, self.rounding)


@dataclass(frozen=True, slots=True)
class Bill:
    """Lines for one usage point and period at one version of a rate card; `total` is the sum of the rounded lines.

    `key` is the same for the same usage, period and rate card: billing twice changes nothing.
    `usage_hash` identifies the exact readings billed. `known_at` is when the usage was read.
    """

    id: str
    key: str
    usage_point: str
    period: Interval
    zone: str
    rate_card: str
    currency: str
    lines: tuple[BillLine, ...]
    usage_hash: str
    known_at: datetime
    state: BillState = BillState.DRAFT
    energy_kwh: Decimal = Decimal(0)
    intervals: int = 0
    estimated: int = 0
    missing: int = 0
    example: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def total(self) -> Decimal:
        """Sum of the line amounts, which are already rounded."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One side of a posting: debit positive, credit negative; the lines of one `document` sum to zero."""

    document: str
    account: str
    amount: Decimal
    currency: str
    posted_at: datetime
    text: str = ""

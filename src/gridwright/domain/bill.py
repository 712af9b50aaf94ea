"""Bill: an immutable document of rounded lines, each of which explains itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

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

    def to_dict(self) -> dict[str, Any]:
        """Return the line as a JSON object; decimals and instants are texts, `amount` is added."""
        return {**{item.name: plain(getattr(self, item.name)) for item in fields(self)}, "amount": plain(self.amount)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BillLine:
        """Read `to_dict` back; the amount follows from quantity and price."""
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        period = known.get("period")
        return cls(
            **{
                **known,
                "quantity": Decimal(data["quantity"]),
                "price": Decimal(data["price"]),
                "rounding": Rounding(data.get("rounding", Rounding.HALF_UP)),
                "period": interval_from(period) if period else None,
            }
        )


@dataclass(frozen=True, slots=True, repr=False)
class Bill:
    """Lines for one usage point and period at one version of a rate card; `total` is the sum of the rounded lines.

    `key` is the same for the same usage, period and rate card: billing twice changes nothing.
    `usage_hash` identifies the exact readings billed. `known_at` is when the usage was read. `daily_kwh`: use of each
    civil day of the period.
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
    daily_kwh: tuple[Decimal, ...] = field(default=())

    def __repr__(self) -> str:
        return (
            f"<Bill {self.id}: {self.total:f} {self.currency} for {self.energy_kwh:f} kWh, {self.period}, {self.state}>"
        )

    @property
    def total(self) -> Decimal:
        """Sum of the line amounts, which are already rounded."""
        return sum((line.amount for line in self.lines), Decimal(0))

    def to_dict(self) -> dict[str, Any]:
        """Return the bill as a JSON object; decimals and instants are texts, `total` is added."""
        return {**{item.name: plain(getattr(self, item.name)) for item in fields(self)}, "total": plain(self.total)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bill:
        """Read `to_dict` back."""
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        return cls(
            **{
                **known,
                "period": interval_from(data["period"]),
                "lines": tuple(BillLine.from_dict(line) for line in data["lines"]),
                "known_at": datetime.fromisoformat(data["known_at"]),
                "state": BillState(data.get("state", BillState.DRAFT)),
                "energy_kwh": Decimal(data.get("energy_kwh", 0)),
                "notes": tuple(data.get("notes", ())),
                "daily_kwh": tuple(Decimal(day) for day in data.get("daily_kwh", ())),
            }
        )


def plain(value: Any) -> Any:  # noqa: ANN401 - a JSON value of whatever a bill holds
    """Return what JSON can hold; decimals as texts, so that no digit is lost."""
    if isinstance(value, BillLine):
        return value.to_dict()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Interval):
        return {"from": value.start.isoformat(), "to": value.end.isoformat()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def interval_from(data: Mapping[str, str]) -> Interval:
    """Read a period back from its `from` and `to`."""
    return Interval(datetime.fromisoformat(data["from"]), datetime.fromisoformat(data["to"]))


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One side of a posting: debit positive, credit negative; the lines of one `document` sum to zero."""

    document: str
    account: str
    amount: Decimal
    currency: str
    posted_at: datetime
    text: str = ""

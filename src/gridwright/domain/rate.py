"""Rates: the rate card as published, and the price terms that dispatch needs of it.

A card is one list of charges; each charge is quantity × price (reference catalogue, meter to cash, B2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gridwright.domain.money import Rounding


class Channel(StrEnum):
    """What a charge counts; the card's words for delivered and received energy are `import` and `export`."""

    DELIVERED = "import"
    RECEIVED = "export"
    CONTRACT = "contract_kw"
    CUSTOMER = "customer"


class Reduce(StrEnum):
    """How a period's intervals become one number."""

    SUM = "sum"
    MAX = "max"
    COUNT_DAYS = "count_days"
    ONE = "one"


class Scope(StrEnum):
    """Whether all labels climb one ladder of blocks together, or each its own."""

    POOLED = "pooled"
    LABEL = "label"


class Allocate(StrEnum):
    """How a pooled block is shared between labels: every label the same fraction, or in the order of time."""

    PROPORTIONAL = "proportional"
    CHRONOLOGICAL = "chronological"


class TierMode(StrEnum):
    """Graduated prices each block's part at its own rate, volume prices everything at the rate of the block reached."""

    GRADUATED = "graduated"
    VOLUME = "volume"


class Per(StrEnum):
    """What a block's limit or a minimum amount refers to."""

    BILL = "bill"
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Prorate(StrEnum):
    """Whether a part of a month (or of a bill) counts whole or by its days."""

    NONE = "none"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class DateRange:
    """Civil dates [start, end); None = open on that side."""

    start: date | None = None
    end: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day < self.end)

    def overlaps(self, other: DateRange) -> bool:
        """Tell whether some date belongs to both."""
        return _before(self.start, other.end) and _before(other.start, self.end)

    def __str__(self) -> str:
        return f"[{self.start or 'open'}, {self.end or 'open'})"


def _before(start: date | None, end: date | None) -> bool:
    return start is None or end is None or start < end


ALWAYS = DateRange()
Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Season:
    """Rows that replace the calendar's from `start` to `end`, (month, day) with the end left out; may span New Year."""

    start: tuple[int, int]
    end: tuple[int, int]
    weekday: Row
    weekend: Row
    name: str = ""


@dataclass(frozen=True, slots=True)
class SpecialDays:
    """On `dates`, the wall-clock hours [first, last) carry `label` whatever the rows say."""

    dates: tuple[date, ...]
    hours: tuple[int, int]
    label: str


@dataclass(frozen=True, slots=True)
class TouCalendar:
    """Which label each wall-clock moment carries.

    `weekday`, `weekend`: 1 row or 12 rows (January first) of 24 or 96 indices into `labels`. `holidays` names a set
    such as `DE-BE`; `holiday_as` is `weekend`, `weekday` or a label. Precedence: rows, seasons, holidays, special.
    """

    id: str
    labels: tuple[str, ...]
    weekday: tuple[Row, ...]
    weekend: tuple[Row, ...]
    holidays: str = ""
    holiday_as: str = "weekend"
    seasons: tuple[Season, ...] = ()
    special: tuple[SpecialDays, ...] = ()


@dataclass(frozen=True, slots=True)
class Determinant:
    """The billed quantity: `reduce` over the intervals of `channel` that carry one of `labels` in one of `months`.

    Empty `labels` or `months` mean all. `window_minutes` and `floor_kw` belong to demand (`max`).
    """

    channel: Channel = Channel.DELIVERED
    reduce: Reduce = Reduce.SUM
    calendar: str = ""
    labels: tuple[str, ...] = ()
    months: tuple[int, ...] = ()
    multiplier: Decimal = Decimal(1)
    window_minutes: int = 15
    floor_kw: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Block:
    """A step of a ladder: `rate` up to and including `upto` units per bill, day or month; None = without end."""

    rate: Decimal
    upto: Decimal | None = None
    per: Per = Per.BILL


@dataclass(frozen=True, slots=True)
class Ladder:
    """The blocks that one label climbs; label "" = everything the determinant counts."""

    blocks: tuple[Block, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Price:
    """One ladder, or one for each label; a flat rate is a ladder of one endless block.

    `reset`: when the climb starts anew. With `year` the use since New Year is handed to the rating.
    """

    ladders: tuple[Ladder, ...]
    scope: Scope = Scope.POOLED
    allocate: Allocate = Allocate.PROPORTIONAL
    mode: TierMode = TierMode.GRADUATED
    reset: Per = Per.BILL

    @property
    def tiered(self) -> bool:
        """Tell whether the rate depends on the amount used."""
        return any(len(ladder.blocks) > 1 for ladder in self.ladders)

    @property
    def pooled(self) -> bool:
        """Tell whether several labels climb one ladder together."""
        return self.scope is Scope.POOLED and len(self.ladders) > 1 and self.tiered


@dataclass(frozen=True, slots=True)
class Percent:
    """`pct` hundredths of the rounded lines of the charges `of`."""

    of: tuple[str, ...]
    pct: Decimal


@dataclass(frozen=True, slots=True)
class Charge:
    """One rule: determinant × price, from which lines are made; `valid` in civil dates of the usage point."""

    id: str
    text: str
    price: Price | Percent
    determinant: Determinant = field(default_factory=Determinant)
    prorate: Prorate = Prorate.DAYS
    rounding: Rounding = Rounding.HALF_UP
    quantity_places: int = 3
    taxes: tuple[str, ...] = ()
    ledger_account: str = "revenue"
    valid: DateRange = ALWAYS
    applies: Mapping[str, str | bool] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Tax:
    """`rate` of the rounded lines of the charges in `base`; `compound` adds the taxes above to its base."""

    code: str
    rate: Decimal
    base: tuple[str, ...]
    text: str = ""
    compound: bool = False
    exempt_if: str = ""
    valid: DateRange = ALWAYS


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least that the charges in `includes` come to; what is lacking becomes a line of its own."""

    amount: Decimal
    per: Per
    includes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RateCard:
    """One version of one tariff, as published; `zone` "" = whatever the usage point's zone is."""

    id: str
    version: int
    name: str
    currency: str
    charges: tuple[Charge, ...]
    calendars: tuple[TouCalendar, ...] = ()
    taxes: tuple[Tax, ...] = ()
    minimum: Minimum | None = None
    zone: str = ""
    valid: DateRange = ALWAYS
    customer_class: str = ""
    supersedes: str = ""
    source: str = ""
    example: bool = False

    @property
    def reference(self) -> str:
        """Id and version, such as `res-tou@4`."""
        return f"{self.id}@{self.version}"

    def calendar(self, name: str) -> TouCalendar | None:
        """Return the calendar called `name`; None for "" (no calendar)."""
        return next((calendar for calendar in self.calendars if calendar.id == name), None)


@dataclass(frozen=True, slots=True, eq=False)
class PriceTerms:
    """Marginal energy prices per interval from `start` on: `buy`, `sell` float64[T], currency per kWh, tax included.

    `notes` say what a single price per interval cannot: which block of a ladder was taken, what was left out.
    """

    start: datetime
    interval: timedelta
    buy: npt.NDArray[np.float64]
    sell: npt.NDArray[np.float64]
    currency: str
    notes: tuple[str, ...] = ()

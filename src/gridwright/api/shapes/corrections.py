"""Corrections of bills and totals of days, as answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import Field

from gridwright.api.shapes.shape import Exact, Period, Shape
from gridwright.api.shapes.work import ObstacleShape
from gridwright.domain.correction import Correction


class CorrectionSummary(Shape):
    """A credit or debit note without its lines; a negative total gives money back."""

    id: str
    bill: str
    bill_number: int | None
    kind: str
    state: str
    number: int | None
    usage_point: str
    period: Period
    currency: str
    total: Exact
    energy_kwh: Exact
    cascade: str
    known_at: datetime
    issued_at: datetime | None
    cancelled_at: datetime | None


class FiguresShape(Shape):
    """Quantity × price, and the rounded amount."""

    quantity: Exact
    price: Exact
    amount: Exact


class CorrectionLineShape(Shape):
    """One charge as it was billed and as it is now."""

    charge: str
    text: str
    unit: str
    label: str
    block: str
    billed: FiguresShape
    now: FiguresShape
    difference: Exact


class DayChangeShape(Shape):
    """A civil day whose energy is another than billed."""

    day: date
    billed_kwh: Exact
    now_kwh: Exact
    replaced: int


class CorrectionShape(CorrectionSummary):
    """A correction with its lines, and why it was made."""

    lines: list[CorrectionLineShape]
    days: list[DayChangeShape]
    reason: list[str]
    obstacles: list[ObstacleShape] = Field(description="What withholds a draft: it cannot be issued without a reason.")

    @classmethod
    def of(cls, noun: Correction, **more: Any) -> CorrectionShape:  # noqa: ANN401 - as the base has it
        """Return the shape of a correction."""
        return super().of(noun, days=noun.reason.days, reason=noun.reason.sentences(), **more)


class CorrectionActed(Shape):
    """A correction after it was issued or cancelled."""

    href: str
    id: str
    kind: str
    state: str
    number: int | None


class DayTotalShape(Shape):
    """A civil day at the usage point: sum or mean, highest interval, and how its intervals are known."""

    day: date
    unit: str = Field(description="Of `total`, `mean` and `peak`.", examples=["kWh"])
    total: float | None = Field(description="Sum of what adds up, such as energy; null of a state.")
    mean: float | None = Field(description="Mean of what does not add up, such as a temperature; null of energy.")
    peak: float | None = Field(description="The highest interval.")
    kwh: float | None = Field(description="Energy; null of anything else.")
    peak_kw: float | None = Field(description="Mean power of the highest interval; null of what is no energy.")
    peak_slot: int | None
    intervals: int
    measured: int
    estimated: int
    edited: int
    missing: int
    channels: dict[str, float] = Field(description="Amount of each channel it is the sum of; none where it has none.")

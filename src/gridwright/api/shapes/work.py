"""Findings, bills, outlooks, jobs: what the platform has made of the readings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from gridwright.api.parameters import Name, Text
from gridwright.api.shapes.shape import Exact, Period, Request, Shape
from gridwright.store.findings import StoredFinding
from gridwright.store.money.ledger import IssuedBill

Points = Annotated[list[Name], Field(min_length=1, max_length=10_000)]


class FindingShape(Shape):
    """A doubt of validation."""

    id: int
    code: str
    usage_point: str
    period: Period
    severity: str
    message: str
    reading_type: str
    channel: str
    slots: int
    known_at: datetime
    resolved_at: datetime | None
    resolution: str
    resolved_by: str
    assigned_to: str
    proposed_by: str = Field(description="Who would accept it, while a second person is needed, and afterwards.")
    proposal: str = Field(description="Why they would.")

    @classmethod
    def of(cls, noun: StoredFinding, **more: Any) -> FindingShape:  # noqa: ANN401 - as the base has it
        """Return the shape of a finding as it is stored."""
        doubt = noun.finding
        own = ("code", "usage_point", "period", "severity", "message", "slots")
        told = {name: getattr(doubt, name) for name in own}
        kind = doubt.reading_type
        return super().of(noun, reading_type=kind.code, channel=kind.channel, **told, **more)


class BillLineShape(Shape):
    """One line: quantity × price, rounded once."""

    charge: str
    text: str
    quantity: Exact
    unit: str
    price: Exact
    amount: Exact
    currency: str
    intervals: int
    estimated: int
    basis: str


class BillSummary(Shape):
    """A bill without its lines; number and dates are those of the ledger."""

    id: str
    usage_point: str
    period: Period
    zone: str
    rate_card: str
    currency: str
    state: str
    energy_kwh: Exact
    total: Exact
    intervals: int
    estimated: int
    missing: int
    known_at: datetime
    number: int | None
    issued_at: datetime | None
    credit_number: int | None
    cancelled_at: datetime | None

    @classmethod
    def of(cls, noun: IssuedBill, **more: Any) -> BillSummary:  # noqa: ANN401 - as the base has it
        """Return the shape of a bill as it stands in the ledger."""
        names = [name for name in cls.model_fields if hasattr(noun.bill, name) and name not in more]
        return super().of(noun, **{name: getattr(noun.bill, name) for name in names}, **more)


class ObstacleShape(Shape):
    """Why the draft of a bill or note is withheld."""

    code: str = Field(description="The rule of the finding; `missing`, `estimated`: too many such intervals.")
    severity: str
    finding: int | None = Field(description="Number of the finding, see /v1/findings; null: there is none.")
    period: Period
    message: str
    resolve: str = Field(description="The command that takes it away.")


class WithheldShape(Shape):
    """A civil month that gets no bill while findings are open."""

    usage_point: str
    period: Period
    zone: str
    obstacles: list[ObstacleShape]


class BillShape(BillSummary):
    """A bill with its lines."""

    lines: list[BillLineShape]
    notes: list[str]
    usage_hash: str
    obstacles: list[ObstacleShape] = Field(description="What withholds a draft: it cannot be issued without a reason.")


class IssueAsked(Request):
    """How a draft is issued; left out, only where nothing withholds it."""

    despite: Text = Field(default="", description="Why it goes although it is withheld; it stays in the audit chain.")


class BillRunAsked(Request):
    """What to bill; left out, every usage point for its last complete month by its own rate card."""

    period: Annotated[Text, Field(max_length=80, description="A civil period in each point's zone.")] = Field(
        default="", examples=["2026-10"]
    )
    points: Points | None = None
    tariff: Name | None = Field(default=None, description="Name of a rate card, see /v1/rate-cards.")
    dry_run: bool = Field(default=False, description="Compute, but keep nothing.")
    despite: Text = Field(default="", description="Why bills of the named points are made although withheld.")


class OutlookAsked(Request):
    """Whose forecasts and plans to issue anew; left out, everybody's."""

    points: Points | None = None


class BillActed(Shape):
    """A bill after it was issued or cancelled."""

    href: str
    id: str
    state: str
    number: int | None
    credit_number: int | None


class RateCardShape(Shape):
    """A rate card that can be named."""

    name: str


class OutlookShape(Shape):
    """Something computed and issued: a forecast, a plan."""

    kind: str
    subject: str
    issued: datetime
    body: dict[str, Any]


class JobShape(Shape):
    """Long work that was asked for, and how far it came."""

    href: str
    id: str
    kind: str
    state: str
    requested_by: str
    created: datetime
    request: dict[str, Any]
    done: int
    total: int
    result: dict[str, Any]
    error: str
    ended: datetime | None

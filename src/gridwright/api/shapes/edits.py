"""Edits of readings, and decisions about findings, as requests ask for them and answers show them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from gridwright.api.parameters import Instant, Name, Reason, Text
from gridwright.api.shapes.shape import Period, PeriodAsked, Request, Shape
from gridwright.domain.edit import Edit
from gridwright.domain.errors import InputError
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.jobs.meters.accept_findings import Decided as DecidedFindings
from gridwright.jobs.meters.edit_readings import per_unit
from gridwright.store import FindingFilter
from gridwright.vee.remedies import check_code

MOST_VALUES = 50_000
Ids = Annotated[list[Annotated[int, Field(ge=1, lt=1 << 62)]], Field(min_length=1, max_length=1000)]


class EditAsked(PeriodAsked):
    """What to put in place of the readings of a period: `values`, one an interval, or a `total` in their shape."""

    usage_point: Name
    reason: Reason = Field(examples=["Meter display photographed by the customer on 2026-11-03"])
    values: list[FiniteFloat] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_VALUES,
        description="Energy in kWh, power in kW, everything else in its unit; one value for each interval.",
    )
    total: Decimal | None = Field(
        default=None,
        ge=0,
        le=10**12,
        description="Energy of the whole period in kWh, laid over it in the shape of what is there.",
    )
    evidence: Text = Field(default="", description="Where the proof is: a letter, a photograph, a ticket.")
    reading_type: Name = Field(default=DELIVERED_ENERGY.code, description="Code of the reading type.")
    dry_run: bool = Field(default=False, description="Show what it would change, record nothing.")


class EditShape(Shape):
    """An edit without its values."""

    id: str
    usage_point: str
    reading_type: str
    period: Period
    interval_s: int
    state: str
    author: str
    reason: str
    evidence: str
    created: datetime
    decided_by: str = Field(description="Who took the last step: let it go, stopped it or took it back.")
    decided: datetime | None
    approved_by: str = Field(description="Who let it go, also when it was taken back since.")
    approved: datetime | None
    withdrawn_by: str = Field(description="Who took it back.")
    withdrawn: datetime | None
    note: str
    difference: float = Field(description="What it adds, in kWh for energy, else in the reading type's unit.")
    moved: float = Field(description="How much it changes in all, in the same unit.")

    @classmethod
    def of(cls, noun: Edit, **more: Any) -> Self:  # noqa: ANN401 - as the base has it
        """Return the shape of an edit."""
        kind, unit = noun.reading_type, per_unit(noun.reading_type)
        told = {"difference": noun.difference / unit, "moved": noun.moved / unit}
        interval_s = int(noun.interval.total_seconds())
        return super().of(noun, reading_type=kind.code, interval_s=interval_s, **told, **more)


class EditDetail(EditShape):
    """An edit with what it puts in place, and what stood there; null where nothing did."""

    values: list[float]
    before: list[float | None]

    @classmethod
    def of(cls, noun: Edit, **more: Any) -> Self:  # noqa: ANN401 - as the base has it
        """Return the shape of an edit with its values."""
        unit = per_unit(noun.reading_type)
        before = [None if value is None else value / unit for value in noun.before]
        return super().of(noun, values=[value / unit for value in noun.values], before=before, **more)


class EditActed(EditShape):
    """An edit after an act on it."""

    href: str


class Decision(Request):
    """Why an edit is stopped or taken back."""

    reason: Reason


class Approval(Request):
    """What the second person has to say."""

    note: Text = ""


class Chosen(Request):
    """Which findings: by their ids, or all that fit a description."""

    ids: Ids | None = None
    point: Name | None = None
    severity: Severity | None = None
    code: Name | None = None
    start: Instant | None = Field(default=None, alias="from")
    end: Instant | None = Field(default=None, alias="to")
    proposed: bool = Field(default=False, description="Only those that wait for a second person.")

    @field_validator("code")
    @classmethod
    def _known(cls, code: str | None) -> str | None:
        if code is not None:
            try:
                check_code(code)
            except InputError as error:
                raise ValueError(f"{error}; {error.remedy}") from error
        return code

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("from and to belong together")
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"from {self.start.isoformat()} must lie before to {self.end.isoformat()}")
        if (self.ids is None) != self.where().narrows:
            raise ValueError("name either ids, or at least one of point, severity, code, proposed, from with to")
        return self

    def where(self, *, resolved: bool = False) -> FindingFilter:
        """Return the description."""
        period = Interval(self.start, self.end) if self.start and self.end else None
        return FindingFilter(self.point, self.severity, self.code, period, resolved=resolved, proposed=self.proposed)


class Resolve(Chosen):
    """Findings that a person has decided about."""

    reason: Reason = Field(examples=["The customer was on holiday; confirmed by phone."])
    dry_run: bool = Field(default=False, description="Tell what it would do, record nothing.")


class Assign(Chosen):
    """Findings that somebody is to decide about; empty: nobody."""

    person: Text = Field(
        max_length=200,
        description="Name of a user who may decide about them; where there are no users, any name.",
        examples=["ann"],
    )


class EffectShape(Shape):
    """What a decision changes at a usage point once it is judged again."""

    usage_point: str
    intervals: int = Field(description="How many count as measured again, or no longer do.")
    days: list[date] = Field(description="Local days that change.")
    added_kwh: float = Field(description="By how much its energy grows.")
    moved_kwh: float | None = Field(
        description="How far its values move in all; null where it is no energy, or the readings changed since."
    )


class Decided(Shape):
    """How many findings it changed, how many wait for a second person, and what that does, or would do."""

    findings: int
    waiting: int = 0
    effects: list[EffectShape] = Field(default_factory=list)

    @classmethod
    def of(cls, noun: DecidedFindings, **more: Any) -> Self:  # noqa: ANN401 - as the base has it
        """Return the shape of what was decided."""
        effects = [
            EffectShape(
                usage_point=each.usage_point,
                intervals=each.intervals,
                days=list(each.days),
                added_kwh=each.added_wh / 1000,
                moved_kwh=each.moved_wh / 1000 if isfinite(each.moved_wh) else None,
            )
            for each in noun.effects
        ]
        return super().of(noun, effects=effects, **more)

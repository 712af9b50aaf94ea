"""Usage points, what is installed there, and what is stored of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from gridwright.api.parameters import Instant, Name, Reason, Text
from gridwright.api.shapes.shape import Exact, Period, Request, Shape
from gridwright.domain.usage_point import FOREVER, Installation, UsagePoint

Attributes = Annotated[dict[Name, Text], Field(max_length=100)]


class UsagePointShape(Shape):
    """The place in the network to which readings belong."""

    id: str
    zone: str
    customer_class: str
    capacity_kw: float | None
    holidays: str
    exports: bool
    attributes: dict[str, str]


class UsagePointAsked(Request):
    """What can be said of a usage point."""

    zone: Name | None = Field(
        default=None,
        description="IANA time zone of its civil days; of a new one that has none, `site.zone` of the settings.",
        examples=["Europe/Berlin"],
    )
    customer_class: Name = Field(
        default="residential",
        description="Which validation rules apply; see `/v1/customer-classes`. Of a new one that has none, what the "
        "settings say, as of capacity and holidays.",
    )
    capacity_kw: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="Rating of the connection.",
    )
    holidays: Text = Field(default="", description="Holiday calendar.", examples=["DE-BE"])
    exports: bool = False
    attributes: Attributes = Field(default_factory=dict)

    def to_point(self, stored: UsagePoint) -> UsagePoint:
        """Return a usage point as it is by this: what is left out, and a zone of null, stays as `stored` has it."""
        said = {key: getattr(self, key) for key in UsagePointAsked.model_fields if key in self.model_fields_set}
        return replace(stored, **said | {"zone": self.zone or stored.zone})


class ClassShape(Shape):
    """A customer class, and the groups of validation rules that name it; those that name none are for every class."""

    name: str
    groups: list[str]


class UsagePointNew(UsagePointAsked):
    """A usage point to add."""

    id: Name = Field(examples=["UP-1042"])


class CreatedPoint(UsagePointShape):
    """A usage point that was added."""

    href: str


class InstallationShape(Shape):
    """Which meter measured a usage point, and when; an open end is null."""

    usage_point: str
    end_device: str
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime | None, Field(alias="to")]
    multiplier: Exact

    @classmethod
    def of(cls, noun: Installation, **more: Any) -> InstallationShape:  # noqa: ANN401 - as the base has it
        """Return the shape of an installation."""
        end = None if noun.period.end >= FOREVER else noun.period.end
        return super().of(noun, start=noun.period.start, end=end, **more)


class Exchange(Request):
    """A meter exchange: what the old meter ended on, and what the new one began with."""

    serial: Name = Field(description="Serial number of the new meter.", examples=["M-2077"])
    at: Instant = Field(description="When the new meter took over.")
    final_kwh: Decimal | None = Field(default=None, ge=0, le=10**10, description="Final read of the old meter.")
    opening_kwh: Decimal | None = Field(default=None, ge=0, le=10**10, description="Opening read of the new meter.")
    final_received_kwh: Decimal | None = Field(
        default=None, ge=0, le=10**10, description="Final read of the old meter's register of energy fed in."
    )
    opening_received_kwh: Decimal | None = Field(
        default=None, ge=0, le=10**10, description="Opening read of the new meter's register of energy fed in."
    )
    estimate_final: bool = Field(
        default=False, description="Estimate the final reads that are not given, from the average daily use."
    )
    multiplier: Decimal = Field(
        default=Decimal(1), gt=0, le=100_000, description="Transformer factor of the new meter."
    )
    dials: int | None = Field(
        default=None, ge=3, le=12, description="Digits before its registers wrap; left out, nobody knows them."
    )
    lsb_wh: int = Field(default=1, ge=1, le=1_000_000, description="Watt-hours of one count of its last digit.")


class ExchangeSeen(Shape):
    """What an exchange would do, before it is made."""

    before: InstallationShape | None = Field(description="The meter that goes.")
    closing_kwh: Exact | None = Field(description="What it counted since its last read.")
    intervals_kwh: Exact | None = Field(description="What the intervals say of the same time.")
    doubts: list[str] = Field(description="What is missing, or contradicts what is known.")


class Exchanged(Shape):
    """What is installed after an exchange."""

    href: str
    installations: list[InstallationShape]
    doubts: list[str]


class RegisterShape(Shape):
    """A cumulative register, read at an instant: what the meter showed, in `unit`."""

    usage_point: str
    at: datetime
    value: float
    unit: str
    end_device: str
    epoch: int
    reading_type: str


class Cancelling(Request):
    """The cancelling of a meter exchange that was wrong."""

    at: Instant = Field(description="When the exchange took place, as it is recorded.")
    reason: Reason = Field(examples=["Booked at the wrong usage point."])
    with_reads: bool = Field(default=False, description="Withdraw what the new meter told since too.")


class CancelSeen(Shape):
    """What cancelling an exchange would do, before it is done."""

    gone: InstallationShape = Field(description="The installation that never was.")
    goes_on: InstallationShape | None = Field(description="The one that goes on; null where none hung there.")
    withdrawn: list[RegisterShape] = Field(description="Reads that count no more; they stay on record.")
    restored: list[RegisterShape] = Field(description="Reads that count again, which the exchange had superseded.")
    judged_again: Period = Field(description="What is validated, estimated and totalled anew.")
    bills: list[str] = Field(description="Bills of that time, which are rated anew; empty to who may see none.")
    doubts: list[str] = Field(description="What it does not set right by itself.")


class Cancelled(Shape):
    """What is installed after an exchange was cancelled."""

    href: str
    installations: list[InstallationShape]
    doubts: list[str]


class SeriesShape(Shape):
    """One series that is stored."""

    usage_point: str
    reading_type: str
    interval_s: int
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]
    readings: int


class VersionShape(Shape):
    """An image of a UTC day: what was known from `known_at` on."""

    revision: int
    known_at: datetime
    period: Period
    values: list[float | None]
    quality: list[str]


class BlockShape(Shape):
    """Consecutive intervals of one reading type; `values` in `unit`, null where there is none."""

    usage_point: str
    reading_type: str
    unit: str
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]
    interval_s: int
    values: list[float | None]
    quality: list[str] = Field(description="Status of each value, and the method of an estimate behind a slash.")


class DownsampledShape(Shape):
    """A block with fewer columns: minimum, maximum and mean of each, so that spikes survive."""

    usage_point: str
    reading_type: str
    unit: str
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime, Field(alias="to")]
    interval_s: int
    columns: list[datetime] = Field(description="Where each column starts.")
    min: list[float | None]
    max: list[float | None]
    mean: list[float | None]


class DeviceEventShape(Shape):
    """What a device reported; `type` is a CIM EndDeviceEventType."""

    end_device: str
    usage_point: str
    type: str
    at: datetime
    known_at: datetime
    text: str
    details: dict[str, str]


class EstimatesAsked(Request):
    """The registers to estimate: of named usage points, or of all that were not read on the day."""

    on: date = Field(description="The reading date: as this civil day begins.", examples=["2026-11-01"])
    usage_points: list[Name] | None = Field(
        default=None, min_length=1, max_length=1000, description="Left out, all whose registers were not read."
    )
    dry_run: bool = Field(default=False, description="Show the estimates, record nothing.")


class EstimateShape(Shape):
    """What became of one register."""

    usage_point: str
    reading_type: str
    at: datetime
    kwh: float | None = Field(description="Null where it was not estimated.")
    end_device: str
    new: bool = Field(description="False where it stands so already, or was not estimated.")
    why: str = Field(description="Why it was not estimated; else empty.")


class EstimatesShape(Shape):
    """What became of each register."""

    items: list[EstimateShape]

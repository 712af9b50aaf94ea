"""Devices, controls, demand response and the network."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter

from gridwright.api.parameters import PLAIN, Instant, Name, Reason, Text
from gridwright.api.shapes.shape import Exact, Period, PeriodAsked, Request, Shape
from gridwright.domain.control import Command
from gridwright.domain.topology import NodeKind


class DeviceShape(Shape):
    """An end device: how it is reached, and how far its commissioning came."""

    serial: str
    driver: str
    address: str
    state: str
    capabilities: dict[str, str]
    clock_drift_s: float | None
    last_contact: datetime | None
    failures: int
    problem: str


class DeviceNew(Request):
    """A device to register; its address is a URL that the driver understands, its password is kept sealed."""

    serial: Name = Field(examples=["M-1042"])
    driver: Name = Field(description="Name of a driver profile.", examples=["iec62056-21"])
    address: Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=PLAIN)] = Field(
        examples=["tcp://127.0.0.1:4059/M-1042"]
    )
    usage_point: Annotated[Text, Field(max_length=120)] = Field(
        default="", description="Where it hangs; without, its readings wait in quarantine."
    )
    since: Instant | None = Field(default=None, description="Installed since; left out, since now.")
    multiplier: Decimal = Field(default=Decimal(1), gt=0, le=100_000, description="Transformer factor.")
    password: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PLAIN)] | None = None


class CreatedDevice(DeviceShape):
    """A device that was registered."""

    href: str


class ControlShape(Shape):
    """An instruction to a device, with who asked, who approved, and what proved it."""

    id: str
    end_device: str
    usage_point: str
    command: str
    state: str
    reason: str
    requested_by: str
    requested: datetime | None
    approved_by: str
    expires: datetime
    evidence: str
    attempts: int


class StepShape(Shape):
    """One step of a control."""

    state: str
    at: datetime
    actor: str
    detail: str


class ControlDetail(ControlShape):
    """A control with the steps it took."""

    steps: list[StepShape]


class ControlAsked(Request):
    """What to ask of the device at a usage point, or of a device by its serial."""

    command: Command
    reason: Reason = Field(examples=["Move-out on 30 November; confirmed with the customer."])
    expires: Instant = Field(description="Until when it may be carried out.")
    usage_point: Name | None = None
    device: Name | None = None


class ControlActed(ControlShape):
    """A control after it was requested, approved or rejected."""

    href: str


class Reject(Request):
    """Why a control must not be carried out."""

    reason: Reason


class RefusalShape(Shape):
    """A rule that would refuse the control, and what helps."""

    rule: str
    reason: str
    remedy: str


class PreviewShape(Shape):
    """What a control would do, in numbers, for whoever asks and whoever approves."""

    command: str
    usage_point: str
    end_device: str
    customer_class: str
    critical: bool
    at: datetime
    load_kw: float | None
    day_kwh: float | None
    reading_at: datetime | None
    relay: str | None
    last_contact: datetime | None
    disconnects_in_window: int
    sentence: str
    refusals: list[RefusalShape]


class ProgramShape(Shape):
    """An offer to customers: what is paid for a kWh not used in an event."""

    id: str
    name: str
    currency: str
    price_per_kwh: Exact
    baseline: str


class ProgramNew(Request):
    """A program to add or change."""

    id: Name = Field(examples=["peak-saver"])
    name: Name = Field(examples=["Peak saver"])
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = Field(examples=["EUR"])
    price_per_kwh: Decimal = Field(ge=0, le=1000, max_digits=12, decimal_places=6, examples=["0.50"])
    baseline: Name = "10-of-10"


class CreatedProgram(ProgramShape):
    """A program that was saved."""

    href: str


class EventShape(Shape):
    """A call of a program for a period."""

    id: str
    program: str
    period: Period
    targets: list[str]
    opted_out: list[str]
    state: str
    signal: str
    notified: datetime | None


class PerformanceShape(Shape):
    """What one usage point delivered in an event."""

    event: str
    usage_point: str
    baseline_kwh: Exact
    actual_kwh: Exact
    reduction_kwh: Exact
    payment: Exact
    currency: str
    adjustment: float
    days: list[date]
    rule: str
    note: str


class EventDetail(EventShape):
    """An event with what its participants delivered."""

    performances: list[PerformanceShape]


class EventNew(Request):
    """An event to plan."""

    program: Name
    period: PeriodAsked
    targets: list[Name] = Field(min_length=1, max_length=10_000)
    signal: Text = ""


class EventActed(EventShape):
    """An event after it was planned, cancelled or opted out of."""

    href: str


class OptOut(Request):
    """Who does not take part."""

    usage_point: Name


class SettledShape(Shape):
    """The statement of a settled event."""

    href: str
    statement: dict[str, Any]


class NodeShape(Shape):
    """A node of the network."""

    id: str
    kind: str
    parent: str
    rating_kva: float | None
    meter: str


class ConnectionShape(Shape):
    """A usage point hangs on a node; an open end is null."""

    usage_point: str
    node: str
    start: Annotated[datetime, Field(alias="from")]
    end: Annotated[datetime | None, Field(alias="to")]


class TopologyShape(Shape):
    """The network as a tree."""

    nodes: list[NodeShape]
    connections: list[ConnectionShape]


class NodeNew(Request):
    """A node to add or change; `meter`: the usage point of its master meter."""

    id: Name
    kind: NodeKind
    parent: Annotated[Text, Field(max_length=120)] = ""
    rating_kva: float | None = Field(default=None, gt=0, le=1e9)
    meter: Annotated[Text, Field(max_length=120)] = ""


class ConnectionNew(Request):
    """A usage point to hang on a node; without an end it stays open."""

    usage_point: Name
    node: Name
    start: Annotated[Instant, Field(alias="from")]
    end: Annotated[Instant | None, Field(alias="to")] = None


class TopologyNew(Request):
    """Nodes and connections to add or change; what is not named stays."""

    nodes: list[NodeNew] = Field(default=[], max_length=100_000)
    connections: list[ConnectionNew] = Field(default=[], max_length=100_000)


class VoltageShape(Shape):
    """Voltage against its limits over a period; the worst are listed, the counts are of all."""

    period: Period
    nominal_v: float
    indicative: bool
    weeks_total: int
    weeks_outside: int
    weeks: list[dict[str, Any]]
    events_total: dict[str, int]
    events: list[dict[str, Any]]


class OutageCancelled(Request):
    """Which outages never were: those of some usage points that begin at an instant."""

    # Whatever an item is: one that is no name has a verdict of its own, and costs no other.
    usage_points: list[Any] = Field(
        min_length=1,
        max_length=10_000,
        examples=[["UP-1042", "UP-1043"]],
        json_schema_extra={"items": TypeAdapter(Name).json_schema()},
    )
    start: Annotated[Instant, Field(alias="from")]
    text: Annotated[Text, Field(max_length=400, description="What is to be remembered of it.")] = ""


class OutageNew(OutageCancelled):
    """An outage of some usage points; without an end power is not back yet, and nothing follows from it."""

    end: Annotated[Instant | None, Field(alias="to")] = None


class OutageKept(Shape):
    """How many reports of power off, on, or taken back, are new, and a verdict on each usage point not taken as sent.

    None is new where all of it was told before.
    """

    events: int
    accepted: int = Field(description="Usage points of which it is kept.")
    rejected: int
    quarantined: int = Field(description="Usage points that nobody knows: there it waits for a claim.")
    verdicts: list[dict[str, Any]]
    verdicts_omitted: int = Field(default=0, description="Verdicts beyond those that are listed.")


class OutageGoneShape(OutageKept):
    """How many reports count no more, and at which usage points the outage had been taken back before."""

    already: list[str]


class OutagesShape(Shape):
    """Outages over a period, the newest listed, and the indices of reliability."""

    period: Period
    outages: list[dict[str, Any]]
    outages_total: int
    reliability: dict[str, Any]

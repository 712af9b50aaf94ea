"""Who may ask, what waits for a name, and what was written by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from gridwright.api.parameters import PLAIN, Instant, Name, Reason, Text
from gridwright.api.shapes.shape import Request, Shape
from gridwright.domain.access import Role

MOST_CLAIMS = 1_000


class UserShape(Shape):
    """A person or machine with a role; `points` null = all usage points."""

    name: str
    role: str
    points: list[str] | None
    disabled: bool


class UserNew(Request):
    """A user to add."""

    name: Name
    role: Role
    points: Annotated[list[Name], Field(max_length=10_000)] | None = None
    password: Annotated[str, StringConstraints(min_length=10, max_length=400)] | None = None


class UserChange(Request):
    """What to change of a user; what is left out stays."""

    role: Role | None = None
    points: Annotated[list[Name], Field(max_length=10_000)] | None = None
    disabled: bool | None = None
    password: Annotated[str, StringConstraints(min_length=10, max_length=400)] | None = None


class CreatedUser(UserShape):
    """A user that was added."""

    href: str


class KeyShape(Shape):
    """An API key as it may be shown."""

    id: str
    user: str
    label: str
    created: datetime
    expires: datetime | None
    revoked: datetime | None


class KeyNew(Request):
    """A key to make."""

    user: Name
    label: Annotated[str, StringConstraints(max_length=200, pattern=PLAIN)] = ""
    expires: Instant | None = None


class CreatedKey(KeyShape):
    """A new key; `token` is shown this once."""

    href: str
    token: str


class AuditShape(Shape):
    """Who did what to what; the digest covers this record and the one before."""

    number: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]
    digest: str


class Verified(Shape):
    """The audit chain is unbroken."""

    records: int


class WaitingMeter(Shape):
    """A meter nobody knows, whose readings or events wait."""

    meter: str
    readings: int
    first: datetime
    last: datetime
    received: datetime
    events: int = Field(default=0, description="What it reported; without readings the times are of these.")


class WaitingReading(Shape):
    """A reading of a meter nobody knows, as it came."""

    at: datetime = Field(description="Begin of the interval, or instant of the register read.")
    interval_s: int = Field(description="Length of the interval in seconds; 0 for a register read.")
    value: float
    unit: str
    type: str = Field(description="Code of the reading type.")


class DropAsked(Request):
    """Why readings that wait are let go."""

    reason: Reason = Field(examples=["A meter of the test bench."])


class Dropped(Shape):
    """What was let go."""

    href: str
    meter: str
    dropped: int = Field(description="Readings that waited; the same sent again is refused.")
    events: int = Field(default=0, description="Events that waited; they stay on record, without a usage point.")


class ClaimAsked(Request):
    """Where the meter hangs."""

    usage_point: Name
    since: Instant | None = Field(default=None, description="Installed since; left out, since its first reading.")
    multiplier: Annotated[Text, Field(pattern=r"^\d{1,6}(\.\d{1,6})?$")] = "1"
    channel: Annotated[Text, Field(max_length=40, description="Move its readings into this channel.")] = ""


class Claimed(Shape):
    """What a claim moved in."""

    href: str
    meter: str
    usage_point: str
    intervals: int
    registers: int
    notes: list[str] = Field(
        description="What goes on waiting, and why; what a claim before had moved in; what was derived from registers."
    )


class ClaimLine(ClaimAsked):
    """A meter, and where it hangs."""

    meter: Name


class ClaimsAsked(Request):
    """Where meters hang, each claimed by itself."""

    # Whatever an item is: one that is no claim has a verdict of its own, and costs no other.
    claims: list[Any] = Field(
        min_length=1, max_length=MOST_CLAIMS, json_schema_extra={"items": ClaimLine.model_json_schema()}
    )
    add_points: bool = Field(default=False, description="Register usage points nobody knows, as the settings have it.")
    dry_run: bool = Field(default=False, description="Show what it would do, record nothing.")


class ClaimVerdictShape(Shape):
    """What became of one of several claims; `line` counts them from 1."""

    line: int
    meter: str
    usage_point: str
    outcome: str = Field(examples=["claimed", "refused", "nothing waits"])
    readings: int = Field(description="Readings that moved in.")
    added: bool = Field(description="Its usage point is new.")
    reason: str
    remedy: str
    notes: list[str]


class ClaimsDone(Shape):
    """What became of several claims, with a verdict on each."""

    claimed: int
    refused: int
    nothing_waits: int
    readings: int
    points_added: int
    verdicts: list[ClaimVerdictShape]


class WriterShape(Shape):
    """How the writer of readings that arrive does, since the server started."""

    batches: int = Field(description="Requests that wait to be written.")
    readings: int = Field(description="Readings in them.")
    lag_s: float = Field(description="For how long nothing of the oldest request that waits came on the disk.")
    refused: int = Field(description="Requests answered with 429, because too much waited.")
    groups: int = Field(description="Transactions.")
    written: int = Field(description="Readings stored.")
    rejected: int
    quarantined: int
    repeated: int = Field(
        description="Readings that said again what their own request said; plain lines are not looked through."
    )
    set_aside: int = Field(
        description="Estimates and derived values that did not count, because a better one is stored; not of lines."
    )
    doubted: int = Field(
        description="Register reads stored that fall or jump and come back: they are kept, and count nothing."
    )
    failed: int = Field(description="Requests that the database did not take.")
    commit_s: float = Field(description="Length of the last transaction.")
    slowest_commit_s: float
    compiled: bool = Field(description="Plain lines are read by machine code; it is loaded when the first lines come.")


class JournalShape(Shape):
    """What waits to be brought into its days; whoever reads does that first."""

    readings: int = Field(description="Readings that are durable, and not yet in their days.")
    age_s: float | None = Field(description="Age of the oldest of them.")
    put_aside: int = Field(description="Readings that do not fit what is stored; `gridwright journal` tells why.")
    reason: str = Field(description="Why the last of these was put aside.")


class StatusShape(Shape):
    """How the platform is doing."""

    version: str
    now: datetime
    usage_points: int
    readings: int
    newest_reading: datetime | None
    lag_s: float | None = Field(description="Age of the newest reading.")
    late: list[LateShape] = Field(description="Usage points without a reading for longest, at most 100.")
    late_total: int
    devices: dict[str, int]
    dirty_ranges: int = Field(description="Stretches that wait for validation, counted up to 1,000.")
    quarantined_meters: int = Field(description="Unknown meters, counted up to 1,000.")
    jobs_waiting: int = Field(description="Jobs queued or running, counted up to 1,000.")
    more: list[str] = Field(
        default=[], description="Which of these figures are counted no further, of which there are more."
    )
    writer: WriterShape | None = Field(default=None, description="How readings that arrive are written.")
    journal: JournalShape = Field(description="Readings that were acknowledged and wait.")
    listeners: list[ListenerShape] = Field(default=[], description="The listeners of MQTT that keep their folder here.")


class ListenerShape(Shape):
    """How a listener of MQTT does, since it started."""

    listener: str
    running: bool
    connected: bool
    messages: int
    accepted: int = Field(description="Readings stored.")
    set_aside: int = Field(description="Of them, estimates that did not count, because a better value is stored.")
    doubted: int = Field(description="Of them, register reads that fall or jump and come back, which count nothing.")
    quarantined: int
    rejected: int
    ignored: int = Field(description="Values of Sparkplug's metrics that mean nothing here, or are no numbers.")
    outages: int = Field(description="Messages that told of an outage, or took one back.")
    waiting: int = Field(description="Messages that are not acknowledged yet.")
    lag_s: float = Field(description="Age of the oldest of them.")
    last_message: datetime | None
    problem: str = Field(description="What is in the way.")


class LateShape(Shape):
    """A usage point whose readings stay out."""

    usage_point: str
    last: datetime
    age_s: float


StatusShape.model_rebuild()

"""A device family as data: where its values stand, what they mean and how its times are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import ReadingType


class Measures(StrEnum):
    """What a channel's number is: the quantity itself, or the mean power whose energy is wanted."""

    VALUE = "value"
    MEAN_POWER = "mean-power"


class Dst(StrEnum):
    """How a device's stamps go through summer time."""

    FLAGGED = "flagged"
    WALL = "wall"
    STANDARD = "standard"


class ToldBy(StrEnum):
    """How a log says what happened."""

    CODE = "code"
    STATUS = "status"


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """One number: its address, meaning, most digits before the point, and whether a meter may lack it."""

    address: str
    reading_type: ReadingType
    digits: int
    optional: bool = False
    measures: Measures = Measures.VALUE


@dataclass(frozen=True, slots=True)
class ClockPart:
    """A part of the device's time and the form in which it is written."""

    address: str
    form: str


@dataclass(frozen=True, slots=True)
class ClockSpec:
    """The device's clock; `zone` is an IANA name, or empty for the zone of the link."""

    parts: tuple[ClockPart, ...]
    zone: str
    dst: Dst


@dataclass(frozen=True, slots=True)
class StatusBit:
    """What one bit of the status word means: a doubt about the value, an event, or only a remark."""

    bit: int
    text: str
    quality: Status | None = None
    event: str = ""


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """The load profile: `stamp_at_end` where a stamp is the end of its interval; at most `max_days` a request."""

    address: str
    read: str
    interval_s: int
    stamp: str
    stamp_at_end: bool
    max_days: int
    channels: tuple[ValueSpec, ...]


@dataclass(frozen=True, slots=True)
class EventSpec:
    """CIM EndDeviceEventType and words of one event."""

    event: str
    text: str


@dataclass(frozen=True, slots=True)
class LogSpec:
    """The event log; with `told_by` code, `events` maps the codes at `code_address`."""

    address: str
    read: str
    stamp: str
    told_by: ToldBy
    code_address: str
    events: Mapping[str, EventSpec]


@dataclass(frozen=True, slots=True)
class RelaySpec:
    """The relay's address, the words that move it and the words for its states."""

    address: str
    commands: Mapping[Command, str]
    states: Mapping[str, RelayState]


@dataclass(frozen=True, slots=True)
class DriverProfile:
    """A device family; `password` is `P1`, `P2` or `none`; `relay`, `profile` and `log` are None where it has none.

    `readout`: the meter is not asked but read out.
    `parity`: the gateway passes the parity bit of the meter's seven-bit characters on.
    """

    name: str
    title: str
    protocol: str
    password: str
    readout: bool
    parity: bool
    read: str
    write: str
    serial: str
    firmware: str
    clock: ClockSpec
    registers: tuple[ValueSpec, ...]
    instantaneous: tuple[ValueSpec, ...]
    status: tuple[StatusBit, ...]
    profile: ProfileSpec | None
    log: LogSpec | None
    relay: RelaySpec | None

"""EndDeviceEvent: what a device reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

# CIM EndDeviceEventTypes, as meters in the field use them: last gasp (sent while dying) and power up again.
POWER_OFF = "3.26.0.47"
POWER_ON = "3.26.0.216"
# Types that meters in the field use for the same: of the meter itself, of its radio, and of its last gasp.
OFF = frozenset({POWER_OFF, "3.26.136.47", "3.26.136.66"})
ON = frozenset({POWER_ON, "3.26.136.216"})
# It takes back what was told of power at the same usage point and instant.
POWER_CANCELLED = "3.26.0.8"
POWER = OFF | ON | {POWER_CANCELLED}
# What a file or a driver calls one of these when its source has a code of its own for it.
CLOCK_SET, CLOCK_INVALID, FATAL, BATTERY, MEMORY_FAULT = (
    "3.36.114.24",
    "3.36.114.35",
    "3.11.0.79",
    "3.2.0.150",
    "3.18.0.79",
)
TAMPER, TEST_MODE, TEST_MODE_OVER, RESET = "3.12.43.257", "3.7.19.242", "3.7.19.243", "3.11.3.215"
DISTURBED, OVERFLOW = "3.21.67.79", "3.21.89.177"
# Types that cast a doubt on what is measured then, by what they say; meters differ in the part that they name.
MARKED_BY: Mapping[str, frozenset[str]] = {
    "clock_set": frozenset({CLOCK_SET, "3.36.116.24"}),
    # The clock has lost the time; the meter's measuring system has failed for a while; intervals too short or long.
    "disturbed": frozenset({CLOCK_INVALID, "3.36.43.35", DISTURBED}),
    "fatal": frozenset({FATAL, "3.0.43.79", "3.11.46.79"}),
    "battery": frozenset({BATTERY, "3.2.22.150", "3.2.0.85"}),
    "memory_fault": frozenset({MEMORY_FAULT, "3.18.85.79", "3.18.92.79", "3.18.83.79", "3.18.72.79"}),
    "tamper": frozenset({"3.12.66.242", "3.12.29.39", "3.12.141.39", "3.12.141.212", TAMPER}),
    "test_mode": frozenset({TEST_MODE}),
    # A watchdog's reset, data that were cleared, a load profile that was cleared.
    "reset": frozenset({RESET, "3.18.31.28", "3.16.87.28"}),
    "overflow": frozenset({OVERFLOW}),
}
MARKING = frozenset().union(*MARKED_BY.values())
# What ends what another type began: until then every interval is marked.
ENDS = {TEST_MODE_OVER: TEST_MODE}
# The detail of an event that tells until when what it says held, if it was no moment.
UNTIL = "until"
# Of an event that waits: the usage point that it named and nobody knows; why it was let go.
NAMED, LET_GO = "usage_point", "let_go"


@dataclass(frozen=True, slots=True)
class EndDeviceEvent:
    """One event of one device; `type` is a CIM EndDeviceEventType such as `3.26.0.47` (power off)."""

    end_device: str
    type: str
    at: datetime
    known_at: datetime
    usage_point: str = ""
    text: str = ""
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


class Reported(NamedTuple):
    """An event that is a record of its own in a source, and the line where it stands; `text`: its beginning."""

    line: int
    event: EndDeviceEvent
    text: str = ""


@dataclass(frozen=True, slots=True)
class WaitingEvents:
    """The events of one device that belong to no usage point yet: how many, from when to when, and when they came."""

    end_device: str
    events: int
    first: datetime
    last: datetime
    received: datetime

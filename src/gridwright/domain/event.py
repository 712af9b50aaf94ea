"""EndDeviceEvent: what a device reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# CIM EndDeviceEventTypes, as meters in the field use them: last gasp (sent while dying) and power up again.
POWER_OFF = "3.26.0.47"
POWER_ON = "3.26.0.216"
# Types that meters in the field use for the same: of the meter itself, of its radio, and of its last gasp.
OFF = frozenset({POWER_OFF, "3.26.136.47", "3.26.136.66"})
ON = frozenset({POWER_ON, "3.26.136.216"})
POWER = OFF | ON
# Types that cast a doubt on what is measured then: clock set, fatal error, battery, memory fault, tamper.
MARKING = frozenset({"3.36.114.24", "3.11.0.79", "3.2.0.150", "3.18.0.79", "3.12.66.242", "3.12.29.39", "3.12.141.39"})


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

"""EndDeviceEvent: what a device reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# CIM EndDeviceEventTypes, as meters in the field use them: last gasp (sent while dying) and power up again.
POWER_OFF = "3.26.0.47"
POWER_ON = "3.26.0.216"


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

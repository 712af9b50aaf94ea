"""EndDeviceEvent: what a device reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EndDeviceEvent:
    """One event of one device; `type` is a CIM EndDeviceEventType such as `3.26.0.216` (power off)."""

    end_device: str
    type: str
    at: datetime
    known_at: datetime
    usage_point: str = ""
    text: str = ""
    details: Mapping[str, str] = field(default_factory=dict, hash=False)

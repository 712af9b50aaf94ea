"""How an end device is reached and how far its commissioning came; what a session with it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gridwright.domain.errors import Conflict


class LinkState(StrEnum):
    """Steps of commissioning, in order; each is durable, so an interrupted commissioning goes on where it was."""

    REGISTERED = "registered"
    DISCOVERED = "discovered"
    CLOCK_CHECKED = "clock-checked"
    CAPABILITIES_READ = "capabilities-read"
    IN_SERVICE = "in-service"
    RETIRED = "retired"


ORDER = tuple(LinkState)


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """The way to one device: `driver` names a profile (TOML), `address` a URL such as `tcp://host:port/serial`.

    `capabilities`: what the device said it can do; `problem`: why the last step or session failed, empty when well.
    """

    serial: str
    driver: str
    address: str
    state: LinkState = LinkState.REGISTERED
    capabilities: Mapping[str, str] = field(default_factory=dict, hash=False)
    clock_drift_s: float | None = None
    last_contact: datetime | None = None
    failures: int = 0
    problem: str = ""

    def to(self, state: LinkState) -> DeviceLink:
        """Return the link one step on; a skipped step is a Conflict, a retired device stays retired."""
        here, there = ORDER.index(self.state), ORDER.index(state)
        if there != here + 1 and state is not LinkState.RETIRED:
            after = "it has left service for good" if here + 1 == len(ORDER) else f"its next step is {ORDER[here + 1]}"
            raise Conflict(f"device {self.serial} is {self.state} and cannot become {state}", remedy=after)
        return replace(self, state=state)


class RelayState(StrEnum):
    """What a meter's disconnector says of itself (COSEM disconnect control, class 70)."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    READY = "ready-for-reconnection"


@dataclass(frozen=True, slots=True)
class ReadSession:
    """One session with a device: when, what came of it, and the error when it failed.

    `clock_drift_s`: how far the device's clock was ahead; None = nobody looked. `clock_set`: it was set then.
    """

    serial: str
    began: datetime
    ended: datetime
    readings: int = 0
    events: int = 0
    attempt: int = 1
    error: str = ""
    clock_drift_s: float | None = None
    clock_set: bool = False

    @property
    def succeeded(self) -> bool:
        """Tell whether everything asked for was read."""
        return not self.error

"""What came of the messages since the start."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gridwright.jobs.upkeep.listener_status import ListenerStatus

if TYPE_CHECKING:
    from gridwright.settings import MqttSettings


@dataclass(slots=True)
class ListenFigures:
    """Counts since the start; `waiting` messages are not acknowledged yet, `held` of them wait for a birth.

    Of the accepted, `set_aside` are estimates that did not count, because a better value is stored, and `doubted`
    register reads that fall or jump and come back. `ignored`: values of Sparkplug's metrics that mean nothing here, or
    are no numbers. `outages`: messages that told of one, or took one back.
    """

    connected: bool = False
    messages: int = 0
    accepted: int = 0
    set_aside: int = 0
    doubted: int = 0
    quarantined: int = 0
    rejected: int = 0
    ignored: int = 0
    outages: int = 0
    waiting: int = 0
    held: int = 0
    rebirths: int = 0
    lag_s: float = 0.0
    last_message: datetime | None = None
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self) | {"last_message": None if self.last_message is None else self.last_message.isoformat()}


def status_of(figures: ListenFigures, chosen: MqttSettings, now: datetime, *, stopped: bool) -> ListenerStatus:
    """Return how a listener is now."""
    told = asdict(figures)
    broker = f"{chosen.host}:{chosen.port}"
    return ListenerStatus(chosen.client_id, broker, os.getpid(), now, stopped, **told)

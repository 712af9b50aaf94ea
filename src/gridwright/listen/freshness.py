"""How old a message may be: marks that we send ourselves come back behind all that the broker had kept for us.

MQTT tells no time of publishing. What arrives behind a mark was published after the mark was sent; so a value without a
time is one of now only while a mark of just now is back.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

import structlog

PLACE = "gridwright/listeners"  # where listeners speak of themselves
EVERY_S = 5.0
LATE_S = 15.0  # a value that may have waited longer is not one of now
SILENT_S = 60.0  # without any message, and without the first mark: the broker lets none through


class Told(Protocol):
    """A message, as far as marks are concerned."""

    @property
    def topic(self) -> str:
        """Where it was published."""

    @property
    def payload(self) -> bytes:
        """What it holds."""


@dataclass(slots=True)
class Freshness:
    """Since when what arrives must have been published, on the connection of one `client`."""

    client: str
    clock: Callable[[], float] = time.monotonic
    _since: float = field(init=False)
    _heard: float = field(init=False)
    _seen: bool = False
    _sent: dict[bytes, float] = field(default_factory=dict)
    _last: float = float("-inf")
    _blind: bool = False
    _run: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self._since = self._heard = self.clock()

    @property
    def topic(self) -> str:
        """Where the marks go."""
        return f"{PLACE}/marks/{quote(self.client, safe='')}/now"

    def met(self, *, kept: bool) -> None:
        """Hear that the broker answers; where it `kept` our session, anything may have waited there."""
        self._since = float("-inf") if kept else self.clock()
        self._last, self._heard = float("-inf"), self.clock()

    def due(self) -> bytes | None:
        """Return the mark to send by now, or None; it is to be asked for as long as messages come."""
        now = self.clock()
        if self._blind or now - self._last < EVERY_S:
            return None
        if self._sent and not self._seen and now - self._heard > SILENT_S:
            self.refused()  # nothing comes before it, so that it should have come
            return None
        mark = f"{self._run} {now}".encode()
        self._last = self._sent[mark] = now
        return mark

    def heard(self, message: Told) -> bool:
        """Take a mark, or another word of a listener about itself; False for any other message."""
        if not message.topic.startswith(f"{PLACE}/"):
            self._heard = self.clock()
            return False
        sent = self._sent.get(message.payload) if message.topic == self.topic else None
        if sent is not None:
            self._since, self._seen = max(self._since, sent), True
            self._sent = {mark: at for mark, at in self._sent.items() if at > sent}
        return True

    def refused(self) -> None:
        """Do without marks where the broker lets none through, and say what that means."""
        if not self._blind:
            self._blind = True
            structlog.get_logger().warning(
                "values without a time are taken as of now, also those that waited at the broker",
                remedy=f"let {self.client} publish and subscribe to {self.topic}, or send timestamps",
            )

    def is_late(self) -> bool:
        """Tell whether a message that arrives now may be older than a value of now."""
        return not self._blind and self.clock() - self._since > LATE_S

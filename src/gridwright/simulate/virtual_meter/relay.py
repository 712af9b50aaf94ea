"""A meter's disconnector, and the difference between its words and its deeds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from gridwright.domain.device import RelayState
from gridwright.simulate.virtual_meter.faults import Faults, RelayLie


class Order(StrEnum):
    """What a relay can be told."""

    OPEN = "open"
    CLOSE = "close"
    ARM = "arm"


class RelayRefused(Exception):
    """The relay cannot do this in its state."""


class Relay:
    """Open, closed, or ready for the customer's button; with `needs_button` a remote reconnection only arms it.

    `moved` is called with the moment, the new state and whether the button did it, whenever it really moves.
    """

    def __init__(
        self,
        faults: Callable[[], Faults],
        moved: Callable[[datetime, RelayState, bool], None],
        *,
        needs_button: bool = False,
    ) -> None:
        self._faults = faults
        self._moved = moved
        self._needs_button = needs_button
        self._state = RelayState.CONNECTED
        self._claimed: RelayState | None = None
        self._due: tuple[datetime, RelayState] | None = None
        self._old: tuple[datetime, RelayState] | None = None

    def state(self, now: datetime) -> RelayState:
        """Return the truth."""
        if self._due and now >= self._due[0]:
            due, self._due = self._due, None
            self._move(due[1], due[0])
        return self._state

    def reported(self, now: datetime) -> RelayState:
        """Return what the meter says."""
        state = self.state(now)
        lie = self._faults().relay
        if lie is RelayLie.SAYS_DONE and self._claimed is not None:
            return self._claimed
        if lie is RelayLie.REPORTS_LATE and self._old and now < self._old[0]:
            return self._old[1]
        return state

    def obey(self, order: Order, now: datetime) -> None:
        """Carry an order out, or pretend to; RelayRefused where the state forbids it."""
        before = self.state(now)
        target = self._target(order, before)
        faults = self._faults()
        self._claimed = None
        match faults.relay:
            case RelayLie.HONEST:
                self._move(target, now)
            case RelayLie.SAYS_DONE:
                self._claimed = target
            case RelayLie.IGNORES:
                pass
            case RelayLie.LATE:
                self._due = (now + faults.relay_delay, target)
            case RelayLie.REPORTS_LATE:
                self._old = (now + faults.relay_delay, before)
                self._move(target, now)

    def press_button(self, now: datetime) -> bool:
        """Let the customer press the button; only an armed relay closes by it."""
        if self.state(now) is not RelayState.READY:
            return False
        self._move(RelayState.CONNECTED, now, by_hand=True)
        return True

    def force(self, state: RelayState, now: datetime) -> None:
        """Put the relay into a state by hand."""
        self._due = self._claimed = None
        self._move(state, now)

    def _target(self, order: Order, before: RelayState) -> RelayState:
        if order is Order.OPEN:
            return RelayState.DISCONNECTED
        if before is RelayState.CONNECTED:
            if order is Order.ARM:
                raise RelayRefused("ER07")
            return before
        if order is Order.ARM or self._needs_button:
            return RelayState.READY
        return RelayState.CONNECTED

    def _move(self, target: RelayState, now: datetime, *, by_hand: bool = False) -> None:
        before, self._state = self._state, target
        if before is not target:
            self._moved(now, target, by_hand)

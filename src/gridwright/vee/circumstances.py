"""Circumstances: what else is known when readings are judged, besides the readings; empty means nothing is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import GridMismatch
from gridwright.domain.event import MARKED_BY, POWER_OFF
from gridwright.domain.finding import Doubted
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel

Words = npt.NDArray[np.uint32]


class Condition(IntFlag):
    """What a device says of an interval, whatever bit its own status word has for it (V14, V15)."""

    OUTAGE = 1
    TEST_MODE = 2
    RESET = 4
    MEMORY_FAULT = 8
    CLOCK_SET = 16
    BATTERY = 32
    TAMPER = 64
    DISTURBED = 128
    FATAL = 256
    OVERFLOW = 512


# CIM EndDeviceEventTypes by which devices, driver profiles and files name conditions.
CONDITION_OF_EVENT = {POWER_OFF: Condition.OUTAGE} | {
    event: Condition[name.upper()] for name, events in MARKED_BY.items() for event in events
}


@dataclass(frozen=True, slots=True)
class ClockCheck:
    """A device's clock was `offset_s` seconds ahead of the reference at an instant (V01).

    `since`, `until`: from when to when that device measured there; None where nobody knows.
    """

    at: datetime
    offset_s: float
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What measures a usage point during `period`, as installed or as the readings say; None = not told (V02)."""

    period: Interval
    end_device: str | None = None
    channel: str | None = None
    unit: str | None = None
    multiplier: Decimal | None = None
    interval_s: int | None = None
    dials: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StatusWords:
    """The conditions of each interval: `words`, uint32[n, slots] of `Condition`, on the grid of the readings' panel."""

    points: tuple[str, ...]
    start: datetime
    words: Words

    def __post_init__(self) -> None:
        if self.words.ndim != 2 or self.words.shape[0] != len(self.points):  # noqa: PLR2004 - rows and columns
            raise GridMismatch(f"status words of shape {self.words.shape} do not fit {len(self.points)} usage points")


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """Everything by id of the usage point; what is left out is unknown, and the rules that need it are silent.

    `clock`: how far device clocks were off. `installed`, `told`: configurations as recorded and as the readings say.
    `status`: conditions of intervals. `channels`: other channels of the same usage points on the same grid.
    `checks`: check meters, their rows named by the usage point they check. `inactive`: disconnected or vacant.
    `outages`: confirmed ones. `generation`: kinds of registered generation ("pv", "battery", "wind" ...), empty for a
    point without, unknown for one that it lacks. `holidays`: by name of the calendar; they count as Sundays.
    `accepted`: doubts that a person has accepted; what they are about is kept, as far as nothing else rejects it.
    """

    clock: Mapping[str, Sequence[ClockCheck]] = field(default_factory=dict)
    installed: Mapping[str, Sequence[Configuration]] = field(default_factory=dict)
    told: Mapping[str, Sequence[Configuration]] = field(default_factory=dict)
    status: StatusWords | None = None
    channels: tuple[Panel, ...] = ()
    checks: tuple[Panel, ...] = ()
    inactive: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    outages: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    generation: Mapping[str, frozenset[str]] | None = None
    holidays: Mapping[str, frozenset[date]] = field(default_factory=dict)
    accepted: frozenset[Doubted] = frozenset()


NOTHING_KNOWN = Circumstances()


def conditions(words: Words, bits: Mapping[int, Condition]) -> Words:
    """Translate a device's own status words, uint32 of any shape, by its map from bit to condition.

    A bit that the map lacks tells nothing.
    """
    found = np.zeros(words.shape, np.uint32)
    for bit, condition in bits.items():
        found |= np.where(words >> np.uint32(bit) & np.uint32(1), np.uint32(condition), np.uint32(0))
    return found


def condition_bits(events: Mapping[int, str]) -> dict[int, Condition]:
    """Return the map of a driver profile, bit → CIM event type, as bit → condition; other events are left out."""
    return {bit: CONDITION_OF_EVENT[event] for bit, event in events.items() if event in CONDITION_OF_EVENT}

"""When something came in, told by a clock that may be wrong: the order is the buffer's, the instant the centre's.

The edge's clock may jump, stand in 1970 after a power cut, or be hours off. Its ticks since the machine's start never
jump. So the centre's time is measured against the ticks, and an instant is what the ticks of a record say. Where the
clock agrees while it is measured, it counts from then on by the ticks: it is nearer than the network's delay.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace

from gridwright.api.edge.wire import ClockTrust
from gridwright.domain.interval import MICRO
from gridwright.durable import replace_file

FILE = "clock.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
REMEMBERED = 32  # starts of the machine whose offset is kept
SLACK_US = 500_000  # a measured offset stands while newer ones are this close: times then do not swim with the network


def boot_id() -> str:
    """Return what names this start of the machine; where nothing does, this process."""
    with suppress(OSError):
        return BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:16]
    return secrets.token_hex(8)


def ticks_us() -> int:
    """Return microseconds since the machine's start, time asleep included where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1000


def wall_us() -> int:
    """Return what the edge's clock shows, in microseconds since 1970."""
    return time.time_ns() // 1000


def newest(of_starts: dict[str, int]) -> dict[str, int]:
    """Return what is remembered of the last starts of the machine."""
    return dict(list(of_starts.items())[-REMEMBERED:])


@dataclass(frozen=True, slots=True)
class Source:
    """Where the time comes from."""

    wall_us: Callable[[], int] = wall_us
    ticks_us: Callable[[], int] = ticks_us
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as the edge saw it: its clock, its ticks, and the start of the machine that these count from."""

    wall_us: int
    ticks_us: int
    boot: str


class Known(msgspec.Struct, frozen=True):
    """What is known of time: the centre's clock less the ticks, by start of the machine, and the latest instant told.

    `steady`: what the ticks are given to tell instants, the edge's own clock less the ticks where that agreed;
    `guesses`: the same for starts in which the centre was never reached and the clock was surely wrong.
    """

    offsets: dict[str, int] = {}
    steady: dict[str, int] = {}
    guesses: dict[str, int] = {}
    latest_us: int = 0


class EdgeClock:
    """Tells instants, and learns from each answer of the centre."""

    def __init__(self, folder: Path, *, limit_s: float = 2.0, source: Source | None = None) -> None:
        self._file, self._limit_us = folder / FILE, int(limit_s * MICRO)
        self._source = source or Source()
        self._boot = self._source.boot or boot_id()
        self._known = Known()
        with suppress(OSError, msgspec.DecodeError):
            self._known = msgspec.json.decode(self._file.read_bytes(), type=Known)

    def now(self) -> Moment:
        """Return this instant."""
        return Moment(self._source.wall_us(), self._source.ticks_us(), self._boot)

    @property
    def is_measured(self) -> bool:
        """Tell whether the centre was asked since the machine's start."""
        return self._boot in self._known.offsets

    @property
    def centre_us(self) -> int | None:
        """What the centre's clock shows; None where the centre was not asked since the machine's start."""
        offset = self._known.offsets.get(self._boot)
        return None if offset is None else self._source.ticks_us() + offset

    @property
    def ahead_s(self) -> float | None:
        """Seconds by which the edge's clock is ahead of the centre's; None while that is not known."""
        centre_us = self.centre_us
        return None if centre_us is None else (self._source.wall_us() - centre_us) / MICRO

    def measured(self, centre_us: int, asked: Moment, answered: Moment) -> None:
        """Take in what the centre's clock showed between a question and its answer."""
        took = answered.ticks_us - asked.ticks_us
        offset = centre_us - (asked.ticks_us + took // 2)
        old = self._known.offsets.get(self._boot)
        if old is not None and abs(offset - old) <= SLACK_US + took // 2:
            return
        own = answered.wall_us - answered.ticks_us
        steady = own if abs(own - offset) <= self._limit_us else offset
        self._known = replace(
            self._known,
            offsets=newest({**self._known.offsets, self._boot: offset}),
            steady=newest({**self._known.steady, self._boot: steady}),
        )
        self.save()

    def instant(self, moment: Moment) -> tuple[int, ClockTrust]:
        """Return when a moment was, in microseconds since 1970, and how far that can be trusted.

        Ask in the order in which they came: where nothing else is known, a moment lies after those before it.
        """
        offset = self._known.steady.get(moment.boot, self._known.offsets.get(moment.boot))
        if offset is not None:
            # By the ticks also where the clock is right: it may be set by less than the limit, and then run twice.
            exact = moment.ticks_us + offset
            right = abs(moment.wall_us - exact) <= self._limit_us
            return self._told(exact, ClockTrust.RIGHT if right else ClockTrust.CORRECTED)
        if moment.boot not in self._known.guesses:
            if self._known.latest_us <= moment.wall_us <= self._ceiling():
                return self._told(moment.wall_us, ClockTrust.UNCHECKED)
            guess = self._known.latest_us - moment.ticks_us
            guesses = {**self._known.guesses, moment.boot: guess}
            self._known = replace(self._known, guesses=newest(guesses))
        return self._told(moment.ticks_us + self._known.guesses[moment.boot], ClockTrust.GUESSED)

    def _ceiling(self) -> int:
        """Return the latest that a moment of the past can have been."""
        centre_us = self.centre_us
        return self._source.wall_us() if centre_us is None else centre_us

    def _told(self, instant_us: int, trust: ClockTrust) -> tuple[int, ClockTrust]:
        if instant_us > self._known.latest_us:
            self._known = replace(self._known, latest_us=instant_us)
        return instant_us, trust

    def save(self) -> None:
        """Keep what is known; a disk that cannot be written costs no more than a measurement."""
        with suppress(OSError):
            replace_file(self._file, msgspec.json.encode(self._known), durable=False)

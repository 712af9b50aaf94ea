"""The read plan: which device is due, and what to ask it for; from what is stored, never from a watermark."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gridwright.collect.gaps import spans, without
from gridwright.domain.device import DeviceLink, LinkState, ReadSession
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType, from_code

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """How often, how far back, how patiently.

    `every`: between two readings of a device. `spread`: the part of `every` over which devices are spread, so that
    they are not all called at once. `look_back`: how far holes are looked for. `settle`: how long after its end an
    interval is asked for. `certain_after`: a value that the meter still has not got then, it never will.
    `overlap`: of the event log, whose entries may be written late. After n failures in a row the next attempt waits
    `first_pause` · 2^(n-1), at most `longest_pause`. `drift`: beyond it the clock is set, where `set_clock` allows
    it. `together` conversations at once, `per_gateway` of them through one gateway.
    """

    every: timedelta = timedelta(minutes=15)
    spread: float = 0.5
    look_back: timedelta = timedelta(days=10)
    settle: timedelta = timedelta(seconds=5)
    certain_after: timedelta = timedelta(hours=6)
    overlap: timedelta = timedelta(hours=1)
    first_pause: timedelta = timedelta(seconds=30)
    longest_pause: timedelta = timedelta(hours=4)
    drift: timedelta = timedelta(seconds=30)
    implausible: timedelta = timedelta(days=2)
    set_clock: bool = True
    together: int = 32
    per_gateway: int = 4


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds of one device.

    `holes`: for each reading type the periods within the look-back that lack values, the newest one open to now.
    `absent`: those the meter itself has not got. `last_success`: the last session that brought everything.
    """

    holes: Mapping[ReadingType, Sequence[Interval]] = field(default_factory=dict)
    absent: Mapping[ReadingType, Sequence[Interval]] = field(default_factory=dict)
    last_success: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """What to ask one device for in one conversation."""

    serial: str
    profiles: tuple[tuple[ReadingType, Interval], ...] = ()
    events: Interval | None = None
    registers: bool = False
    clock: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to ask."""
        return not (self.profiles or self.events or self.registers or self.clock)


def chance(serial: str, salt: str = "") -> float:
    """Return a number in [0, 1) that is always the same for one device: jitter that a test can repeat."""
    digest = hashlib.blake2b(f"{serial}/{salt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def latest_turn(serial: str, now: datetime, policy: ReadPolicy) -> datetime:
    """Return the last moment up to `now` at which it was the device's turn."""
    every = int(policy.every.total_seconds())
    offset = int(chance(serial) * policy.spread * every)  # whole seconds: a turn must be a turn, rounded or not
    return from_epoch_s((epoch_s(now) - offset) // every * every + offset)


def pause_after(serial: str, failures: int, policy: ReadPolicy) -> timedelta:
    """Return how long to leave a device alone after `failures` in a row: doubling, with up to a quarter of jitter."""
    doubled = policy.first_pause * 2.0 ** min(failures - 1, 30)
    return min(doubled, policy.longest_pause) * (1 + chance(serial, str(failures)) / 4)


def is_due(link: DeviceLink, last: ReadSession | None, now: datetime, policy: ReadPolicy) -> bool:
    """Tell whether a device is to be read now; `last`: its newest session, good or bad."""
    if link.state is not LinkState.IN_SERVICE:
        return False
    if last is None:
        return True
    if not last.succeeded:
        return now >= last.ended + pause_after(link.serial, max(link.failures, 1), policy)
    return last.began < latest_turn(link.serial, now, policy)


def order_of(link: DeviceLink, known: Known, now: datetime, policy: ReadPolicy) -> ReadOrder:
    """Return what to ask for: profile since the last stored interval and its holes, events, once a day the rest."""
    can = link.capabilities
    events_since = known.last_success - policy.overlap if known.last_success else now - policy.look_back
    daily = known.last_success is None or known.last_success < _today(link.serial, now)
    return ReadOrder(
        link.serial,
        tuple(
            (kind, period)
            for kind, wanted in known.holes.items()
            for period in _asked(without(wanted, known.absent.get(kind, ())), interval_of(link), now - policy.settle)
        ),
        Interval(max(events_since, now - policy.look_back), now) if can.get("events") == "yes" else None,
        registers=daily and bool(can.get("registers")),
        clock=daily and can.get("clock") != "no",
    )


def interval_of(link: DeviceLink) -> timedelta | None:
    """Return the length of the device's intervals; None when it records no profile."""
    text = link.capabilities.get("profile_interval_s", "")
    return timedelta(seconds=int(text)) if text.isdigit() and int(text) else None


def channels_of(link: DeviceLink) -> tuple[ReadingType, ...]:
    """Return the reading types of the device's profile; what this version does not know is left out."""
    if interval_of(link) is None:
        return ()
    named = [code.strip() for code in link.capabilities.get("channels", "").split(",") if code.strip()]
    if not named:
        return (DELIVERED_ENERGY,)
    return tuple(kind for kind in map(_kind, named) if kind is not None)


def _kind(code: str) -> ReadingType | None:
    try:
        return from_code(code)
    except NotFound:
        return None


def _today(serial: str, now: datetime) -> datetime:
    """Return the device's own daily moment: after midnight UTC, spread over two hours."""
    offset = int(chance(serial, "day") * 7200)
    return from_epoch_s((epoch_s(now) - offset) // DAY_S * DAY_S + offset)


def _asked(periods: Sequence[Interval], interval: timedelta | None, until: datetime) -> list[Interval]:
    """Cut off intervals that have not ended; join what is closer than eight intervals: a question costs more."""
    if interval is None:
        return []
    end = from_epoch_s(epoch_s(until) // interval.total_seconds() * interval.total_seconds())
    whole = [Interval(each.start, min(each.end, end)) for each in periods if each.start < end]
    near = [Interval(each.start, each.end + 8 * interval) for each in whole]
    return [Interval(each.start, each.end - 8 * interval) for each in spans(near)]

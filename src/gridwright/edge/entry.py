"""What the buffer keeps of a device's request: all of it, and when it came in."""

from __future__ import annotations

import msgspec

from gridwright.api.edge.decode import Kept
from gridwright.api.edge.wire import ClockTrust, Record
from gridwright.edge.clock import EdgeClock, Moment


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A request, with the edge's clock and ticks; `stamped`: its readings have no time but that of their receipt.

    `trust`: where the instant was told before and is `wall_us` itself, as in what is sent again; None otherwise.
    """

    path: str
    media: str
    query: str
    wall_us: int
    ticks_us: int
    boot: str
    stamped: bool
    body: bytes
    trust: ClockTrust | None = None


def to_bytes(kept: Kept, moment: Moment, *, stamped: bool) -> bytes:
    """Return the bytes of a request as the buffer keeps them."""
    when = (moment.wall_us, moment.ticks_us, moment.boot)
    return msgspec.msgpack.encode(Entry(kept.path, kept.media, kept.query, *when, stamped, kept.body))


def told_again(kept: Kept, received_us: int, trust: ClockTrust, *, stamped: bool) -> bytes:
    """Return the bytes of a request whose instant was told to the centre before: it keeps it."""
    return msgspec.msgpack.encode(
        Entry(kept.path, kept.media, kept.query, received_us, 0, "", stamped, kept.body, trust)
    )


def to_record(sequence: int, payload: bytes, clock: EdgeClock) -> Record:
    """Return what is sent of it, with the instant that its moment was."""
    entry = msgspec.msgpack.decode(payload, type=Entry)
    instant, trust = entry.wall_us, entry.trust
    if trust is None:
        instant, trust = clock.instant(Moment(entry.wall_us, entry.ticks_us, entry.boot))
    return Record(sequence, entry.path, entry.media, entry.query, instant, trust, entry.stamped, entry.body)

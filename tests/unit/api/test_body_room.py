"""Bodies together stay below a bound, and each holds what it is: packed ones and those of no told length no more."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import ExitStack
from typing import Any, cast

import pytest

from gridwright.api.answer import Refused
from gridwright.api.body import FREE, PART, PIECE, Bodies, Pace, Room, unpack

HELD = 8 * PIECE
LIMIT = 4 * PIECE
Headers = tuple[tuple[bytes, bytes], ...]
PACKED: Headers = ((b"content-encoding", b"gzip"),)


def read(bodies: Bodies, room: Room, pieces: list[bytes], *headers: tuple[bytes, bytes]) -> bytes:
    """Read a body that comes in pieces."""
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    return asyncio.run(bodies.read({"headers": headers}, receive, LIMIT, room))


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [([gzip.compress(b"line\n" * 100)], PACKED), ([b"line\n"] * 100, ())],
    ids=["packed", "chunked"],
)
def test_a_thousand_small_bodies_have_room_at_once(
    pieces: list[bytes], headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    bodies = Bodies(HELD)
    with ExitStack() as under_way:
        for _ in range(1_000):
            room = under_way.enter_context(bodies.room_for({"headers": headers}, LIMIT))
            assert read(bodies, room, pieces, *headers) == b"line\n" * 100
    assert bodies.take_room(HELD), "room was not given back"


def test_what_unpacks_to_more_than_there_is_room_for_waits() -> None:
    bodies, large = Bodies(HELD), gzip.compress(bytes(3 * PIECE))
    with bodies.room_for({"headers": PACKED}, LIMIT) as one, bodies.room_for({"headers": PACKED}, LIMIT) as two:
        assert len(read(bodies, one, [large], *PACKED)) == len(read(bodies, two, [large], *PACKED)) == 3 * PIECE
        with bodies.room_for({"headers": PACKED}, LIMIT) as three, pytest.raises(Refused) as refused:
            read(bodies, three, [large], *PACKED)
        assert refused.value.answer.status == 429
        assert (b"retry-after", b"2") in refused.value.answer.headers
    assert bodies.take_room(HELD), "room was not given back"


def test_a_thread_that_unpacks_for_nobody_takes_no_room() -> None:
    bodies = Bodies(HELD)
    with bodies.room_for({"headers": PACKED}, LIMIT) as room:
        pass
    with pytest.raises(Refused):
        unpack(gzip.compress(bytes(PIECE)), LIMIT, room)
    assert bodies.take_room(HELD)


TOLD: Headers = ((b"content-length", str(LIMIT).encode()),)
FOR_EVER = 3_600.0


def test_what_was_announced_and_never_comes_holds_nothing() -> None:
    bodies = Bodies(HELD)
    with ExitStack() as idle:
        for _ in range(100):
            idle.enter_context(bodies.room_for({"headers": TOLD}, LIMIT))
        with bodies.room_for({"headers": TOLD}, LIMIT) as room:
            assert len(read(bodies, room, [bytes(PIECE)] * 4, *TOLD)) == LIMIT
    assert bodies.take_room(HELD), "room was not given back"


def test_what_would_not_fit_now_is_not_even_begun() -> None:
    bodies = Bodies(HELD)
    assert bodies.take_room(HELD - LIMIT + 1)
    with pytest.raises(Refused) as refused, bodies.room_for({"headers": TOLD}, LIMIT):
        pass
    assert refused.value.answer.status == 429
    with bodies.room_for({"headers": ((b"content-length", b"9"),)}, LIMIT) as room:
        assert read(bodies, room, [b"123", b"456789"]) == b"123456789"


def test_together_they_stay_below_the_bound_whatever_was_announced() -> None:
    """Two that were begun while there was room: the one that finds none is told, and gives back what it held."""
    bodies = Bodies(HELD)
    with bodies.room_for({"headers": TOLD}, LIMIT) as one, bodies.room_for({"headers": TOLD}, LIMIT) as two:
        read(bodies, one, [bytes(PIECE)] * 4)
        assert bodies.take_room(2 * PIECE)
        with pytest.raises(Refused) as refused:
            read(bodies, two, [bytes(PIECE)] * 4)
        assert refused.value.answer.status == 429
    assert bodies.take_room(HELD - 2 * PIECE)


def trickled(bodies: Bodies, sizes: list[int], *, ends: bool) -> bytes:
    """Read a body of which pieces come, each at once, and then nothing more, unless it ends."""
    left = list(sizes)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.sleep(FOR_EVER)
        return {"type": "http.request", "body": bytes(left.pop(0)), "more_body": bool(left) or not ends}

    with bodies.room_for({"headers": ()}, LIMIT) as room:
        return asyncio.run(bodies.read({"headers": ()}, receive, LIMIT, room))


@pytest.mark.parametrize("sizes", [[FREE + 1], [2 * PIECE], [PIECE, PIECE], [PIECE, *[1] * 1_000]])
def test_a_large_body_that_stops_halfway_is_let_go_long_before_the_end(sizes: list[int]) -> None:
    bodies = Bodies(HELD, FOR_EVER, still_s=0.05)
    with pytest.raises(Refused) as refused:
        trickled(bodies, sizes, ends=False)
    assert refused.value.answer.status == 408
    assert bodies.take_room(HELD)


def test_a_small_body_may_take_its_time() -> None:
    """As that of a device at 9,600 baud: nothing but the bound on the whole counts for it."""
    with pytest.raises(Refused) as refused:
        trickled(Bodies(HELD, 0.2, still_s=FOR_EVER), [100] * 20, ends=False)
    assert refused.value.answer.status == 408
    assert len(trickled(Bodies(HELD, FOR_EVER, still_s=0.0), [100] * 20, ends=True)) == 2_000


def test_a_body_that_comes_evenly_is_never_too_slow() -> None:
    """By the clock of the loop: what is even over the longest time brings a sixteenth well within the shortest."""
    clock, seen = [0.0], []

    class Deadline:
        def when(self) -> float:
            return 60.0

        def reschedule(self, when: float) -> None:
            seen.append(when)

    async def come() -> None:
        pace, rate = Pace(cast("Any", Deadline()), 10.0), FREE // 8  # bytes a second: 480 KiB in a minute
        loop = asyncio.get_running_loop()
        loop.time = lambda: clock[0]  # type: ignore[method-assign]
        until = 60.0
        for second in range(1, 61):
            clock[0] = float(second)
            assert clock[0] <= until
            pace.came(second * rate)
            until = seen[-1] if seen else until

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(come())
    finally:
        loop.close()
    assert len(seen) > PART
    assert max(seen) == 60.0

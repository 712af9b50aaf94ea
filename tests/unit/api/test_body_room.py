"""Bodies together stay below a bound, and each holds what it is: packed ones and those of no told length no more."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import ExitStack
from typing import Any

import pytest

from gridwright.api.answer import Refused
from gridwright.api.body import PIECE, Bodies, Room, unpack

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

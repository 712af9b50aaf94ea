"""What comes out of a container, piece by piece, so that a bomb is noticed before it fills the memory."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gridwright.domain.errors import UnreadableFile

MAX_RATIO = 300  # a text of meter readings packs to a tenth, one of zeros alone to a 250th; a bomb to a thousandth
LARGE_RATIO = 40  # of what unpacks to more than LARGE
RATIO_FREE = 16 << 20  # below this size the ratio does not matter
LARGE = 192 << 20
STRETCH = 64 << 20  # a bomb behind a long text of readings is noticed by this much of it
PIECE = 1 << 20


def most_from(packed: int) -> int:
    """Return to how many bytes a container of a size may unpack, all that is in it together."""
    return max(RATIO_FREE, min(MAX_RATIO * packed, LARGE), LARGE_RATIO * packed)


@dataclass(slots=True)
class Budget:
    """How many bytes a container may still unpack to; `packed` is its size, for the message."""

    left: int
    packed: int
    unpacked: int = 0

    def take(self, size: int, name: str) -> None:
        """Count what was unpacked, or is about to be; UnreadableFile where it is too much."""
        self.left -= size
        self.unpacked += size
        if self.left < 0:
            raise too_much(self.unpacked, self.packed, name)


class Stream(Protocol):
    """What gives bytes one after the other."""

    def read(self, size: int, /) -> bytes:
        """Return so many of the next bytes, fewer at the end."""
        ...


class View(io.RawIOBase):
    """Bytes in memory as a file to be read: nothing is copied but what is asked for."""

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data, self._at = data, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; OSError before the beginning."""
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        if at < 0:
            raise OSError(f"negative seek value {at}")
        self._at = at
        return at

    def tell(self) -> int:
        """Return the place up to which it was read."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer with what comes next."""
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


@dataclass(slots=True)
class _Pace:
    """How much of the container the last stretch was unpacked from; `at` tells up to where it was read."""

    at: Callable[[], int]
    places: deque[int] = field(default_factory=lambda: deque(maxlen=STRETCH // PIECE + 1))

    def is_a_bomb(self) -> bool:
        """Tell after each piece whether the last stretch came from less than any text of readings packs to."""
        self.places.append(self.at())
        whole = len(self.places) == self.places.maxlen
        return whole and (self.places[-1] - self.places[0]) * MAX_RATIO < STRETCH


def unpack(stream: Stream, packed: View, name: str, budget: Budget) -> memoryview:
    """Return what a stream of the container `packed` unpacks to; UnreadableFile as soon as that is a bomb."""
    whole = bytearray()
    pace = _Pace(packed.tell)
    while piece := stream.read(PIECE):
        budget.take(len(piece), name)
        whole += piece
        if pace.is_a_bomb():
            raise too_much(budget.unpacked, budget.packed, name)
    return memoryview(whole).toreadonly()


def too_much(unpacked: int, packed: int, name: str) -> UnreadableFile:
    """Return the refusal of a container that unpacks to more than any file of readings would."""
    return UnreadableFile(
        f"unpacks to more than {unpacked:,} bytes from {packed:,}", where=name, remedy="unpack it first if you trust it"
    )

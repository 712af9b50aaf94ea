"""A meter's clock: it runs off, and somebody sets it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Seconds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """From `since` (true epoch seconds) on, the clock was `ahead` seconds fast."""

    since: int
    ahead: float


class DeviceClock:
    """True time to the device's time and back; `ppm` is how fast it runs off by itself."""

    def __init__(self, since: int, *, ahead: float = 0.0, ppm: float = 0.0) -> None:
        self._rate = 1.0 + ppm * 1e-6
        self._pieces = [Piece(since, ahead)]

    def shift(self, at: int, ahead: float) -> None:
        """Make the clock `ahead` seconds fast from `at` on."""
        kept = [piece for piece in self._pieces if piece.since < at]
        self._pieces = [*kept, Piece(at, ahead)]

    def device(self, at: float) -> float:
        """Return the device's time at a true moment."""
        piece = next((one for one in reversed(self._pieces) if one.since <= at), self._pieces[0])
        return piece.since + piece.ahead + (at - piece.since) * self._rate

    def true(self, device: Seconds) -> Seconds:
        """Return when the device's clock first reached each time; times a jump left out are the jump's moment."""
        found = np.full(device.shape, np.inf)
        ends = [*(piece.since for piece in self._pieces[1:]), np.inf]
        for piece, end in zip(self._pieces, ends, strict=True):
            reached = np.maximum(piece.since + (device - piece.since - piece.ahead) / self._rate, piece.since)
            if piece is self._pieces[0]:
                reached = piece.since + (device - piece.since - piece.ahead) / self._rate
            found = np.minimum(found, np.where(reached < end, reached, np.inf))
        true: Seconds = np.rint(found).astype(np.int64)
        return true

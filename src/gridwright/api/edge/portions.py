"""A batch of an edge in portions, each a transaction of its own: a replay or a flood holds up nobody for long.

A portion is whole records, durable with the number of the last of them. What goes into quarantine is not written ahead,
as for a request: what came half would come again, with another time where its own was beyond ours, or be told as lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridwright.api.edge.wire import Record, RecordVerdict
from gridwright.api.write.batch import Batch

Decodeds = list[tuple[Record, Batch | RecordVerdict]]
HOLD_S = 0.25  # about so long a portion may keep all others from writing
FIRST, FEWEST, MOST = 500, 100, 100_000  # readings of a portion


@dataclass(slots=True)
class Pace:
    """How much a portion of several records may hold: so many readings, and so many of them for the quarantine."""

    strays: int
    readings: int = FIRST

    def took(self, readings: int, seconds: float) -> None:
        """Learn from a portion: register reads of one display take ten times as long as intervals of many."""
        if readings:
            fits = int(readings * HOLD_S / max(seconds, 0.001))
            self.readings = max(FEWEST, min(fits, 2 * self.readings, MOST))


def portions(decoded: Decodeds, last: int, pace: Pace) -> Iterator[tuple[int, Decodeds]]:
    """Yield decoded records in order, each portion with the number up to which it is; that of the last one is `last`.

    `pace` may change between two of them.
    """
    portion: Decodeds = []
    readings = strays = 0
    for record, one in decoded:
        more, aside = (one.readings, one.strays) if isinstance(one, Batch) else (0, 0)
        if readings and (readings + more > pace.readings or (aside and strays + aside > pace.strays)):
            yield portion[-1][0].sequence, portion
            portion, readings, strays = [], 0, 0
        portion.append((record, one))
        readings, strays = readings + more, strays + aside
    yield last, portion

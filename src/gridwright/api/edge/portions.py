"""A batch of an edge in portions, each a transaction of its own: a flood of unknown names holds up nobody for long.

A portion is whole records, durable with the number of the last of them. What goes into quarantine is not written ahead,
as for a request: what came half would come again, with another time where its own was beyond ours, or be told as lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from gridwright.api.edge.wire import Record, RecordVerdict
from gridwright.api.write.batch import Batch

Decodeds = list[tuple[Record, Batch | RecordVerdict]]


def portions(decoded: Decodeds, last: int, most: int) -> Iterator[tuple[int, Decodeds]]:
    """Yield decoded records in order, each portion with the number up to which it is; that of the last one is `last`.

    `most`: readings for the quarantine in a portion of several records.
    """
    portion: Decodeds = []
    strays = 0
    for record, one in decoded:
        more = one.strays if isinstance(one, Batch) else 0
        if portion and more and strays + more > most:
            yield portion[-1][0].sequence, portion
            portion, strays = [], 0
        portion.append((record, one))
        strays += more
    yield last, portion

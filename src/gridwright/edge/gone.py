"""What is gone from the buffer, and what of it the centre must still be told: the mark before and after, nothing else.

The numbers of an epoch tell a gap by the record behind it. Only where none is left behind it, the mark has to note it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from gridwright.edge.folder import Mark
from gridwright.edge.segment import Segment

Numbers = tuple[str, int, int]  # an epoch, and the first and the last of its numbers


def unacknowledged(segment: Segment, mark: Mark) -> int:
    """Return how many records of a file the centre does not have."""
    return max(0, segment.last - max(_through(segment.epoch, mark), segment.first - 1))


def is_told(segment: Segment, mark: Mark) -> bool:
    """Tell whether the centre knows of all up to the end of a file; one without a record may have a gap before it."""
    return segment.last <= _through(segment.epoch, mark)


def was_dropped(segment: Segment, mark: Mark) -> bool:
    """Tell whether a file was counted as dropped: a crash came before it was deleted."""
    epoch, last = mark.dropped_to
    return segment.epoch == epoch and segment.records > 0 and segment.last <= last


def with_dropped(mark: Mark, victim: Segment, *, is_end: bool) -> Mark:
    """Return the mark once a file is dropped; `is_end`: no other file of its epoch is left."""
    dropped = mark.dropped + unacknowledged(victim, mark)
    first, untold = _through(victim.epoch, mark) + 1, mark.untold
    if is_end and first <= victim.last:
        untold = (*untold, (victim.epoch, first, victim.last))
    return replace(mark, dropped=dropped, dropped_to=(victim.epoch, victim.last), untold=untold)


def with_told(mark: Mark, epoch: str, through: int) -> Mark:
    """Return the mark once the centre is durable up to a number of an epoch, as far as it notes what is gone."""
    left = tuple(
        (name, max(first, through + 1) if name == epoch else first, last)
        for name, first, last in mark.untold
        if name != epoch or last > through
    )
    return replace(mark, untold=left)


def arrived(dropped: Iterable[Numbers], epoch: str, through: int) -> int:
    """Return how many records were dropped while the batch was under way that brought them to the centre."""
    return sum(max(0, min(last, through) - first + 1) for name, first, last in dropped if name == epoch)


def _through(epoch: str, mark: Mark) -> int:
    return mark.through if epoch == mark.epoch else 0

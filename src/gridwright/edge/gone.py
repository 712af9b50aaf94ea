"""What is gone from the buffer, and what of it the centre must still be told: the mark before and after, nothing else.

The numbers of an epoch tell a gap by the record behind it. Only where none is left behind it, the mark has to note it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from gridwright.edge.folder import Ended, Forgotten, Mark, Sent
from gridwright.edge.segment import Segment

Numbers = tuple[str, int, int]  # an epoch, and the first and the last of its numbers
REMEMBERED = 32  # epochs that ended; a centre forgets none of an edge before a thousand newer ones
SHOWN = 20  # of what the centre was found to lack


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


def with_acknowledged(mark: Mark, epoch: str, through: int, sent: Sent) -> Mark:
    """Return the mark once all up to a number of an epoch is acknowledged; the epoch before it has ended."""
    ended = () if is_renamed(mark, sent) else mark.ended
    if epoch == mark.epoch:
        through = max(through, mark.through)
        sent = sent if sent.last_us is not None else replace(sent, last_us=mark.sent.last_us)
    elif mark.epoch and not is_renamed(mark, sent):
        ended = with_ended(ended, Ended(mark.epoch, mark.through, mark.sent.last_us))
    return replace(mark, epoch=epoch, through=through, sent=sent, ended=ended)


def with_ended(ended: tuple[Ended, ...], one: Ended) -> tuple[Ended, ...]:
    """Return the epochs that are remembered, one more at their end."""
    return (*(each for each in ended if each.epoch != one.epoch), one)[-REMEMBERED:]


def is_renamed(mark: Mark, sent: Sent) -> bool:
    """Tell whether the edge had another name: to the centre it is another edge, of which it never had anything."""
    return bool(sent.edge and mark.sent.edge) and sent.edge != mark.sent.edge


def acknowledged_of(mark: Mark, epoch: str) -> Ended:
    """Return up to which number an epoch was acknowledged."""
    if epoch == mark.epoch:
        return Ended(epoch, mark.through, mark.sent.last_us)
    return next((one for one in mark.ended if one.epoch == epoch), Ended(epoch, 0))


def with_set_back(mark: Mark, epoch: str, expected: int, kept: int) -> Mark:
    """Return the mark once the centre turns out to lack what it acknowledged of an epoch, from a number on.

    From `kept` on the records are still in files, and go again; what lies before is gone, and is told.
    """
    known = acknowledged_of(mark, epoch)
    gone = min(kept - 1, known.through)
    if epoch == mark.epoch:
        mark = replace(mark, through=max(expected - 1, gone))
    if expected > gone:
        return mark
    lacking = Forgotten(epoch, expected, gone, known.last_us if gone == known.through else None)
    forgotten = (*(one for one in mark.forgotten if (one.epoch, one.last) != (epoch, gone)), lacking)
    behind = tuple(one for one in mark.untold if one[0] != epoch or one[1] > gone)
    at = next((place for place, one in enumerate(behind) if one[0] == epoch), len(behind))
    untold = (*behind[:at], (epoch, expected, gone), *behind[at:])
    return replace(mark, untold=untold, forgotten=forgotten[-SHOWN:])


def arrived(dropped: Iterable[Numbers], epoch: str, through: int) -> int:
    """Return how many records were dropped while the batch was under way that brought them to the centre."""
    return sum(max(0, min(last, through) - first + 1) for name, first, last in dropped if name == epoch)


def _through(epoch: str, mark: Mark) -> int:
    return mark.through if epoch == mark.epoch else 0

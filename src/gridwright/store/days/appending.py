"""Single register reads put at the end of their meters' rows: the newest read of each, which is what meters send."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from gridwright.domain import quality as q
from gridwright.domain.minute_marks import ends_nothing
from gridwright.store.register_marks import WITHDRAWN, is_estimate, presumed

LATELY_S = 3420  # nearly an hour: a read that comes each hour has none before it that matters
Closer = Callable[[tuple[int, ...], int], bool]  # of the instants of the reads just before one, and of this one


def never(_: tuple[int, ...], __: int) -> bool:
    """Tell that no read needs a closer look."""
    return False


class Near(NamedTuple):
    """A stored read, as its neighbours see it."""

    at_s: int
    value: int
    end_device: str
    epoch: int
    quality: int


class Newest(NamedTuple):
    """One register read: whose, when (epoch seconds), how many counts, of which meter, and its quality.

    `presumed`: its source named the usage point alone.
    """

    point: str
    at_s: int
    counts: float
    end_device: str = ""
    quality: int = q.RAW
    presumed: bool = False

    @property
    def marked(self) -> int:
        """Its quality, with the mark of how its meter is known."""
        return self.quality | presumed(self.end_device, told=not self.presumed)

    def row(self, before: Near | None) -> tuple[int, int, int, str, int]:
        """Return the columns from the instant on: a read that follows counts in the same epoch."""
        return self.at_s, before.epoch if before is not None else 0, int(self.counts), self.end_device, self.marked


class Appended(NamedTuple):
    """What became of register reads, by their places: those that are new with the read before, and those left over."""

    new: dict[int, Near | None]
    left: list[int]


def recently(before: Mapping[int, Near], asked: Mapping[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yield key and time, from and to, of reads up to an hour before others, where the last one is nearer than that.

    Of a read that ends no interval nothing hangs on them.
    """
    for key, near in before.items():
        at_s = asked[key]
        if at_s - LATELY_S < near.at_s < at_s and not ends_nothing(near.at_s, at_s):
            yield key, at_s - LATELY_S, near.at_s


def sort_out(
    newest: Sequence[Newest],
    keys: Sequence[int | None],
    around: tuple[Mapping[int, Near], Mapping[int, Near]],
    begun: Collection[int] = (),
    *,
    recent: Mapping[int, tuple[int, ...]],
    closer: Closer = never,
) -> Appended:
    """Find the plain ones: no read comes after, and the one before is of the same meter, and not above it.

    What is stored alike already is neither new nor left over. `begun`: where the one before began an epoch: whether it
    was right the next one tells. `recent`: when the reads just before were, where others may be; `closer`: whether a
    read behind them is not plain.
    """
    before, after = around
    found = Appended({}, [])
    seen: set[int | None] = {None}
    for place, (read, key) in enumerate(zip(newest, keys, strict=True)):
        if key is None or key in seen:
            found.left.append(place)
        else:
            near = before.get(key)
            if near is not None and near.at_s == read.at_s:
                if near[1:3] != (read.counts, read.end_device) or near.quality != read.marked:
                    found.left.append(place)
            elif (
                key in after
                or key in begun
                or not _follows(near, read)
                or (near and closer(recent.get(key) or (near.at_s,), read.at_s))
            ):
                found.left.append(place)
            else:
                found.new[place] = near
        seen.add(key)
    return found


def _follows(near: Near | None, read: Newest) -> bool:
    if not float(read.counts).is_integer():
        return False
    if near is None:
        return True
    return (
        near.end_device == read.end_device
        and near.value <= read.counts
        and near.quality < WITHDRAWN
        and not is_estimate(near.quality)
    )

"""What register reads tell of the intervals between them, before and after more of them came or were corrected.

What is derived from reads follows them; what a meter measured stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gridwright.api.write.derived import Derived, panel_of, save_over
from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading

if TYPE_CHECKING:
    from gridwright.domain.access import Access
    from gridwright.jobs.meters.place_reads import Placed
    from gridwright.store import Store

Energy = Callable[[RegisterReading, RegisterReading], Iterable[Derived]]
Told = dict[tuple[int, int], Derived]
Anew = tuple[Derived, Derived]  # what was told of an interval before, and what is told now
GUESSED = np.uint8(q.pack(q.Status.ESTIMATED, q.Method.LINEAR))


@dataclass(slots=True)
class Changes:
    """What reads change about derived energy: what is `new` is saved where nothing is stored, the rest in place."""

    new: list[Derived] = field(default_factory=list)
    anew: list[Anew] = field(default_factory=list)
    guessed: list[Anew] = field(default_factory=list)

    def add(self, placed: Placed, energy: Energy) -> None:
        """Compare what the reads of a usage point told with what they tell.

        Beside a read that is wrong now nothing is told any more: what was is made a guess, on a straight line between
        the reads around it, until the right read comes.
        """
        before, after = _told(placed.before, energy), _told(placed.after, energy)
        unsure = _guessed(placed.before, placed.doubted, energy)
        guessed = _guessed(placed.after, placed.wrong, energy)
        other = {key: one for key, one in after.items() if before.get(key) != one}
        self.new += other.values()
        self.anew += [((unsure | before)[key], one) for key, one in other.items() if key in before or key in unsure]
        self.guessed += [
            (before[key], one) for key, one in guessed.items() if key not in after and before.get(key, one) != one
        ]


def _told(chain: Sequence[RegisterReading], energy: Energy) -> Told:
    pairs = ((one, other) for one, other in pairwise(chain) if one.epoch == other.epoch)
    return {(each.start_s, each.length_s): each for one, other in pairs for each in energy(one, other)}


def _guessed(chain: Sequence[RegisterReading], wrong: Iterable[RegisterReading], energy: Energy) -> Told:
    """Return the energy beside wrong reads if they stood on a straight line between the reads around them."""
    found: Told = {}
    for read in wrong:
        place = chain.index(read)
        before, after = chain[place - 1], chain[place + 1]
        share = (read.at - before.at) / (after.at - before.at)
        right = replace(read, value=before.value + (after.value - before.value) * share // 1)
        pairs = ((before, right), (right, after))
        found |= {(each.start_s, each.length_s): each for pair in pairs for each in energy(*pair)}
    return found


def correct_derived(
    store: Store, who: tuple[Access, Access], changes: Changes, kind: ReadingType, known_at: datetime
) -> None:
    """Supersede the energy of intervals where what is stored is what the reads told before."""
    delta = replace(kind, accumulation=Accumulation.DELTA)
    for several, guess in ((changes.anew, False), (changes.guessed, True)):
        days: dict[tuple[int, int, int], list[Anew]] = defaultdict(list)
        for pair in several:
            start_s, length_s = pair[1].start_s, pair[1].length_s
            days[length_s, start_s // DAY_S, start_s % length_s].append(pair)
        for some in days.values():
            before, after = (panel_of(each, delta) for each in zip(*some, strict=True))
            if guess:
                after = replace(after, quality=np.where(after.missing, after.quality, GUESSED))
            save_over(store, who, after, known_at, stale=before)

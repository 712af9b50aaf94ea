"""What the reads of a register tell of the intervals of a grid: the one answer for posts, files and exchanges."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import inf, isnan, nan
from typing import NamedTuple

from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.minute_marks import DENSE_S
from gridwright.domain.quality import GUESSED, OF_REGISTER
from gridwright.domain.register import RegisterReading, is_possible
from gridwright.domain.rollover import TurnedOver
from gridwright.ingest.order import between_reads
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.moments import Moment, at_marks

LONGEST_S, QUARTER_S, MINUTE_S = 3600, 900, 60
MOST = 64  # reads that may lie within an hour
PASSED = 4  # reads after the first interval that may lie within a longer one, derived before they came
FARTHEST_S = LONGEST_S * (1 + 2 * JITTER)  # two reads may be apart, each a little beside an end of an interval
Key = tuple[int, int]  # start and length of an interval, in seconds
Factor = Callable[[RegisterReading, RegisterReading], float | None]
Limit = Callable[[str], float]


class Told(NamedTuple):  # made by the dozen for each late read: a dataclass takes twice as long
    """Energy of an interval in counts; `guess`: beside a wrong read; `direct`: no shorter interval begins there.

    `quality`: as sure as the less sure of the two reads.
    """

    energy: float
    guess: bool = False
    direct: bool = True
    quality: int = OF_REGISTER

    @property
    def saved_quality(self) -> int:
        """Return with which quality it is saved."""
        return GUESSED if self.guess else self.quality


Tells = dict[Key, Told]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the differences of reads count times, whether a fall is a rollover, and what a connection carries in kW.

    No factor (None, NaN): no one installation holds both reads, so they tell nothing.
    """

    factor: Factor
    turned_over: TurnedOver
    limit: Limit

    def unlimited(self) -> Rules:
        """Return the same without a limit: of what was told once nobody knows which limit held."""
        return replace(self, limit=no_limit)


def no_limit(_: str) -> float:
    """Tell that a connection carries anything."""
    return inf


def tells(
    reads: Sequence[RegisterReading], wrong: Collection[RegisterReading], rules: Rules, *, whole: bool = False
) -> Tells:
    """Return what reads in order, of which some are `wrong`, tell of each interval that two of them are the ends of.

    Reads between the two are passed; where a final and an opening read lie between them, it holds what both registers
    counted. Beside a wrong read it is a guess: as if it stood on a straight line between the reads around it.
    `whole`: of a day all intervals are looked at, and none over what the connection cannot have carried.
    """
    mended = _mended(reads, wrong) if wrong else [(read, False) for read in reads]
    moments = [
        Moment(epoch_s(some[0][0].at), some[0][0], some[-1][0], any(guess for _, guess in some))
        for some in (list(same) for _, same in groupby(mended, key=lambda each: each[0].at))
    ]
    counted = [_counted(one.last, other.first, rules) for one, other in pairwise(moments)]
    if any(other.at_s - one.at_s < DENSE_S for one, other in pairwise(moments)):
        moments, counted = at_marks(moments, counted)
    if whole:
        counted = [_carried(*pair, each, rules) for pair, each in zip(pairwise(moments), counted, strict=True)]
    found: Tells = {}
    for place in range(len(counted)):
        for key, told in _from(moments, counted, place, (rules, MOST if whole else PASSED)):
            found.setdefault(key, told)
    return found


def _mended(
    reads: Sequence[RegisterReading], wrong: Collection[RegisterReading]
) -> Iterator[tuple[RegisterReading, bool]]:
    sound = [place for place, read in enumerate(reads) if read not in wrong]
    for place, read in enumerate(reads):
        at = bisect(sound, place)
        before, after = reads[sound[at - 1]] if at else read, reads[sound[at]] if at < len(sound) else read
        counts_on = before.end_device == after.end_device and before.value <= after.value
        if read in wrong and counts_on and before.at < read.at < after.at:
            share = (read.at - before.at) / (after.at - before.at)
            value = before.value + (after.value - before.value) * share // 1
            yield replace(read, value=value, epoch=before.epoch), True
        else:
            yield read, False


def _counted(before: RegisterReading, after: RegisterReading, rules: Rules) -> tuple[float, float]:
    """Return what a register counted between two reads, and times what that counts; NaN where they do not tell it."""
    if (before.end_device, before.epoch) != (after.end_device, after.epoch):
        return nan, nan
    factor, counted = rules.factor(before, after), after.value - before.value
    # Of one epoch: it was found to turn over, by what was known then of how fast it counts.
    counted += rules.turned_over(before, after, inf) if counted < 0 else 0.0
    return (nan, nan) if factor is None or counted < 0 else (counted, factor)


def _carried(one: Moment, other: Moment, counted: tuple[float, float], rules: Rules) -> tuple[float, float]:
    """Return what was counted between two moments, NaN where the connection cannot have carried it."""
    return counted if _is_carried(counted[0] * counted[1], one.last, other.first, rules) else (nan, nan)


def _from(
    moments: Sequence[Moment], counted: Sequence[tuple[float, float]], place: int, how: tuple[Rules, int]
) -> Iterator[tuple[Key, Told]]:
    """Yield what is told of the intervals that begin with one moment; `how`: by which rules, and how many passed."""
    rules, left = how
    one, total, run, times, direct = moments[place], 0.0, 0.0, 1.0, True
    for step in range(place, len(counted)):
        # Of reads each minute the longer intervals were never derived.
        left -= not direct
        if not left:
            return
        other, (count, factor) = moments[step + 1], counted[step]
        if isnan(factor) or other.at_s - one.at_s > FARTHEST_S:
            return
        # Only the sum of what counts times one factor is multiplied, so that whole counts stay whole.
        total, run, times = (total, run + count, times) if factor == times else (total + run * times, count, factor)
        key = key_between(one.at_s, other.at_s)
        if key is None:
            continue
        energy = total + run * times
        if energy.is_integer() and _is_carried(energy, one.last, other.first, rules):
            quality = between_reads(one.last.quality, other.first.quality)
            yield key, Told(energy, one.guess or other.guess, direct and is_usual(key), quality)
        direct = direct and not is_usual(key)


def _is_carried(energy: float, before: RegisterReading, after: RegisterReading, rules: Rules) -> bool:
    limit = rules.limit(after.usage_point)
    return limit == inf or is_possible(energy, after.reading_type, after.at - before.at, limit)


def is_usual(key: Key) -> bool:
    """Tell whether an interval begins where those of a day usually do: others are derived in files that hold many."""
    start, length = key
    return not start % (min(length, QUARTER_S) if length % QUARTER_S == 0 or length < QUARTER_S else length)


def ends_usual(second: int) -> bool:
    """Tell whether an interval of those that `is_usual` tells may begin or end with a read at an instant."""
    half = QUARTER_S // 2
    return not second % MINUTE_S or abs((second + half) % QUARTER_S - half) <= JITTER * QUARTER_S


def key_between(begin: int, end: int) -> Key | None:
    """Return the interval of a grid of which two instants, in epoch seconds, are the ends; None where there is none."""
    length = round((end - begin) / MINUTE_S) * MINUTE_S
    start = round(begin / MINUTE_S) * MINUTE_S
    if not 0 < length <= LONGEST_S or DAY_S % length:
        return None
    near = max(abs(begin - start), abs(end - start - length)) <= JITTER * length
    return (start, length) if near else None

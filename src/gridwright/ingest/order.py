"""Put readings in order and keep one of each interval: repeats go, of conflicting values the better one stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.quality import Status
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Reject
from gridwright.ingest.collected import Tally

Mask = npt.NDArray[np.bool_]
KEPT = 10_000  # verdicts listed with their place; all are counted

# Of two values for one interval the one that is trusted more stays.
TRUST = {
    Status.MISSING: 0,
    Status.REJECTED: 0,
    Status.ESTIMATED: 1,
    Status.DERIVED: 2,
    Status.ESTIMATED_FINAL: 2,
    Status.RAW: 3,
    Status.ACTUAL: 4,
    Status.ACCEPTED: 4,
    Status.EDITED: 5,
}
RANK = np.zeros(256, np.int8)
for _status, _rank in TRUST.items():
    RANK[int(_status) :: 16] = _rank
RANK[q.out_of_sight(np.arange(256, dtype=np.uint8))] = 0  # keeps nothing out: whether it counts is not known yet
SURE = TRUST[Status.RAW]


def gives_way(new: q.Qualities, stored: q.Qualities, same: Mask) -> Mask:
    """Tell which values a stored one of better quality keeps out, whenever they come: guesses that nobody decided on.

    A last estimate, and one that names its method (NEM12 S17, AEMO MDFF 4.3), is the decision of who reads the meter.
    `same`: where both have one value; what says less of it than is known changes nothing either.
    """
    less = same & q.says_less(new, stored) & ~q.out_of_sight(new) & ~q.out_of_sight(stored)
    told = q.of_register(new) & q.of_register(stored)  # what reads tell now holds, however sure it is
    return np.asarray((is_guess(new) & (RANK[new] < RANK[stored]) & ~told) | less, np.bool_)


def is_guess(new: q.Qualities) -> Mask:
    """Tell which values give way to what was measured: estimates without a method of guessing, and what was derived."""
    status = q.status_of(new)
    named = (status == Status.ESTIMATED) & (q.method_of(new) != q.Method.NONE) & ~q.of_register(new)
    decided = named | (status == Status.ESTIMATED_FINAL) | (new == q.TAKEN_BACK) | q.out_of_sight(new)
    return np.asarray((RANK[new] < SURE) & ~decided, np.bool_)


@cache
def between_reads(before: int, after: int) -> int:
    """Return the quality of the energy between two register reads: it is as sure as the less sure one."""
    worse = before if RANK[before] < RANK[after] else after
    return q.pack(Status(worse & 0x0F), q.Method.REGISTER)


GUESSES = is_guess(np.arange(256, dtype=np.uint8))  # by quality


def one_gives_way(new: int, stored: int) -> bool:
    """Tell the same as `gives_way` of one value."""
    return bool(GUESSES[new] and RANK[new] < RANK[stored])


@dataclass(frozen=True, slots=True, eq=False)
class Ordered:
    """Readings in order of point and time, one an instant, and what was left out."""

    readings: Readings
    tally: Tally


def take(readings: Readings, which: npt.NDArray[np.intp] | Mask) -> Readings:
    """Return some of the readings."""
    return replace(
        readings,
        point=readings.point[which],
        at=readings.at[which],
        value=readings.value[which],
        quality=readings.quality[which],
        line=readings.line[which],
        presumed=None if readings.presumed is None else readings.presumed[which],
    )


def reject(readings: Readings, which: Mask, reason: str, remedy: str) -> Tally:
    """Return the tally of the readings at `which`, all refused for one reason."""
    return Tally(rejected=int(np.count_nonzero(which)), listed=listed(readings, which, reason, remedy))


def listed(readings: Readings, which: Mask, reason: str, remedy: str) -> tuple[Reject, ...]:
    """Return the verdict on each of the readings at `which`, the first KEPT of them."""
    return tuple(
        Reject(
            int(readings.line[at]),
            reason,
            remedy,
            f"{readings.value[at] * readings.reading_type.resolution:.12g} {readings.reading_type.unit}",
            f"{readings.points[readings.point[at]]} {from_epoch_s(int(readings.at[at])).isoformat()}",
        )
        for at in np.flatnonzero(which)[:KEPT].tolist()
    )


def order(readings: Readings) -> Ordered:
    """Sort by point and time and settle repeats: higher trust wins (TRUST), then the later record.

    The result does not depend on the order in which the readings come, apart from that last rule.
    """
    if readings.size == 0:
        return Ordered(readings, Tally())
    key = _key(readings)
    rising = np.diff(key)
    if (rising > 0).all():
        return Ordered(readings, accepted(readings))
    if (rising < 0).any():
        sequence = np.argsort(key, kind="stable")
        readings, key = take(readings, sequence), key[sequence]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    if starts.size == readings.size:
        return Ordered(readings, accepted(readings))
    return _settled(readings, starts)


def _settled(readings: Readings, starts: npt.NDArray[np.intp]) -> Ordered:
    group = np.repeat(np.arange(starts.size), np.diff(np.r_[starts, readings.size]))
    trust = np.where(np.isnan(readings.value), -1, RANK[readings.quality])
    best = np.lexsort((readings.line, trust, group))
    winner = best[np.r_[np.flatnonzero(np.diff(group)), group.size - 1]]
    lost = np.ones(readings.size, np.bool_)
    lost[winner] = False
    won = readings.value[winner][group]
    # A record without a value says nothing against one that has it, as in wide files with a row for each quality.
    empty = np.isnan(readings.value) & ~np.isnan(won)
    same = (readings.value == won) | np.isnan(readings.value)
    conflict = lost & ~same
    kept = take(readings, winner)
    tally = Tally(
        repeated=int(np.count_nonzero(lost & same & ~empty)),
        conflicting=int(np.count_nonzero(conflict)),
        missing=int(np.count_nonzero(empty)),
        listed=listed(
            readings,
            conflict,
            "conflict: V03 another value of this interval won",
            "the better quality, then the later record is kept",
        ),
    )
    return Ordered(kept, tally + accepted(kept))


def accepted(readings: Readings) -> Tally:
    """Return the tally of readings that are all taken, those that say that they have no value as missing."""
    missing = int(np.count_nonzero(np.isnan(readings.value)))
    return Tally(accepted=readings.size - missing, missing=missing)


def _key(readings: Readings) -> npt.NDArray[np.int64]:
    """One number that grows with point, then time."""
    first = int(readings.at.min())
    span = int(readings.at.max()) - first + 1
    return readings.point.astype(np.int64) * span + (readings.at - first)


def merge(series: Sequence[Readings]) -> list[Readings]:
    """Join series of one meaning and interval length; where resolutions differ, the finest is taken, exactly."""
    groups: dict[tuple[object, int], list[Readings]] = {}
    for part in series:
        groups.setdefault((part.reading_type.finer(0), part.interval_s), []).append(part)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(group: Sequence[Readings]) -> Readings:
    exponent = min(part.reading_type.exponent for part in group)
    places: dict[tuple[str, str], int] = {}
    point, value = [], []
    for part in group:
        devices = part.devices or ("",) * len(part.points)
        table = [places.setdefault(pair, len(places)) for pair in zip(part.points, devices, strict=True)]
        point.append(np.array(table, np.int32)[part.point])
        value.append(part.value * 10.0 ** (part.reading_type.exponent - exponent))
    return replace(
        group[0],
        points=tuple(name for name, _ in places),
        point=np.concatenate(point),
        at=np.concatenate([part.at for part in group]),
        value=np.concatenate(value),
        quality=np.concatenate([part.quality for part in group]),
        line=np.concatenate([part.line for part in group]),
        reading_type=group[0].reading_type.finer(exponent),
        devices=tuple(device for _, device in places) if any(part.devices for part in group) else (),
        presumed=_presumed(group),
    )


def _presumed(group: Sequence[Readings]) -> Mask | None:
    if all(part.presumed is None for part in group):
        return None
    return np.concatenate([np.zeros(part.size, np.bool_) if part.presumed is None else part.presumed for part in group])


__all__ = ["Ordered", "accepted", "gives_way", "listed", "merge", "order", "reject", "take"]

"""On which days the reads of a file lie unevenly: these are derived anew, as where the reads are posted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.minute_marks import DENSE_S
from gridwright.domain.register import RegisterReading
from gridwright.ingest import RegisterReads
from gridwright.ingest.registers import JITTER, MAJORITY, usual_steps
from gridwright.jobs.meters.day_again import ENOUGH
from gridwright.jobs.meters.even_reads import goes_on_evenly
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.reads_tell import FARTHEST_S, LONGEST_S, MINUTE_S, MOST, ends_usual

FEW = 8  # reads, of which those stored beside them may tell another step


class Edge(NamedTuple):
    """The instants of the stored reads within about an hour before and behind those of a file, in order.

    `last` and `following`: of the nearest ones that a file looks at, however far away.
    """

    before: Sequence[int]
    behind: Sequence[int]
    last: int | None
    following: int | None

    def beside(self, own: Sequence[int]) -> list[int]:
        """Return the instants of a file's reads with the nearest ones beside them."""
        return [
            *([] if self.last is None else [self.last]),
            *own,
            *([] if self.following is None else [self.following]),
        ]


def uneven_days(registers: RegisterReads) -> set[Day]:
    """Return the days on which intervals are told that the usual step of their register does not tell.

    Holes are no reason: where reads are several steps apart, the registers know what lies between, unless those hold
    much of the day.
    """
    reads = registers.readings
    length = np.diff(reads.at)
    near = (reads.point[1:] == reads.point[:-1]) & (length > 0) & (length <= LONGEST_S * (1 + 2 * JITTER))
    row = np.flatnonzero(near)
    if not row.size:
        return set()
    length, point, day = length[row], reads.point[row].astype(np.int64), reads.at[row] // DAY_S
    usual, minutes = usual_steps(reads)[point], np.rint(length / MINUTE_S).astype(np.int64) * MINUTE_S
    even = (minutes == usual) & (length >= DENSE_S)
    if even.all():
        return set()
    odd = (usual == 0) | (length < DENSE_S) | (minutes % np.maximum(usual, 1) != 0)
    key, place = np.unique(point * (int(day.max()) + 1) + day, return_inverse=True)
    by_step, whole = (np.bincount(place, weights, key.size) for weights in (minutes * even, minutes))
    rows = np.flatnonzero(odd | (by_step < ENOUGH * whole)[place])
    return {(reads.points[int(point[at])], int(day[at])) for at in rows.tolist()}


def uneven_edges(
    registers: RegisterReads, reads: Mapping[str, Sequence[RegisterReading]], edges: Mapping[str, Edge]
) -> set[Day]:
    """Return the days on which reads of a file do not go on evenly from those stored before and behind them."""
    if not edges:
        return set()
    steps = dict(zip(registers.readings.points, usual_steps(registers.readings).tolist(), strict=True))
    found = set()
    for point, edge in edges.items():
        own = sorted({epoch_s(read.at) for read in reads[point]})
        step = steps[point] if len(own) > FEW else _step(edge.beside(own))
        sides = [(own[-1], [*own[-MOST:], *edge.behind])] if edge.behind else []
        sides += [(own[0], [*edge.before, *own[:MOST]])] if edge.before else []
        for at, chain in sides:
            if not _goes_on(at, chain, step):
                found |= {(point, int(second) // DAY_S) for second in (at - FARTHEST_S, at, at + FARTHEST_S)}
    return found


def _step(at: Sequence[int]) -> int:
    """Return the step that most of a few reads are apart, as `usual_steps` does; 0 where there is none."""
    steps = Counter(round((other - one) / MINUTE_S) * MINUTE_S for one, other in pairwise(at))
    best, count = steps.most_common(1)[0]
    return best if count > MAJORITY * steps.total() else 0


def _goes_on(at: int, chain: Sequence[int], step: int) -> bool:
    """Tell whether reads within an hour of one lie evenly, so that a file tells each interval between them."""
    near = [each for each in chain if abs(each - at) <= FARTHEST_S]
    if any(0 < other - one < DENSE_S for one, other in pairwise(near)):
        return False
    return not ends_usual(at) or len(near) < 2 or (goes_on_evenly(near[:-1], near[-1]) and near[1] - near[0] == step)  # noqa: PLR2004 - two reads

"""On which days the reads of a file lie unevenly: these are derived anew, as where the reads are posted."""

from __future__ import annotations

import numpy as np

from gridwright.domain.interval import DAY_S
from gridwright.ingest import RegisterReads
from gridwright.ingest.registers import JITTER, usual_steps
from gridwright.jobs.meters.day_again import ENOUGH
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.reads_tell import LONGEST_S, MINUTE_S


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
    even = minutes == usual
    if even.all():
        return set()
    odd = (usual == 0) | (minutes % np.maximum(usual, 1) != 0)
    key, place = np.unique(point * (int(day.max()) + 1) + day, return_inverse=True)
    by_step, whole = (np.bincount(place, weights, key.size) for weights in (minutes * even, minutes))
    rows = np.flatnonzero(odd | (by_step < ENOUGH * whole)[place])
    return {(reads.points[int(point[at])], int(day[at])) for at in rows.tolist()}

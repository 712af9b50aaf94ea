"""Of several samples that are kept for one instant the one taken last counts, in whichever order they came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.domain.readings import Readings
from gridwright.ingest.order import take


def last_by_time(readings: Readings, taken_us: npt.NDArray[np.int64]) -> Readings:
    """Leave out what stands behind the sample of its instant that was taken last: else the last record would count."""
    if not (taken_us[1:] < taken_us[:-1]).any():
        return readings
    order = np.lexsort((readings.line, taken_us, readings.at, readings.point))
    point, at = readings.point[order], readings.at[order]
    ends = np.flatnonzero(np.r_[(point[1:] != point[:-1]) | (at[1:] != at[:-1]), True])
    last = np.repeat(readings.line[order][ends], np.diff(ends, prepend=-1))
    kept = np.ones(readings.size, np.bool_)
    kept[order] = readings.line[order] <= last
    return readings if kept.all() else take(readings, kept)

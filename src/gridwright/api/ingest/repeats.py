"""How many readings of a request say again what another of it says; plain lines are too many to be looked through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.table import Decoded, Table, check

if TYPE_CHECKING:
    from gridwright.api.ingest.few import Few


def check_and_count(table: Table, decoded: Decoded, now: datetime) -> None:
    """Check a table, and count what its sound rows say again."""
    before = len(decoded.series)
    check(table, decoded, now)
    for readings in decoded.series[before:]:
        decoded.verdicts.repeated += repeats_in(readings.point, readings.at, readings.value)


def repeats_in(point: npt.NDArray[np.int32], at: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> int:
    """Return how many rows are of the point, instant and value of another; rows in order cost one comparison."""
    if point.size < 2:  # noqa: PLR2004 - two that may be the same
        return 0
    since = at - at.min()
    key = point.astype(np.int64) * (int(since.max()) + 1) + since
    if (key[1:] > key[:-1]).all():
        return 0
    order = np.argsort(key, kind="stable")
    if (key[order[1:]] != key[order[:-1]]).all():
        return 0
    order = np.lexsort((value, key))
    same = (key[order[1:]] == key[order[:-1]]) & (value[order[1:]] == value[order[:-1]])
    return int(np.count_nonzero(same))


def repeats_among(several: Sequence[Few]) -> int:
    """Return how many of a few readings are of the usage point, instant, value and meaning of another."""
    return len(several) - len({(one.name, one.at_s, one.counts, one.meaning) for one in several})

"""From when to when the readings of each usage point reach, in one pass over the columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]


def spans_of(key: Ints, begin: Ints, end: Ints) -> Iterator[tuple[int, int, int]]:
    """Yield (key, earliest begin, latest end) of each key that occurs, in order of keys."""
    if not key.size:
        return
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    first, last = np.minimum.reduceat(begin[order], starts), np.maximum.reduceat(end[order], starts)
    yield from zip(ordered[starts].tolist(), first.tolist(), last.tolist(), strict=True)

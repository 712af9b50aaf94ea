"""Single readings of many posts into the journal, as one row: laid into days they would cost each its own pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridwright.domain.readings import Readings

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.domain.access import Access
    from gridwright.domain.reading_type import ReadingType
    from gridwright.store import Single, Store

MANY = 8  # posts of a group; fewer are laid into their days at once, for folding costs a commit of its own


def put_singles(
    store: Store, access: Access, kind: tuple[ReadingType, int], singles: Sequence[Single], now: datetime, *, fill: bool
) -> bool:
    """Let readings wait in the journal, all of them; False, with nothing done: they must be saved at once.

    Each is of another usage point; `kind`: their type and length; `fill`: they count only where nothing is stored.
    """
    count = len(singles)
    points, at, counts, quality = zip(*singles, strict=True)
    place = np.arange(count)
    columns = np.array(at, np.int64), np.array(counts, np.float64), np.array(quality, np.uint8), place
    readings = Readings(points, place.astype(np.int32), *columns, interval_s=kind[1], reading_type=kind[0])
    accepted = store.journal.accept(access, readings, fill=fill)
    if accepted is None:
        return False
    store.journal.put([accepted], received=now)
    return True

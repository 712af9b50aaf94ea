"""Readings of a file that name a meter of a time at which it hung nowhere: they wait in quarantine, as by HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.readings import Readings
from gridwright.ingest import Tally
from gridwright.ingest.order import reject, take
from gridwright.ingest.possible import possible
from gridwright.jobs.store_port import StorePort

HUNG_NOWHERE = "its meter hung nowhere at that time, and"
NO_ROOM = f"{HUNG_NOWHERE} the quarantine is full", "correct the dates of the meter's installation"
LET_GO = f"{HUNG_NOWHERE} the same was let go from quarantine", "correct when the meter hung there, and import again"


def adrift(strays: Sequence[Readings], not_after: int | None) -> tuple[list[Readings], Tally]:
    """Return what may wait of such readings, and the tally of what is refused for impossible stamps."""
    found, tally = [], Tally()
    for part in strays:
        valued, refused = possible(take(part, np.isfinite(part.value)), not_after)
        tally += refused
        found += [valued] if valued.size else []
    return found, tally


def keep_adrift(
    store: StorePort, access: Access, series: Sequence[Readings], *, received: datetime
) -> tuple[Counter[str], Tally]:
    """Bring readings into quarantine; return how many wait there now by name, and the tally of those that do not."""
    if not series:
        return Counter(), Tally()
    kept = store.quarantine.save_series(access, series, received=received, room=store.quarantine.room(access))
    waiting, tally, begin = Counter[str](), Tally(), 0
    for part in series:
        waits = np.ones(part.size, np.bool_)
        for places, why in ((kept.let_go, LET_GO), (kept.no_room, NO_ROOM)):
            refused = np.isin(np.arange(begin, begin + part.size), places)
            tally += reject(part, refused, *why)
            waits &= ~refused
        waiting += by_meter(take(part, waits))
        begin += part.size
    return waiting, tally


def by_meter(part: Readings) -> Counter[str]:
    """Count readings by the name that they have."""
    return +Counter(dict(zip(part.points, np.bincount(part.point, minlength=len(part.points)).tolist(), strict=True)))


def adrift_notes(waiting: Mapping[str, int]) -> Iterator[str]:
    """Say which readings wait, and what helps."""
    if waiting:
        first, count = next(iter(waiting)), sum(waiting.values())
        whose = f"meter {first}" if len(waiting) == 1 else f"{len(waiting):,} meters, such as {first}"
        yield (
            f"{count:,} {'reading' if count == 1 else 'readings'} of {whose}, of when it hung nowhere: in quarantine; "
            f"claim what waits (gridwright quarantine claim {first} USAGE_POINT), "
            "or correct when it hung there and import again"
        )

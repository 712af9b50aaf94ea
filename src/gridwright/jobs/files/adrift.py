"""Readings of a file that name a meter of a time at which it hung nowhere: they wait in quarantine, as by HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.readings import Readings
from gridwright.ingest import Tally
from gridwright.ingest.order import reject, take
from gridwright.ingest.possible import possible
from gridwright.jobs.store_port import StorePort

NO_ROOM = "its meter hung nowhere at that time, and the quarantine is full"


def adrift(
    store: StorePort, access: Access, strays: Sequence[Readings], not_after: int | None
) -> tuple[list[Readings], Tally]:
    """Return what may wait of such readings, and the tally of what is refused: impossible stamps, and without room."""
    found, tally = [], Tally()
    room = store.quarantine.room(access) if strays else 0
    for part in strays:
        valued, refused = possible(take(part, np.isfinite(part.value)), not_after)
        tally += refused
        beyond = np.arange(valued.size) >= room
        if beyond.any():
            tally += reject(valued, beyond, NO_ROOM, "correct the dates of the meter's installation")
            valued = take(valued, ~beyond)
        room -= valued.size
        found += [valued] if valued.size else []
    return found, tally


def by_meter(series: Sequence[Readings]) -> Counter[str]:
    """Count readings by the name that they have."""
    found: Counter[str] = Counter()
    for part in series:
        for name, count in zip(part.points, np.bincount(part.point, minlength=len(part.points)).tolist(), strict=True):
            found[name] += count
    return +found


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

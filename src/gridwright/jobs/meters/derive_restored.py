"""What register reads tell of days that came back from the archive, derived anew: nobody saw them when it was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.image import Image
from gridwright.domain.reading_type import Quantity, from_code
from gridwright.jobs.meters.day_again import days_again
from gridwright.jobs.meters.on_behalf import on_behalf
from gridwright.store import Store
from gridwright.store.archive.archive import Again, ArchivePart


def derive_restored(store: Store, access: Access) -> Again:
    """Return what is done about days of which something came in while their month was in the archive."""
    own = on_behalf(access, Act.READ, Act.WRITE_READINGS)

    def again(part: ArchivePart, day: int, points: Sequence[str], at: datetime) -> None:
        kind = from_code(part.code)
        if part.image == Image.RAW and kind.quantity is Quantity.ENERGY:
            days_again(store, (own, own), {(point, day) for point in points}, kind.register(), at)

    return again

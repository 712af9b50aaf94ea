"""What register reads tell once some of them are placed: the one way for those that are posted, filed or collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.even_reads import uneven_days
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.follow_changes import follow_changes
from gridwright.jobs.meters.place_reads import Placed
from gridwright.jobs.meters.reads_tell import Rules, tells
from gridwright.jobs.meters.supersede_told import Change, changes_of
from gridwright.jobs.store_port import StorePort


def follow_reads(
    store: StorePort,
    who: tuple[Access, Access],
    found: Mapping[str, Placed],
    rules: Rules,
    what: tuple[ReadingType, datetime],
    *,
    filed: bool = False,
) -> None:
    """Save what reads of one type tell now, with those beyond them where an interval may be; they are stored already.

    What they told before is compared: which limit held once nobody knows, and what is doubted among the reads before
    was derived before that was known. `who`: who reads what is stored, and who writes. `what`: their type, and when it
    becomes known. `filed`: a file took none of its reads for wrong, so that what they tell as they are may stand there.
    """
    changes, odd, free = list[Change](), set[Day](), rules.unlimited()
    for point, one in found.items():
        now = tells(one.after, one.wrong, rules)
        before = [tells(one.before, some, free) for some in ((one.doubted, ()) if one.doubted else ((),))]
        as_read = [tells(_in_one_epoch(one), (), free)] if filed and one.wrong else []
        changes += changes_of(point, [*before, *as_read], now, fill=True)
        odd |= uneven_days(point, one, now)
    follow_changes(store, who, changes, *what, uneven=odd)


def _in_one_epoch(found: Placed) -> list[RegisterReading]:
    """Return reads with each wrong one in the epoch of the one before it, as a file took them."""
    epochs = [read.epoch for read in found.after]
    return [
        replace(read, epoch=epochs[place - 1]) if read in found.wrong else read
        for place, read in enumerate(found.after)
    ]

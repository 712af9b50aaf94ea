"""Keep register reads that a device gave, or that waited for their meter: each in its place, with its doubts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from gridwright.domain.access import Access
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.day_again import rules_of
from gridwright.jobs.meters.falls import tell_falls
from gridwright.jobs.meters.follow_reads import follow_reads
from gridwright.jobs.meters.place_reads import place_reads, save_placed
from gridwright.jobs.meters.reads_beyond import with_reads_beyond
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.settle_falls import settle_falls, stretch_of
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, SaveSummary


def keep_reads(
    store: StorePort, access: Access, reads: Sequence[RegisterReading], *, known_at: datetime, derive: bool = False
) -> SaveSummary:
    """Save reads of several usage points and types, each in its place among those that are stored.

    `derive`: with the energy that they tell, as where they are posted; else whoever saves them sees to that.
    """
    rollovers, summary = Rollovers(store, access), NOTHING_SAVED
    series: dict[ReadingType, dict[str, list[RegisterReading]]] = defaultdict(lambda: defaultdict(list))
    for read in reads:
        series[read.reading_type][read.usage_point].append(read)
    for kind, arriving in series.items():
        spans = {
            point: (min(read.at for read in some), max(read.at for read in some)) for point, some in arriving.items()
        }
        around = store.registers.neighbours(access, spans, kind)
        found = place_reads(store, access, arriving, around, rollovers)
        summary += save_placed(store, access, found, known_at)
        tell_falls(store, access, found.values(), known_at)
        who, what = (access, access), (kind, known_at)
        if derive:
            wide, rules = with_reads_beyond(store, access, found, rollovers), rules_of(store, access, found, rollovers)
            follow_reads(store, who, wide, rules, what)
        stretches = {point: stretch_of(one) for point, one in found.items()}
        rules_for = partial(rules_of, store, access, rollovers=rollovers) if derive else None
        settle_falls(store, who, stretches, rollovers, what, rules=rules_for)
    return summary

"""Reads that named their usage point alone are of whichever meter hung there, also where that is told later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.hung import named
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER, Installation
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store

Pair = tuple[RegisterReading, RegisterReading]  # a read as it is stored, and as it is named now


def named_again(
    store: Store, access: Access, point: str, history: Sequence[Installation], since: datetime
) -> list[Pair]:
    """Return the reads of a usage point from an instant on of which `history` tells another meter than is stored."""
    return list(_named_again(store, access, point, history, since))


def _named_again(
    store: Store, access: Access, point: str, history: Sequence[Installation], since: datetime
) -> Iterator[Pair]:
    begun = {each.period.start for each in store.registry.installations(access, point)}
    for kind in store.registers.kinds(access, point):
        for read in store.registers.load(access, point, Interval(since, FOREVER), kind):
            # One of the instant of an exchange that is on record was placed beside its reads already.
            if read.presumed and not (read.at in begun and any(each.period.start == read.at for each in history)):
                now = named(history, replace(read, end_device=""))
                if now.end_device != read.end_device:
                    yield read, now


def take_out(store: Store, access: Access, renamed: Sequence[Pair], *, known_at: datetime) -> None:
    """Let reads count no more under the meters that they were taken for."""
    store.exchange_reads.take_out(access, [read for read, _ in renamed], known_at=known_at)


def told_named(renamed: Sequence[Pair]) -> Iterator[str]:
    """Yield of each meter how many reads are its own now."""
    for serial, count in sorted(Counter(now.end_device for _, now in renamed).items()):
        some = (
            "1 read that named the usage point alone is"
            if count == 1
            else f"{count:,} reads that named the usage point alone are"
        )
        yield f"{some} of {f'meter {serial}' if serial else 'no meter'} now"


def put_back(store: Store, access: Access, renamed: Sequence[Pair], *, known_at: datetime) -> None:
    """Let them count under those that hung there, each in its place, as if it came only now."""
    if renamed:
        keep_reads(store, access, in_epochs(store, access, [now for _, now in renamed]), known_at=known_at)

"""Reads beyond the next one of a register: an interval may lie between two reads while others lie within it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.minute_marks import DENSE_S, ends_nothing
from gridwright.domain.misread import misreads
from gridwright.domain.register import RegisterReading
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.place_reads import Placed
from gridwright.jobs.meters.reads_tell import LONGEST_S, ends_usual, is_usual, key_between
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort

REACH = timedelta(seconds=LONGEST_S * (1 + 2 * JITTER))
HOUR = timedelta(seconds=LONGEST_S * (1 - JITTER))


def reaches_past(near_s: int, read_s: int) -> bool:
    """Tell whether an interval with a read at one end may reach past the read beside it, which is within an hour.

    Not where an interval lies between the two, as nearly always: then those that reach past it are of another grid.
    Two that are near tell where one ends, and begin none.
    """
    if 0 < abs(read_s - near_s) < DENSE_S:
        return True
    if not 0 < abs(read_s - near_s) < LONGEST_S or not ends_usual(read_s):
        return False
    key = key_between(min(near_s, read_s), max(near_s, read_s))
    return key is None or not is_usual(key)


def with_reads_beyond(
    store: StorePort, access: Access, found: Mapping[str, Placed], rollovers: Rollovers
) -> dict[str, Placed]:
    """Return what becomes of reads, with those that are stored beyond the ones beside them where an interval may be."""
    periods = {
        point: period for point, one in found.items() if not _ends_nothing(one) and (period := _asked(one)) is not None
    }
    if not periods:
        return dict(found)
    kind = next(iter(found[point].saved[0].reading_type for point in periods))
    loaded = store.registers.load_each(access, periods, kind)
    rollovers.learn(point for point, reads in loaded.items() if any(not read.end_device for read in reads))
    return {**found, **{point: _widened(found[point], reads, rollovers) for point, reads in loaded.items()}}


def _ends_nothing(one: Placed) -> bool:
    """Tell whether nothing came but a read that goes on near to the one before it, within the same minute."""
    if len(one.saved) > 1 or len(one.after) < 2 or one.wrong or one.doubted or one.moves:  # noqa: PLR2004 - two reads
        return False
    before, last = one.after[-2:]
    goes_on = before.end_device == last.end_device and before.epoch == last.epoch and last not in one.before
    return goes_on and one.saved[0] == last and ends_nothing(epoch_s(before.at), epoch_s(last.at))


def _asked(one: Placed) -> Interval | None:
    """Return within which time there may be reads that are not at hand; None where none is asked for."""
    new = {(read.at, read.end_device) for read in one.saved}
    reach = [
        (read.at, -1 if read is after else 1)
        for before, after in pairwise(one.after)
        for read, near in ((before, after), (after, before))
        if (read.at, read.end_device) in new and reaches_past(epoch_s(near.at), epoch_s(read.at))
    ]
    if one.alone and len(one.after) > 1 and one.after[1].at - one.after[0].at < HOUR:
        reach.append((one.after[1].at, -1))  # whether the reads of the hour before it lie evenly
    first, last = one.after[0].at, one.after[-1].at
    since = min([at - REACH for at, side in reach if side < 0], default=first)
    until = max([at + REACH for at, side in reach if side > 0], default=last)
    return Interval(min(since, first), max(until, last)) if since < first or last < until else None


def _widened(one: Placed, loaded: Sequence[RegisterReading], rollovers: Rollovers) -> Placed:
    """Put reads before and behind those that are at hand; which of them are wrong is looked at among all."""
    moved = dict(one.moves)
    first, last = one.after[0].at, one.after[-1].at
    known = {(read.at, read.end_device) for read in (*one.before, *one.saved)}
    others = [read for read in loaded if not first <= read.at <= last and (read.at, read.end_device) not in known]
    front, behind = ([read for read in others if read.at < first], [read for read in others if read.at > last])
    shifted = [replace(read, epoch=moved.get(read, read.epoch)) for read in behind]
    front, behind, shifted = ([rollovers.named(read) for read in some] for some in (front, behind, shifted))
    before, after = [*front, *one.before, *behind], [*front, *one.after, *shifted]
    return replace(
        one,
        before=before,
        after=after,
        doubted=one.doubted | _wrong(before, {*front, *behind}, rollovers),
        wrong=one.wrong | _wrong(after, {*front, *shifted}, rollovers),
    )


def _wrong(
    chain: Sequence[RegisterReading], others: set[RegisterReading], rollovers: Rollovers
) -> frozenset[RegisterReading]:
    return frozenset(chain[place] for place in misreads(chain, rollovers.counts_on) if chain[place] in others)

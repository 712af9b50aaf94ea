"""Registers that fell to a read that came, or from one, and began anew: a doubt at once, whatever the entrance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.place_reads import Placed, without_estimates
from gridwright.jobs.store_port import StorePort
from gridwright.vee.step_check import fall

SECOND = timedelta(seconds=1)


def falls(found: Placed) -> Iterator[Finding]:
    """Yield the doubts (V32) about registers that fell to a new read or from one, and began anew; wrong reads too."""
    new = {(read.at, read.end_device) for read in found.saved}
    for before, after in pairwise(without_estimates(found.after)):
        here = not new.isdisjoint({(before.at, before.end_device), (after.at, after.end_device)})
        if here and before.end_device == after.end_device and _fell(before, after):
            yield fallen(before, after)


def tell_falls(
    store: StorePort, access: Access, several: Iterable[Placed], known_at: datetime, *, more: Iterable[Finding] = ()
) -> None:
    """Keep the doubts about registers that fell, with some `more`; those go between whose reads another one came."""
    placed = list(several)
    gone = [doubt for one in placed for doubt in _no_more(one)]
    if gone:
        store.findings.dealt_with(access, gone, known_at=known_at)
    doubts = [*more, *(doubt for one in placed for doubt in falls(one))]
    doubts += [given_way(read) for one in placed for read in one.wrong - one.doubted if read.is_estimate]
    if doubts:
        store.findings.save(access, doubts, known_at=known_at)


def _no_more(found: Placed) -> Iterator[Finding]:
    """Yield the doubts about reads that fell, one after the other, and do so no more."""
    fell = [
        pair
        for pair in pairwise(without_estimates(found.before))
        if pair[0].end_device == pair[1].end_device and _fell(*pair)
    ]
    if not fell:
        return
    still = {
        (before.at, after.at) for before, after in pairwise(without_estimates(found.after)) if _fell(before, after)
    }
    yield from (fallen(*pair) for pair in fell if (pair[0].at, pair[1].at) not in still)


def _fell(before: RegisterReading, after: RegisterReading) -> bool:
    return after.epoch == before.epoch + 1 and after.value < before.value


def given_way(read: RegisterReading) -> Finding:
    """Return what is told of an estimate that the reads taken around it contradict."""
    kind = read.reading_type.delta()
    stood = f"{read.value * read.reading_type.resolution:.12g} {read.reading_type.unit}"
    text = f"the estimated register read {stood} contradicts the reads around it; it gives way, and these count"
    return Finding("V32_register", read.usage_point, Interval(read.at, read.at + SECOND), Severity.INFO, text, kind)


def fallen(before: RegisterReading, read: RegisterReading) -> Finding:
    """Return the doubt about a register that ran backwards: it is kept, and counts anew from there."""
    kind = read.reading_type.delta()
    period = Interval(before.at, read.at)
    return Finding("V32_register", read.usage_point, period, Severity.WARN, fall(before, read)[1], kind)

"""Judge usage points of which only registers are read: V31 to V33 need no intervals, and nothing else can be said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import empty_panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY
from gridwright.jobs.cascade.correct_scope import is_judged
from gridwright.jobs.cascade.note_reads import read_contradictions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_stored import READS_BESIDE, load_reads, register_types
from gridwright.jobs.tried_again import tried_again
from gridwright.store import DirtyRange, Store
from gridwright.vee import Registers, packaged
from gridwright.vee.rules.device import Ident
from gridwright.vee.rules.registers import RegisterChange, RegisterSteps, TouSum
from gridwright.vee.sums import check_registers
from gridwright.vee.validate import capacities

CODES = (Ident.code, TouSum.code, RegisterSteps.code, RegisterChange.code)
# Two reads of a register that is read once a year lie so far apart, and the step before is compared with.
LOOK_BACK = timedelta(days=800)
HOUR = timedelta(hours=1)
TOGETHER = 500


@tried_again
def judge_registers(
    store: Store, access: Access, site: SiteDefaults, ranges: Sequence[DirtyRange], *, now: datetime
) -> int:
    """Judge the registers that changed where no interval is stored, clear their ranges, and return how many are new.

    Where intervals are stored the registers are judged beside them, and their ranges are left alone.
    """
    points = sorted({each.usage_point for each in ranges})
    beside = {each.usage_point for each in store.readings.extents(access, points) if is_judged(each.reading_type)}
    alone = [name for name in points if name not in beside]
    new = 0
    for some in (alone[at : at + TOGETHER] for at in range(0, len(alone), TOGETHER)):
        mine = [each for each in ranges if each.usage_point in set(some)]
        with store.transaction():
            store.dirty.clear(access, mine)
            changed = Interval(min(each.period.start for each in mine), max(each.period.end for each in mine))
            whole = _with_reads_beside(store, access, some, changed)
            found = _findings(store, access, site, some, whole)
            new += store.findings.save(access, found, known_at=now, points=some, period=whole, only=CODES)
            again = read_contradictions(store, access, some, whole)
            new += store.findings.save(access, again, known_at=now) if again else 0
    return new


def registers_without_energy(
    store: Store, access: Access, site: SiteDefaults, points: Sequence[str], period: Interval
) -> list[Finding]:
    """Return the doubts about registers of usage points of whose energy no interval is known in a period any more."""
    if not points:
        return []
    found = _findings(store, access, site, points, _with_reads_beside(store, access, points, period))
    return [each for each in found if each.period.overlaps(period)]


def _with_reads_beside(store: Store, access: Access, points: Sequence[str], changed: Interval) -> Interval:
    """Return what changed with the reads around it: a read tells of those beside it whether they are wrong."""
    ends = [changed.start, changed.end]
    for kind in register_types(store, access):
        spans = dict.fromkeys(points, (changed.start, changed.end))
        for reads, _ in store.registers.load_around(access, spans, kind, (READS_BESIDE, READS_BESIDE)).values():
            ends += [read.at for read in reads]
    return Interval(min(ends), max(ends))


def _findings(
    store: Store, access: Access, site: SiteDefaults, points: Sequence[str], changed: Interval
) -> list[Finding]:
    """Return the doubts that touch what changed; a read bears on the steps before and after it."""
    known = {point.id: point for point in store.registry.points(access, points)}
    around = Interval(changed.start - LOOK_BACK, changed.end + LOOK_BACK)
    reads = load_reads(store, access, list(points), around)
    registers = Registers(reads, store.field.meters(access, points), store.field.installations(access, points))
    book = site.rules or packaged()
    found: list[Finding] = []
    for kind in (DELIVERED_ENERGY, RECEIVED_ENERGY):
        # A panel without a value: what it counts is asked of the registers alone.
        panel = empty_panel(points, Interval(changed.start, changed.start + HOUR), HOUR, kind)
        chosen = book.rules_of([known[name] for name in points], kind, panel.interval_s)
        flags = np.zeros(panel.values.shape, np.uint32)
        found += check_registers(panel, flags, registers, capacities(panel, known, book), chosen)
    return [finding for finding in found if finding.period.overlaps(changed)]

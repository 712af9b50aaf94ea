"""Claim a meter nobody knew: it is registered and installed, and its waiting readings move in, all or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access, Act
from gridwright.domain.errors import NotFound
from gridwright.domain.finding import Finding
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter
from gridwright.jobs.field.keep_harvest import placed_panels, placed_registers
from gridwright.jobs.meters.claimed_place import MeterClaim, of_hanging, place_of
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.store import Store
from gridwright.vee.arrivals import contradiction_findings

TWICE = "waited with two values; the later counts"


@dataclass(frozen=True, slots=True)
class ClaimedMeter:
    """How many interval readings and register reads moved in; the notes tell what stayed out.

    `installation`: the meter that hangs there; None where the readings were sent under the usage point's own id.
    """

    installation: Installation | None
    intervals: int
    registers: int
    notes: tuple[str, ...] = ()


def claim_meter(store: Store, access: Access, claim: MeterClaim, *, now: datetime) -> ClaimedMeter:
    """Register and install the meter at a known usage point, and move its readings in, in one transaction.

    A meter without waiting readings is NotFound; one that hangs elsewhere at that time is a Conflict. Readings from
    outside the installation go on waiting: where the meter hung then, somebody may claim them.
    """
    access.require(Act.WRITE_REGISTRY, claim.usage_point)
    with store.transaction():
        store.registry.point(access, claim.usage_point)
        oldest = store.quarantine.readings(access, claim.meter, limit=1)
        if not oldest:
            raise NotFound(
                f"no readings of meter {claim.meter!r} wait", remedy="the list of the quarantine tells which do"
            )
        claimed = place_of(store, access, claim, oldest[0].at)
        place = claimed.place
        if claimed.new:
            register(store, access, Meter(claim.meter))
            store.registry.exchange_meter(access, place)
        taken = store.quarantine.claim(access, claim.meter, within=place.period)
        if not taken:
            raise NotFound(
                f"no readings of meter {claim.meter!r} wait from {place.period}",
                remedy="the list of the quarantine tells from when they are; claim them for where it hung then",
            )
        intervals = sum(_save(store, access, panel, place, now) for panel in panels_of(taken))
        reads = [read for each in taken if not each.interval_s for read in placed_registers(_read(each), [place])]
        reads = in_epochs(store, access, of_hanging(store, access, reads) if claimed.own else reads)
        registers = store.registers.save(access, reads, known_at=now).new if reads else 0
        outside = len(store.quarantine.readings(access, claim.meter))
        doubts = contradictions(taken, claim.usage_point)
        if doubts:
            store.findings.save(access, doubts, known_at=now)
    twice = sum(each.slots for each in doubts)
    told = {
        f"{claim.meter} is a usage point by now: its readings moved in, and no meter was installed": claimed.own,
        f"{outside} readings from outside the installation go on waiting": outside,
        f"{twice} readings had two values: the later counts, see the findings": twice,
    }
    notes = tuple(note for note, count in told.items() if count)
    return ClaimedMeter(None if claimed.own else place, intervals, registers, notes)


def register(store: Store, access: Access, meter: Meter) -> None:
    """Register a meter that is not registered yet; of a known one only dials that nobody had told are learned."""
    try:
        known = store.registry.meter(access, meter.serial)
    except NotFound:
        store.registry.save_meter(access, meter)
        return
    if isinstance(known, Meter) and known.dials is None and meter.dials is not None:
        store.registry.save_meter(access, replace(known, dials=meter.dials, lsb_wh=meter.lsb_wh))


def panels_of(readings: Sequence[QuarantinedReading]) -> Iterator[Panel]:
    """Yield one-row panels of interval readings: one for each type, interval and phase, cut where a day is empty."""
    series: dict[tuple[ReadingType, int, int], dict[int, float]] = defaultdict(dict)
    for each in readings:
        if each.interval_s:
            at = epoch_s(each.at)
            series[each.reading_type, each.interval_s, at % each.interval_s][at] = each.value
    for (kind, interval_s, _), found in series.items():
        instants = np.array(sorted(found), np.int64)
        for part in np.split(instants, np.flatnonzero(np.diff(instants) > DAY_S) + 1):
            values = np.full((1, int(part[-1] - part[0]) // interval_s + 1), np.nan)
            values[0, (part - part[0]) // interval_s] = np.rint([found[int(each)] for each in part])
            name = (readings[0].meter,)
            yield Panel(name, from_epoch_s(int(part[0])), timedelta(seconds=interval_s), values, reading_type=kind)


def contradictions(taken: Sequence[QuarantinedReading], point: str) -> list[Finding]:
    """Return what waited with two values for one interval or instant, of which the later one moves in (V03)."""
    alike: dict[tuple[ReadingType, int], list[QuarantinedReading]] = defaultdict(list)
    for each in taken:
        alike[each.reading_type, each.interval_s].append(each)
    return [
        finding
        for (kind, interval_s), some in alike.items()
        for finding in contradiction_findings(_columns(some, point, kind, interval_s), TWICE)
    ]


def _columns(some: Sequence[QuarantinedReading], point: str, kind: ReadingType, interval_s: int) -> Readings:
    at = np.array([epoch_s(each.at) for each in some], np.int64)
    value = np.array([each.value for each in some], np.float64)
    order, quality = np.arange(at.size), np.full(at.size, q.RAW, np.uint8)
    return Readings((point,), np.zeros(at.size, np.int32), at, value, quality, order, interval_s, kind)


def _save(store: Store, access: Access, panel: Panel, place: Installation, now: datetime) -> int:
    saved = [store.readings.save(access, part, known_at=now) for part in placed_panels(panel, [place])]
    return sum(each.new + each.changed for each in saved)


def _read(each: QuarantinedReading) -> RegisterReading:
    return RegisterReading("", each.at, float(round(each.value)), each.meter, reading_type=each.reading_type)

"""Gather what the store holds of some usage points, as a file would bring it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    DELIVERED_REGISTER,
    RECEIVED_REGISTER,
    Accumulation,
    Flow,
    Quantity,
    ReadingType,
)
from gridwright.domain.register import RegisterReading
from gridwright.jobs.cascade.trust_readings import Material
from gridwright.jobs.load.load_circumstances import load_around
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.load.reads_together import reads_together
from gridwright.store import Series, Store

REGISTERS = (DELIVERED_REGISTER, RECEIVED_REGISTER)
# So many instants with reads before and behind a time tell its steps: one that is set aside has others around it.
READS_BESIDE = 3


def load_stored(
    store: Store,
    access: Access,
    points: Sequence[str] | None = None,
    period: Interval | None = None,
    *,
    as_of: datetime | None = None,
    beside: int = 0,
) -> Material:
    """Return panels, registers and usage points; `points` None = all, `period` None = all that is stored.

    `beside`: so many instants with register reads before and behind the period, too.
    `as_of`: as known at that instant. An unknown usage point, or nothing stored in the period, is NotFound.
    """
    known = {point.id: point for point in store.registry.points(access, list(points) if points else None)}
    for name in points or ():
        if name not in known:
            store.registry.point(access, name)
    asked = [(period, several) for several in _within(store, access, known)] if period else _whole(store, access, known)
    panels = tuple(_panels(store, access, asked, as_of))
    if not panels:
        place = ", ".join(points or known) or "the store"
        raise NotFound(
            f"no readings of {place}" + (f" in {period}" if period else ""),
            remedy="gridwright reading import FILE brings some; gridwright usage-point show POINT tells what is there",
        )
    reads = _reads(store, access, known, _hull(panels, period if beside else None), beside)
    around = load_around(store, access, known, panels, as_of=as_of)
    zones = {name: point.zone for name, point in known.items()}
    return Material(panels, zones, reads, known, around=around, installations=around.installations)


@dataclass(frozen=True, slots=True)
class _Alike:
    """Usage points that have a series of one reading type and interval; None: its length changed there."""

    kind: ReadingType
    interval: timedelta | None
    points: tuple[str, ...]


def _within(store: Store, access: Access, known: Collection[str]) -> list[_Alike]:
    """Group the series of usage points without looking into them."""
    lengths: dict[tuple[str, ReadingType], list[int]] = defaultdict(list)
    for extent in store.readings.extents(access, list(known)):
        lengths[extent.usage_point, extent.reading_type].append(extent.interval_s)
    together: dict[tuple[ReadingType, timedelta | None], list[str]] = defaultdict(list)
    for (name, kind), several in lengths.items():
        together[kind, timedelta(seconds=several[0]) if len(several) == 1 else None].append(name)
    return [_Alike(kind, interval, tuple(names)) for (kind, interval), names in together.items()]


def _whole(store: Store, access: Access, known: Collection[str]) -> list[tuple[Interval, _Alike]]:
    """Group the series of usage points, each group with the time from its first reading to its last."""
    together: dict[tuple[ReadingType, timedelta | None], list[Series]] = defaultdict(list)
    for name in known:
        series = store.readings.series(access, name)
        count = Counter(one.reading_type for one in series)
        for one in series:
            together[one.reading_type, one.interval if count[one.reading_type] == 1 else None].append(one)
    return [
        (
            Interval(min(one.first for one in several), max(one.last for one in several)),
            _Alike(kind, interval, tuple(dict.fromkeys(one.usage_point for one in several))),
        )
        for (kind, interval), several in together.items()
    ]


def _panels(
    store: Store, access: Access, asked: Iterable[tuple[Interval, _Alike]], as_of: datetime | None
) -> Iterator[Panel]:
    for period, alike in asked:
        kind, names = alike.kind, alike.points
        try:
            if alike.interval is not None:
                yield store.readings.load(
                    access, names, period, reading_type=kind, interval=alike.interval, as_of=as_of
                )
                continue
        except NotFound:
            # Nothing of this series lies in the period; another may.
            continue
        except GridMismatch:
            # Of one length, but not always from the same minute on.
            pass
        yield from load_stretches(store, access, names, period, kind, as_of=as_of)


def _hull(panels: Sequence[Panel], period: Interval | None) -> Interval:
    several = [panel.period for panel in panels] + ([period] if period else [])
    return Interval(min(each.start for each in several), max(each.end for each in several))


def _reads(
    store: Store, access: Access, known: Collection[str], whole: Interval, beside: int
) -> dict[str, list[RegisterReading]]:
    """Return the reads of a time, both ends included, and those of so many instants beside it."""
    if not beside:
        return load_reads(store, access, known, whole)
    found: dict[str, dict[ReadingType, list[RegisterReading]]] = defaultdict(dict)
    for kind in register_types(store, access):
        spans = dict.fromkeys(known, (whole.start, whole.end))
        for name, (reads, _) in store.registers.load_around(access, spans, kind, (beside, beside)).items():
            found[name][kind] = reads
    together = {name: reads_together(by_kind) for name, by_kind in found.items()}
    return {name: reads for name, reads in together.items() if reads}


def load_reads(
    store: Store, access: Access, known: Collection[str], whole: Interval
) -> dict[str, list[RegisterReading]]:
    """Return the reads of the energy registers of usage points, those by time of use included."""
    found: dict[str, dict[ReadingType, list[RegisterReading]]] = defaultdict(lambda: defaultdict(list))
    for kind in register_types(store, access):
        for read in store.registers.load_several(access, list(known), whole, kind):
            found[read.usage_point][kind].append(read)
    return {name: reads_together(by_kind) for name, by_kind in found.items()}


def register_types(store: Store, access: Access) -> list[ReadingType]:
    """Return the types of energy registers, in every resolution; those by time of use have a channel's name."""
    others = [
        kind
        for kind in store.readings.image_types(access, Image.RAW)
        if kind not in REGISTERS
        and (kind.channel or kind.finer(0) in REGISTERS)
        and kind.quantity is Quantity.ENERGY
        and kind.accumulation is Accumulation.CUMULATIVE
        and kind.flow in {Flow.DELIVERED, Flow.RECEIVED}
    ]
    return [*REGISTERS, *others]

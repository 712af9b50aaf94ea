"""Load a series in counts of one resolution, however finely it is kept: who goes by registers knows only theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, empty_panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.one_resolution import one_resolution
from gridwright.jobs.store_port import StorePort


def kept_as(store: StorePort, access: Access, points: Sequence[str], kind: ReadingType) -> dict[ReadingType, list[str]]:
    """Return the types of one meaning under which usage points have readings, with these; else the one asked for."""
    if set(store.readings.resolutions(access, kind)) <= {kind}:
        return {kind: list(points)}
    found: dict[ReadingType, dict[str, None]] = defaultdict(dict)
    for each in store.readings.extents(access, points) if points else ():
        if each.reading_type.finer(kind.exponent) == kind:
            found[each.reading_type][each.usage_point] = None
    there = {point for some in found.values() for point in some}
    found[kind].update(dict.fromkeys(point for point in points if point not in there))
    return {each: list(some) for each, some in found.items() if some}


def kept_type(store: StorePort, access: Access, point: str, kind: ReadingType) -> ReadingType:
    """Return the type under which a usage point's readings of one meaning are kept: the one asked for, if it has any.

    Of several others the finest, which takes what comes.
    """
    kinds = kept_as(store, access, [point], kind)
    return kind if kind in kinds else min(kinds, key=lambda each: each.exponent)


def load_counted(
    store: StorePort,
    access: Access,
    points: Sequence[str],
    period: Interval,
    kind: ReadingType,
    *,
    interval: timedelta | None = None,
) -> Panel:
    """Return what `Readings.load` does, of whichever resolution it is kept in, in counts of the type asked for.

    A value that is kept more finely is a fraction of a count. Different grids are a GridMismatch.
    """
    kinds = kept_as(store, access, points, kind)
    if list(kinds) == [kind]:
        return store.readings.load(access, points, period, reading_type=kind, interval=interval)
    parts = []
    for each, some in kinds.items():
        try:
            part = store.readings.load(access, some, period, reading_type=each, interval=interval)
        except NotFound:
            continue
        parts += [] if part.missing.all() else [part]
    if not parts:
        return store.readings.load(access, points, period, reading_type=kind, interval=interval)
    return _joined(parts, points, kind)


def load_finest(
    load: Callable[..., Panel], access: Access, point: str, period: Interval, kinds: Iterable[ReadingType]
) -> Panel:
    """Return one series of a usage point, in the finest of the resolutions in which its times are kept.

    `load`: `Readings.load`, told all else. Nothing stored is NotFound, different grids are a GridMismatch.
    """
    parts, absent = list[Panel](), list[NotFound]()
    for kind in kinds:
        try:
            parts.append(load(access, point, period, reading_type=kind))
        except NotFound as error:
            absent.append(error)
    if not parts:
        raise absent[0]
    known = [part for part in parts if not part.missing.all()] or parts[:1]
    whole = one_resolution(known)
    if len(whole) > 1:
        raise GridMismatch(f"{known[0].reading_type} is on different grids, such as {whole[0]!r} and {whole[-1]!r}")
    return whole[0]


def _joined(parts: Sequence[Panel], points: Sequence[str], kind: ReadingType) -> Panel:
    first = parts[0]
    if any((part.start, part.interval) != (first.start, first.interval) for part in parts):
        raise GridMismatch(f"{kind} is on different grids, such as {parts[0]!r} and {parts[-1]!r}")
    whole = empty_panel(tuple(points), first.period, first.interval, kind)
    row = {point: at for at, point in enumerate(points)}
    for part in parts:
        rows, there = [row[point] for point in part.points], ~part.missing
        more = part.reading_type.exponent - kind.exponent
        counts = part.values * 10.0**more if more >= 0 else part.values / 10.0**-more
        whole.values[rows] = np.where(there, counts, whole.values[rows])
        whole.quality[rows] = np.where(there, part.quality, whole.quality[rows])
    return whole

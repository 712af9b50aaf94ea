"""Register reads of a file that name their usage point alone are of the meter that hung there, as by HTTP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.interval import epoch_s
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import Installation
from gridwright.jobs.store_port import StorePort


def name_meters(
    store: StorePort, access: Access, series: Sequence[Readings], points: Collection[str]
) -> list[Readings]:
    """Return series of a file in which register reads that name no meter name the one that hung at their instant.

    `points`: the usage points that are registered. Where nothing hung then, a read names none.
    """
    unnamed = {point for readings in series for point, device in _pairs(readings) if not device}
    known = sorted(unnamed.intersection(points))
    hung = store.field.installations(access, known) if known else ()
    return [_named(readings, hung) if hung else readings for readings in series]


def _pairs(readings: Readings) -> list[tuple[str, str]]:
    """Return usage point and meter of each entry of register reads; of others nothing."""
    if readings.reading_type.accumulation is not Accumulation.CUMULATIVE:
        return []
    return list(zip(readings.points, readings.devices or ("",) * len(readings.points), strict=True))


def _named(readings: Readings, hung: Sequence[Installation]) -> Readings:
    pairs, point = _pairs(readings), readings.point.copy()
    if not pairs:
        return readings
    entries: dict[str, list[int]] = defaultdict(list)
    for place, (name, device) in enumerate(pairs):
        if not device:
            entries[name].append(place)
    first = {pair: place for place, pair in reversed(list(enumerate(pairs)))}
    for each in hung:
        if each.usage_point in entries:
            pair = each.usage_point, each.end_device
            if pair not in first:
                first[pair] = len(pairs)
                pairs.append(pair)
            mine = np.isin(readings.point, entries[each.usage_point])
            during = (readings.at >= epoch_s(each.period.start)) & (readings.at < epoch_s(each.period.end))
            point[mine & during] = first[pair]
    names, devices = zip(*pairs, strict=True)
    unnamed = np.isin(readings.point, [place for places in entries.values() for place in places])
    return replace(readings, points=names, devices=devices, point=point, presumed=unnamed)

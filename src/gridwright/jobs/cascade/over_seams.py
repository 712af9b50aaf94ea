"""Channels of one usage point whose interval length changes are closed together: reads on both sides tell one sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial

from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, buckets_of, holidays_of
from gridwright.jobs.load.load_stretches import seams_of
from gridwright.vee import close_over_seams, packaged
from gridwright.vee.overlaps import told_once
from gridwright.vee.runs import Mask
from gridwright.vee.validate import capacities
from gridwright.vee.wall import wall_clock


def over_seams(channels: Sequence[Channel], site: SiteDefaults, material: Material) -> list[Channel]:
    """Return channels closed over the seams between them, with the doubts about that; most have none."""
    if not seams_of([each.trusted for each in channels]):
        return list(channels)
    limits = partial(capacities, points=material.known, rules=site.rules or packaged())

    def close(panels: Sequence[Panel]) -> tuple[list[Panel], list[tuple[int, Finding]]]:
        counting = partial(_counting, material)
        return close_over_seams(told_once(panels, material.panels), material.registers, limits, counting)

    made, found = close([each.trusted for each in channels])
    doubts: dict[int, list[Finding]] = defaultdict(list)
    for at, doubt in found:
        doubts[at].append(doubt)

    @cache
    def under() -> list[Panel]:
        return close([each.under for each in channels])[0]

    edited = any(each.unedited is not None for each in channels)
    return [
        replace(
            each,
            trusted=panel,
            findings=(*each.findings, *doubts[at]),
            unedited=partial(_one_of, under, at) if edited else None,
        )
        for at, (each, panel) in enumerate(zip(channels, made, strict=True))
    ]


def _counting(material: Material, part: Panel) -> dict[str, Mask]:
    """Return when each time-of-use register of one usage point counts, by the channel of its reads."""
    (name,) = part.points
    point = material.known.get(name)
    buckets = buckets_of({name: point}).get(name, ()) if point is not None else ()
    if point is None or not buckets:
        return {}
    wall = wall_clock(part.calendar(point.zone), holidays_of(part, [point]).get(point.holidays, frozenset()))
    return {bucket.channel: bucket.mask(wall) for bucket in buckets}


def _one_of(panels: Callable[[], list[Panel]], at: int) -> Panel:
    return panels()[at]

"""Readings that name their channel otherwise than the stored ones of the same energy join those, where it is certain.

A meter of one channel is `E1` in NEM12 and has no channel elsewhere. Where both stay a bill takes one: `counted_once`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest.order import take
from gridwright.jobs.load.counted_once import FIRST, energy_of
from gridwright.jobs.store_port import StorePort

Key = tuple[str, ReadingType]


@dataclass(slots=True)
class StoredChannels:
    """Which channels of each usage point and energy are stored, and what was said of readings that come to them."""

    there: Mapping[Key, AbstractSet[str]]
    brought: Mapping[Key, AbstractSet[str]] = field(default_factory=dict)
    joined: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    beside: dict[tuple[str, tuple[str, ...]], set[str]] = field(default_factory=lambda: defaultdict(set))

    def of_series(self, series: Iterable[Readings]) -> list[Readings]:
        """Return readings under the channels at which they are stored."""
        return [part for each in series for part in self._parts(each)]

    def of_panels(self, panels: Iterable[Panel]) -> list[Panel]:
        """Return panels under the channels at which their readings are stored."""
        found: list[Panel] = []
        for panel in panels:
            channels = self._channels(panel.points, panel.reading_type)
            several = dict.fromkeys(channels)
            for channel in several:
                kind = replace(panel.reading_type, channel=channel)
                rows = [row for row, one in enumerate(channels) if one == channel] if len(several) > 1 else []
                found.append(panel.rows(np.array(rows)) if rows else panel)
                found[-1] = (
                    replace(found[-1], reading_type=kind) if channel != panel.reading_type.channel else found[-1]
                )
        return found

    def notes(self) -> Iterator[str]:
        """Say which readings joined another channel, and which stand beside others with which a bill adds them up."""
        for (own, other), points in self.joined.items():
            yield f"{_shown(points)}: {_named(own)} joined the readings of {_named(other)}, to count once"
        for (own, others), points in self.beside.items():
            names = {own, *others}
            told = (
                "a bill takes one of them for each interval"
                if "" in names and _firsts(names)
                else "a bill adds them all up; where they are the same energy, import it under one name only"
            )
            yield f"{_shown(points)}: {_named(own)} stands beside {' and '.join(map(_named, others))}, and {told}"

    def _parts(self, part: Readings) -> Iterator[Readings]:
        channels = self._channels(part.points, part.reading_type)
        for channel in dict.fromkeys(channels):
            if channel == part.reading_type.channel and len(set(channels)) == 1:
                yield part
            else:
                mine = np.array([one == channel for one in channels])
                yield replace(take(part, mine[part.point]), reading_type=replace(part.reading_type, channel=channel))

    def _channels(self, points: Sequence[str], kind: ReadingType) -> list[str]:
        if not self.there:
            return [kind.channel] * len(points)
        energy = energy_of(kind)
        return [self._channel((point, energy), kind.channel) for point in points]

    def _channel(self, key: Key, own: str) -> str:
        """Return the channel at which readings of one are stored; one of several that come together keeps its name."""
        point, there = key[0], self.there.get(key, frozenset())
        firsts, alone = _firsts(there), len(self.brought.get(key, {own}) - {""}) < 2  # noqa: PLR2004 - two channels
        if own in there:
            if "" in there and firsts and own in {"", *firsts}:
                self._note_beside(point, own, there)
            return own
        if FIRST.fullmatch(own) and "" in there and not firsts and alone:
            self.joined[own, ""].add(point)
            return ""
        if not own and len(there) == len(firsts) == 1:
            self.joined[own, firsts[0]].add(point)
            return firsts[0]
        if there and (not own or ("" in there and not self._takes_its_place(point))):
            self._note_beside(point, own, there)
        return own

    def _note_beside(self, point: str, own: str, there: AbstractSet[str]) -> None:
        self.beside[own, tuple(sorted(there - {own}))].add(point)

    def _takes_its_place(self, point: str) -> bool:
        """Tell whether a first channel takes the place of the readings without one, so that others add to it."""
        return any(point in points for (_, other), points in self.joined.items() if not other)


def stored_channels(
    store: StorePort,
    access: Access,
    series: Sequence[Readings],
    known: AbstractSet[str],
    opened: Mapping[Key, AbstractSet[str]],
) -> StoredChannels:
    """Look up the channels of the known usage points, where the store holds the same energy under other names.

    `opened`: those that are taken for stored besides.
    """
    found: dict[Key, set[str]] = defaultdict(set, {key: set(channels) for key, channels in opened.items()})
    ours = {each.reading_type for each in series}
    types = store.readings.image_types(access, Image.RAW)
    names: dict[ReadingType, set[str]] = defaultdict(set)
    for kind in (*ours, *types):
        names[energy_of(kind)].add(kind.channel)
    mixed = {energy for energy, channels in names.items() if "" in channels and len(channels) > 1}
    points = {point for each in series if energy_of(each.reading_type) in mixed for point in each.points}
    for extent in store.readings.extents(access, sorted(points & known)) if points & known else ():
        found[extent.usage_point, energy_of(extent.reading_type)].add(extent.reading_type.channel)
    for point in sorted(points & known):
        for kind in store.registers.kinds(access, point):
            found[point, energy_of(kind)].add(kind.channel)
    brought: dict[Key, set[str]] = defaultdict(set)
    for each in series if found else ():
        for point in each.points:
            brought[point, energy_of(each.reading_type)].add(each.reading_type.channel)
    return StoredChannels(found, brought)


def _firsts(channels: Iterable[str]) -> list[str]:
    return [channel for channel in channels if FIRST.fullmatch(channel)]


def _named(channel: str) -> str:
    return f"channel {channel}" if channel else "no channel"


def _shown(points: AbstractSet[str]) -> str:
    first = sorted(points)
    return first[0] if len(first) == 1 else f"{len(first):,} usage points, such as {first[0]}"

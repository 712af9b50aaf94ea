"""Readings that name their channel otherwise than the stored ones of the same energy join those, where it is certain.

A meter of one channel is `E1` in NEM12 and has no channel elsewhere. Where both stay a bill takes one: `counted_once`.
What is decided follows from what was stored before and what the whole file brings, and stands when a part of it is in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest.order import take
from gridwright.jobs.files.brought import Key, keys_of
from gridwright.jobs.load.counted_once import FIRST, energy_of
from gridwright.jobs.store_port import StorePort


@dataclass(slots=True)
class Opened:
    """The channels that a dry run stored and took back, by usage point and energy, and all of their reading types."""

    channels: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    kinds: set[ReadingType] = field(default_factory=set)

    def add(self, points: Sequence[str], kind: ReadingType) -> None:
        """Remember a series."""
        self.kinds.add(kind)
        for point in points:
            self.channels[point, energy_of(kind)].add(kind.channel)


@dataclass(slots=True)
class Told:
    """What was done with the names of channels while a file was read, however many pieces it came in.

    `joined`: usage points by their own and the other channel; `beside`: the channels of a usage point's energy of which
    one has no name, so that a bill must choose.
    """

    joined: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    beside: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))

    def notes(self) -> Iterator[str]:
        """Say which readings joined another channel, and which stand beside others with which a bill adds them up."""
        for (own, other), points in self.joined.items():
            yield f"{_shown(points)}: {_named(own)} joined the readings of {_named(other)}, to count once"
        several: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for (point, _), channels in self.beside.items():
            several[tuple(sorted(channels))].add(point)
        for names, points in several.items():
            counts = (
                "a bill takes one of the two for each interval"
                if _firsts(names)
                else "a bill adds them all up; where they are the same energy, import it under one name only"
            )
            others = " and ".join(_named(name) for name in names if name)
            yield f"{_shown(points)}: readings without a channel stand beside those of {others}, and {counts}"


@dataclass(slots=True)
class StoredChannels:
    """Which channels of each usage point and energy are stored, and which come now.

    Both of energies with and without a channel, wherever in the store. `brought`: by the piece at hand; `only`: whether
    the file has no other channel of one in its other pieces.
    """

    told: Told
    there: Mapping[Key, AbstractSet[str]] = field(default_factory=dict)
    brought: Mapping[Key, AbstractSet[str]] = field(default_factory=dict)
    only: Callable[[Key], bool] = lambda _: True

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

    def _parts(self, part: Readings) -> Iterator[Readings]:
        channels = self._channels(part.points, part.reading_type)
        for channel in dict.fromkeys(channels):
            if channel == part.reading_type.channel and len(set(channels)) == 1:
                yield part
            else:
                mine = np.array([one == channel for one in channels])
                yield replace(take(part, mine[part.point]), reading_type=replace(part.reading_type, channel=channel))

    def _channels(self, points: Sequence[str], kind: ReadingType) -> list[str]:
        energy = energy_of(kind)
        return [self._channel((point, energy), kind.channel) for point in points]

    def _channel(self, key: Key, own: str) -> str:
        """Return the channel at which readings of one are stored; one of several that come together keeps its name."""
        if key not in self.brought:
            return own
        there = self.there.get(key, frozenset[str]())
        firsts = _firsts(there)
        other = own
        if FIRST.fullmatch(own) and "" in there and not firsts:
            other = ""
        elif not own and len(there) == len(firsts) == 1:
            other = firsts[0]
        if other != own and len(self.brought[key]) == 1 and self.only(key):
            self.told.joined[own, other].add(key[0])
            return other
        self._note_beside(key, own, there)
        return own

    def _note_beside(self, key: Key, own: str, there: AbstractSet[str]) -> None:
        """Take note of energy with and without a channel; of what stood so before, once a first channel is among it."""
        names = {own, *there, *self.brought[key]}
        anew = own not in there or (_firsts(names) and (not own or FIRST.fullmatch(own)))
        if "" in names and len(names) > 1 and anew:
            self.told.beside[key] |= names


def stored_channels(
    store: StorePort,
    access: Access,
    series: Sequence[Readings],
    known: AbstractSet[str],
    beyond: tuple[Told, Opened, Callable[[Key], bool]],
) -> StoredChannels:
    """Look up the channels of the known usage points, where the same energy is stored or comes under several names.

    `beyond`: what lies beyond the piece at hand: what was told so far, what a dry run stored, and `only`.
    """
    told, opened, only = beyond
    names: dict[ReadingType, set[str]] = defaultdict(set)
    for kind in (
        *(each.reading_type for each in series),
        *store.readings.image_types(access, Image.RAW),
        *opened.kinds,
    ):
        names[energy_of(kind)].add(kind.channel)
    mixed = {energy for energy, channels in names.items() if "" in channels and len(channels) > 1}
    brought: dict[Key, set[str]] = defaultdict(set)
    for key, channel in keys_of([each for each in series if energy_of(each.reading_type) in mixed]):
        brought[key].add(channel)
    if not brought:
        return StoredChannels(told)
    points = sorted({point for point, _ in brought} & known)
    there: dict[Key, set[str]] = defaultdict(set)
    for extent in store.readings.extents(access, points) if points else ():
        there[extent.usage_point, energy_of(extent.reading_type)].add(extent.reading_type.channel)
    for point in points:
        for kind in store.registers.kinds(access, point):
            there[point, energy_of(kind)].add(kind.channel)
    for key in brought.keys() & opened.channels.keys():
        there[key] |= opened.channels[key]
    return StoredChannels(told, there, brought, only)


def _firsts(channels: Iterable[str]) -> list[str]:
    return [channel for channel in channels if FIRST.fullmatch(channel)]


def _named(channel: str) -> str:
    return f"channel {channel}" if channel else "no channel"


def _shown(points: AbstractSet[str]) -> str:
    first = sorted(points)
    return first[0] if len(first) == 1 else f"{len(first):,} usage points, such as {first[0]}"

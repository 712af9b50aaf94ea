"""What an export does not tell of the readings that it holds: channels, words of quality, zones, meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np

from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.keeps import Keeps
from gridwright.formats.writer import quality_word

MINUTE_S = 60


@dataclass(slots=True)
class Untold:
    """What goes out in a format, as far as the format may not tell it; usage points by reading type.

    `meters`, `odd`: usage points of register reads that name their meter, and of reads between full minutes.
    """

    name: str
    keeps: Keeps
    points: Mapping[str, UsagePoint]
    kinds: dict[ReadingType, set[str]] = field(default_factory=dict)
    qualities: set[int] = field(default_factory=set)
    read_qualities: set[int] = field(default_factory=set)
    meters: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take_panel(self, panel: Panel) -> None:
        """Take note of intervals that go out."""
        self.kinds.setdefault(panel.reading_type, set()).update(panel.points)
        there = np.bincount(panel.quality.ravel(), minlength=256)
        there -= np.bincount(panel.quality[panel.missing], minlength=256)
        self.qualities.update(np.flatnonzero(there).tolist())
        for point in panel.points:
            self._span(point, (epoch_s(panel.start), epoch_s(panel.end)))

    def take_reads(self, point: str, reads: Sequence[RegisterReading]) -> None:
        """Take note of the reads of a register that go out."""
        self.kinds.setdefault(reads[0].reading_type, set()).add(point)
        self.read_qualities.update(read.quality for read in reads)
        if any(read.end_device for read in reads):
            self.meters.add(point)
        if any(epoch_s(read.at) % MINUTE_S for read in reads):
            self.odd.add(point)
        self._span(point, (epoch_s(reads[0].at), epoch_s(reads[-1].at)))

    def _span(self, point: str, span: tuple[int, int]) -> None:
        zone = self.points[point].zone
        before = self.spans.get(zone, span)
        self.spans[zone] = min(before[0], span[0]), max(before[1], span[1])

    def notes(self) -> list[str]:
        """Say what whoever reads the file cannot know, one sentence a matter."""
        return [*self._channels(), *self._words(), *self._zones(), *self._reads()]

    def _channels(self) -> Iterator[str]:
        lost: dict[str, set[str]] = {}
        for kind, points in self.kinds.items():
            back = self.keeps.kind(kind)
            if back.finer(0) != kind.finer(0):
                told = f"channel {kind.channel}" if back.channel != kind.channel else str(kind)
                comes = _channel(back) if back.channel != kind.channel else f"as {back}"
                lost.setdefault(f"{told} comes back {comes}", set()).update(points)
        for what, points in lost.items():
            yield f"{self.name} does not tell every channel: {what} ({some(points)})"

    def _words(self) -> Iterator[str]:
        of_reads = self.keeps.read_quality
        if of_reads is None:
            yield from self._pairs(self.qualities | self.read_qualities, self.keeps.quality, "")
            return
        yield from self._pairs(self.qualities, self.keeps.quality, "")
        yield from self._pairs(self.read_qualities, of_reads, " of a register read")

    def _pairs(self, there: AbstractSet[int], back: Callable[[int], int], whose: str) -> Iterator[str]:
        pairs = [(quality_word(each), quality_word(back(each))) for each in sorted(there)]
        lost = [f"{one} comes back as {other}" for one, other in pairs if one != other]
        if lost:
            yield f"{self.name} has no word for every quality{whose}: {', '.join(lost)}"

    def _zones(self) -> Iterator[str]:
        for zone, span in self.spans.items():
            if self.keeps.zone(zone, span) != zone:
                yield f"{self.name} does not tell the zone {zone}: {self.keeps.zone_given.format(zone=zone)}"

    def _reads(self) -> Iterator[str]:
        if self.meters and not self.keeps.meters:
            yield f"{self.name} does not tell which meter a register read is of ({some(self.meters)})"
        if self.odd and not self.keeps.seconds:
            what = "register reads between full minutes are written at their minute"
            yield f"{self.name} has no seconds: {what} ({some(self.odd)})"


def _channel(kind: ReadingType) -> str:
    return f"as channel {kind.channel}" if kind.channel else "without one"


def some(points: AbstractSet[str] | Sequence[str]) -> str:
    """Name one usage point, or how many there are and the first of them."""
    names = sorted(points) if isinstance(points, AbstractSet) else list(dict.fromkeys(points))
    return names[0] if len(names) == 1 else f"{len(names):,} usage points, such as {names[0]}"

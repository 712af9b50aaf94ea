"""Reads of one register that came in several resolutions, as one series in the finest of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading

Reads = Sequence[RegisterReading]


def reads_together(by_kind: Mapping[ReadingType, Reads]) -> list[RegisterReading]:
    """Return the reads of one usage point, those that mean the same counted alike; of one instant the finer one.

    Where they count in other epochs nothing tells how these follow each other: the type with most reads is taken.
    """
    alike: dict[ReadingType, list[Reads]] = defaultdict(list)
    for kind, reads in by_kind.items():
        if reads:
            alike[kind.finer(0)].append(reads)
    return [read for several in alike.values() for read in _one(several)]


def _one(several: Sequence[Reads]) -> Iterator[RegisterReading]:
    if len(several) == 1:
        yield from several[0]
        return
    if len({read.epoch for reads in several for read in reads}) > 1:
        yield from max(several, key=len)
        return
    finest = min((reads[0].reading_type for reads in several), key=lambda kind: kind.exponent)
    found = {}
    for reads in sorted(several, key=lambda reads: -reads[0].reading_type.exponent):
        factor = 10.0 ** (reads[0].reading_type.exponent - finest.exponent)
        for read in reads:
            found[read.at, read.end_device] = replace(read, value=read.value * factor, reading_type=finest)
    yield from (found[key] for key in sorted(found))

"""A piece of a file laid out: its lines, its channels, and which channel each line belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.told import ToldConfiguration
from gridwright.domain.verdict import Reject
from gridwright.formats.nem12.channels import Channel, Meanings, channel_of
from gridwright.formats.nem12.days import SHOWN, Verdicts
from gridwright.formats.nem12.layout import UNKNOWN, Index, Layout, joined, layout
from gridwright.formats.nem12.numbers import padded
from gridwright.formats.nem12.versions import Fill
from gridwright.formats.source import ReadOptions

BOM = b"\xef\xbb\xbf"
CHANNEL, DAY = 200, 300
OUTSIDE = Reject(0, "no 200 record above it", "does the file begin in the middle?")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What decoding needs of the dialect: the caller's options, resolutions, zone of the points and market offset."""

    options: ReadOptions
    exponents: Mapping[Quantity, int]
    zone: str
    offset_s: int


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A text laid out, its channels, and for each line the place of the 200 record above it (-1 = none)."""

    whole: Layout
    channels: Sequence[Channel | Reject]
    owner: Index
    meaning: Meaning
    verdicts: Verdicts
    events: list[EndDeviceEvent] = field(default_factory=list)
    told: dict[ToldConfiguration, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    fills: dict[int, Fill] = field(default_factory=dict)

    def channel(self, line: int) -> Channel | Reject:
        """Return the channel a line belongs to."""
        return self.channels[self.owner[line]] if self.owner[line] >= 0 else OUTSIDE


def piece_of(data: bytes, first_line: int, meaning: Meaning) -> Piece:
    """Lay out a text that begins with a 200 or 250 record, or at the file's beginning."""
    verdicts = Verdicts()
    whole = layout(padded(data.replace(b'"', b"").removeprefix(BOM)), first_line)
    if (whole.kind == UNKNOWN).any():
        whole = _repaired(whole, meaning)
    owner = np.cumsum(whole.kind == CHANNEL) - 1
    return Piece(whole, _channels(whole, meaning, verdicts), owner, meaning, verdicts)


def _repaired(whole: Layout, meaning: Meaning) -> Layout:
    """Join broken day records; how many fields a day needs is told by the 200 record above it."""
    fields = [0]
    for line in whole.lines(CHANNEL).tolist():
        channel = channel_of(whole.record(line).split(","), meaning.options, meaning.exponents, line)
        fields.append(channel.slots + 3 if isinstance(channel, Channel) else 0)
    needed = np.where(whole.kind == DAY, np.array(fields)[np.cumsum(whole.kind == CHANNEL)], 0)
    return joined(whole, needed)


def _channels(whole: Layout, meaning: Meaning, verdicts: Verdicts) -> list[Channel | Reject]:
    channels: list[Channel | Reject] = []
    told: Meanings = {}
    for line in whole.lines(CHANNEL).tolist():
        record, number = whole.record(line), int(whole.number[line])
        channel = channel_of(record.split(","), meaning.options, meaning.exponents, number, told)
        if isinstance(channel, Reject):
            channel = replace(channel, record=record[:SHOWN])
            verdicts.add(channel, 0)
        channels.append(channel)
    return channels


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What the channels of a piece are, numbered: `kind` and `point` name the entry of each channel, -1 for a refused.

    `places`: decimal places of each; `slots`: values of its days, 0 for a refused one, and for what stands above any.
    """

    kinds: tuple[ReadingType, ...]
    points: tuple[str, ...]
    kind: Index
    point: Index
    places: Index
    slots: Index


def numbers_of(channels: Sequence[Channel | Reject]) -> Numbers:
    """Give what the channels of a piece are numbers, by which arrays name them."""
    known = [channel if isinstance(channel, Channel) else None for channel in channels]
    # Channels that mean the same share one reading type: it is hashed once, not for each of them.
    types = {id(each.reading_type): each.reading_type for each in known if each}
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(types.values()))}
    kind_of = {name: kinds[kind] for name, kind in types.items()}
    points: dict[str, int] = {}
    for each in known:
        if each:
            points.setdefault(each.point, len(points))
    return Numbers(
        tuple(kinds),
        tuple(points),
        np.array([kind_of[id(each.reading_type)] if each else -1 for each in known], np.intp),
        np.array([points[each.point] if each else -1 for each in known], np.intp),
        np.array([each.places if each else 0 for each in known], np.intp),
        np.array([each.slots if each else 0 for each in known] + [0], np.intp),
    )

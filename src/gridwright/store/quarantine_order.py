"""Readings of unknown meters that come again: of one instant the values wait in the order in which they last came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gridwright.ingest.order import one_gives_way

Key = tuple[str, int, int, int, float]  # meter, instant, interval, reading type, value


class Row(NamedTuple):
    """A reading that is stored: its number, what it says, and whether it waits, was claimed, or was let go."""

    id: int
    key: Key
    quality: int
    waits: bool
    let_go: bool


@dataclass(slots=True)
class Arrivals:
    """What readings that arrive change: rows that go, and readings that wait anew, in order.

    The same again changes nothing; so does a guess of an instant of which something better waits, and what somebody let
    go. What was claimed and comes again is known of nobody any more: it waits again. Places count what is taken in.
    """

    stored: dict[Key, Row] = field(default_factory=dict)
    counts: dict[tuple[str, int, int, int], tuple[float, int]] = field(default_factory=dict)
    new: dict[Key, int] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    let_go: list[int] = field(default_factory=list)
    no_room: list[int] = field(default_factory=list)
    room: int | None = None  # for how many more readings there is
    taken: int = 0

    @classmethod
    def after(cls, rows: Iterable[Row], room: int | None = None) -> Arrivals:
        """Return arrivals after those that are stored."""
        begun = cls(room=room)
        for row in sorted(rows):
            begun.stored[row.key] = row
            if row.waits:
                begun._note(row.key, row.quality)
        return begun

    def take_all(self, arrived: Sequence[tuple[Key, int]]) -> None:
        """Take all readings in, in order; a flood of which nothing is known, each of its own instant, at once."""
        alone = not self.stored and not self.counts and len({key[:4] for key, _ in arrived}) == len(arrived)
        if not alone or self.taken:
            for key, quality in arrived:
                self.take(key, quality)
            return
        room = len(arrived) if self.room is None else min(max(self.room, 0), len(arrived))
        self.new = dict(arrived[:room])
        self.no_room = list(range(room, len(arrived)))
        self.taken = len(arrived)

    def take(self, key: Key, quality: int) -> None:
        """Take one reading in."""
        place, self.taken = self.taken, self.taken + 1
        row, counts = self.stored.get(key), self.counts.get(key[:4])
        if row is not None and row.let_go:
            self.let_go.append(place)
            return
        own = self.new.get(key, row.quality if row is not None and row.waits else None)
        if counts == (key[4], quality) or (
            own is not None and counts is not None and one_gives_way(quality, counts[1])
        ):
            return
        if own is None and self.room is not None:
            if self.room <= 0:
                self.no_room.append(place)
                return
            self.room -= 1
        if row is not None:
            self.gone.append(row.id)
            del self.stored[key]
        self.new.pop(key, None)
        self.new[key] = quality
        self._note(key, quality)

    def _note(self, key: Key, quality: int) -> None:
        counts = self.counts.get(key[:4])
        if counts is None or not one_gives_way(quality, counts[1]):
            self.counts[key[:4]] = key[4], quality

"""Entries of the journal laid together: many batches of a few instants become a few panels of whole days.

Where two entries give a slot different values they must not meet in one panel: the later one supersedes the earlier,
whose image is kept. So each block (a usage point on a UTC day) counts its own rounds, and a panel holds one round. What
a block is after a round is what it was after one of the entries: states are left out, none is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.store.journal.rows import Entry, Mask, Whole

Places = npt.NDArray[np.intp]
CELLS_PER_READING, FREE_CELLS = 32, 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A panel in the making: `keys` ascending, slots from `start_s` on, NaN and MISSING where nothing came."""

    keys: Whole
    start_s: int
    interval_s: int
    values: npt.NDArray[np.float64]
    quality: q.Qualities


@dataclass(frozen=True, slots=True, eq=False)
class _Readings:
    """Readings of several entries in columns, in the order in which they came; `entry` numbers the entries."""

    interval_s: int
    entry: npt.NDArray[np.int32]
    key: Whole
    at: Whole
    value: Whole
    quality: q.Qualities

    def take(self, which: Mask | Places) -> _Readings:
        columns = (self.entry, self.key, self.at, self.value, self.quality)
        return _Readings(self.interval_s, *(column[which] for column in columns))  # type: ignore[arg-type] # as they are


def layers(entries: Sequence[Entry]) -> Iterator[Layer]:
    """Yield what entries of one kind and grid, in the order in which they came, are to be saved as, in turn."""
    columns = ("key", "at", "value", "quality")
    joined = (np.concatenate([getattr(entry, name) for entry in entries]) for name in columns)
    number = np.repeat(np.arange(len(entries), dtype=np.int32), [entry.size for entry in entries])
    yield from _bounded(_Readings(entries[0].interval_s, number, *joined))


def in_turns(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield those that only fill apart from the others: after them, or, where they meet in a slot, in their order."""
    fills = [entry for entry in entries if entry.fill]
    others = [entry for entry in entries if not entry.fill]
    if not fills or not others:
        yield list(entries)
    elif _meet(fills, others):
        yield from (list(some) for _, some in groupby(entries, attrgetter("fill")))
    else:
        yield from (others, fills)


def _meet(some: Sequence[Entry], others: Sequence[Entry]) -> bool:
    """Tell whether a usage point has a reading of one time in both."""
    key, at = (np.concatenate([getattr(entry, name) for entry in (*some, *others)]) for name in ("key", "at"))
    slot = distinct(key)[1] * (int(at.max()) - int(at.min()) + 1) + at - int(at.min())
    first = sum(entry.size for entry in some)
    return bool(np.isin(slot[:first], slot[first:]).any())


def distinct(keys: Whole) -> tuple[Whole, Places]:
    """Return the different keys in order, and which of them each is; keys near each other need no sorting."""
    low = int(keys.min())
    span = int(keys.max()) - low + 1
    if span > 4 * keys.size + FREE_CELLS:
        found, place = np.unique(keys, return_inverse=True)
        return found, place.reshape(-1)
    there = np.zeros(span, np.bool_)
    there[keys - low] = True
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[keys - low]


def _bounded(readings: _Readings, free: int = FREE_CELLS) -> Iterator[Layer]:
    """Cut at a midnight, then by usage points, until a panel is not nearly empty; blocks stay whole.

    `free`: cells that may be empty whatever the number of readings; halves share it.
    """
    keys, row = distinct(readings.key)
    first, last = int(readings.at.min()), int(readings.at.max())
    slots = (last - first) // readings.interval_s + 1
    midnight = (first // DAY_S + last // DAY_S + 1) // 2 * DAY_S
    block = keys.size == 1 and first >= midnight
    if block or keys.size * slots <= CELLS_PER_READING * readings.key.size + free:
        yield from _in_turn(readings, keys, row)
        return
    early = readings.at < midnight if first < midnight else readings.key < keys[keys.size // 2]
    yield from _bounded(readings.take(early), free // 2)
    yield from _bounded(readings.take(~early), free // 2)


def _in_turn(readings: _Readings, keys: Whole, row: Places) -> Iterator[Layer]:
    """Yield all in one layer, or, where entries differ about a slot, round by round."""
    layer, cell = _layer(readings, keys, row)
    values, quality = layer.values.reshape(-1)[cell], layer.quality.reshape(-1)[cell]
    # Of several readings of a slot the last stands in the layer: where all are as it is, nothing differs.
    if (values == readings.value).all() and (quality == readings.quality).all():
        yield layer
        return
    turn = _rounds(readings, cell, row)
    for number in range(int(turn.max()) + 1):
        some = readings.take(turn == number)
        yield _layer(some, *distinct(some.key))[0]


def _layer(readings: _Readings, keys: Whole, row: Places) -> tuple[Layer, Places]:
    """Return the readings in one layer, and the cell of each."""
    first = int(readings.at.min())
    slots = (int(readings.at.max()) - first) // readings.interval_s + 1
    cell = row * slots + (readings.at - first) // readings.interval_s
    shape = (keys.size, slots)
    values, quality = np.full(shape, np.nan), np.full(shape, q.MISSING, np.uint8)
    values.reshape(-1)[cell] = readings.value
    quality.reshape(-1)[cell] = readings.quality
    return Layer(keys, first, readings.interval_s, values, quality), cell


def _rounds(readings: _Readings, cell: Places, row: Places) -> Places:
    """Return the round of each reading: of its block the last one, or the next where it changes a slot of that."""
    cells, (days, blocks) = int(cell.max()) + 1, _blocks(readings, row)
    value, quality = np.zeros(cells, np.int64), np.zeros(cells, np.uint8)
    seen, current = np.full(cells, -1, np.intp), np.zeros(days, np.intp)
    turn = np.empty(cell.size, np.intp)
    bounds = np.flatnonzero(np.diff(readings.entry)) + 1
    for first, end in zip([0, *bounds.tolist()], [*bounds.tolist(), cell.size], strict=True):
        these, block = cell[first:end], blocks[first:end]
        new, trust = readings.value[first:end], readings.quality[first:end]
        differs = (seen[these] >= 0) & ((value[these] != new) | (quality[these] != trust))
        np.maximum.at(current, block[differs], seen[these][differs] + 1)
        turn[first:end] = current[block]
        value[these], quality[these], seen[these] = new, trust, current[block]
    return turn


def _blocks(readings: _Readings, row: Places) -> tuple[int, Places]:
    """Return how many blocks there may be, and which each reading belongs to."""
    day = readings.at // DAY_S - int(readings.at.min()) // DAY_S
    days = int(day.max()) + 1
    return (int(row.max()) + 1) * days, row * days + day

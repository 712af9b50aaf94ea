"""What was known of a day at an instant: slot by slot the last value known by then, out of the images that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.days import blocks
from gridwright.store.days.away import DayImages
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.known import SHORT, Instants, Mask, pack_stored, unpack_each
from gridwright.store.days.pack import Values, pack_quality
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
# A state that was put together has values of eight bytes: float64 holds every one that a block can.
WIDE, NOTHING = 8, np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images of one grid, decoded: values and qualities, and when each slot became known."""

    key: Keys
    values: Values
    qualities: q.Qualities
    instants: Instants

    def known_by(self, instant_us: int) -> Mask:
        """Return the slots that had their value by then."""
        known: Mask = ~np.isnan(self.values) & (self.instants <= instant_us)
        return known


def decode_images(rows: BlockRows, day: int) -> Images:
    """Return rows of one grid decoded."""
    slots = shape_of(rows.shape[0]).slots
    instants = unpack_each(rows.known, rows.known_at_us, slots, day)
    return Images(rows.key, rows.values(slots), rows.qualities(slots), instants)


def read_day_as_of(unit: Unit, kind: int, day: int, keys: Keys, as_of_us: int) -> BlockRows | None:
    """Return the rows as they were known at an instant; those of which nothing was known are not there."""
    current = blocks.read_images(unit, kind, day, keys)
    if current is None:
        return None
    return rows_as_of(current, lambda those: blocks.read_versions(unit, kind, day, those), day, as_of_us)


def rows_as_of(
    current: BlockRows, earlier_of: Callable[[Keys], BlockRows | None], day: int, as_of_us: int
) -> BlockRows | None:
    """Return the same of images; `earlier_of` is asked for those before them, where one became known later."""
    late = np.array(current.known_at_us, np.int64) > as_of_us
    if not late.any():
        return current
    now = current.take(np.flatnonzero(~late).tolist())
    then = current.take(np.flatnonzero(late).tolist())
    earlier = earlier_of(then.key)
    if earlier is not None:
        then = joined(earlier.take(np.flatnonzero(np.isin(earlier.key, then.key)).tolist()), then)
    found = [part for part in (now, *_as_of(then, day, as_of_us)) if part.key.size]
    if not found:
        return None
    every = found[0] if len(found) == 1 else joined(*found)
    return every.take(np.argsort(every.key, kind="stable").tolist())


def joined(*parts: BlockRows) -> BlockRows:
    """Return the images of all parts, one part after the other."""
    names = ("shape", "quality", "counts", "known_at_us", "revision", "known")
    columns = ([each for part in parts for each in getattr(part, name)] for name in names)
    return BlockRows(np.concatenate([part.key for part in parts]), *columns)


def _as_of(images: BlockRows, day: int, as_of_us: int) -> Iterator[BlockRows]:
    """Lay the images of each usage point over one another, the oldest first, each as far as it was known."""
    grids = [shape_of(number).grid for number in images.shape]
    for grid in sorted(set(grids)):
        mine = images.take([row for row, each in enumerate(grids) if each == grid])
        each = decode_images(mine, day)
        points, at = np.unique(each.key, return_inverse=True)
        values, qualities = np.full((points.size, grid[0]), np.nan), np.zeros((points.size, grid[0]), np.uint8)
        known = each.known_by(as_of_us)
        revisions = np.array(mine.revision, np.int64)
        for revision in np.unique(revisions).tolist():
            rows = np.flatnonzero(revisions == revision)
            row, slot = np.nonzero(known[rows])
            values[at[rows][row], slot] = each.values[rows][row, slot]
            qualities[at[rows][row], slot] = each.qualities[rows][row, slot]
        there = np.flatnonzero(~np.isnan(values).all(axis=1))
        instants, numbers = np.full(there.size, as_of_us), np.ones(there.size, np.int64)
        yield _to_rows(grid, points[there], (values[there], qualities[there]), instants, numbers)


def _to_rows(
    grid: tuple[int, int], keys: Keys, content: tuple[Values, q.Qualities], instants: Instants, revisions: Keys
) -> BlockRows:
    """Return states that were put together as rows, values of eight bytes and a quality for each slot or for all."""
    values, qualities = content
    absent = np.isnan(values)
    counts = np.where(absent, 0.0, values).astype("<i8")
    counts[absent] = NOTHING
    shared, single = pack_quality(np.where(absent, np.uint8(q.MISSING), qualities))
    base = (grid[1] << 32) + (grid[0] << 13) + (WIDE << 9)
    shape = [base + (256 if each is None else each) for each in shared]
    columns = (instants.tolist(), revisions.tolist(), [None] * len(shared))
    return BlockRows(keys, shape, single, [row.tobytes() for row in counts], *columns)


def to_rows_known(
    grid: tuple[int, int], images: Images, known_at_us: Sequence[int], revisions: Sequence[int], day: int
) -> BlockRows:
    """Return images that were put together as rows that also tell when each slot became known."""
    numbers = np.array(revisions, np.int64), np.array(known_at_us, np.int64)
    rows = _to_rows(grid, images.key, (images.values, images.qualities), numbers[1], numbers[0])
    instants = np.where(np.isnan(images.values), numbers[1][:, None], images.instants)
    known = [pack_stored(instants[[row]], day) for row in range(len(instants))]
    mark = [(1 if len(each) == SHORT * grid[0] else 2) << 30 for each in known]
    shape = [number + bits for number, bits in zip(rows.shape, mark, strict=True)]
    return replace(rows, shape=shape, known=known)


def read_states(unit: Unit, kind: int, day: int, point: int) -> BlockRows | None:
    """Return every state of one block, the oldest first, numbered from one, the current one last.

    A state begins with each instant at which something became known; what came at one instant is one state, unless it
    superseded what had come at that very instant.
    """
    key = np.array([point], np.int64)
    current = blocks.read_images(unit, kind, day, key)
    if current is None:
        return None
    return states_of(DayImages(current, blocks.read_versions(unit, kind, day, key)), day)


def states_of(found: DayImages, day: int) -> BlockRows | None:
    """Return the same of the images of one block."""
    if found.current is None:
        return None
    images = found.current if found.earlier is None else joined(found.earlier, found.current)
    images = images.take(np.argsort(images.revision, kind="stable").tolist())
    grids = [shape_of(number).grid for number in images.shape]
    begins = [0, *(at for at in range(1, len(grids)) if grids[at] != grids[at - 1]), len(grids)]
    parts: list[BlockRows] = []
    for first, end in pairwise(begins):
        parts.append(_states_of_grid(images.take(range(first, end)), day, sum(part.key.size for part in parts)))
    return parts[0] if len(parts) == 1 else joined(*parts)


def _states_of_grid(images: BlockRows, day: int, before: int) -> BlockRows:
    """Return the states of images of one grid, numbered on from those `before`."""
    states = _states(decode_images(images, day), images.known_at_us)
    instants = np.array([state[0] for state in states], np.int64)
    content = np.array([state[1] for state in states]), np.array([state[2] for state in states])
    keys, numbers = np.full(instants.size, images.key[0]), before + np.arange(1, instants.size + 1)
    return _to_rows(shape_of(images.shape[0]).grid, keys, content, instants, numbers)


def _states(images: Images, known_at_us: Sequence[int]) -> list[tuple[int, Values, q.Qualities]]:
    """Return the states that images went through; each image begins as the last state of the one before."""
    slots = images.values.shape[1]
    since, base = np.iinfo(np.int64).min, (np.full(slots, np.nan), np.full(slots, q.MISSING, np.uint8))
    states: list[tuple[int, Values, q.Qualities]] = []
    for row, last in enumerate(known_at_us):
        values, qualities, instants = images.values[row], images.qualities[row], images.instants[row]
        present = ~np.isnan(values)
        known = instants[present]
        for instant in np.unique(np.append(known[known >= since], last)).tolist():
            there = present & (instants <= instant)
            state = (instant, np.where(there, values, base[0]), np.where(there, qualities, base[1]))
            if not states or not _same(states[-1], *state[1:]):
                states.append(state)
        since, base = last, states[-1][1:]
    return states


def _same(state: tuple[int, Values, q.Qualities], values: Values, qualities: q.Qualities) -> bool:
    return np.array_equal(state[1], values, equal_nan=True) and np.array_equal(state[2], qualities)

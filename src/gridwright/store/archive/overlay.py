"""What came in for a day after it left the database, laid over what is archived of it, as a restore would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridwright.store.archive.ground import ground_of, is_marked
from gridwright.store.days.away import DayImages
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.history import Keys, decode_images, joined, to_rows_known

if TYPE_CHECKING:
    from gridwright.store.archive.rows import StoredBlock

MIXED = 256  # in place of a quality that all slots share
SHORT_KNOWN, LONG_KNOWN = 1 << 30, 2 << 30


def to_block_rows(rows: Sequence[StoredBlock]) -> BlockRows | None:
    """Return rows in columns, as a look into the database brings them; None when there is none."""
    if not rows:
        return None
    return BlockRows(
        np.array([row.usage_point for row in rows], np.int64),
        [_shape(row) for row in rows],
        [row.quality for row in rows],
        [row.counts for row in rows],
        [row.known_at_us for row in rows],
        [row.revision for row in rows],
        [row.known for row in rows],
    )


def _shape(row: StoredBlock) -> int:
    """Return the number that `days.blocks.IMAGE_SHAPE` computes."""
    known = 0 if row.known is None else SHORT_KNOWN if len(row.known) == row.slots * 5 else LONG_KNOWN
    quality = MIXED if row.quality_all is None else row.quality_all
    return (row.phase_s << 32) + known + (row.slots << 13) + (row.width << 9) + quality


def overlaid(archived: DayImages, stored: DayImages, day: int, *, ranked: bool) -> DayImages:
    """Return the images of a day from both: of a usage point that is in one place alone, those from there.

    One that never left, or whose archived image the database still has and has added to, counts as the database has
    it. What came in since is laid over the archived image, slot by slot; `ranked`: as of raw images, see `Ground`.
    """
    if stored.current is None:
        return archived
    old, new = ({} if each.current is None else _by_point(each) for each in (archived, stored))
    late = {key for key in old.keys() & new.keys() if not _is_there(old[key].current, new[key], day)}
    late |= {key for key in new.keys() - old.keys() if ranked and _has_marks(new[key])}
    away = np.array(sorted(old.keys() - new.keys()), np.int64)
    there = np.array(sorted(new.keys() - late), np.int64)
    parts = [
        _only(archived, away),
        _only(stored, there),
        *(_laid(old.get(key, DayImages()), new[key], day, ranked=ranked) for key in sorted(late)),
    ]
    return DayImages(_together([part.current for part in parts]), _together([part.earlier for part in parts]))


def _by_point(images: DayImages) -> dict[int, DayImages]:
    """Return the images of each usage point."""
    earlier = {} if images.earlier is None else _rows_by_point(images.earlier)
    current = {} if images.current is None else _rows_by_point(images.current)
    return {key: DayImages(rows, earlier.get(key)) for key, rows in current.items()}


def _rows_by_point(rows: BlockRows) -> dict[int, BlockRows]:
    keys, first = np.unique(rows.key, return_index=True)  # the rows are in order of usage point
    ends = [*first[1:].tolist(), rows.key.size]
    return {
        key: rows.take(range(begin, end)) for key, begin, end in zip(keys.tolist(), first.tolist(), ends, strict=True)
    }


def _is_there(archived: BlockRows | None, stored: DayImages, day: int) -> bool:
    """Tell whether the database still has the archived image of a usage point, as it is or with slots added."""
    images = [rows for rows in (stored.current, stored.earlier) if rows is not None]
    return archived is not None and any(
        rows.revision[at] == archived.revision[0] and _grew(archived, rows.take([at]), day)
        for rows in images
        for at in range(rows.key.size)
    )


def _grew(before: BlockRows, after: BlockRows, day: int) -> bool:
    if shape_of(before.shape[0]).grid != shape_of(after.shape[0]).grid:
        return False
    if (before.shape, before.counts, before.known_at_us) == (after.shape, after.counts, after.known_at_us):
        return before.quality == after.quality and before.known == after.known
    old, new = decode_images(before, day), decode_images(after, day)
    there = ~np.isnan(old.values)
    pairs = ((old.values, new.values), (old.qualities, new.qualities), (old.instants, new.instants))
    return all(np.array_equal(one[there], other[there]) for one, other in pairs)


def _has_marks(late: DayImages) -> bool:
    rows = (each for each in (late.current, late.earlier) if each is not None)
    return any(
        is_marked(shape_of(shape).quality_all, quality)
        for each in rows
        for shape, quality in zip(each.shape, each.quality, strict=True)
    )


def _laid(archived: DayImages, late: DayImages, day: int, *, ranked: bool) -> DayImages:
    """Lay the images of one usage point that came in late over those that are archived; they are numbered on."""
    images = _in_order(late)
    decoded = [decode_images(images.take([at]), day) for at in range(images.key.size)]
    grids = [shape_of(number).grid for number in images.shape]
    base = archived.current
    ground = ground_of(base, day, (decoded[0], grids[0]), ranked=ranked)
    rows: list[BlockRows] = []
    for image, grid, known_at_us in zip(decoded, grids, images.known_at_us, strict=True):
        if ground.lay(image, grid) is not None and not np.isnan(ground.whole.values).all():
            revision = (0 if base is None else base.revision[0]) + len(rows) + 1
            rows.append(to_rows_known(grid, ground.whole, [known_at_us], [revision], day))
    if not rows:
        return archived
    return DayImages(rows[-1], _together([archived.earlier, base, *rows[:-1]]))


def _in_order(late: DayImages) -> BlockRows:
    """Return the images of one usage point, the oldest first."""
    images = _together([late.earlier, late.current])
    assert images is not None  # noqa: S101 - nobody is late with nothing
    return images.take(np.argsort(np.array(images.revision), kind="stable").tolist())


def _only(images: DayImages, keys: Keys) -> DayImages:
    return DayImages(only(images.current, keys), only(images.earlier, keys))


def only(rows: BlockRows | None, keys: Keys) -> BlockRows | None:
    """Return the rows of some usage points, None when there is none."""
    at = [] if rows is None else np.flatnonzero(np.isin(rows.key, keys)).tolist()
    return rows.take(at) if rows is not None and at else None


def _together(parts: Sequence[BlockRows | None]) -> BlockRows | None:
    found = [part for part in parts if part is not None]
    if not found:
        return None
    every = joined(*found)
    return every.take(np.argsort(every.key, kind="stable").tolist())

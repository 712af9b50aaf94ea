"""What came in for a day after it left the database, laid over what is archived of it, as a restore would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridwright.ingest.order import gives_way, takes_back_another
from gridwright.store.days.away import DayImages
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.history import Images, Keys, decode_images, joined, to_rows_known

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
    it. What came in since is laid over the archived image, slot by slot; on another grid it stays beside it. `ranked`:
    as of raw images, a guess gives way to an archived value of better quality, and what is taken back is that value.
    """
    if archived.current is None or stored.current is None:
        return stored if archived.current is None else archived
    old, new = _by_point(archived), _by_point(stored)
    late = {key for key in old.keys() & new.keys() if not _is_there(old[key].current, new[key], day)}
    away = np.array(sorted(old.keys() - new.keys()), np.int64)
    there = np.array(sorted(new.keys() - late), np.int64)
    parts = [
        _only(archived, away),
        _only(stored, there),
        *(_laid(old[key], new[key], day, ranked=ranked) for key in sorted(late)),
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


def _laid(archived: DayImages, late: DayImages, day: int, *, ranked: bool) -> DayImages:
    """Lay the images of one usage point that came in late over those that are archived; they are numbered on."""
    base, last = archived.current, late.current
    if base is None or last is None or shape_of(base.shape[0]).grid != shape_of(last.shape[0]).grid:
        return DayImages(_together([base, last]), _together([archived.earlier, late.earlier]))
    numbered = [_numbered_on(rows, base.revision[0]) for rows in (late.earlier, last) if rows is not None]
    whole = decode_images(base, day)
    for rows in numbered:
        for at in np.argsort(np.array(rows.revision), kind="stable").tolist():
            _lay(whole, decode_images(rows.take([at]), day), ranked=ranked)
    now = to_rows_known(shape_of(base.shape[0]).grid, whole, numbered[-1].known_at_us, numbered[-1].revision, day)
    return DayImages(now, _together([archived.earlier, base, *numbered[:-1]]))


def _lay(whole: Images, image: Images, *, ranked: bool) -> None:
    """Lay an image over another; the same value with the same quality says nothing new."""
    equal = image.values == whole.values
    new = ~np.isnan(image.values) & ~(equal & (image.qualities == whole.qualities))
    if ranked:
        yields = gives_way(image.qualities, whole.qualities, equal)
        yields |= takes_back_another(image.qualities, image.values, whole.values)
        new &= np.isnan(whole.values) | ~yields
    for target, source in (
        (whole.values, image.values),
        (whole.qualities, image.qualities),
        (whole.instants, image.instants),
    ):
        target[new] = source[new]


def _numbered_on(rows: BlockRows, after: int) -> BlockRows:
    revisions = [after + revision for revision in rows.revision]
    return BlockRows(rows.key, rows.shape, rows.quality, rows.counts, rows.known_at_us, revisions, rows.known)


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

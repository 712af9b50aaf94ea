"""What came in for a day of a usage point while its month was in the archive, laid over what was archived of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import select

from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import from_code
from gridwright.store import dirty, schema
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.archive.ground import Grid, ground_of
from gridwright.store.archive.overlay import to_block_rows
from gridwright.store.archive.rows import StoredBlock
from gridwright.store.days.blocks import BlockRows, shape_of
from gridwright.store.days.grid import misfit
from gridwright.store.days.history import Images, decode_images
from gridwright.store.days.incoming import Manner
from gridwright.store.days.outranked import tell_outranked
from gridwright.store.days.saving import PanelSaver
from gridwright.store.days.series import uncount
from gridwright.store.journal.aside import put_aside
from gridwright.store.journal.rows import Entry
from gridwright.store.session import Unit

LATE = "archive restore"  # who puts aside what came in late: who sent it the audit trail tells


@dataclass(frozen=True, slots=True)
class _Place:
    """A day of a usage point, and its series."""

    part: ArchivePart
    day: int
    point: int
    name: str

    @property
    def raw(self) -> bool:
        return self.part.image == Image.RAW

    @property
    def where(self) -> str:
        return f"usage point {self.name}, {self.part.code}, {date_of(self.day)}"


class Late(NamedTuple):
    """The states of what came in late for a day of a usage point, and the archived image `base`, if there is one."""

    day: int
    point: int
    base: StoredBlock | None
    history: BlockRows


def lay_late(unit: Unit, part: ArchivePart, late_day: Late, at_us: int) -> None:
    """Save what came in late once more, state by state, over the archived image, which is stored; see `Ground`.

    Raw readings on another grid than was archived are put aside, as of `at_us`.
    """
    day, point, base, history = late_day
    query = select(schema.usage_point.c.code).where(schema.usage_point.c.id == point)
    place = _Place(part, day, point, unit.connection.execute(query).scalar_one())
    archived = to_block_rows([base]) if base is not None else None
    new = _lay(unit, place, archived, history, at_us)
    if place.raw:
        days = np.array([day])
        dirty.mark(unit, part.kind, np.array([point], np.int64), days, days + 1)
        _count_anew(unit, place, history, new)


def _lay(unit: Unit, place: _Place, base: BlockRows | None, history: BlockRows, at_us: int) -> tuple[int, int]:
    """Save states one after the other; returns an interval length, and how many slots have a value that had none."""
    images = [decode_images(history.take([at]), place.day) for at in range(history.key.size)]
    grids = [shape_of(number).grid for number in history.shape]
    ground = ground_of(base, place.day, (images[0], grids[0]), ranked=place.raw)
    begins, known = ground.grid, _known(ground.whole)
    for image, grid, known_at_us in zip(images, grids, history.known_at_us, strict=True):
        sent, stored = ground.sent(image), ground.grid
        said = ground.lay(image, grid)
        if said is None:
            _put_aside(unit, place, (sent, grid, known_at_us), misfit(grid, stored, place.where), at_us)
        elif _known(said):
            _save(unit, place, said, known_at_us, grid)
    return DAY_S // ground.grid[0], _known(ground.whole) - (known if ground.grid == begins else 0)


def _known(image: Images) -> int:
    return int(np.count_nonzero(~np.isnan(image.values)))


def _save(unit: Unit, place: _Place, image: Images, known_at_us: int, grid: Grid) -> None:
    slots, phase_s = grid
    start, kind = from_epoch_s(place.day * DAY_S + phase_s), from_code(place.part.code)
    panel = Panel((place.name,), start, timedelta(seconds=DAY_S // slots), image.values, image.qualities, kind)
    key, how = np.array([place.point], np.int64), Manner(regrids=not place.raw, ranked=place.raw)
    saver = PanelSaver(unit, place.part.kind, panel, keys=key, known_at_us=known_at_us, how=how)
    saver.run()
    tell_outranked(unit, place.part.kind, panel, key, saver.outranked, known_at_us=known_at_us)


def _put_aside(unit: Unit, place: _Place, came: tuple[Images, Grid, int], reason: GridMismatch, at_us: int) -> None:
    """Put aside what was sent, on a grid and at an instant."""
    image, (slots, phase_s), known_at_us = came
    slot = np.flatnonzero(~np.isnan(image.values[0]))
    if slot.size:
        length_s = DAY_S // slots
        values, moments = image.values[0, slot].astype(np.int64), place.day * DAY_S + phase_s + slot * length_s
        keys, quality = np.full(slot.size, place.point), image.qualities[0, slot]
        entry = Entry(place.part.kind, length_s, keys, moments, values, quality)
        put_aside(unit, entry, (known_at_us, LATE), at_us, reason)


def _count_anew(unit: Unit, place: _Place, history: BlockRows, new: tuple[int, int]) -> None:
    """Count a series anew: late readings were counted as new when they came, also those that the archive has."""
    last = history.take([history.key.size - 1])
    slots = shape_of(last.shape[0]).slots
    fewer = {DAY_S // slots: int(np.count_nonzero(~np.isnan(last.values(slots))))}
    length_s, count = new
    fewer[length_s] = fewer.get(length_s, 0) - count
    for each_s, number in fewer.items():
        uncount(unit, place.part.kind, each_s, np.array([place.point]), np.array([number]))

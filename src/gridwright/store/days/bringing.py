"""Series brought to a finer resolution: some days of the raw one, or all of it with what was made of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import update

from gridwright.domain.image import Image
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.store import schema
from gridwright.store.archive.reading import days_away
from gridwright.store.days.kept_series import stored_series
from gridwright.store.days.recount_both import merge_both
from gridwright.store.days.recounting import Change, recount_day
from gridwright.store.days.series import EMPTY, count_series, uncount
from gridwright.store.days.states import read_image_days
from gridwright.store.money.recount_totals import recount_totals
from gridwright.store.names import Names
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
Beyond = dict[int, tuple[int, int]]  # by usage point: a day, and the largest value of it
ENDS = "UPDATE series SET first_day = ?, last_day = ? WHERE reading_type = ? AND usage_point = ? AND interval_s = ?"
ONE_WAY = (Flow.DELIVERED, Flow.RECEIVED)
# Civil days begin and end beside UTC days, and what is estimated lies a day beside what was read.
BESIDE = 2


def bring_whole(
    unit: Unit,
    names: Names,
    change: Change,
    where: tuple[Sequence[int], range],
    known_at_us: int,
    *,
    beyond: Beyond | None = None,
) -> int:
    """Bring raw series of some usage points (`where`: with all days that they have) and all that was made of them.

    Returns how many days of a usage point were brought; `beyond`: see `bring_days`.
    """
    keys, days = where[0], range(where[1].start - BESIDE, where[1].stop + BESIDE)
    brought = bring_days(unit, names, change, (keys, days), known_at_us, beyond=beyond)
    for kind in _made_of(change.coarse):
        fine = kind.finer(change.fine.exponent)
        source = names.type_key(unit, kind, Image.FINAL)
        if source is not None:
            made = Change(source, names.make_type_key(unit, fine, Image.FINAL), kind, fine)
            for day in days:
                for key in recount_day(unit, made, day, keys).both:
                    merge_both(unit, names, made, (day, key, False), known_at_us, made=True)
            _move(unit, made, keys)
        totals = names.type_key(unit, kind)
        if totals is not None:
            summed = Change(totals, names.make_type_key(unit, fine), kind, fine)
            recount_totals(unit, summed, keys, days, known_at_us)
            _move(unit, summed, keys)
    return brought


def _made_of(kind: ReadingType) -> list[ReadingType]:
    """Return the types of the final images that are made of a raw series, its own first."""
    both = kind.quantity is Quantity.ENERGY and kind.flow not in ONE_WAY
    return [kind, *(replace(kind, flow=flow, channel="") for flow in ONE_WAY if both)]


def _move(unit: Unit, change: Change, keys: Sequence[int]) -> None:
    """Let findings and dirty ranges be of the type that is stored."""
    for table in (schema.finding, schema.dirty_range):
        mine = table.c.reading_type == change.source, table.c.usage_point.in_(keys)
        unit.connection.execute(update(table).where(*mine).values(reading_type=change.target))


def bring_days(
    unit: Unit,
    names: Names,
    change: Change,
    where: tuple[Sequence[int], Iterable[int]],
    known_at_us: int,
    *,
    beyond: Beyond | None = None,
) -> int:
    """Bring some days of raw series (`where`: usage points, days) to a finer resolution; returns how many it was.

    `beyond` is given the days that stay, for a value would be no exact number.
    """
    keys, days = where
    counted: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # by interval length: point, day, readings
    both: list[tuple[int, int, bool]] = []
    for day in days:
        found = recount_day(unit, change, day, keys)
        for key, interval_s, readings in found.moved:
            counted[interval_s].append((key, day, readings))
        both += [(day, key, found.filed) for key in found.both]
        if beyond is not None:
            beyond.update({key: (day, counts) for key, counts in found.beyond.items()})
    for interval_s, moved in counted.items():
        _count(unit, change, interval_s, np.array(moved, np.int64))
    merged = sum(merge_both(unit, names, change, place, known_at_us) for place in both)
    return sum(map(len, counted.values())) + merged


def _count(unit: Unit, change: Change, interval_s: int, moved: Keys) -> None:
    """Count what was moved from one series in the other, and let each reach as far as it does."""
    keys, row = np.unique(moved[:, 0], return_inverse=True)
    first, last = np.full(keys.size, np.iinfo(np.int64).max), np.zeros(keys.size, np.int64)
    np.minimum.at(first, row, moved[:, 1])
    np.maximum.at(last, row, moved[:, 1] + 1)
    readings = np.zeros(keys.size, np.int64)
    np.add.at(readings, row, moved[:, 2])
    count_series(unit, change.target, interval_s, keys, first=first, last=last, new=readings)
    uncount(unit, change.source, interval_s, keys, readings, kept=True)
    ends = dict(_ends(unit, change.source, interval_s, keys.tolist()))
    left = [(*days, change.source, key, interval_s) for key, days in ends.items() if days]
    unit.run_many(ENDS, left)
    gone = [key for key, days in ends.items() if not days]
    unit.run_many(EMPTY, [(change.source, key, interval_s) for key in gone])


def _ends(unit: Unit, kind: int, interval_s: int, keys: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield from which to which day what is left of a series reaches, also in the archive; of nothing no days."""
    for key, some in stored_series(unit, {0: kind}, keys).items():
        for one in some:
            if one.interval_s == interval_s:
                days = range(one.first, one.last)
                left = read_image_days(unit, [kind], key, days) | days_away(unit, kind, days)
                yield key, (min(left), max(left) + 1) if left else ()

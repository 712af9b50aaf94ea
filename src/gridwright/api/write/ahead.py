"""What a batch of very many register reads brings ahead of its answer, some usage points or days a transaction.

Each read is judged by those beside it, which takes a hundred times as long as an interval. What was written ahead stays
if the rest fails: the same again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.answer import Answer
from gridwright.api.ingest.names import Resolved
from gridwright.api.ingest.places import dense
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import restore, write
from gridwright.api.write.cuts import BESIDE, last_cut
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.readings import Readings
from gridwright.ingest.order import take

if TYPE_CHECKING:
    from gridwright.store import Store


def write_some(store: Store, batch: Batch, most: int, now: datetime) -> bool:
    """Write all of some usage points, with so many register reads at most; False where the whole has to tell why not.

    One that has more of them is written in whole days, as long as more than one is left.
    """
    names = _first(batch.resolved.registers, most)
    until_s = None
    if len(names) == 1:
        (name,), registers = names, batch.resolved.registers
        until_s = last_cut(registers, name, most, partial(_counts_on, store, registers, name))
    ahead, rest = (_some(batch.resolved, names, until_s, of=of) for of in (True, False))
    part = Batch(batch.access, batch.received, batch.decoded, ahead, batch.directory, _told_later)
    try:
        (outcome,) = write(store, [part], now)
    except Exception:
        restore(part)
        raise
    if not isinstance(outcome, Answer):
        restore(part)
        return False
    rest.quarantined = batch.resolved.quarantined
    batch.go_on_with(rest)
    return True


def _counts_on(store: Store, parts: Sequence[Readings], name: str, cut_s: int) -> bool:
    """Tell whether what is stored behind a cut is not below the reads before it, which would look like wrong ones."""
    moment = from_epoch_s(cut_s - 1)
    for part in parts:
        mine = np.array([point == name for point in part.points])[part.point] & (part.at < cut_s)
        if mine.any():
            last = part.value[mine][np.argsort(part.at[mine], kind="stable")][-BESIDE:]
            around = store.registers.neighbours(LOCAL_OWNER, {name: (moment, moment)}, part.reading_type)
            after = around[name][1]
            if after is not None and after.value < last.max():
                return False
    return True


def _told_later(batch: Batch) -> Answer:
    del batch
    return Answer(200)


def _first(registers: Sequence[Readings], most: int) -> set[str]:
    """Return the first usage points, with so many reads at most; one at least."""
    counts: Counter[str] = Counter()
    for part in registers:
        for name, count in zip(part.points, np.bincount(part.point, minlength=len(part.points)).tolist(), strict=True):
            if count:
                counts[name] += count
    names: set[str] = set()
    for name, count in counts.items():
        most -= count
        if names and most < 0:
            break
        names.add(name)
    return names


def _some(resolved: Resolved, names: set[str], until_s: int | None, *, of: bool) -> Resolved:
    """Return what is of usage points up to an instant, or all else; nothing of the quarantine."""
    intervals, registers = (
        [_part(one, names, until_s, of=of) for one in parts] for parts in (resolved.intervals, resolved.registers)
    )
    few = [one for one in resolved.few if (one.name in names and (until_s is None or one.at_s < until_s)) is of]
    return Resolved([one for one in intervals if one.size], [one for one in registers if one.size], few)


def _part(readings: Readings, names: set[str], until_s: int | None, *, of: bool) -> Readings:
    mine: npt.NDArray[np.bool_] = np.array([name in names for name in readings.points])
    now = mine[readings.point] if until_s is None else mine[readings.point] & (readings.at < until_s)
    rows = now if of else ~now
    used, place = dense(readings.point[rows], len(readings.points))
    points, devices = (
        tuple(column[which] for which in used.tolist()) if column else ()
        for column in (readings.points, readings.devices)
    )
    return replace(take(readings, rows), points=points, point=place, devices=devices)

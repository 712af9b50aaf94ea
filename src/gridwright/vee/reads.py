"""Register reads of all rows of a panel as columns, laid once: rules judge arrays, and open a read where they doubt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import EPOCH
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.vee.registers import Registers, counted, no_zone
from gridwright.vee.runs import Floats, Index, Mask

Instants = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ReadColumns:
    """k reads, ordered by row, instant and epoch.

    `at`: microseconds since 1970. `kind`: place of its type in `kinds`. `counter`: place of its meter in `rows` and
    `serials`, that is of one meter at one usage point.
    """

    reads: Sequence[RegisterReading]
    row: Index
    at: Instants
    value: Floats
    epoch: Instants
    kind: Index
    kinds: Sequence[ReadingType]
    counter: Index
    rows: Index
    serials: Sequence[str]

    @property
    def unit(self) -> Floats:
        """Watt-hours of one count of each read."""
        return np.array([kind.resolution for kind in self.kinds], np.float64)[self.kind]

    @property
    def size(self) -> int:
        """Number of reads."""
        return len(self.reads)

    def where(self, keep: Mask) -> ReadColumns:
        """Return the reads for which `keep` holds; types and counters keep their places."""
        if keep.all():
            return self
        return ReadColumns(
            [self.reads[at] for at in np.flatnonzero(keep).tolist()],
            self.row[keep],
            self.at[keep],
            self.value[keep],
            self.epoch[keep],
            self.kind[keep],
            self.kinds,
            self.counter[keep],
            self.rows,
            self.serials,
        )

    def of_kind(self, question: Callable[[ReadingType], bool]) -> Mask:
        """Ask each type once, and tell of which reads the answer is yes."""
        return np.array([question(kind) for kind in self.kinds], np.bool_)[self.kind]


def lay_reads(panel: Panel, registers: Registers) -> ReadColumns:
    """Lay the reads that count in the panel's direction, those by time of use too, and those of other meters."""
    several = [registers.reads.get(point, ()) for point in panel.points]
    reads = list(chain.from_iterable(several))
    row = np.repeat(np.arange(len(several)), [len(one) for one in several])
    wanted = counted(panel.reading_type)
    # Reads share few types: each is compared once, not once a read.
    kinds = {id(read.reading_type): read.reading_type for read in reads}
    fits = {key: replace(kind, channel=wanted.channel, exponent=0) == wanted for key, kind in kinds.items()}
    if not all(fits.values()):
        keep = np.array([fits[id(read.reading_type)] for read in reads], np.bool_)
        reads, row = [reads[at] for at in np.flatnonzero(keep).tolist()], row[keep]
    for at, read in enumerate(reads):
        if read.at.tzinfo is None:
            raise no_zone(panel.points[int(row[at])], read)
    return columns_of(reads, row)


def columns_of(reads: Sequence[RegisterReading], row: Index) -> ReadColumns:
    """Lay reads, in any order within their row, as columns."""
    at = instants([read.at for read in reads])
    epoch = np.array([read.epoch for read in reads], np.int64)
    if not _is_ordered(row, at, epoch):
        order = np.lexsort((epoch, at, row))
        reads, row, at, epoch = [reads[one] for one in order.tolist()], row[order], at[order], epoch[order]
    types = [read.reading_type for read in reads]
    kinds = {id(kind): kind for kind in types}
    place_of = {key: place for place, key in enumerate(kinds)}
    named = [read.end_device for read in reads]
    number = {serial: place for place, serial in enumerate(dict.fromkeys(named))}
    key = row * len(number) + np.array([number[serial] for serial in named], np.intp)
    distinct, counter = np.unique(key, return_inverse=True)
    rows, serial = np.divmod(distinct, max(len(number), 1))
    names = list(number)
    return ReadColumns(
        reads,
        row,
        at,
        np.array([read.value for read in reads], np.float64),
        epoch,
        np.array([place_of[id(kind)] for kind in types], np.intp),
        [*kinds.values()],
        counter,
        rows,
        [names[place] for place in serial.tolist()],
    )


def instants(moments: Sequence[datetime]) -> Instants:
    """Return microseconds since 1970-01-01T00:00Z."""
    return np.array([moment - EPOCH for moment in moments], "timedelta64[us]").astype(np.int64)


def _is_ordered(row: Index, at: Instants, epoch: Instants) -> bool:
    next_row, later = np.diff(row), np.diff(at)
    in_row = (next_row == 0) & ((later > 0) | ((later == 0) & (np.diff(epoch) >= 0)))
    return bool(((next_row > 0) | in_row).all())

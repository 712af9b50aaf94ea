"""What records say of the device that measured, as events of it: one for each stretch of readings that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain.event import UNTIL, EndDeviceEvent
from gridwright.domain.interval import from_epoch_s

Index = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """What each record says: `kinds` are sets of event types, `of` the place in them of each record."""

    kinds: tuple[frozenset[str], ...]
    of: Index


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Whose each reading is (a place in `points`), from when to when it lasts; a register's read ends as it begins.

    `devices`: the meter of each point, where the source names it.
    """

    points: Sequence[str]
    point: Index
    begin: Index
    end: Index
    devices: Sequence[str] = field(default=())


def events_of(marks: Marks, rows: Index, spans: Spans, text: str) -> Iterator[EndDeviceEvent]:
    """Yield the events that the records `rows` tell of the readings `spans`; `text` says by what they do."""
    empty: frozenset[str] = frozenset()
    for kind in sorted(empty.union(*marks.kinds)):
        says = np.array([kind in kinds for kinds in marks.kinds])[marks.of[rows]]
        for point, begin, end in _stretches(spans, np.flatnonzero(says)):
            name = spans.points[point]
            device = spans.devices[point] if spans.devices else ""
            details = {UNTIL: from_epoch_s(end).isoformat()} if end > begin else {}
            at = from_epoch_s(begin)
            yield EndDeviceEvent(device or name, kind, at, at, name, text, details)


def _stretches(spans: Spans, rows: npt.NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Yield (point, begin, end) of intervals that follow one another without a hole."""
    if not rows.size:
        return
    order = rows[np.lexsort((spans.begin[rows], spans.point[rows]))]
    point, begin, end = spans.point[order], spans.begin[order], spans.end[order]
    new = np.r_[True, (point[1:] != point[:-1]) | (begin[1:] > end[:-1])]
    first = np.flatnonzero(new)
    last = np.r_[first[1:], order.size] - 1
    yield from zip(point[first].tolist(), begin[first].tolist(), end[last].tolist(), strict=True)

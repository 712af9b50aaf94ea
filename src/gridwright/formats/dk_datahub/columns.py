"""Points of several series, however they were written, to columns of readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import SHOWN, id_fault
from gridwright.formats.cim_codes import Meaning
from gridwright.formats.dk_datahub.codes import MOST_POSITION, Grid, Header, grid_of, meaning_of
from gridwright.formats.source import ReadOptions
from gridwright.formats.text import shortened

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Context:
    """What decoding needs of the dialect: options, decimals to keep, zone of civil days and months."""

    options: ReadOptions
    decimals: int
    zone: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a series needs to become readings: usage point, meaning and grid."""

    point: str
    meaning: Meaning
    grid: Grid


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """The points of all series: which series each is of, its position, value in counts, quality and line."""

    series: Ints
    position: Ints
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]
    line: Ints


def plan_of(header: Header, context: Context) -> Plan | str:
    """Return how a series is read, or why it is not."""
    point = context.options.point or header.point
    if fault := id_fault(point):
        return f"the metering point {shortened(point, SHOWN)!r} {fault}" if point else "no metering point is named"
    meaning, grid = meaning_of(header, context.decimals), grid_of(header)
    if isinstance(meaning, str):
        return meaning
    return grid if isinstance(grid, str) else Plan(point, meaning, grid)


def misplaced(points: Points, plans: Mapping[int, Plan]) -> Mask:
    """Tell which positions lie outside the period that their series tells, or come a second time."""
    wrong = (points.position < 1) | (points.position > MOST_POSITION)
    _, first = np.unique(points.series * (MOST_POSITION + 1) + points.position, return_index=True)
    again = np.ones(wrong.size, np.bool_)
    again[first] = False
    wrong |= again
    for number, rows in rows_of(points.series, plans):
        grid = plans[number].grid
        if grid.end is not None and grid.step_s:
            wrong[rows] |= grid.start + (points.position[rows] - 1) * grid.step_s >= grid.end
    return wrong


def rows_of(series: Ints, plans: Mapping[int, Plan]) -> Iterator[tuple[int, Ints]]:
    """Yield each series that has a plan, with the places of its points."""
    order = np.argsort(series, kind="stable")
    numbers = np.array([*plans], np.int64)
    first, last = (np.searchsorted(series[order], numbers, side=side) for side in ("left", "right"))
    for number, begin, end in zip(numbers.tolist(), first.tolist(), last.tolist(), strict=True):
        yield number, order[begin:end]


def columns(points: Points, plans: Mapping[int, Plan], keep: Mask, zone: str) -> tuple[Readings, ...]:
    """Lay the kept points out, a series for each reading type and interval length."""
    parts: dict[tuple[ReadingType, int], list[tuple[str, Ints, Ints]]] = {}
    for number, every in rows_of(points.series, plans):
        plan, rows = plans[number], every[keep[every]]
        at, length = plan.grid.place(points.position[rows], zone)
        usual = np.full(length.size, DAY_S) if plan.grid.civil == "day" else length
        for interval_s in np.unique(usual).tolist():
            chosen = usual == interval_s
            group = parts.setdefault((plan.meaning.reading_type, interval_s), [])
            group.append((plan.point, rows[chosen], at[chosen]))
    return tuple(_readings(points, kind, interval_s, group) for (kind, interval_s), group in parts.items())


def _readings(points: Points, kind: ReadingType, interval_s: int, group: Sequence[tuple[str, Ints, Ints]]) -> Readings:
    names = {name: place for place, name in enumerate(dict.fromkeys(name for name, _, _ in group))}
    rows = np.concatenate([rows for _, rows, _ in group])
    value, quality = points.value[rows], points.quality[rows]
    return Readings(
        points=tuple(names),
        point=np.concatenate([np.full(rows.size, names[name], np.int32) for name, rows, _ in group]),
        at=np.concatenate([at for _, _, at in group]),
        value=np.where(quality == q.MISSING, np.nan, value),
        quality=np.where(np.isnan(value), np.uint8(q.MISSING), quality),
        line=points.line[rows],
        interval_s=interval_s,
        reading_type=kind,
    )

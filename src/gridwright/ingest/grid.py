"""Lay interval readings on their grid: impossible, off-grid and stray stamps are refused, the rest becomes panels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.readings import Readings
from gridwright.ingest.collected import Gridded, Tally
from gridwright.ingest.order import Mask, accepted, order, reject, take
from gridwright.ingest.possible import possible

TOLERANCE = 0.02  # of an interval: a stamp that is off by less is set on the grid
CLOCK_CHANGE_S = 3600  # local days begin an hour earlier in summer
RUN = 12  # readings in a row on another phase that make it a grid of its own
LONG_GAP_S = 400 * DAY_S  # a longer hole ends the panel
STRAY_SPAN_S = 7 * DAY_S  # a few readings so close together, beyond a longer hole, may be strays
BODY = 20  # times the readings of a stray lie together elsewhere, at the same usage point
MAX_CELLS_PER_READING, FREE_CELLS = 32, 1 << 20


def grid_readings(readings: Readings, *, not_after: int | None = None) -> Gridded:
    """Lay interval readings on panels, one for each phase of the grid.

    `not_after`: epoch seconds; an interval that starts later lies in the future and is refused. Values and qualities
    arrive unchanged; a hole is NaN and MISSING. Sizes stay bounded whatever the stamps say.
    """
    readings, impossible = possible(readings, not_after)
    phase = readings.at % readings.interval_s
    if readings.size and (phase != phase[0]).any():
        readings, off_grid = _aligned(readings)
    else:
        off_grid = Tally()
    ordered = order(readings)
    kept, strays = _without_strays(ordered.readings)
    panels, notes = _panels(kept)
    return Gridded(panels, tally=impossible + off_grid + ordered.tally + strays + Tally(notes=notes))


def _aligned(readings: Readings) -> tuple[Readings, Tally]:
    """Set stamps on the grid of their point (V04): the phase most of its readings have, or a run of its own."""
    sequence = np.lexsort((readings.at, readings.point))
    readings = take(readings, sequence)
    step = readings.interval_s
    phase = readings.at % step
    usual = _usual_phase(readings.point, phase, step)
    off = (phase - usual + step // 2) % step - step // 2
    near = (np.abs(off) <= max(TOLERANCE * step, CLOCK_CHANGE_S if step == DAY_S else 0)) & (off != 0)
    if near.any():
        readings.at[near] -= off[near]
        phase, off = readings.at % step, np.where(near, 0, off)
    stray = (off != 0) & (_run_length(readings.point, phase) < RUN)
    tally = reject(readings, stray, f"V04 stamp is off the {step // 60} min grid", "is --interval or --zone right?")
    return take(readings, ~stray), tally


def _usual_phase(point: npt.NDArray[np.int32], phase: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """Return for each reading the phase most readings of its point have."""
    pairs, which, count = np.unique(point.astype(np.int64) * step + phase, return_inverse=True, return_counts=True)
    del which
    best = np.lexsort((-pairs, count, pairs // step))
    last = np.r_[np.flatnonzero(np.diff(pairs[best] // step)), best.size - 1]
    usual = np.zeros(int(point.max()) + 1, np.int64)
    usual[pairs[best[last]] // step] = pairs[best[last]] % step
    return usual[point]


def _run_length(point: npt.NDArray[np.int32], phase: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each reading how many in a row share its point and phase."""
    starts = np.flatnonzero(np.r_[True, (point[1:] != point[:-1]) | (phase[1:] != phase[:-1])])
    length = np.diff(np.r_[starts, point.size])
    return np.repeat(length, length)


def _without_strays(readings: Readings) -> tuple[Readings, Tally]:
    """Refuse stamps of ordered readings that lie years away from nearly all others of their own usage point."""
    if readings.size == 0 or int(readings.at.max()) - int(readings.at.min()) <= LONG_GAP_S:
        return readings, Tally()
    hole = (readings.point[1:] == readings.point[:-1]) & (np.diff(readings.at) > LONG_GAP_S)
    if not hole.any():
        return readings, Tally()
    stray = _strays(readings, hole)
    if not stray.any():
        return readings, Tally()
    away = "stamp lies years away from nearly all others of its usage point"
    tally = reject(readings, stray, away, "check the device's clock and the date order")
    lost = accepted(take(readings, stray))
    return take(readings, ~stray), tally + Tally(accepted=-lost.accepted, missing=-lost.missing)


def _strays(readings: Readings, hole: Mask) -> Mask:
    """Tell the few beyond a hole from a body of readings; a run of them tells its dates itself, and is none."""
    starts = np.flatnonzero(np.r_[True, hole | (readings.point[1:] != readings.point[:-1])])
    size = np.diff(np.r_[starts, readings.size])
    point, span = readings.point[starts], readings.at[starts + size - 1] - readings.at[starts]
    body = np.zeros(int(point.max()) + 1, np.int64)
    np.maximum.at(body, point, size)
    few = (size < RUN) & (span <= STRAY_SPAN_S) & (size * BODY <= body[point])
    return np.repeat(few, size)


def _panels(readings: Readings) -> tuple[tuple[Panel, ...], tuple[str, ...]]:
    """Return the panels of ordered readings, and notes on how they are cut."""
    if readings.size == 0:
        return (), ()
    phase = readings.at % readings.interval_s
    panels: list[Panel] = []
    notes: list[str] = []
    for one in np.unique(phase).tolist():
        whole = phase == one
        pieces = _pieces(readings if whole.all() else take(readings, whole))
        if len(pieces) > 1:
            notes.append(f"{readings.reading_type}: {len(pieces)} panels, for there are holes of over a year")
        panels += [panel for piece in pieces for panel in _bounded(piece)]
    return tuple(panels), tuple(notes)


def _pieces(readings: Readings) -> list[Readings]:
    """Cut at holes of more than LONG_GAP_S that all usage points share."""
    if int(readings.at.max()) - int(readings.at.min()) <= LONG_GAP_S:
        return [readings]
    moments = np.unique(readings.at)
    cuts = moments[1:][np.diff(moments) > LONG_GAP_S]
    if cuts.size == 0:
        return [readings]
    piece = np.searchsorted(cuts, readings.at, side="right")
    return [take(readings, piece == number) for number in range(cuts.size + 1)]


def _bounded(readings: Readings, free: int = FREE_CELLS) -> Iterator[Panel]:
    """Yield one panel, or several where points live so far apart that one would be nearly empty.

    `free`: cells that may be empty whatever the number of readings; halves share it.
    """
    slots = (int(readings.at.max()) - int(readings.at.min())) // readings.interval_s + 1
    used = np.unique(readings.point)
    if used.size * slots <= MAX_CELLS_PER_READING * readings.size + free:
        yield _panel(readings, used, slots)
    elif used.size > 1:
        first = readings.point < used[used.size // 2]
        yield from _bounded(take(readings, first), free // 2)
        yield from _bounded(take(readings, ~first), free // 2)
    else:
        hole = np.diff(readings.at) > MAX_CELLS_PER_READING * readings.interval_s
        for part in np.split(np.arange(readings.size), np.flatnonzero(hole) + 1):
            piece = take(readings, part)
            yield _panel(piece, used, (int(piece.at[-1]) - int(piece.at[0])) // piece.interval_s + 1)


def _panel(readings: Readings, used: npt.NDArray[np.int32], slots: int) -> Panel:
    """Scatter ordered readings of one phase into a panel of the points in `used`."""
    first, step = int(readings.at.min()), readings.interval_s
    row = readings.point
    if used.size < len(readings.points):
        row = np.searchsorted(used, readings.point).astype(np.int32)
    shape = (used.size, slots)
    if readings.size == used.size * slots:  # ordered and complete: the columns are the rows
        values, quality = readings.value.reshape(shape), readings.quality.reshape(shape)
    else:
        cell = row.astype(np.int64) * slots + (readings.at - first) // step
        values, quality = np.full(shape, np.nan), np.full(shape, q.MISSING, np.uint8)
        values.reshape(-1)[cell] = readings.value
        quality.reshape(-1)[cell] = readings.quality
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), quality)
    names = tuple(readings.points[at] for at in used.tolist())
    return Panel(names, from_epoch_s(first), timedelta(seconds=step), values, quality, readings.reading_type)

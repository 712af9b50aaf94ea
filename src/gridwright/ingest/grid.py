"""Lay interval readings on their grid: future, off-grid and outlying stamps are refused, the rest becomes panels."""

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
from gridwright.ingest.order import order, reject, take

TOLERANCE = 0.02  # of an interval: a stamp that is off by less is set on the grid
CLOCK_CHANGE_S = 3600  # local days begin an hour earlier in summer
RUN = 12  # readings in a row on another phase that make it a grid of its own
LONG_GAP_S = 400 * DAY_S  # a longer hole ends the panel
STRAY_SHARE, STRAY_SPAN_S = 0.02, 7 * DAY_S  # a piece so small, so far away, is a wrong clock
MAX_CELLS_PER_READING, FREE_CELLS = 32, 1 << 20


def grid_readings(readings: Readings, *, not_after: int | None = None) -> Gridded:
    """Lay interval readings on panels, one for each phase of the grid.

    `not_after`: epoch seconds; an interval that starts later lies in the future and is refused. Values and qualities
    arrive unchanged; a hole is NaN and MISSING. Sizes stay bounded whatever the stamps say.
    """
    readings, future = without_future(readings, not_after)
    phase = readings.at % readings.interval_s
    if readings.size and (phase != phase[0]).any():
        readings, off_grid = _aligned(readings)
    else:
        off_grid = Tally()
    ordered = order(readings)
    panels, tally = _panels(ordered.readings)
    lost = Tally(accepted=-tally.rejected)
    return Gridded(panels, tally=future + off_grid + ordered.tally + tally + lost)


def without_future(readings: Readings, not_after: int | None) -> tuple[Readings, Tally]:
    """Refuse readings stamped after `not_after`."""
    if not_after is None or readings.size == 0 or int(readings.at.max()) <= not_after:
        return readings, Tally()
    late = readings.at > not_after
    limit = from_epoch_s(not_after).isoformat()
    tally = reject(readings, late, f"stamp lies in the future (after {limit})", "check the device's clock and the zone")
    return take(readings, ~late), tally


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


def _panels(readings: Readings) -> tuple[tuple[Panel, ...], Tally]:
    if readings.size == 0:
        return (), Tally()
    phase = readings.at % readings.interval_s
    panels: list[Panel] = []
    tally = Tally()
    for one in np.unique(phase).tolist():
        whole = phase == one
        part = readings if whole.all() else take(readings, whole)
        pieces, verdict = _pieces(part)
        tally += verdict
        panels += [panel for piece in pieces for panel in _bounded(piece)]
    return tuple(panels), tally


def _pieces(readings: Readings) -> tuple[list[Readings], Tally]:
    """Cut at holes of more than LONG_GAP_S; a tiny piece far from the rest is a wrong clock and is refused."""
    if int(readings.at.max()) - int(readings.at.min()) <= LONG_GAP_S:
        return [readings], Tally()
    moments = np.unique(readings.at)
    cuts = moments[1:][np.diff(moments) > LONG_GAP_S]
    if cuts.size == 0:
        return [readings], Tally()
    piece = np.searchsorted(cuts, readings.at, side="right")
    size = np.bincount(piece)
    bounds = np.split(moments, np.searchsorted(moments, cuts))
    span = np.array([part[-1] - part[0] for part in bounds])
    stray = (size <= STRAY_SHARE * readings.size) & (span <= STRAY_SPAN_S)
    tally = reject(
        readings, stray[piece], "stamp lies years away from all others", "check the device's clock and the date order"
    )
    kept = np.flatnonzero(~stray)
    if kept.size > 1:
        tally += Tally(notes=(f"{readings.reading_type}: {kept.size} panels, for there are holes of over a year",))
    return [take(readings, piece == number) for number in kept], tally


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

"""Energy from power: E = Σ pᵢ·Δtᵢ, on a grid and on uneven steps, without losing a watt-hour on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import GridMismatch, InputError
from gridwright.domain.interval import DAY_S, Interval, epoch_s
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY, Accumulation, Quantity, ReadingType

HOUR_S = 3600.0
Floats = npt.NDArray[np.float64]


class Between(StrEnum):
    """What power does between two samples: `hold` keeps the earlier one, `line` goes straight to the later one."""

    HOLD = "hold"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class EnergySum:
    """Energy in kWh over the seconds that samples cover; `gap_s` are the seconds within them that none covers."""

    kwh: float
    covered_s: float
    gap_s: float


def energy_from_power(
    at_s: npt.ArrayLike,
    power_kw: npt.ArrayLike,
    *,
    between: Between = Between.HOLD,
    end_s: float | None = None,
    longest_step_s: float = np.inf,
) -> EnergySum:
    """Integrate power samples: E = Σ pᵢ·Δtᵢ, Δtᵢ from sample i to the next (`line`: mean of both times Δtᵢ).

    `at_s`: strictly rising seconds; `power_kw`: NaN = unknown. The last sample holds until `end_s`, when given. A step
    longer than `longest_step_s`, or one beside a NaN that it needs, is a gap, not energy. Bad times are an InputError.

    >>> energy_from_power([0, 900, 3600], [2.0, 4.0, 0.0])
    EnergySum(kwh=3.5, covered_s=3600.0, gap_s=0.0)
    """
    times, power = _checked(at_s, power_kw)
    steps, means = _steps(times, power, between, end_s)
    known = np.isfinite(means) & (steps <= longest_step_s)
    kwh = float((steps[known] * means[known]).sum() / HOUR_S)
    return EnergySum(kwh, float(steps[known].sum()), float(steps[~known].sum()))


def _checked(at_s: npt.ArrayLike, power_kw: npt.ArrayLike) -> tuple[Floats, Floats]:
    times, power = np.asarray(at_s, np.float64), np.asarray(power_kw, np.float64)
    if times.ndim != 1 or times.shape != power.shape:
        raise InputError(f"{times.shape} times do not fit {power.shape} powers", remedy="give one time for each power")
    if not np.isfinite(times).all():
        raise InputError("a sample has no time", where=f"sample {int(np.flatnonzero(~np.isfinite(times))[0])}")
    backward = np.flatnonzero(np.diff(times) <= 0)
    if backward.size:
        at = int(backward[0]) + 1
        raise InputError(
            f"time {times[at]:g} s does not come after {times[at - 1]:g} s",
            where=f"sample {at}",
            remedy="sort the samples and drop repeated ones",
        )
    return times, power


def _steps(times: Floats, power: Floats, between: Between, end_s: float | None) -> tuple[Floats, Floats]:
    """Return the length of each step in seconds and the mean power over it."""
    steps = np.diff(times)
    means = power[:-1] if between is Between.HOLD else (power[:-1] + power[1:]) / 2
    if end_s is None or not times.size:
        return steps, means
    if end_s < times[-1]:
        raise InputError(f"the end {end_s:g} s lies before the last sample at {times[-1]:g} s")
    return np.r_[steps, end_s - times[-1]], np.r_[means, power[-1]]


def energy_panel(panel: Panel) -> Panel:
    """Turn mean power over each interval into energy, whole Wh; the rounding is carried on, so that totals agree.

    It is carried on within a UTC day only, so that a day is the same whatever lies before it in the panel. An energy
    panel comes back as it is; other quantities are a GridMismatch.
    """
    if panel.reading_type.quantity is Quantity.ENERGY:
        return panel
    wh = panel.kwh * 1000
    kind = replace(panel.reading_type, quantity=Quantity.ENERGY, accumulation=Accumulation.DELTA, exponent=0)
    first = -((epoch_s(panel.start) % -DAY_S) // panel.interval_s)
    days = np.split(wh, range(first, panel.slots, max(DAY_S // panel.interval_s, 1)), axis=1)
    return replace(panel, values=np.hstack([whole_counts(day) for day in days]), reading_type=kind)


def whole_counts(values: Values) -> Values:
    """Round to whole numbers whose running sum is never off by more than a half; NaN stays (float64[n, slots])."""
    missing = np.isnan(values)
    running = np.rint(np.cumsum(np.where(missing, 0.0, values), axis=1))
    whole: Values = np.diff(running, axis=1, prepend=0.0)
    whole[missing] = np.nan
    return whole


def panel_from_power(
    point: str,
    at_s: npt.ArrayLike,
    power_kw: npt.ArrayLike,
    period: Interval,
    interval: timedelta,
    *,
    between: Between = Between.HOLD,
    longest_step_s: float = np.inf,
    reading_type: ReadingType = DELIVERED_ENERGY,
) -> Panel:
    """Lay uneven power samples on a grid as energy, whole Wh; each step is cut at the interval edges exactly.

    `at_s` are epoch seconds; the last sample holds until the period's end. An interval that is not wholly covered has
    no value. `reading_type` must count Wh.
    """
    if reading_type.quantity is not Quantity.ENERGY or reading_type.exponent:
        raise GridMismatch(f"{reading_type} does not count Wh")
    times, power = _checked(at_s, power_kw)
    edges: Floats = epoch_s(period.start) + interval.total_seconds() * np.arange(
        period.slots(interval) + 1, dtype=np.float64
    )
    if not times.size:
        return Panel((point,), period.start, interval, np.full((1, edges.size - 1), np.nan), reading_type=reading_type)
    last_s = max(float(edges[-1]), float(times[-1]) + 1)
    steps, means = _steps(times, power, between, last_s)
    known = np.isfinite(means) & (steps <= longest_step_s)
    knots = np.r_[times, last_s]
    energy = _running_at(edges, knots, np.where(known, steps * means, 0.0))
    if between is Between.LINE:
        energy += _bend(edges, times, np.where(known[:-1], np.nan_to_num(np.diff(power)), 0.0))
    covered = np.diff(_running_at(edges, knots, np.where(known, steps, 0.0)))
    wh = np.where(covered > interval.total_seconds() - 1e-6, np.diff(energy) / 3.6, np.nan)
    return Panel((point,), period.start, interval, whole_counts(wh[None, :]), reading_type=reading_type)


def _running_at(edges: Floats, knots: Floats, parts: Floats) -> Floats:
    """Return the running sum of `parts` (one between each two knots) at `edges`, linear within a part."""
    running: Floats = np.interp(edges, knots, np.r_[0.0, np.cumsum(parts)])
    return running


def _bend(edges: Floats, times: Floats, rise: Floats) -> Floats:
    """Return what a straight rise of power within a step adds to the linear share of its energy at `edges`, in kWs."""
    step = np.clip(np.searchsorted(times, edges, side="right") - 1, 0, max(times.size - 2, 0))
    inside = (edges > times[0]) & (edges < times[-1])
    if times.size == 1 or not inside.any():
        return np.zeros(edges.size)
    length = np.diff(times)[step]
    share = (edges - times[step]) / length
    bend: Floats = np.where(inside, rise[step] * length * share * (share - 1) / 2, 0.0)
    return bend

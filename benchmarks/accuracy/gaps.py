"""Gaps with known answers: what each method makes of them, and what the ladder does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.homes import PER_DAY, SEED, graded
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.vee import Ladder, Registers, estimate

LENGTHS = {"30 min": 1, "1 h": 2, "2 h": 4, "4 h": 8, "8 h": 16, "1 day": 48, "3 days": 144, "7 days": 336}
LEAST_GAPS = 400
# One gap of an hour is off by more than the home's mean: it takes this many to know a bias to one per cent.
BIAS_GAPS = 8_000
BATCH = 2_000
CLEAR_DAYS = 30
# A home that uses less than 20 W on average is no measure: any error is a thousand times its mean.
LEAST_WH = 10
WEEKS_BEFORE, WEEKS_AFTER = 14, 6
EVER = 1e6
SINGLE = {
    "E02 linear": Ladder(methods=("E02",), linear_hours=EVER, linear_hours_closed=EVER),
    "E03 single like day": Ladder(methods=("E03",), like_days=1, like_days_ahead=0, least_like_days=1),
    "E03 like-day 3": Ladder(methods=("E03",), like_days=3, like_days_ahead=0),
    "E03 like-day 10": Ladder(methods=("E03",), like_days_ahead=0),
    "E03 like-day 10 each side": Ladder(methods=("E03",)),
    "E04 4 weeks each side": Ladder(methods=("E04",)),
    "E05 blend": Ladder(methods=("E05",)),
    "E06 own profile": Ladder(methods=("E06",)),
}
LADDER = "ladder"
METHODS = {**SINGLE, LADDER: Ladder()}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """One method, one length: of each gap the mean absolute, the absolute energy and the signed error, in %.

    All relative to what the home uses on average in as many intervals; `energy_wh`: the energy off, absolute.
    """

    absolute: Floats
    energy: Floats
    signed: Floats
    energy_wh: Floats

    @property
    def size(self) -> int:
        """Gaps."""
        return int(self.absolute.size)

    @property
    def bias(self) -> tuple[float, float]:
        """Mean signed error, and its standard error."""
        return float(self.signed.mean()), float(self.signed.std(ddof=1) / np.sqrt(self.size))

    def joined(self, other: Errors) -> Errors:
        """Return both together."""
        pairs = zip(
            (self.absolute, self.energy, self.signed, self.energy_wh),
            (other.absolute, other.energy, other.signed, other.energy_wh),
            strict=True,
        )
        return Errors(*(np.concatenate(pair) for pair in pairs))


@dataclass(frozen=True, slots=True, eq=False)
class Holes:
    """Gaps drawn by lot, each with the weeks around it: `truth` is a panel with a row a gap, at `first` of each row.

    Windows begin on the same weekday, so that all rows share one grid. `usual`: what the home uses on average.
    """

    truth: Panel
    first: npt.NDArray[np.intp]
    slots: int
    usual: Floats

    def cells(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Return row and slot of every lost interval, [gaps, slots] each."""
        slot = self.first[:, None] + np.arange(self.slots)
        return np.broadcast_to(np.arange(self.first.size)[:, None], slot.shape), slot


def holes_of(panel: Panel, slots: int, number: int, seed: int) -> Holes:
    """Draw `number` gaps or a few more, as many in every home, where the truth is known and a month lies before."""
    rng = np.random.default_rng((seed, slots))
    known = ~np.isnan(panel.values)
    lacking = np.zeros((known.shape[0], known.shape[1] + 1), np.intp)
    np.cumsum(~known, axis=1, out=lacking[:, 1:])
    whole = lacking[:, slots:] == lacking[:, : lacking.shape[1] - slots]
    begun = np.argmax(known, axis=1) + CLEAR_DAYS * PER_DAY
    possible = [np.flatnonzero(row[start:]) + start for row, start in zip(whole, begun, strict=True)]
    usual = np.nanmean(panel.values, axis=1)
    homes = [row for row, places in enumerate(possible) if places.size and usual[row] >= LEAST_WH]
    each = -(-number // len(homes))
    row = np.repeat(homes, each)
    first = np.concatenate([rng.choice(possible[home], each) for home in homes])
    return _windows(panel, row, first, slots)


def _windows(panel: Panel, row: npt.NDArray[np.intp], first: npt.NDArray[np.intp], slots: int) -> Holes:
    week = 7 * PER_DAY
    begin = (first // week - WEEKS_BEFORE) * week
    width = (WEEKS_BEFORE + WEEKS_AFTER + 1 + slots // week) * week
    at = begin[:, None] + np.arange(width)
    inside = (at >= 0) & (at < panel.slots)
    values = np.where(inside, panel.values[row[:, None], np.clip(at, 0, panel.slots - 1)], np.nan)
    names = tuple(f"{panel.points[home]}#{number}" for number, home in enumerate(row.tolist()))
    truth = graded(replace(panel, points=names, values=values, quality=np.empty(0, np.uint8)))
    return Holes(truth, first - begin, slots, np.nanmean(panel.values, axis=1)[row])


def measure(
    panel: Panel, slots: int, *, closed: bool, methods: Mapping[str, Ladder] = METHODS, seed: int = SEED
) -> dict[str, Errors]:
    """Return the errors of every method over the same gaps; `closed`: with register reads at both ends of each."""
    holes = holes_of(panel, slots, LEAST_GAPS, seed)
    cells = holes.cells()
    values = holes.truth.values.copy()
    values[cells] = np.nan
    lost = graded(holes.truth, values)
    registers = _reads(holes) if closed else Registers()
    truth = holes.truth.values[cells]
    return {
        name: _errors(estimate(lost, [], registers=registers, ladder=ladder).panel.values[cells] - truth, holes.usual)
        for name, ladder in methods.items()
    }


def ladder_bias(panel: Panel, slots: int, *, seed: int = SEED) -> Errors:
    """Return the errors of the ladder alone, without registers, over so many gaps that its bias shows."""
    found: list[Errors] = []
    for number in range(-(-BIAS_GAPS // BATCH)):
        holes = holes_of(panel, slots, BATCH, seed + number)
        values = holes.truth.values.copy()
        values[holes.cells()] = np.nan
        estimated = estimate(graded(holes.truth, values), []).panel.values[holes.cells()]
        found.append(_errors(estimated - holes.truth.values[holes.cells()], holes.usual))
    return reduce(Errors.joined, found)


def _reads(holes: Holes) -> Registers:
    """Return a register read at both ends of each gap, exact to the watt-hour."""
    reads: dict[str, Sequence[RegisterReading]] = {}
    panel = holes.truth
    for row, (point, first) in enumerate(zip(panel.points, holes.first.tolist(), strict=True)):
        last = first + holes.slots
        counted = float(panel.values[row, first:last].sum())
        at = (panel.start + panel.interval * first, panel.start + panel.interval * last)
        reads[point] = [RegisterReading(point, at[0], 1000.0), RegisterReading(point, at[1], 1000.0 + counted)]
    return Registers(reads)


def _errors(off: Floats, usual: Floats) -> Errors:
    """Turn estimate less truth, [gaps, slots], into errors; what stays empty counts as zero energy."""
    off = np.nan_to_num(off)
    scale = 100 / usual
    total = off.sum(axis=1)
    signed = total / off.shape[1] * scale
    return Errors(np.abs(off).mean(axis=1) * scale, np.abs(signed), signed, np.abs(total))


def beaten_by(errors: Mapping[str, Errors], name: str = LADDER) -> tuple[str, float, float]:
    """Return the best other method, by how much `name` is worse than it (in %), and the standard error of that."""
    others = [method for method in errors if method != name]
    best = min(others, key=lambda method: float(errors[method].absolute.mean()))
    apart = errors[name].absolute - errors[best].absolute
    return best, float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(apart.size))

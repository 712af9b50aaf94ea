"""What the sample of a table shows: whether a column is a register, which only rises, and how it rises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.formats import roles
from gridwright.formats.instants import to_instants
from gridwright.formats.layout import Layout, ValueColumn

if TYPE_CHECKING:
    from gridwright.formats.stamps import Stamps
    from gridwright.formats.table import Labels

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Fewer readings than this say nothing about a register: a morning of rising use looks the same.
REGISTER_READINGS = 48
REGISTER_RISES = 10
# A few that only rise, and stand this many of their longest steps above zero, are a register all the same: where the
# name may mean one, and where it tells nothing.
REGISTER_LEVEL, FEW_RISES, FEW_RISES_UNNAMED = 10.0, 3, 6
# Registers may be reset now and then; where the name says register, new meters are believed too.
REGISTER_FALLS, NAMED_FALLS = 0.002, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """What the sample shows: stamps, usage points, and numbers that tell registers (of all usage points) apart."""

    stamps: Stamps
    point: npt.NDArray[np.int32]
    names: Labels
    register: Ints


def is_rising(layout: Layout, sampled: Sampled, column: ValueColumn, values: Floats) -> tuple[bool, str]:
    """Tell whether a column is a register, which only rises, and by what: its name, or its values."""
    steps, hours = steps_of(layout, sampled, values)
    rises, falls = int(np.count_nonzero(steps > 0)), int(np.count_nonzero(steps < 0))
    meaning = roles.meaning_of(column.name)
    if meaning.cumulative and falls <= max(1, NAMED_FALLS * steps.size):
        return True, f"its name {column.name!r}, and it falls {falls} times in {steps.size} steps"
    if steps.size < REGISTER_READINGS or rises < REGISTER_RISES:
        return _of_few(_beside(meaning, layout), values, steps, hours)
    if falls <= REGISTER_FALLS * steps.size:
        return True, f"it rises {rises} times and falls {falls} times in {steps.size} steps"
    return False, f"it falls {falls} times in {steps.size} steps"


def _beside(meaning: roles.Meaning, layout: Layout) -> roles.Meaning:
    """Return what the name of a column tells beside stamps that say that they begin or end an interval."""
    column = layout.time if layout.time is not None else layout.date
    name = layout.names[column or 0]
    spans = layout.end is not None or roles.role_of(name) == "end" or "start" in roles.simple(name).split()
    return replace(meaning, perhaps=None) if spans else meaning


def _of_few(meaning: roles.Meaning, values: Floats, steps: Floats, hours: Floats) -> tuple[bool, str]:
    """Take few values for a register where they only rise, by little of what they are, and no name is against it."""
    rises, falls = int(np.count_nonzero(steps > 0)), int(np.count_nonzero(steps < 0))
    least = FEW_RISES if meaning.perhaps else FEW_RISES_UNNAMED
    if rises < least or falls or np.nanmin(values) < REGISTER_LEVEL * steps.max():
        return False, f"assumed: {rises} rises in {steps.size} steps do not tell a register"
    shown = f"it rises {rises} times, never falls, and stands far above its steps"
    # Intervals are an hour long at the most, and people note a register once a day.
    if meaning.perhaps or (meaning.perhaps is False and np.median(hours) > 1):
        return True, f"assumed: {shown}"
    return False, f"assumed: no name says so, though {shown}, as a register does"


def steps_of(layout: Layout, sampled: Sampled, values: Floats) -> tuple[Floats, Floats]:
    """Return how far each value of a series stands above the one before, and how many hours behind it."""
    at = to_instants(sampled.stamps, sampled.point, layout).at
    order = np.lexsort((at, sampled.register))
    order = order[np.isfinite(values[order]) & sampled.stamps.good[order]]
    same = np.diff(sampled.register[order]) == 0
    return np.diff(values[order])[same], np.diff(at[order])[same] / 3600

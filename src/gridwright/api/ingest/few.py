"""The same checks for a handful of records, one by one: a single reading must not pay for columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from gridwright.api.ingest.instants import written
from gridwright.api.ingest.meaning import Meaning, Said, Wrong, meaning_of
from gridwright.api.ingest.repeats import repeats_among
from gridwright.api.ingest.table import Decoded, Faults, grid_of, name_fault
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.reading_type import LARGEST_EXACT
from gridwright.domain.readings import AHEAD, EARLIEST
from gridwright.formats.counts import DOUBLE_NOISE, to_counts

FEW = 16  # rows of a request up to which this is quicker
EARLIEST_US = epoch_s(EARLIEST) * MICRO
AHEAD_US = AHEAD // timedelta(microseconds=1)
Row = tuple[str, int, float, Said, int]


class Few(msgspec.Struct, frozen=True, gc=False):  # made for every single post, quicker than a dataclass
    """One sound reading: whose, when (epoch seconds), how many counts, what it means, and which record it is of."""

    name: str
    at_s: int
    counts: float
    meaning: Meaning
    index: int
    meter: str = ""
    rounded: bool = False
    presumed: bool = False  # it named its usage point alone


def check_few(rows: Sequence[Row], decoded: Decoded, now: datetime) -> None:
    """Take the sound ones of a few rows into the decoded request, and give the others their verdicts."""
    before = len(decoded.few)
    for name, at_us, value, said, index in rows:
        try:
            sound = _sound((name, at_us, value), said, index, now)
            decoded.few.append(sound)
        except Wrong as wrong:
            decoded.verdicts.reject(decoded.places.of(index), wrong.fault, wrong.value)
        else:
            decoded.verdicts.accepted += 1
            if sound.rounded:
                fault = Faults(sound.meaning, said).finer
                decoded.verdicts.round(decoded.places.of(index), fault, f"{value:.15g}")
    if len(rows) > 1:
        decoded.verdicts.repeated += repeats_among(decoded.few[before:])


def _sound(row: tuple[str, int, float], said: Said, index: int, now: datetime) -> Few:
    name, at_us, value = row
    fault = name_fault(name)
    if fault is not None:
        raise Wrong(fault, name)
    meaning = meaning_of(said)
    if not math.isfinite(value):
        raise Wrong(Faults(meaning, said).no_number, f"{value:.15g}")
    if meaning.is_register and value < 0:
        raise Wrong(Faults(meaning, said).negative, f"{value:.15g}")
    if at_us > epoch_s(now) * MICRO + AHEAD_US:
        raise Wrong(Faults(meaning, said).future, written(at_us))
    if at_us < EARLIEST_US:
        raise Wrong(Faults(meaning, said).ancient, written(at_us))
    if meaning.interval_s and at_us % (grid_of(meaning.interval_s) * MICRO):
        raise Wrong(Faults(meaning, said).off_grid, written(at_us))
    counts, rounded = _counts(value, meaning, said)
    return Few(name, at_us // MICRO, counts, meaning, index, rounded=rounded)


def _counts(value: float, meaning: Meaning, said: Said) -> tuple[float, bool]:
    """Return the value in counts, and whether it was rounded to them; what is too large is wrong."""
    rounded = False
    power = meaning.power
    scaled = value * 10.0**power if power >= 0 else value / 10.0**-power
    whole = float(round(scaled)) + 0.0 if math.isfinite(scaled) else scaled
    if abs(scaled - whole) > DOUBLE_NOISE * abs(scaled):
        # Rare: a closer look tells the noise of single precision from digits that are meant.
        counted = to_counts(np.array([value]), power)
        rounded = bool(counted.finer[0])
    if not abs(whole) <= LARGEST_EXACT:
        raise Wrong(Faults(meaning, said).too_large, f"{value:.15g}")
    return whole, rounded

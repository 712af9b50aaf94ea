"""Written values to whole counts of a resolution, without silent rounding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import LARGEST_EXACT

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Resolutions tried in turn: 1 Wh, 1 mWh, 1 µWh. Finer digits than the last are rounded, and it is said.
EXPONENTS = (0, -3, -6)
# A decimal text is the nearest double of its value; scaled by a power of ten it is off by one unit in the last place.
DOUBLE_NOISE = 4e-15


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Values as counts, which of them are finer than a count, and which carried single-precision noise."""

    value: Floats
    finer: Mask
    noisy: int


def to_counts(values: Floats, power: int) -> Counts:
    """Scale by 10**power and take whole numbers; NaN stays NaN.

    A value that a single-precision number makes of a whole count (1.922 → 1.9220001 in eight or nine digits, or the
    float32 itself) is that count. One beyond every float64 becomes infinite, for the caller to refuse.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = values * 10.0**power if power >= 0 else values / 10.0**-power
        whole = np.rint(scaled) + 0.0
        finer = np.abs(scaled - whole) > DOUBLE_NOISE * np.abs(scaled)
    if not finer.any():
        return Counts(whole, finer, 0)
    rows = np.flatnonzero(finer)
    noise = _single_noise(values[rows], whole[rows], power)
    finer[rows[noise]] = False
    return Counts(whole, finer, int(np.count_nonzero(noise)))


def _single_noise(values: Floats, whole: Floats, power: int) -> Mask:
    """Tell which values are the single-precision neighbour of a whole count."""
    exact = whole / 10.0**power if power >= 0 else whole * 10.0**-power
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32).astype(np.float64)
    noise = values == single
    left = np.flatnonzero(~noise)
    noise[left] = _written_single(values[left], single[left])
    return np.asarray(noise)


def _written_single(values: Floats, single: Floats) -> Mask:
    """Tell which values are a single-precision number printed in eight or nine digits."""
    noise = np.zeros(values.size, np.bool_)
    size = np.floor(np.log10(np.where(values == 0, 1.0, np.abs(values))))
    for digits in (8, 9):
        scale = 10.0 ** np.clip(digits - 1 - size, -300, 300)
        written = values * scale
        same = (np.rint(written) == np.rint(single * scale)) & (np.abs(written - np.rint(written)) < 1e-6)  # noqa: PLR2004 - far below a digit
        noise |= same & (np.abs(values) < 1e12)  # noqa: PLR2004 - where the scaled digits are exact
    return noise


def resolution_for(values: Floats, shift: int, usual: int = 0) -> tuple[int, float | None]:
    """Choose the coarsest exponent, from the `usual` one on, that holds every value, and a value that asked for it.

    One at which a value that can be stored no longer could is too fine: rather are the last digits rounded.
    """
    values = values[np.abs(to_counts(values, shift).value) <= LARGEST_EXACT]
    chosen, telling = usual, None
    for exponent in (usual, *(finer for finer in EXPONENTS if finer < usual)):
        counted = to_counts(values, shift - exponent)
        if (np.abs(counted.value) > LARGEST_EXACT).any():
            return chosen, telling
        chosen = exponent
        if not counted.finer.any():
            return exponent, telling
        telling = float(values[np.flatnonzero(counted.finer)[0]])
    return EXPONENTS[-1], telling

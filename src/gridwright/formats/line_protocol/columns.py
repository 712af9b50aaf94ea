"""What lines say, in columns; and their timestamps in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.line import Origin, Origins

Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Unit = tuple[int, int]
# precision → microseconds a unit, and units a microsecond
PRECISIONS: dict[str, Unit] = {"ns": (1, 1000), "us": (1, 1), "ms": (1000, 1), "s": (1_000_000, 1)}
PRECISIONS |= {"m": (60_000_000, 1), "h": (3_600_000_000, 1), "n": (1, 1000), "u": (1, 1), "µ": (1, 1), "µs": (1, 1)}
KNOWN_PRECISIONS = f"use one of {', '.join(PRECISIONS)}"
LAST_US = 253_402_300_799_000_000  # 9999-12-31T23:59:59Z
NO_NUMBER = "there is no finite number"
NUMBERS = "write 1.5, 15i, true or false"


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with a line (1-based), or with one field of it.

    `text`: the field is sound, but no number; then `origin` is that of its line.
    """

    line: int
    field: str
    value: str
    reason: str
    remedy: str
    text: bool = False
    origin: Origin | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FieldValues:
    """n field values in columns: `origin` int32[n] into `origins`, `field` int32[n] into `fields`, `value` float64[n].

    `at_us`: int64[n] epoch microseconds; `line`: int64[n], 1-based; true and false are 1 and 0. `lines` counts points.
    `truths`: whether any may have been true or false.
    """

    origins: Origins | tuple[Origin | None, ...]
    fields: tuple[str, ...]
    origin: npt.NDArray[np.int32]
    field: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    at_us: Whole
    line: Whole
    faults: tuple[LineFault, ...] = ()
    lines: int = 0
    truths: bool = False


def no_values() -> FieldValues:
    """Return the columns of no line at all."""
    whole, codes = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return FieldValues((), (), codes, codes, np.zeros(0), whole, whole)


def to_us(units: Whole, unit: Unit) -> tuple[Whole, Mask]:
    """Return timestamps in microseconds, and which of them lie beyond the years that have a name."""
    times, over = unit
    count = units // over if over > 1 else units
    most = LAST_US // times
    if count.size and count.min() >= -most and count.max() <= most:
        return (count * times if times > 1 else count), np.zeros(count.size, np.bool_)
    far = (count > most) | (count < -most)
    return np.where(far, 0, count) * times, far

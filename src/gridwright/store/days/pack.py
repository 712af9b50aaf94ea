"""The packed block: how a day of values and qualities becomes bytes, for a whole panel at once.

Values are little-endian signed integers of 2, 4 or 8 bytes, the narrowest that holds the cross-section (a row that
needs 8 is alone in taking them); the type's minimum means no value. Quality is one byte where all slots share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.reading_type import LARGEST_EXACT

Values = npt.NDArray[np.float64]
DTYPE: dict[int, np.dtype[Any]] = {2: np.dtype("<i2"), 4: np.dtype("<i4"), 8: np.dtype("<i8")}
NOTHING = {width: int(np.iinfo(dtype).min) for width, dtype in DTYPE.items()}


@dataclass(frozen=True, slots=True)
class PackedRows:
    """Columns of packed blocks, one entry a row; `quality_all` is None where `quality` has a byte per slot."""

    widths: list[int]
    counts: list[bytes]
    quality_all: list[int | None]
    quality: list[bytes | None]


def pack(values: Values, quality: q.Qualities, points: Sequence[str]) -> PackedRows:
    """Pack values float64[n, slots] (NaN = no value) and quality uint8[n, slots] of `points`.

    A slot without a value is stored as MISSING. A fraction, or a value beyond 2^53, is an InputError naming the point.
    """
    widths, counts = pack_counts(values, points)
    return PackedRows(widths, counts, *pack_quality(quality))


def pack_counts(values: Values, points: Sequence[str]) -> tuple[list[int], list[bytes]]:
    """Return the width and the bytes of each row."""
    n = values.shape[0]
    with np.errstate(invalid="ignore"):  # NaN and what is too large are found by comparing
        whole = values.astype("<i4")
    same = whole == values
    absent = None if same.all() else np.isnan(values)
    wide = np.zeros(n, np.bool_)
    if absent is not None:
        wide |= ~(same | absent).all(axis=1)
        whole[absent] = 0
    lowest, highest = (int(whole.min()), int(whole.max())) if n else (0, 0)
    width = 2 if NOTHING[2] < lowest and highest < -NOTHING[2] else 4
    if lowest == NOTHING[4]:
        wide |= (whole == lowest).any(axis=1)
    packed = whole.astype(DTYPE[width], copy=False)
    if absent is not None:
        packed[absent] = NOTHING[width]
    widths, counts = [width] * n, _row_bytes(packed)
    for row in np.flatnonzero(wide).tolist():
        widths[row], counts[row] = 8, _pack_wide(values[row], points[row])
    return widths, counts


def _row_bytes(packed: npt.NDArray[Any]) -> list[bytes]:
    size = packed.shape[1] * packed.dtype.itemsize
    whole = packed.tobytes()
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _pack_wide(row: Values, point: str) -> bytes:
    absent = np.isnan(row)
    known = np.where(absent, 0.0, row)
    wrong = (known != np.rint(known)) | (np.abs(known) > LARGEST_EXACT)
    if wrong.any():
        slot = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"value {row[slot]!r} is not a whole count",
            where=f"usage point {point}, slot {slot} of the day",
            remedy="give the reading type a finer exponent (Panel.rescaled)",
        )
    packed = known.astype(DTYPE[8])
    packed[absent] = NOTHING[8]
    return packed.tobytes()


def pack_quality(quality: q.Qualities) -> tuple[list[int | None], list[bytes | None]]:
    """Return, for each row, the byte that all slots share, or the bytes of the slots."""
    first = quality[:, 0]
    mixed = (quality != first[:, None]).any(axis=1)
    shared: list[int | None] = first.tolist()
    single: list[bytes | None] = [None] * len(shared)
    for row in np.flatnonzero(mixed).tolist():
        shared[row], single[row] = None, quality[row].tobytes()
    return shared, single


def unpack_counts(counts: Sequence[bytes], widths: Sequence[int], slots: int) -> Values:
    """Return float64[n, slots], NaN where there is no value; one numpy call where all rows have the same width."""
    kinds = set(widths)
    if len(kinds) == 1:
        return _unpack_same(counts, kinds.pop(), slots)
    values = np.empty((len(counts), slots))
    each = np.asarray(widths)
    for width in kinds:
        rows = np.flatnonzero(each == width)
        values[rows] = _unpack_same([counts[row] for row in rows.tolist()], width, slots)
    return values


def _unpack_same(counts: Sequence[bytes], width: int, slots: int) -> Values:
    values = np.empty((len(counts), slots))
    unpack_into(values, unpack_integers(b"".join(counts), width, slots))
    return values


def unpack_integers(joined: bytes, width: int, slots: int) -> npt.NDArray[Any]:
    """Return the stored integers of joined rows of one width, without a copy."""
    return np.frombuffer(joined, DTYPE[width]).reshape(-1, slots)


def unpack_quality(shared: Sequence[int | None], single: Sequence[bytes | None], slots: int) -> q.Qualities:
    """Return uint8[n, slots]."""
    if single.count(None) == len(single):
        every = np.array(shared, np.uint8)
        return np.repeat(every[:, None], slots, axis=1)
    rows = [bytes([a if a is not None else 0]) * slots if s is None else s for a, s in zip(shared, single, strict=True)]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), slots).copy()


def unpack_into(target: Values, packed: npt.NDArray[Any]) -> None:
    """Write stored integers into `target`, float64 of the same shape, NaN where there is no value."""
    target[:] = packed
    nothing = np.iinfo(packed.dtype).min
    if packed.size and packed.min() == nothing:
        target[packed == nothing] = np.nan

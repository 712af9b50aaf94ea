"""Columns of texts cut by their length and their *shape* (every digit written as 0), as matrices of their bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Rows = Ints | slice

# More shapes than this in one column mean that it holds no stamps; the rest is refused.
MOST_SHAPES = 400
LONGEST = 64  # bytes that no stamp has
ABREAST = 64  # rows of a matrix that are reduced side by side


def shaped_blocks(texts: object) -> Iterator[tuple[Rows, Bytes, bytes]]:
    """Yield (rows, matrix of their bytes, shape) of each shape in a pyarrow binary column."""
    for rows, block in _blocks(texts):
        for at, shape in _shapes(block):
            yield at if isinstance(rows, slice) else rows[at], block[at], shape


def column_bytes(texts: object) -> tuple[Bytes, Ints, Ints]:
    """Return (bytes, starts, ends) of a pyarrow binary column without the blanks around its values."""
    array = texts
    _, offsets, data = array.buffers()  # type: ignore[attr-defined]
    wide = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]  # type: ignore[attr-defined, arg-type]
    buffer = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    starts, ends = wide[:-1].astype(np.int64), wide[1:].astype(np.int64)
    for _ in range(8):
        filled = ends > starts
        before = filled & (buffer[np.minimum(starts, buffer.size - 1)] == ord(" "))
        after = filled & ~before & (buffer[np.maximum(ends - 1, 0)] == ord(" "))
        if not before.any() and not after.any():
            break
        starts += before
        ends -= after
    return buffer, starts, ends


def _blocks(texts: object) -> Iterator[tuple[Rows, Bytes]]:
    """Cut a column by the length of its texts: (rows, matrix of their bytes) for each length."""
    uniform = _uniform(texts)
    if uniform is not None:
        yield slice(None), uniform
        return
    buffer, starts, ends = column_bytes(texts)
    lengths = ends - starts
    counts = np.bincount(np.clip(lengths, 0, LONGEST)) if lengths.size else np.zeros(0, np.int64)
    for length in np.flatnonzero(counts):
        if length in {0, LONGEST}:
            continue
        rows = np.flatnonzero(lengths == length)
        if rows.size == lengths.size and ends[-1] - starts[0] == length * rows.size:
            yield rows, buffer[starts[0] : ends[-1]].reshape(rows.size, length)
        else:
            yield rows, buffer[starts[rows][:, None] + np.arange(length)]


def _uniform(texts: object) -> Bytes | None:
    """Return the bytes of a column whose texts are equally long and have no blanks around them, without a copy."""
    _, offsets, data = texts.buffers()  # type: ignore[attr-defined]
    size = len(texts)  # type: ignore[arg-type]
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + size + 1]  # type: ignore[attr-defined]
    length = int(bounds[1] - bounds[0]) if size else 0
    if not 0 < length < LONGEST or (np.diff(bounds) != length).any():
        return None
    block = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(size, length)
    blank = (block[:, [0, -1]] == ord(" ")).any()
    return None if blank else block


def _extreme(least_or_most: np.ufunc, block: Bytes) -> Bytes:
    """Return the least or the most byte of each column; rows are taken side by side, for a short one costs a loop."""
    abreast = len(block) // ABREAST * ABREAST
    if not abreast:
        return np.asarray(least_or_most.reduce(block, axis=0))
    wide = least_or_most.reduce(block[:abreast].reshape(-1, ABREAST * block.shape[1]), axis=0)
    return np.asarray(least_or_most.reduce(np.concatenate([wide.reshape(ABREAST, -1), block[abreast:]]), axis=0))


def _shapes(block: Bytes) -> Iterator[tuple[Rows, bytes]]:
    """Yield (rows, shape) of each shape in a matrix of equally long texts."""
    lowest, highest = _extreme(np.minimum, block), _extreme(np.maximum, block)
    digits = (lowest >= ord("0")) & (highest <= ord("9"))
    if (digits | (lowest == highest)).all():
        yield slice(None), np.where(digits, np.uint8(ord("0")), lowest).tobytes()
        return
    shaped = np.where(block - np.uint8(48) < np.uint8(10), np.uint8(48), block)
    left = np.arange(len(block))
    for _ in range(MOST_SHAPES):
        if not left.size:
            return
        first = shaped[left[0]]
        same = (shaped[left] == first).all(axis=1) if left.size != len(block) else (shaped == first).all(axis=1)
        yield left[same], first.tobytes()
        left = left[~same]

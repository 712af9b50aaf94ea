"""The numbers of fields, as they are written: 1.5, 15i, true; the plain ones at once, the others with a closer look.

What is a number is said in `line.py`; here it is only read faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import Mask, Whole
from gridwright.formats.line_protocol.line import TRUTH, number_of, whole_of
from gridwright.formats.line_protocol.words import Words

Bytes = npt.NDArray[np.uint8]
NINE = ord("9")
INTEGER, BOOLEAN = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
INTEGER[list(b"iu")], BOOLEAN[list(b"tTfFeE")] = True, True
DECIMAL = np.zeros(256, np.bool_)
DECIMAL[list(b"0123456789+-.eE")] = True
FEW = 64  # numbers that are read one by one sooner than in a column


def read_numbers(raw: Bytes, words: Words, start: Whole, end: Whole) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return the values of fields, and which of the pieces are no number; none of them is empty."""
    last = raw[end - 1]
    if (last <= NINE).all():
        return read_decimals(raw, words, start, end)
    value, bad = np.full(start.size, np.nan), np.zeros(start.size, np.bool_)
    whole, truth = INTEGER[last], BOOLEAN[last]
    if whole.any():
        value[whole], bad[whole] = read_wholes(raw, words, start[whole], end[whole] - 1)
    if truth.any():
        words.truths = True
        value[truth], bad[truth] = _truths(raw, start[truth], end[truth])
    other = ~(whole | truth)
    if other.any():
        value[other], bad[other] = read_decimals(raw, words, start[other], end[other])
    return value, bad


def read_decimals(raw: Bytes, words: Words, start: Whole, end: Whole) -> tuple[npt.NDArray[np.float64], Mask]:
    """Return decimal numbers, and which of the pieces are none, or not finite."""
    value, odd = words.decimal(start, end)
    rows = np.flatnonzero(odd)
    if rows.size:
        value[rows] = _closer(raw, start[rows], end[rows])
        odd[rows] = ~np.isfinite(value[rows])
    return value, odd


def read_wholes(raw: Bytes, words: Words, start: Whole, end: Whole) -> tuple[Whole, Mask]:
    """Return whole numbers, and which of the pieces are none, or beyond 64 bits."""
    value, odd = words.whole(start, end)
    for row in np.flatnonzero(odd).tolist():
        found = whole_of(_text(raw, int(start[row]), int(end[row])))
        if found is not None:
            value[row], odd[row] = found, False
    return value, odd


def _closer(raw: Bytes, start: Whole, end: Whole) -> npt.NDArray[np.float64]:
    """Return numbers with exponents or many digits; NaN where there is none."""
    if start.size > FEW:
        pieces = binary(raw, start, end)
        if DECIMAL[np.frombuffer(pieces.buffers()[2], np.uint8)].all():
            import pyarrow as pa

            try:
                read: npt.NDArray[np.float64] = pieces.cast(pa.string()).cast(pa.float64()).to_numpy()
            except pa.ArrowInvalid:
                pass
            else:
                return read
    texts = (_text(raw, *ends) for ends in zip(start.tolist(), end.tolist(), strict=True))
    found = [number_of(text) for text in texts]
    return np.array([np.nan if one is None else one for one in found])


def _truths(raw: Bytes, start: Whole, end: Whole) -> tuple[npt.NDArray[np.float64], Mask]:
    coded = binary(raw, start, end).dictionary_encode()
    table = np.array([TRUTH.get(piece.decode(errors="replace"), np.nan) for piece in coded.dictionary.to_pylist()])
    value: npt.NDArray[np.float64] = table[coded.indices.to_numpy()]
    return value, np.isnan(value)


def _text(raw: Bytes, start: int, end: int) -> str:
    return raw[start:end].tobytes().decode(errors="replace")


def binary(raw: Bytes, start: Whole, end: Whole) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return pieces of the body as an Arrow column."""
    import pyarrow as pa

    lengths = end - start
    offsets = np.zeros(start.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    places = np.repeat(start - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
    return pa.Array.from_buffers(
        pa.binary(), start.size, [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(raw[places])]
    )

"""Whole and decimal numbers, instants and distinct words out of spans of a text, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import LARGEST_EXACT
from gridwright.formats.markup.tags import PAD, Index, Text, words
from gridwright.formats.nem12.numbers import one_number, to_counts
from gridwright.formats.stamps import Stamps, read_stamps

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LONGEST = 2 * PAD
LONGEST_ODD = 64  # characters of a number that is read one by one
LONGEST_WORD = 4096
NINES = np.uint64(0x7676767676767676)
HIGH = np.uint64(0x8080808080808080)
ZEROS = np.uint64(0x3030303030303030)
PAIRS = np.uint64(0x000000FF000000FF)
KEPT = np.array([0] + [(1 << 64) - (1 << 8 * (8 - n)) for n in range(1, 9)], dtype=np.uint64)
POWERS = 10.0 ** np.arange(23)


def whole_numbers(text: Text, start: Index, end: Index) -> tuple[npt.NDArray[np.int64], Mask]:
    """Read digits, with a sign or without: (values, which are none). An empty span is none."""
    signed = (text[start] == ord("-")) | (text[start] == ord("+"))
    negative = text[start] == ord("-")
    begin = start + signed
    length = end - begin
    value, good = _digits(text, end, length)
    good &= length > 0
    if (length > PAD).any():
        upper, upper_good = _digits(text, end - PAD, length - PAD)
        value, good = value + upper * 10**PAD, good & upper_good
    good &= length <= LONGEST - 1
    value[negative] *= -1
    value[~good] = 0
    return value, ~good


def _digits(text: Text, end: Index, length: Index) -> tuple[npt.NDArray[np.int64], Mask]:
    """Read up to eight digits before `end`: neighbours, pairs and fours are joined by three multiplications."""
    keep = KEPT[np.minimum(np.maximum(length, 0), PAD)]
    word = words(text)[end - PAD]
    digits = ((word & keep) | (ZEROS & ~keep)) ^ ZEROS
    good = (((digits + NINES) | digits) & HIGH) == 0
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    low = (digits & PAIRS) * np.uint64(0x000F424000000064)
    high = ((digits >> np.uint64(16)) & PAIRS) * np.uint64(0x0000271000000001)
    return ((low + high) >> np.uint64(32)).astype(np.int64), good


def decimal_numbers(text: Text, start: Index, end: Index, places: Index) -> tuple[Floats, Mask]:
    """Read numbers times 10**places as float64: (values, which are none); an empty span is NaN and no mistake.

    Exact below 2**53. Sixteen characters with one point take the quick way; others are read one by one.
    """
    value, wrong = np.full(start.size, np.nan), np.zeros(start.size, np.bool_)
    digits, none = whole_numbers(text, start, end)
    plain = ~none & (np.abs(digits) < LARGEST_EXACT)
    value[plain] = digits[plain]
    value[plain] = _shifted(value[plain], places[plain])
    rest = np.flatnonzero(~plain & (end > start))
    if rest.size:
        value[rest], wrong[rest] = _with_point(text, start[rest], end[rest], places[rest])
    return value, wrong


def _with_point(text: Text, start: Index, end: Index, places: Index) -> tuple[Floats, Mask]:
    """Read numbers that have a point, or are no plain digits: short ones as one word, longer ones around the point."""
    short = end - start <= PAD
    value, wrong = np.full(start.size, np.nan), np.zeros(start.size, np.bool_)
    value[short], wrong[short] = to_counts(text, start[short], end[short], places[short])
    left = np.flatnonzero(~short)
    if not left.size:
        return value, wrong
    begin, stop = start[left], end[left]
    cells = text[np.minimum(begin[:, None] + np.arange(LONGEST + 1), stop[:, None] - 1)] == ord(".")
    point = begin + cells.argmax(axis=1)
    whole, none = whole_numbers(text, begin, point)
    fraction, no_fraction = whole_numbers(text, point + 1, stop)
    decimals = stop - point - 1
    signed = (text[begin] == ord("-")) | (text[point + 1] == ord("-")) | (text[point + 1] == ord("+"))
    quick = cells.any(axis=1) & ~none & ~no_fraction & ~signed & (decimals <= PAD)
    mantissa = whole * POWERS[np.clip(decimals, 0, PAD)] + fraction
    quick &= mantissa < LARGEST_EXACT
    value[left[quick]] = _shifted(mantissa[quick], (places[left] - decimals)[quick])
    for odd in left[~quick].tolist():
        raw = text[start[odd] : end[odd]].tobytes()
        number = one_number(raw, int(places[odd])) if len(raw) <= LONGEST_ODD else None
        value[odd], wrong[odd] = (np.nan, True) if number is None or np.isnan(number) else (number, False)
    return value, wrong


def _shifted(values: Floats, places: Index) -> Floats:
    """Return values times 10**places, rounded once."""
    up = values * POWERS[np.clip(places, 0, 22)]
    return np.where(places < 0, up / POWERS[np.clip(-places, 0, 22)], up)


def spans(text: Text, start: Index, end: Index) -> pa.Array:
    """Return the spans as a pyarrow column of bytes; what is longer than any word is cut."""
    import pyarrow as pa

    length = np.clip(end - start, 0, LONGEST_WORD)
    offsets = np.append(0, np.cumsum(length))
    at = np.repeat(start - offsets[:-1], length) + np.arange(offsets[-1])
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text[at])]
    return pa.Array.from_buffers(pa.binary(), start.size, buffers)


def distinct(text: Text, start: Index, end: Index) -> tuple[list[bytes], npt.NDArray[np.int64]]:
    """Return the different words among spans, and for each span which of them it is."""
    if not start.size:
        return [], np.empty(0, np.int64)
    coded = spans(text, start, end).dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def instants(text: Text, start: Index, end: Index) -> Stamps:
    """Read ISO 8601 stamps."""
    return read_stamps(spans(text, start, end), "ymd")

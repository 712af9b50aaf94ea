"""Decimal numbers straight from bytes, many at once and exact: eight characters are one machine word."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import LARGEST_EXACT

Text = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

PAD = 8  # bytes before the text, so that a whole word may end at its first byte
WORD = 8
ONES = np.uint64(0x0101010101010101)
HIGH = np.uint64(0x8080808080808080)
ZEROS = np.uint64(0x3030303030303030)
DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
NINES = np.uint64(0x7676767676767676)
PAIRS = np.uint64(0x000000FF000000FF)
# Keeps the last n bytes of a word (in memory order the last are the high ones).
LAST = np.array([0] + [(1 << 64) - (1 << 8 * (8 - n)) for n in range(1, 9)], dtype=np.uint64)
POWERS = 10.0 ** np.arange(23)


def padded(data: bytes | memoryview) -> Text:
    """Return the text behind PAD spare bytes and before a closing line feed."""
    text = np.empty(len(data) + PAD + 1, np.uint8)
    text[:PAD] = ord("0")
    text[PAD:-1] = np.frombuffer(data, np.uint8)
    text[-1] = ord("\n")
    return text


def to_counts(
    text: Text, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64], places: Places
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read the fields [start, end) of `text` times 10**places as float64; returns (values, wrong).

    An empty field is NaN and not wrong. Up to eight characters take the quick way; signs, exponents and longer fields
    are read one by one. Exact as long as the result is below 2**53.
    """
    length = end - start
    word = words(text)[end - WORD]
    mantissa, decimals, good = _eight_characters(word, np.clip(length, 0, WORD))
    shift = places - decimals
    values = mantissa.astype(np.float64)
    values *= POWERS[np.maximum(shift, 0)]
    if (shift < 0).any():
        values /= POWERS[np.maximum(-shift, 0)]
    values[length <= 0] = np.nan
    wrong = np.zeros(length.size, np.bool_)
    for odd in np.flatnonzero((length > WORD) | (~good & (length > 0))):
        value = one_number(text[start[odd] : end[odd]].tobytes(), int(places[odd]))
        values[odd] = np.nan if value is None else value
        wrong[odd] = value is None
    return values, wrong


def words(text: Text) -> npt.NDArray[np.uint64]:
    """Return the word that starts at each byte, as a view."""
    return np.ndarray((text.size - WORD + 1,), np.dtype("<u8"), text, strides=(1,))


def _eight_characters(
    word: npt.NDArray[np.uint64], length: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Read the last `length` characters of each word: (digits as a number, decimals, whether all are digits or a dot).

    The classic parallel conversion: neighbouring digits, then pairs, then fours are joined by three multiplications.
    """
    keep = LAST[length]
    word = (word & keep) | (ZEROS & ~keep)
    is_dot = word ^ DOTS
    dot = (is_dot - ONES) & ~is_dot & HIGH
    dot &= ~dot + np.uint64(1)  # the first dot only; a second one fails below
    before = (dot >> np.uint64(7)) - np.uint64(1)
    after = ~((dot << np.uint64(1)) - np.uint64(1))
    has_dot = dot != 0
    after[~has_dot] = 0
    closed = (word & after) | ((word & before) << np.uint64(8)) | np.uint64(ord("0"))
    digits = np.where(has_dot, closed, word) ^ ZEROS
    good = (((digits + NINES) | digits) & HIGH) == 0
    decimals = (np.bitwise_count(after) >> 3).astype(np.int64)
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    low = (digits & PAIRS) * np.uint64(0x000F424000000064)
    high = ((digits >> np.uint64(16)) & PAIRS) * np.uint64(0x0000271000000001)
    lonely_dot = has_dot & (length == 1)
    return (low + high) >> np.uint64(32), decimals, good & ~lonely_dot


LONGEST_NUMBER = 400  # characters; a longer field is damage, and so long to read as it is


def one_number(field: bytes, places: int) -> float | None:
    """Read one field the slow way: signs, blanks, exponents, any length; None when it is no finite number."""
    if b"_" in field:  # Python reads 1_000 as a thousand; no sender means that
        return None
    if len(field) > LONGEST_NUMBER:
        return None
    try:
        number = Decimal(field.decode("ascii").strip().strip('"') or "nan").scaleb(places)
    except (ArithmeticError, UnicodeDecodeError):
        return None
    value = float(number)
    return value if abs(value) < LARGEST_EXACT else None

"""Numbers in the middle of a body, many at once: eight bytes are a word, and a word's digits are added up together.

What is not written plainly (an exponent, a plus sign, more digits than a float64 counts) is left to the caller.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import Mask, Whole

Codes = npt.NDArray[np.uint64]
LONGEST = 256  # bytes of a piece whose words may be asked for
AHEAD = LONGEST + 8  # bytes of nothing before the body, for where the first piece is shorter than others
EIGHT, DOT, MINUS = 8, ord("."), ord("-")
LONGEST_DECIMAL, LONGEST_WHOLE = 16, 19  # characters that can be added up without a doubt
LARGEST = np.uint64((1 << 63) - 1)
EXACT = 1 << 53  # up to here a quotient by a power of ten is the float64 nearest to the decimal
TENS = 10.0 ** np.arange(LONGEST_DECIMAL + 1)
MOST_BEHIND = np.uint64(LONGEST_DECIMAL)  # of a number that is not odd
# KEEP[n]: the last n of the eight bytes; the last byte of the text is the highest of the word.
KEEP = np.array([(1 << 64) - (1 << 8 * (EIGHT - n)) for n in range(EIGHT)] + [(1 << 64) - 1], np.uint64)
KEEP[0] = 0


def _each(byte: int) -> np.uint64:
    """Return a word of eight times the same byte."""
    return np.uint64(byte * 0x0101010101010101)


ZEROS, DOTS, LOW, HIGH, ABOVE_NINE = _each(ord("0")), _each(DOT ^ ord("0")), _each(0x7F), _each(0x80), _each(0x76)
BEHIND = np.uint64(0x0706050403020100)  # by a one in byte k, the highest byte of the product is 7 - k
PAIR = np.uint64(0x000000FF000000FF)
HUNDREDS, ONES = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)
S7, S8, S16, S32, S56 = (np.uint64(n) for n in (7, 8, 16, 32, 56))
ONE, TEN, LESS_ONE = np.uint64(1), np.uint64(10), np.uint64(255)
HUNDRED_MILLION = np.uint64(10**8)


class Words:
    """A body of which the eight bytes before any place can be asked for, and the numbers that stand in it."""

    def __init__(self, body: bytes) -> None:
        self.truths = False  # whether true or false was read
        padded = bytes(AHEAD) + body
        self._raw = np.frombuffer(padded, np.uint8)
        self._words: Codes = np.ndarray((len(padded) - EIGHT + 1,), "<u8", padded, strides=(1,))

    def before(self, end: Whole, back: int = 0) -> Codes:
        """Return the eight bytes that end `back` bytes before each place."""
        words: Codes = self._words[end + (AHEAD - EIGHT - back)]
        return words

    def last(self, length: Whole | int, end: Whole, back: int = 0) -> Codes:
        """Return the same without what stands before a piece of that length; such bytes are 0."""
        return _kept(self.before(end, back), length, back)

    def whole(self, start: Whole, end: Whole) -> tuple[Whole, Mask]:
        """Return whole numbers of at most 19 digits, and which of the pieces are none, or not plain."""
        start, minus = self._unsigned(start)
        length = length_of(start, end)
        odd = _beyond(length, LONGEST_WHOLE, start.size)
        longest = min(int(np.max(length, initial=0)), LONGEST_WHOLE)
        total = self._eight(length, end, 0, odd)
        for back in range(EIGHT, longest, EIGHT):
            total = total + self._eight(length, end, back, odd) * np.uint64(10**back)
        odd |= total > LARGEST
        found = np.where(odd, ONE, total).astype(np.int64) if odd.any() else total.view(np.int64)
        return (np.where(minus, -found, found) if minus.any() else found), odd

    def _eight(self, length: Whole | int, end: Whole, back: int, odd: Mask) -> Codes:
        """Return the number that eight digits are; many in a row are often the same."""
        digits = _kept(self.before(end, back) ^ ZEROS, length, back)
        if digits.size > 1 and (digits == digits[0]).all():
            digits = digits[:1]
        odd |= _no_digits(digits)
        return _number(digits) if digits.size == odd.size else np.repeat(_number(digits), odd.size)

    def decimal(self, start: Whole, end: Whole) -> tuple[npt.NDArray[np.float64], Mask]:
        """Return decimal numbers of at most 16 characters, and which of the pieces are none, or not plain."""
        start, minus = self._unsigned(start)
        length = length_of(start, end)
        odd = _beyond(length, LONGEST_DECIMAL, start.size)
        tail = _kept(self.before(end) ^ ZEROS, length, 0)
        if np.max(length, initial=0) <= EIGHT:
            digits, behind = _pointed(tail, length, odd)
        else:
            head = _kept(self.before(end, EIGHT) ^ ZEROS, length, EIGHT)
            digits, behind = _long(head, tail, length, odd)
        value = digits.astype(np.float64)
        if behind is not None:
            value /= TENS[np.minimum(behind, MOST_BEHIND)]
        if minus.any():
            np.negative(value, where=minus, out=value)
        return value, odd

    def _unsigned(self, start: Whole) -> tuple[Whole, Mask]:
        """Return where the digits begin, and which numbers have a minus before them."""
        minus = self._raw[start + AHEAD] == MINUS
        return (start + minus if minus.any() else start), minus


def length_of(start: Whole, end: Whole) -> Whole | int:
    """Return how long pieces are: one number where all are of the same length."""
    length: Whole = end - start
    return int(length[0]) if length.size and (length == length[0]).all() else length


def _beyond(length: Whole | int, longest: int, size: int) -> Mask:
    """Tell which pieces are empty or too long."""
    if isinstance(length, int):
        return np.full(size, not 1 <= length <= longest)
    beyond: Mask = (length < 1) | (length > longest)
    return beyond


def _kept(word: Codes, length: Whole | int, back: int) -> Codes:
    """Return words whose bytes before the piece of that length are 0; `back` of its bytes stand behind the word."""
    if isinstance(length, int):
        kept = min(max(length - back, 0), EIGHT)
        return word if kept == EIGHT else word & KEEP[kept]
    masked: Codes = word & KEEP[np.minimum(np.maximum(length - back, 0), EIGHT)]
    return masked


def _no_digits(digits: Codes) -> Mask:
    """Tell which words have a byte above nine."""
    wrong: Mask = ((digits + ABOVE_NINE) | digits) & HIGH != 0
    return wrong


def _number(digits: Codes) -> Codes:
    """Add up the eight digits of each word."""
    pairs = digits * TEN + (digits >> S8)
    return ((pairs & PAIR) * HUNDREDS + ((pairs >> S16) & PAIR) * ONES) >> S32


def _points(word: Codes) -> Codes:
    """Return a one in each byte that is a decimal point."""
    other = word ^ DOTS
    return (~(((other & LOW) + LOW) | other) & HIGH) >> S7


def _closed(word: Codes, point: Codes) -> tuple[Codes, Codes]:
    """Return a word whose digits have closed up where the point was, and how many stand behind it."""
    plain = word ^ point * np.uint64(DOT ^ ord("0"))
    before = plain & (point - np.minimum(point, ONE))
    return plain + before * LESS_ONE, (point * BEHIND) >> S56


def _pointed(word: Codes, length: Whole | int, odd: Mask) -> tuple[Codes, Codes | None]:
    """Return the digits of numbers of one word as one number, and how many of them stand behind the point."""
    point = _points(word)
    behind = None
    if point.any():
        odd |= (point & (point - ONE)) != 0
        odd |= (length == 1) & (point != 0)
        word, behind = _closed(word, point)
    odd |= _no_digits(word)
    return _number(word), behind


def _long(head: Codes, tail: Codes, length: Whole | int, odd: Mask) -> tuple[Codes, Codes]:
    """Do the same for numbers of two words."""
    in_head, in_tail = _points(head), _points(tail)
    for point in (in_head, in_tail):
        odd |= (point & (point - ONE)) != 0
    odd |= ((in_head != 0) & (in_tail != 0)) | ((length == 1) & (in_tail != 0))
    lower, behind = _closed(tail, in_tail)
    upper, further = _closed(head, in_head)
    moved = in_tail != 0
    lower = lower + np.where(moved, head >> S56, np.uint64(0))
    upper = np.where(moved, head << S8, upper)
    odd |= _no_digits(lower) | _no_digits(upper)
    behind = behind + np.where(in_head != 0, further + S8, np.uint64(0))
    digits = _number(upper) * HUNDRED_MILLION + _number(lower)
    odd |= digits > EXACT
    return digits, behind

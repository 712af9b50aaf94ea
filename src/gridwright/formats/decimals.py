"""How finely a text file counts: the deepest decimal that is not zero, found with whole-array operations."""

from __future__ import annotations

import numpy as np

WINDOW = 8 << 20
DEEPEST = 12  # decimals looked at
DOT, ZERO = ord("."), ord("0")
FINEST = -9


def deepest_decimal(data: memoryview) -> int:
    """Return the most decimals any number of a text has, closing zeros apart."""
    deepest = 0
    for start in range(0, len(data), WINDOW):
        piece = bytes(data[start : start + WINDOW + DEEPEST + 1]) + b"\n" * (DEEPEST + 1)
        buffer = np.frombuffer(piece, np.uint8)
        dots = np.flatnonzero(buffer[: min(WINDOW, len(data) - start)] == DOT)
        for place in range(1, DEEPEST + 1):
            digit = buffer[dots + place] - np.uint8(ZERO)
            number = digit <= 9  # noqa: PLR2004 - a digit
            if not number.any():
                break
            if (digit[number] > 0).any():
                deepest = max(deepest, place)
            dots = dots[number]
    return deepest


def resolution(usual: int, shift: int, decimals: int) -> int:
    """Return the exponent that holds `decimals` of a unit of 10**shift: the usual one, or finer in steps of three."""
    exponent = shift - decimals
    return usual if exponent >= usual else max(-((2 - exponent) // 3 * 3), FINEST)

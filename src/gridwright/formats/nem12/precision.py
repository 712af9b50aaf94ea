"""How finely a file counts: the resolution each quantity needs so that nothing is rounded."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import BASE_UNIT, Quantity
from gridwright.domain.verdict import Evidence
from gridwright.formats.nem12.channels import SUFFIX_UNITS, UNITS, default_exponent, field
from gridwright.formats.source import ReadOptions

HEAD = re.compile(rb"^\"?200\"?,[^\r\n]*", re.MULTILINE)
TOTAL_UNIT, SUFFIX, NEM13_UNIT = 7, 4, 19
WINDOW = 8 << 20
OVERLAP = 64
DEEPEST = 12  # decimals looked at
DOT = ord(".")


def finer_exponents(data: memoryview, options: ReadOptions) -> tuple[Mapping[Quantity, int], tuple[Evidence, ...]]:
    """Look through the whole file for decimals beyond each quantity's usual resolution.

    MDFF allows 1 Wh at best, but files with finer values exist. Energy goes finer in steps of a thousand.
    """
    needed: dict[Quantity, int] = {}
    quantity, power = Quantity.ENERGY, 3
    for start in range(0, len(data), WINDOW):
        text = bytes(data[start : start + WINDOW + OVERLAP])
        heads = [match for match in HEAD.finditer(text) if match.start() < WINDOW]
        units = [(quantity, power), *(_unit(match.group().decode("latin-1").split(","), options) for match in heads)]
        offsets = np.array([match.start() for match in heads], np.int64)
        for at, decimals in _deepest(text, offsets, units):
            exponent = units[at][1] - decimals
            needed[units[at][0]] = min(needed.get(units[at][0], 0), exponent)
        quantity, power = units[-1]
    exponents = {kind: _step(kind, exponent) for kind, exponent in needed.items()}
    evidence = tuple(
        Evidence("resolution", f"1e{exponent} {BASE_UNIT[kind]}", f"{kind} has decimals finer than usual")
        for kind, exponent in exponents.items()
        if exponent < default_exponent(kind)
    )
    return exponents, evidence


def _step(kind: Quantity, exponent: int) -> int:
    usual = default_exponent(kind)
    if exponent >= usual:
        return usual
    return exponent if kind in {Quantity.VOLTAGE, Quantity.CURRENT} else -((2 - exponent) // 3 * 3)


def _unit(fields: list[str], options: ReadOptions) -> tuple[Quantity, int]:
    name = options.unit or field(fields, TOTAL_UNIT) or SUFFIX_UNITS.get(field(fields, SUFFIX)[:1].upper(), "")
    return UNITS.get(name.lower(), (Quantity.ENERGY, 3))


def _deepest(text: bytes, offsets: npt.NDArray[np.int64], units: list[tuple[Quantity, int]]) -> list[tuple[int, int]]:
    """Return (place in `units`, decimals) of each channel whose values go beyond the usual resolution."""
    buffer = np.frombuffer(text + b"\n" * (DEEPEST + 2), np.uint8)
    dots = np.flatnonzero(buffer[: min(len(text), WINDOW)] == DOT)
    usual = np.array([max(power - default_exponent(kind), 0) for kind, power in units])
    channel = np.searchsorted(offsets, dots, side="right")
    alive = np.ones(dots.size, np.bool_)
    decimals = np.zeros(dots.size, np.int64)
    for place in range(1, DEEPEST + 1):
        digit = buffer[dots + place] - np.uint8(ord("0"))
        alive &= digit <= 9  # noqa: PLR2004 - a digit
        if not alive.any():
            break
        decimals[alive & (digit > 0)] = place
    beyond = decimals > usual[channel]
    deepest = np.zeros(len(units), np.int64)
    np.maximum.at(deepest, channel[beyond], decimals[beyond])
    return [(int(at), int(deepest[at])) for at in np.flatnonzero(deepest)]

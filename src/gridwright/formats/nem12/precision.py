"""How finely a file counts: the resolution each quantity needs so that nothing is rounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import BASE_UNIT, Quantity
from gridwright.domain.verdict import Evidence
from gridwright.formats.nem12.channels import FLOWLESS, SUFFIX_UNITS, UNITS, default_exponent, field
from gridwright.formats.source import ReadOptions

HEAD = (b"200,", b'"200",', b'"200,', b'200",')
TOTAL_UNIT, SUFFIX = 7, 4
WINDOW = 8 << 20
OVERLAP = 512
DEEPEST = 12  # decimals looked at
DOT, FEED, TWO, QUOTE, ZERO = b'.\n2"0'
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Heads = tuple[Ints, list[list[bytes]]]  # where the 200 records of a window begin, and their fields up to the unit's
See = Callable[[int, Ints, Bytes, Heads], None]


class Unit(NamedTuple):
    """What the values of a channel are, in which power of ten of the base unit, and how many decimals are usual."""

    quantity: Quantity
    power: int
    usual: int


def finer_exponents(
    data: memoryview, options: ReadOptions, see: See | None = None
) -> tuple[Mapping[Quantity, int], tuple[Evidence, ...]]:
    """Look through the whole file for decimals beyond each quantity's usual resolution.

    MDFF allows 1 Wh at best, but files with finer values exist. Energy goes finer in steps of a thousand. `see` is
    shown each window on the way: where it begins, its lines with their first bytes, and its 200 records.
    """
    needed: dict[Quantity, int] = {}
    unit, known = _meant([], ReadOptions()), dict[tuple[bytes, ...], Unit]()
    for start in range(0, len(data), WINDOW):
        text = bytes(data[start : start + WINDOW + OVERLAP])
        lines = _lines(text, begins=start == 0 or data[start - 1] == FEED)
        first = np.frombuffer(text, np.uint8)[lines]
        heads = _heads(text, lines[(first == TWO) | (first == QUOTE)])
        if see is not None:
            see(start, lines, first, heads)
        units = [unit, *(_unit(fields, options, known) for fields in heads[1])]
        for at, decimals in _deepest(text, heads[0], units):
            kind, power, _ = units[at]
            needed[kind] = min(needed.get(kind, 0), power - decimals)
        unit = units[-1]
    exponents = {kind: _step(kind, exponent) for kind, exponent in needed.items()}
    evidence = tuple(
        Evidence("resolution", f"1e{exponent} {BASE_UNIT[kind]}", f"{kind} has decimals finer than usual")
        for kind, exponent in exponents.items()
        if exponent < default_exponent(kind)
    )
    return exponents, evidence


def _lines(text: bytes, *, begins: bool) -> Ints:
    """Return where lines begin within the window; `begins`: one does with the window."""
    lines = np.flatnonzero(np.frombuffer(text, np.uint8)[: min(WINDOW, len(text)) - 1] == FEED) + 1
    return np.r_[0, lines] if begins else lines


def _heads(text: bytes, likely: Ints) -> Heads:
    """Find the 200 records among the lines that may be one."""
    found = [at for at in likely.tolist() if text.startswith(HEAD, at)]
    return np.array(found, np.int64), [_line(text, at).split(b",", TOTAL_UNIT + 1) for at in found]


def _line(text: bytes, at: int) -> bytes:
    end = text.find(b"\n", at)
    line = text[at:end] if end >= 0 else text[at:]
    return line.partition(b"\r")[0]


def _step(kind: Quantity, exponent: int) -> int:
    usual = default_exponent(kind)
    if exponent >= usual:
        return usual
    return exponent if kind in FLOWLESS else -((2 - exponent) // 3 * 3)


def _unit(fields: list[bytes], options: ReadOptions, known: dict[tuple[bytes, ...], Unit]) -> Unit:
    """Return what a 200 record says; few say anything new."""
    told = tuple(fields[SUFFIX : TOTAL_UNIT + 1 : TOTAL_UNIT - SUFFIX])
    if told not in known:
        known[told] = _meant([text.decode("latin-1") for text in fields], options)
    return known[told]


def _meant(fields: list[str], options: ReadOptions) -> Unit:
    name = options.unit or field(fields, TOTAL_UNIT) or SUFFIX_UNITS.get(field(fields, SUFFIX)[:1].upper(), "")
    kind, power = UNITS.get(name.lower(), (Quantity.ENERGY, 3))
    return Unit(kind, power, max(power - default_exponent(kind), 0))


def _deepest(text: bytes, offsets: Ints, units: list[Unit]) -> list[tuple[int, int]]:
    """Return (place in `units`, decimals) of each channel whose values go beyond the usual resolution."""
    buffer = np.frombuffer(text + b"\n" * (DEEPEST + 2), np.uint8)
    usual = np.array([unit.usual for unit in units])
    size, more = min(len(text), WINDOW), min(int(usual.min()) + 1, DEEPEST)
    # Most values have the usual decimals: only where one more could follow is counted.
    dots = np.flatnonzero((buffer[:size] == DOT) & _is_digit(buffer[more : size + more]))
    channel = np.searchsorted(offsets, dots, side="right")
    alive = np.ones(dots.size, np.bool_)
    decimals = np.zeros(dots.size, np.int64)
    for place in range(1, DEEPEST + 1):
        digit = buffer[dots + place]
        alive &= _is_digit(digit)
        if not alive.any():
            break
        decimals[alive & (digit > ZERO)] = place
    beyond = decimals > usual[channel]
    deepest = np.zeros(len(units), np.int64)
    np.maximum.at(deepest, channel[beyond], decimals[beyond])
    return [(int(at), int(deepest[at])) for at in np.flatnonzero(deepest)]


def _is_digit(text: Bytes) -> npt.NDArray[np.bool_]:
    return np.asarray(text - np.uint8(ZERO) <= 9)  # noqa: PLR2004 - the last digit

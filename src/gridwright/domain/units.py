"""Units as people write them: what each measures, and its power of ten; one table for files and for messages."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.domain.reading_type import Quantity, ReadingType

Counts = TypeVar("Counts", float, npt.NDArray[np.float64])
KILO = {Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY, Quantity.POWER, Quantity.REACTIVE_POWER}

# Unit → (quantity, power of ten to its base unit).
UNITS: dict[str, tuple[Quantity, int]] = {
    "Wh": (Quantity.ENERGY, 0),
    "kWh": (Quantity.ENERGY, 3),
    "MWh": (Quantity.ENERGY, 6),
    "GWh": (Quantity.ENERGY, 9),
    "mWh": (Quantity.ENERGY, -3),
    "W": (Quantity.POWER, 0),
    "kW": (Quantity.POWER, 3),
    "MW": (Quantity.POWER, 6),
    "GW": (Quantity.POWER, 9),
    "mW": (Quantity.POWER, -3),
    "varh": (Quantity.REACTIVE_ENERGY, 0),
    "kvarh": (Quantity.REACTIVE_ENERGY, 3),
    "var": (Quantity.REACTIVE_POWER, 0),
    "kvar": (Quantity.REACTIVE_POWER, 3),
    "VAh": (Quantity.APPARENT_ENERGY, 0),
    "kVAh": (Quantity.APPARENT_ENERGY, 3),
    "V": (Quantity.VOLTAGE, 0),
    "kV": (Quantity.VOLTAGE, 3),
    "A": (Quantity.CURRENT, 0),
    "mA": (Quantity.CURRENT, -3),
    "Hz": (Quantity.FREQUENCY, 0),
    "pf": (Quantity.POWER_FACTOR, 0),
    "°C": (Quantity.TEMPERATURE, 0),
    "m³": (Quantity.VOLUME, 0),
    "1": (Quantity.STATE, 0),
}
# How they are written where people are told which ones there are.
WRITTEN = " or ".join((", ".join(list(UNITS)[:-1]), list(UNITS)[-1]))
_OTHERWISE = {"watt": "W", "c": "°C", "m3": "m³", "千瓦时": "kWh", "度": "kWh", "千瓦": "kW"}
MILLI = "mW"  # who writes a large W has chosen the small m
# Without regard to case `mwh` is mega: nobody counts in mWh and writes its watt small.
_LOWER = {name.lower(): name for name in UNITS if not name.startswith(MILLI)} | _OTHERWISE


@lru_cache(maxsize=1024)
def unit_named(text: str) -> str | None:
    """Return a unit as the table writes it, None where it is none: `KWH` is kWh, `mwh` is MWh, `mWh` is mWh."""
    word = text.strip()
    if word in UNITS:
        return word
    milli = MILLI + word[len(MILLI) :].lower()
    return milli if word.startswith(MILLI) and milli in UNITS else _LOWER.get(word.lower())


def unit_of(kind: ReadingType) -> str:
    """Return the unit in which values are told: kWh, kW and their like, else the base unit."""
    return f"k{kind.unit}" if kind.quantity in KILO else kind.unit


def amount(counts: Counts, kind: ReadingType) -> Counts:
    """Return counts of a type in the unit of `unit_of`."""
    return _scaled(counts, kind.exponent - (3 if kind.quantity in KILO else 0))


def base_amount(counts: Counts, kind: ReadingType) -> Counts:
    """Return counts of a type in its base unit."""
    return _scaled(counts, kind.exponent)


def _scaled(counts: Counts, power: int) -> Counts:
    # Divided by a whole power of ten: 1234 Wh become 1.234 kWh exactly as written, where a product would be off.
    return counts / 10.0**-power if power < 0 else counts * 10.0**power

"""What the unit field and the quality letters of CMEP mean, as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.reading_type import DEFAULT_EXPONENT, Accumulation, Flow, Quantity, ReadingType, reading_type
from gridwright.formats.decimals import resolution

# Unit → quantity, power of ten of its base unit.
DECIMAL_UNITS: dict[str, tuple[Quantity, int]] = {
    "WH": (Quantity.ENERGY, 0),
    "KWH": (Quantity.ENERGY, 3),
    "MWH": (Quantity.ENERGY, 6),
    "VARH": (Quantity.REACTIVE_ENERGY, 0),
    "KVARH": (Quantity.REACTIVE_ENERGY, 3),
    "VAH": (Quantity.APPARENT_ENERGY, 0),
    "KVAH": (Quantity.APPARENT_ENERGY, 3),
    "W": (Quantity.POWER, 0),
    "KW": (Quantity.POWER, 3),
    "KVAR": (Quantity.REACTIVE_POWER, 3),
    "V": (Quantity.VOLTAGE, 0),
    "VOLTS": (Quantity.VOLTAGE, 0),
    "A": (Quantity.CURRENT, 0),
    "AMPS": (Quantity.CURRENT, 0),
    "M3": (Quantity.VOLUME, 0),
    "L": (Quantity.VOLUME, -3),
}
# Volumes of another system, in mm³ (10^-9 m³): the foot is 304.8 mm, the gallon 231 cubic inches, both by definition.
CUBIC_FEET = {"CF": 28_316_846.592, "CCF": 2_831_684_659.2, "MCF": 28_316_846_592.0}
GALLONS = {"GAL": 3_785_411.784, "KGAL": 3_785_411_784.0}
VOLUMES = {**CUBIC_FEET, **GALLONS}
# Sensus puts the direction before the unit: GKWH generated, NKWH net, SKWH the sum of both directions.
DIRECTIONS = {"G": Flow.RECEIVED, "N": Flow.NET, "S": Flow.NONE}
REGISTER = "REG"
COMMODITIES = {"E": "electricity", "G": "gas", "W": "water"}
FLOWLESS = (Quantity.VOLTAGE, Quantity.CURRENT)
# Units of samples: their resolution is their own, however finely the same file counts energy.
SAMPLED = frozenset({"W", "KW", "KVAR", "V", "VOLTS", "A", "AMPS"})
UNKNOWN = 0xFF
CUBIC_MM = -9  # mm³ as a power of ten of m³
# The letter before the flags of a value. R is in the real files we know; the others are as the protocol lists them.
LETTERS = {
    "R": q.RAW,
    "V": q.ACTUAL,
    "A": int(q.Status.EDITED),
    "E": int(q.Status.ESTIMATED),
    "N": q.MISSING,
}
LETTER_OF = {
    q.Status.RAW: "R",
    q.Status.ACTUAL: "V",
    q.Status.ACCEPTED: "V",
    q.Status.MISSING: "N",
    q.Status.REJECTED: "N",
    q.Status.ESTIMATED: "E",
    q.Status.ESTIMATED_FINAL: "E",
    q.Status.EDITED: "A",
    q.Status.DERIVED: "E",
}
QUALITY_OF_BYTE = np.full(256, UNKNOWN, np.uint8)
for _letter, _quality in LETTERS.items():
    QUALITY_OF_BYTE[[ord(_letter), ord(_letter.lower())]] = _quality


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the values of a record mean: counts are value × 10**places, then × factor."""

    reading_type: ReadingType
    places: int
    factor: float = 1.0


def meaning_of(unit: str, commodity: str, decimals: int) -> Meaning | None:
    """Return the meaning of a unit field such as KWH, GKWH or CFREG; None when it is none we read."""
    name = unit.strip().upper()
    register = name.endswith(REGISTER) and name != REGISTER
    bare = name.removesuffix(REGISTER) if register else name
    flow = Flow.DELIVERED
    if bare not in DECIMAL_UNITS and bare not in VOLUMES and bare[:1] in DIRECTIONS:
        flow, bare = DIRECTIONS[bare[0]], bare[1:]
    if bare in VOLUMES:
        kind = ReadingType(
            Quantity.VOLUME, flow, exponent=CUBIC_MM, commodity=COMMODITIES.get(commodity.upper(), "water")
        )
        return Meaning(_accumulated(kind, register=register), 0, VOLUMES[bare])
    if bare not in DECIMAL_UNITS:
        return None
    quantity, shift = DECIMAL_UNITS[bare]
    usual = DEFAULT_EXPONENT.get(quantity, 0)
    # Samples are as fine as they are written, as in NEM12 and CIM; energy goes finer in steps of a thousand.
    exponent = min(usual, shift - decimals) if bare in SAMPLED else resolution(usual, shift, decimals)
    kind = reading_type(quantity, Flow.NONE if quantity in FLOWLESS else flow).finer(exponent)
    channel = "S" if flow is Flow.NONE and quantity not in FLOWLESS else ""
    commodity = COMMODITIES.get(commodity.upper(), "electricity")
    whole = ReadingType(quantity, kind.flow, kind.accumulation, exponent, commodity, channel)
    return Meaning(_accumulated(whole, register=register), shift - exponent)


def _accumulated(kind: ReadingType, *, register: bool) -> ReadingType:
    return kind.register() if register else kind


def unit_of(kind: ReadingType) -> str:
    """Return the unit field of a reading type, such as KWH, GKWHREG or M3; empty when CMEP has none for it."""
    names = {quantity: name for name, (quantity, shift) in DECIMAL_UNITS.items() if shift in {0, 3} and len(name) < 6}  # noqa: PLR2004 - not AMPS, VOLTS
    names |= {Quantity.VOLTAGE: "V", Quantity.CURRENT: "A", Quantity.VOLUME: "M3", Quantity.POWER: "KW"}
    name = names.get(kind.quantity, "")
    prefixes = {Flow.RECEIVED: "G", Flow.NET: "N"} | ({Flow.NONE: "S"} if kind.quantity not in FLOWLESS else {})
    if not name or (kind.quantity in FLOWLESS and kind.flow is not Flow.NONE):
        return ""
    return prefixes.get(kind.flow, "") + name + (REGISTER if kind.accumulation is Accumulation.CUMULATIVE else "")

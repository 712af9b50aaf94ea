"""The code lists that Green Button (ESPI) and IEC 61968-9 share, and the reading types that they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gridwright.domain.reading_type import DEFAULT_EXPONENT, FLOW_QUANTITIES, Accumulation, Flow, Quantity, ReadingType

# uom: (quantity, power of ten to the base unit). UnitSymbolKind of NAESB REQ.21 and IEC 61968-9 annex C.
UNITS: Mapping[int, tuple[Quantity, int]] = {
    72: (Quantity.ENERGY, 0),
    73: (Quantity.REACTIVE_ENERGY, 0),
    71: (Quantity.APPARENT_ENERGY, 0),
    38: (Quantity.POWER, 0),
    63: (Quantity.REACTIVE_POWER, 0),
    29: (Quantity.VOLTAGE, 0),
    5: (Quantity.CURRENT, 0),
    33: (Quantity.FREQUENCY, 0),
    65: (Quantity.POWER_FACTOR, 0),
    23: (Quantity.TEMPERATURE, 0),
    42: (Quantity.VOLUME, 0),
    166: (Quantity.VOLUME, 0),
    167: (Quantity.VOLUME, 0),
    134: (Quantity.VOLUME, -3),
    156: (Quantity.VOLUME, -3),
    157: (Quantity.VOLUME, -3),
    109: (Quantity.STATE, 0),
}
UOMS = {quantity: uom for uom, (quantity, power) in reversed([*UNITS.items()]) if power == 0}
KINDS = {
    Quantity.ENERGY: 12,
    Quantity.REACTIVE_ENERGY: 12,
    Quantity.APPARENT_ENERGY: 12,
    Quantity.POWER: 37,
    Quantity.REACTIVE_POWER: 37,
    Quantity.VOLTAGE: 54,
    Quantity.CURRENT: 4,
    Quantity.FREQUENCY: 15,
    Quantity.POWER_FACTOR: 38,
    Quantity.TEMPERATURE: 46,
    Quantity.VOLUME: 58,
    Quantity.STATE: 43,
}
COMMODITIES = {0: "electricity", 1: "electricity", 2: "electricity", 7: "gas", 9: "water", 12: "heat", 14: "water"}
COMMODITY_CODES = {"electricity": 1, "gas": 7, "water": 9, "heat": 12}
FLOWS = {
    1: Flow.DELIVERED,
    19: Flow.RECEIVED,
    4: Flow.NET,
    5: Flow.DELIVERED,  # quadrants 1 + 2: reactive energy delivered
    13: Flow.RECEIVED,  # quadrants 3 + 4
}
FLOW_CODES = {Flow.DELIVERED: 1, Flow.RECEIVED: 19, Flow.NET: 4, Flow.NONE: 0}
QUADRANTS = {15: "Q1", 16: "Q2", 17: "Q3", 18: "Q4"}
PHASES = {128: "A", 129: "A", 64: "B", 65: "B", 32: "C", 33: "C"}
QUADRANT_CODES = {name: code for code, name in QUADRANTS.items()}
PHASE_CODES = {name: code for code, name in reversed(PHASES.items())}
# A channel that the codes can tell, as `meaning_of` names it; leading zeros would not come back.
MARKS = re.compile(r"(Q[1-4])?([ABC])?(?:T([1-9]\d{0,2}))?(?:C([1-9]\d{0,2}))?")
DELTA, INDICATING = (0, 4), 6
REGISTERS = (1, 2, 3, 9, 13, 14)
ACCUMULATION_CODES = {Accumulation.DELTA: 4, Accumulation.CUMULATIVE: 1, Accumulation.INSTANTANEOUS: 12}
BY_KIND = {"interval": Accumulation.DELTA, "cumulative": Accumulation.CUMULATIVE}
DECIMALS = (0, 1, 2, 3, 6, 9, 12)


@dataclass(frozen=True, slots=True)
class Codes:
    """The fields of a reading type that tell its meaning; 0 = not applicable."""

    accumulation: int = 0
    flow: int = 0
    commodity: int = 0
    tou: int = 0
    tier: int = 0
    phase: int = 0
    multiplier: int = 0
    uom: int = 0


@dataclass(frozen=True, slots=True)
class Meaning:
    """A reading type, and the power of ten from a written value to its counts."""

    reading_type: ReadingType
    places: int


def meaning_of(codes: Codes, *, decimals: int = 0, kind: str = "") -> Meaning | str:
    """Return what codes mean, or why that is not read.

    `decimals`: how many written decimals must be kept. `kind`: interval or cumulative, where the caller knows better.
    """
    known = UNITS.get(codes.uom)
    if known is None:
        return f"unit of measure {codes.uom} is not read"
    quantity, power = known[0], known[1] + codes.multiplier
    accumulation = accumulation_of(codes.accumulation, quantity, kind)
    if not isinstance(accumulation, Accumulation):
        return accumulation
    commodity = COMMODITIES.get(codes.commodity)
    if commodity is None:
        return f"commodity {codes.commodity} is not read"
    missing = Flow.DELIVERED if quantity in FLOW_QUANTITIES and codes.flow == 0 else Flow.NONE
    exponent = exponent_for(quantity, power - decimals)
    channel = QUADRANTS.get(codes.flow, "") + PHASES.get(codes.phase, "")
    channel += (f"T{codes.tou}" if codes.tou else "") + (f"C{codes.tier}" if codes.tier else "")
    flow = FLOWS.get(codes.flow, missing)
    return Meaning(ReadingType(quantity, flow, accumulation, exponent, commodity, channel), power - exponent)


def accumulation_of(code: int, quantity: Quantity, kind: str) -> Accumulation | str:
    """Return how values of a quantity relate to time, or why nobody can tell."""
    if quantity not in FLOW_QUANTITIES:
        return Accumulation.INSTANTANEOUS
    if kind in BY_KIND:
        return BY_KIND[kind]
    if code in DELTA:
        return Accumulation.DELTA
    if code in REGISTERS:
        return Accumulation.CUMULATIVE
    if code == INDICATING:
        return f"accumulation {code} (indicating) of {quantity} may be an interval or a register"
    return f"accumulation {code} of {quantity} is not read"


def marks_of(kind: ReadingType) -> re.Match[str] | None:
    """Return quadrant, phase, tariff and tier (groups 1 to 4) of a channel that consists of them; None for another."""
    marks = MARKS.fullmatch(kind.channel)
    return marks if marks and not (marks[1] and kind.flow is not Flow.NONE) else None


def codes_of(kind: ReadingType) -> Codes:
    """Return the codes of a reading type, values being counts; see `why_not` for what has none."""
    quadrant, phase, tou, tier = marks.groups(default="") if (marks := marks_of(kind)) else ("", "", "", "")
    return Codes(
        accumulation=ACCUMULATION_CODES[kind.accumulation],
        flow=QUADRANT_CODES.get(quadrant, FLOW_CODES[kind.flow]),
        commodity=COMMODITY_CODES.get(kind.commodity, 0),
        tou=int(tou or 0),
        tier=int(tier or 0),
        phase=PHASE_CODES.get(phase, 0),
        multiplier=kind.exponent,
        uom=UOMS[kind.quantity],
    )


def why_not(kind: ReadingType) -> str:
    """Say why a reading type has no codes; empty when it has."""
    if kind.commodity not in COMMODITY_CODES:
        return f"no code for commodity {kind.commodity!r}"
    return ""


def exponent_for(quantity: Quantity, power: int) -> int:
    """Return the resolution that holds 10**power base units: the usual one, or finer; energy in steps of a thousand."""
    usual = DEFAULT_EXPONENT.get(quantity, 0)
    if power >= usual:
        return usual
    return -((2 - power) // 3 * 3) if quantity in FLOW_QUANTITIES else power


def deepest_decimals(data: memoryview, mark: bytes) -> int:
    """Return how many decimals keep every value of a file, in steps; `mark` stands before each value (`value>`)."""
    for decimals in DECIMALS:
        deeper = re.compile(rb"%s\s*[+-]?\d*\.\d{%d}\d*[1-9]" % (re.escape(mark), decimals))
        if deeper.search(data) is None:
            return decimals
    return DECIMALS[-1]

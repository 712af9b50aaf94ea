"""What the words of a record mean: unit, flow, quality and length of interval become a reading type and a scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType, from_code, reading_type
from gridwright.domain.units import UNITS, WRITTEN, unit_named
from gridwright.formats.writer import QUALITY_OF_WORD

LONGEST_S = 3600
LONGEST_CODE = 120
BASE_OF = {Quantity.ENERGY: "kWh", Quantity.REACTIVE_ENERGY: "kvarh", Quantity.POWER: "kW"}
FLOWS = {flow.value: flow for flow in Flow} | {"import": Flow.DELIVERED, "export": Flow.RECEIVED}
GIVEN = ("raw", "actual", "accepted", "estimated", "estimated_final", "edited", "derived")
WORDS = frozenset(name.replace("_", "-") for name in GIVEN)
AS_WRITTEN = str.maketrans("- /", "__:")  # answers have a slash before the method
# As files write them, with the method: `estimated:linear`, `raw:register`.
QUALITIES = {word.replace("-", "_"): byte for word, byte in QUALITY_OF_WORD.items() if word.partition(":")[0] in WORDS}
DIRECTED = {Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY}


class Wrong(Exception):
    """A record says something that means nothing; carries the fault and the value."""

    def __init__(self, fault: Fault, value: object = "") -> None:
        super().__init__(fault.reason)
        self.fault, self.value = fault, value


@dataclass(frozen=True, slots=True)
class Said:
    """The words of a record about its number; empty where it says nothing.

    `register`: it is named as a register; `named`: its name tells that it is in kWh, and whether it counts up.
    """

    unit: str = ""
    flow: str = ""
    reading_type: str = ""
    quality: str = ""
    interval_s: int = 0
    register: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What they mean; a written value times 10**power is in counts of the reading type."""

    reading_type: ReadingType
    power: int
    quality: int
    interval_s: int

    @property
    def is_register(self) -> bool:
        """Tell whether it is a cumulative counter."""
        return self.reading_type.accumulation is Accumulation.CUMULATIVE


@lru_cache(maxsize=4096)
def meaning_of(said: Said) -> Meaning:
    """Return what a record's words mean; Wrong names the word that means nothing."""
    quantity, shift = _unit_of(said.unit)
    if said.named and (quantity, shift) != UNITS["kWh"]:
        remedy = "send value with unit, or leave the unit out"
        raise Wrong(Fault("unit", "the name of the number says kWh already", remedy), said.unit)
    kind = _type_of(said, quantity)
    if said.unit and kind.quantity is not quantity:
        raise Wrong(
            Fault("unit", f"{said.unit} does not measure {kind.quantity}", "leave the unit out, or correct it"),
            said.unit,
        )
    if not said.unit and said.reading_type:
        # The type says it all; its numbers come in the unit people write: kWh, kW, else the base unit.
        _, shift = _unit_of(BASE_OF.get(kind.quantity, ""), default=(kind.quantity, 0))
    quality = QUALITIES.get(said.quality.lower().translate(AS_WRITTEN) or "raw")
    if quality is None:
        raise Wrong(Fault("quality", "no quality is called that", f"use one of {', '.join(GIVEN)}"), said.quality)
    register = kind.accumulation is Accumulation.CUMULATIVE
    return Meaning(kind, shift - kind.exponent, quality, 0 if register else _length(said.interval_s))


def _unit_of(unit: str, default: tuple[Quantity, int] = UNITS["kWh"]) -> tuple[Quantity, int]:
    if not unit:
        return default
    found = unit_named(unit)
    if found is None:
        raise Wrong(Fault("unit", "the unit is not known", f"use {WRITTEN}"), unit)
    return UNITS[found]


def _type_of(said: Said, quantity: Quantity) -> ReadingType:
    if said.reading_type:
        try:
            kind = from_code(said.reading_type)
        except NotFound as error:
            raise Wrong(Fault("reading_type", error.message, error.remedy), said.reading_type) from error
        if len(kind.code) > LONGEST_CODE or not kind.code.isprintable():
            raise Wrong(Fault("reading_type", "the code is too long", "use a short channel"), said.reading_type)
        if not -9 <= kind.exponent <= 9:  # noqa: PLR2004 - nano to giga
            raise Wrong(Fault("reading_type", "the exponent is out of range", "use -9 to 9"), said.reading_type)
        if said.named and said.register and kind.accumulation is not Accumulation.CUMULATIVE:
            remedy = "send a difference as kwh, or leave the reading_type out"
            raise Wrong(Fault("reading_type", "it is of no register, as the number is by its name", remedy), kind.code)
        return kind.register() if said.register else kind
    flow = FLOWS.get(said.flow.lower()) if said.flow else _usual_flow(quantity)
    if flow is None:
        raise Wrong(Fault("flow", "no flow is called that", "use delivered, received or net"), said.flow)
    kind = reading_type(quantity, flow)
    if not said.register:
        return kind
    if quantity not in DIRECTED:
        raise Wrong(Fault("unit", f"a register does not count {quantity}", "use Wh, kWh or MWh"), said.unit)
    return replace(kind, accumulation=Accumulation.CUMULATIVE)


def _usual_flow(quantity: Quantity) -> Flow:
    if quantity in DIRECTED:
        return Flow.DELIVERED
    return Flow.NET if quantity is Quantity.POWER else Flow.NONE


def _length(interval_s: int) -> int:
    if not interval_s:
        raise Wrong(Fault("interval_s", "nothing tells how long the interval is", "give it in seconds, such as 900"))
    if not 0 < interval_s <= LONGEST_S or DAY_S % interval_s:
        raise Wrong(
            Fault("interval_s", "the interval does not divide a day, or is longer than an hour", "use 900 or 3600"),
            interval_s,
        )
    return interval_s

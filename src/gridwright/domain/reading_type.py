"""What a number means: commodity, quantity, direction, accumulation, unit and the resolution it is counted in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from gridwright.domain.errors import NotFound

LARGEST_EXACT = 2.0**53  # beyond it not every whole number has a float64, in which counts are held


class Flow(StrEnum):
    """Direction of energy or power, seen from the customer (ESPI flowDirection 1 / 19)."""

    DELIVERED = "delivered"
    RECEIVED = "received"
    NET = "net"
    NONE = "none"


class Accumulation(StrEnum):
    """How a value relates to time (ESPI accumulationBehaviour 4, 3, 12)."""

    DELTA = "delta"
    CUMULATIVE = "cumulative"
    INSTANTANEOUS = "instantaneous"


class Quantity(StrEnum):
    """The physical quantity; flow quantities sum over time, the others do not."""

    ENERGY = "energy"
    REACTIVE_ENERGY = "reactive-energy"
    APPARENT_ENERGY = "apparent-energy"
    POWER = "power"
    REACTIVE_POWER = "reactive-power"
    VOLTAGE = "voltage"
    CURRENT = "current"
    FREQUENCY = "frequency"
    POWER_FACTOR = "power-factor"
    TEMPERATURE = "temperature"
    VOLUME = "volume"
    STATE = "state"


BASE_UNIT = {
    Quantity.ENERGY: "Wh",
    Quantity.REACTIVE_ENERGY: "varh",
    Quantity.APPARENT_ENERGY: "VAh",
    Quantity.POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.POWER_FACTOR: "pf",
    Quantity.TEMPERATURE: "°C",
    Quantity.VOLUME: "m³",
    Quantity.STATE: "1",
}
DEFAULT_EXPONENT = {
    Quantity.VOLTAGE: -1,
    Quantity.CURRENT: -2,
    Quantity.FREQUENCY: -3,
    Quantity.POWER_FACTOR: -3,
    Quantity.TEMPERATURE: -2,
    Quantity.VOLUME: -3,
}
SHORTEST_MEAN_S = 300  # a power of a longer interval may be its mean, as profiles tell it
FLOW_QUANTITIES = (Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY, Quantity.VOLUME)


@dataclass(frozen=True, slots=True)
class ReadingType:
    """The meaning of a series; values are whole numbers of 10**exponent base units (1 Wh, 0.1 V, 0.01 °C ...)."""

    quantity: Quantity = Quantity.ENERGY
    flow: Flow = Flow.DELIVERED
    accumulation: Accumulation = Accumulation.DELTA
    exponent: int = 0
    commodity: str = "electricity"
    channel: str = ""

    @property
    def unit(self) -> str:
        """Base unit, before the resolution."""
        return BASE_UNIT[self.quantity]

    @property
    def resolution(self) -> float:
        """Size of one count in base units."""
        return float(10.0**self.exponent)

    @property
    def sums(self) -> bool:
        """Tell whether values add up over time."""
        return self.quantity in FLOW_QUANTITIES and self.accumulation is Accumulation.DELTA

    def is_sampled(self, interval_s: float) -> bool:
        """Tell whether a value of an interval is one of several samples, of which the last is kept."""
        mean = self.quantity in {Quantity.POWER, Quantity.REACTIVE_POWER} and interval_s >= SHORTEST_MEAN_S
        return self.accumulation is Accumulation.INSTANTANEOUS and not mean

    @property
    def code(self) -> str:
        """Stable text id, such as `electricity/delivered/energy/delta/0`; read back by `from_code`."""
        parts = [self.commodity, self.flow, self.quantity, self.accumulation, str(self.exponent)]
        return "/".join([*parts, self.channel] if self.channel else parts)

    def finer(self, exponent: int) -> ReadingType:
        """Return the same meaning counted in 10**exponent base units."""
        return replace(self, exponent=exponent)

    def register(self) -> ReadingType:
        """Return the cumulative register that this series counts up."""
        return replace(self, accumulation=Accumulation.CUMULATIVE)

    def delta(self) -> ReadingType:
        """Return what this register counts up, interval by interval."""
        return replace(self, accumulation=Accumulation.DELTA)

    def __str__(self) -> str:
        scale = "" if self.exponent == 0 else f"10^{self.exponent} "
        flow = "" if self.flow is Flow.NONE else f"{self.flow} "
        return f"{flow}{self.quantity} ({self.accumulation}, {scale}{self.unit})"


def reading_type(quantity: Quantity, flow: Flow = Flow.NONE, **other: str) -> ReadingType:
    """Return the type of an instantaneous or delta quantity in its default resolution."""
    sums = quantity in FLOW_QUANTITIES
    return ReadingType(
        quantity=quantity,
        flow=flow,
        accumulation=Accumulation.DELTA if sums else Accumulation.INSTANTANEOUS,
        exponent=DEFAULT_EXPONENT.get(quantity, 0),
        **other,
    )


def from_code(code: str) -> ReadingType:
    """Read `ReadingType.code` back; an unknown code is NotFound."""
    try:
        commodity, flow, quantity, accumulation, exponent, *channel = code.split("/")
        return ReadingType(
            Quantity(quantity), Flow(flow), Accumulation(accumulation), int(exponent), commodity, "/".join(channel)
        )
    except ValueError as error:
        raise NotFound(f"{code!r} is no reading type", remedy=f"write it like {DELIVERED_ENERGY.code}") from error


DELIVERED_ENERGY = ReadingType()
RECEIVED_ENERGY = ReadingType(flow=Flow.RECEIVED)
DELIVERED_REGISTER = DELIVERED_ENERGY.register()
RECEIVED_REGISTER = RECEIVED_ENERGY.register()
POWER = reading_type(Quantity.POWER, Flow.NET)
REACTIVE_POWER = reading_type(Quantity.REACTIVE_POWER, Flow.NET)
VOLTAGE = reading_type(Quantity.VOLTAGE)
CURRENT = reading_type(Quantity.CURRENT)
FREQUENCY = reading_type(Quantity.FREQUENCY)
POWER_FACTOR = reading_type(Quantity.POWER_FACTOR)
TEMPERATURE = reading_type(Quantity.TEMPERATURE)
STATE = reading_type(Quantity.STATE)

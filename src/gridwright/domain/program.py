"""Demand response as OpenADR has it: programs, events and targets."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class Program:
    """An offer to customers: what is paid for a kWh not used during an event."""

    id: str
    name: str
    currency: str
    price_per_kwh: Decimal
    baseline: str = "10-of-10"


@dataclass(frozen=True, slots=True)
class Event:
    """A call of a program for a period, to the usage points in `targets`."""

    id: str
    program: str
    period: Interval
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.period.seconds <= 0:
            raise InputError(f"event {self.id}: its period is empty")

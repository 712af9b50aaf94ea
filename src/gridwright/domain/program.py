"""Demand response as OpenADR has it: programs, events, targets, and what each target delivered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.money import round_money

CURRENCY = re.compile("[A-Z]{3}")
HIGHEST_PRICE, FINEST = 1_000_000, 9


class EventState(StrEnum):
    """Life of an event; a settled one is paid and stays as it is."""

    PLANNED = "planned"
    ACTIVE = "active"
    COMPLETED = "completed"
    SETTLED = "settled"
    CANCELLED = "cancelled"


NEXT_STATE = {
    EventState.PLANNED: frozenset({EventState.ACTIVE, EventState.COMPLETED, EventState.CANCELLED}),
    EventState.ACTIVE: frozenset({EventState.COMPLETED, EventState.CANCELLED}),
    EventState.COMPLETED: frozenset({EventState.SETTLED}),
    EventState.SETTLED: frozenset[EventState](),
    EventState.CANCELLED: frozenset[EventState](),
}


@dataclass(frozen=True, slots=True)
class Program:
    """An offer to customers: what is paid for a kWh not used during an event."""

    id: str
    name: str
    currency: str
    price_per_kwh: Decimal
    baseline: str = "10-of-10"

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise InputError("a program needs an id", remedy="name it for example peak")
        if not CURRENCY.fullmatch(self.currency):
            raise InputError(f"program {self.id}: {self.currency!r} is no currency", remedy="write for example EUR")
        if not (self.price_per_kwh.is_finite() and 0 < self.price_per_kwh <= HIGHEST_PRICE):
            raise InputError(
                f"program {self.id}: {self.price_per_kwh:.6g} per kWh is no price",
                remedy=f"give a price above 0, up to {HIGHEST_PRICE:,}",
            )
        if round(self.price_per_kwh, FINEST) != self.price_per_kwh:
            raise InputError(
                f"program {self.id}: its price has more than {FINEST} decimals",
                remedy="round it, for example to 0.1234",
            )


@dataclass(frozen=True, slots=True)
class Event:
    """A call of a program for a period, to the usage points in `targets`; `opted_out` of them do not take part.

    `signal`: what participants are asked for, in words. `notified`: when they were told.
    """

    id: str
    program: str
    period: Interval
    targets: tuple[str, ...] = ()
    state: EventState = EventState.PLANNED
    opted_out: tuple[str, ...] = ()
    signal: str = ""
    notified: datetime | None = None

    def __post_init__(self) -> None:
        if self.period.seconds <= 0:
            raise InputError(f"event {self.id}: its period is empty")

    @property
    def participants(self) -> tuple[str, ...]:
        """Targets that did not opt out, in order."""
        return tuple(point for point in self.targets if point not in self.opted_out)

    def to(self, state: EventState) -> Event:
        """Return the event in its next state; a step out of order is a Conflict."""
        if state not in NEXT_STATE[self.state]:
            remedy = "gridwright event show tells where it stands"
            raise Conflict(f"event {self.id} is {self.state} and cannot become {state}", remedy=remedy)
        return replace(self, state=state)


@dataclass(frozen=True, slots=True)
class Performance:
    """What one usage point delivered in an event: baseline and actual energy, and the payment for the difference.

    `adjustment`: the day-of factor that the baseline was multiplied with; `days`: the days it rests on; `rule`: the
    method and its version, `usage_hash`: the readings it was computed from, so that it can be run again.
    """

    event: str
    usage_point: str
    baseline_kwh: Decimal
    actual_kwh: Decimal
    payment: Decimal
    currency: str
    adjustment: float = 1.0
    days: tuple[date, ...] = ()
    rule: str = ""
    usage_hash: str = ""
    note: str = ""

    @property
    def reduction_kwh(self) -> Decimal:
        """Energy not used: baseline less actual; negative when more was used."""
        return self.baseline_kwh - self.actual_kwh


def payment_of(reduction_kwh: Decimal, price_per_kwh: Decimal, currency: str) -> Decimal:
    """Return what is paid for energy not used; who used more than the baseline pays nothing."""
    return round_money(max(reduction_kwh, Decimal(0)) * price_per_kwh, currency)

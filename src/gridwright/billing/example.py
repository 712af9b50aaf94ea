"""The example card: what a bill is made of where nobody gave a tariff."""

from __future__ import annotations

from decimal import Decimal

from gridwright.domain.rate import Block, Charge, Ladder, Price, RateCard

EXAMPLE_RATE = Decimal("0.30")


def example_card(currency: str = "EUR") -> RateCard:
    """Return a flat 0.30 per kWh, marked as an example."""
    price = Price((Ladder((Block(EXAMPLE_RATE),)),))
    charge = Charge(id="energy", text="Energy", price=price)
    return RateCard("example-flat", 1, "Example flat rate", currency, (charge,), example=True)

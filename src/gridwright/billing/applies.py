"""Whether a charge applies to a usage point."""

from __future__ import annotations

from gridwright.domain.errors import RateRefused
from gridwright.domain.rate import Charge
from gridwright.domain.usage_point import UsagePoint

TRUE, FALSE = ("true", "yes", "1"), ("false", "no", "0", "")


def applies_to(charge: Charge, point: UsagePoint) -> bool:
    """Compare every condition with the usage point; an attribute it lacks is RateRefused, not guessed."""
    return all(_fact(point, name, charge.id) == _word(value) for name, value in charge.applies.items())


def is_exempt(point: UsagePoint, attribute: str) -> bool:
    """Tell whether the usage point carries the exempting attribute."""
    return bool(attribute) and _word(point.attributes.get(attribute, "")) == "true"


def _fact(point: UsagePoint, name: str, charge: str) -> str:
    if name == "class":
        return point.customer_class
    if name == "has_solar":
        return _word(point.exports)
    if name not in point.attributes:
        raise RateRefused(
            f"charge {charge} applies by {name!r}, which usage point {point.id} does not say",
            remedy=f"give the usage point the attribute {name}",
        )
    return _word(point.attributes[name])


def _word(value: object) -> str:
    text = str(value).lower()
    if text in TRUE:
        return "true"
    return "false" if text in FALSE else str(value)

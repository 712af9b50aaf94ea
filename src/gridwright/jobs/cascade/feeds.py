"""Which readings make which final images."""

from __future__ import annotations

from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType

ONE_WAY = (Flow.DELIVERED, Flow.RECEIVED)


def feeds(kind: ReadingType, image: ReadingType) -> bool:
    """Tell whether readings of a type make a final image of another, as those of net energy and of power do."""
    if kind.finer(0) == image.finer(0):
        return True
    mixed = kind.quantity is Quantity.POWER or (
        kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow not in ONE_WAY
    )
    return mixed and image.quantity is Quantity.ENERGY and image.flow in ONE_WAY and not image.channel

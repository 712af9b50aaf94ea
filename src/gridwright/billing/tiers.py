"""Ladders: how a quantity is shared among blocks and labels, exact in decimals of the billed resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from gridwright.billing.spans import Span
from gridwright.domain.rate import Block, Charge, Per, Price, Prorate, TierMode

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Part:
    """What one label used in one block: `index` of the block and its bounds (low, high], None = without end."""

    label: str
    index: int
    quantity: Decimal
    rate: Decimal
    low: Decimal
    high: Decimal | None


def to_decimal(value: Fraction, places: int) -> Decimal:
    """Return the fraction rounded half up to `places` decimals."""
    scaled = value * 10**places
    whole = int(abs(scaled) + Fraction(1, 2))
    return Decimal(whole if scaled >= 0 else -whole).scaleb(-places)


def block_limits(price: Price, blocks: Sequence[Block], spans: tuple[Span, Span], charge: Charge) -> list[Decimal]:
    """Return the upper limits of all but the last block; `spans` are the span priced and the whole bill.

    Limits per day and month grow with the span; limits per bill shrink to the span's share of the bill's days (of the
    month's days where the ladder starts anew each month) unless the charge is not prorated.
    """
    return [
        to_decimal(Fraction(block.upto) * _scale(price, block.per, spans, charge.prorate), charge.quantity_places)
        for block in blocks
        if block.upto is not None
    ]


def _scale(price: Price, per: Per, spans: tuple[Span, Span], prorate: Prorate) -> Fraction:
    span, whole = spans
    if per is not Per.BILL:
        return span.length_in(per, whole)
    if prorate is Prorate.NONE or price.reset is Per.YEAR:
        return Fraction(1)
    return span.length_in(price.reset, whole)


def fill(quantity: Decimal, limits: Sequence[Decimal], mode: TierMode, used: Decimal = ZERO) -> list[Decimal]:
    """Return how much of `quantity` falls into each block when `used` was taken before.

    Volume mode puts everything into the block that used + quantity reaches. A negative quantity (more received than
    delivered) stays in the block where it begins.
    """
    highs: list[Decimal | None] = [*limits, None]
    if mode is TierMode.VOLUME or quantity < 0:
        level = used + max(quantity, ZERO)
        reached = sum(level > limit for limit in limits)
        return [quantity if index == reached else ZERO for index in range(len(highs))]
    lows = [ZERO, *limits]
    end = used + quantity
    return [
        max(ZERO, (end if high is None else min(end, high)) - max(used, low))
        for low, high in zip(lows, highs, strict=True)
    ]


def share(total: Sequence[Decimal], quantity: Decimal, places: int) -> list[Decimal]:
    """Split one label's `quantity` in proportion to the pooled blocks `total`; the parts add up exactly."""
    whole = sum(total, ZERO)
    if whole == 0:
        return [quantity, *[ZERO] * (len(total) - 1)]
    unit = Decimal(1).scaleb(-places)
    parts, reached, taken = [], ZERO, ZERO
    # Rounding the running sum, not each part, loses and invents nothing.
    for block in total:
        reached += block
        upto = (quantity * reached / whole).quantize(unit, ROUND_HALF_UP)
        parts.append(upto - taken)
        taken = upto
    return parts


def price_parts(price: Price, filled: dict[str, list[Decimal]], limits: dict[str, list[Decimal]]) -> list[Part]:
    """Return the parts that have a quantity, at least one for each ladder, in the order of the card."""
    parts: list[Part] = []
    for ladder in price.ladders:
        lows = [ZERO, *limits[ladder.label]]
        highs = [*limits[ladder.label], None]
        found = [
            Part(ladder.label, index, quantity, block.rate, lows[index], highs[index])
            for index, (block, quantity) in enumerate(zip(ladder.blocks, filled[ladder.label], strict=True))
        ]
        parts.extend([part for part in found if part.quantity] or found[:1])
    return parts

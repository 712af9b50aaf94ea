"""Rating: readings and a rate card become an immutable bill (reference catalogue, meter to cash, B2 and B7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np

from gridwright.billing.account_lines import minimum_lines, percent_lines, tax_lines
from gridwright.billing.applies import applies_to
from gridwright.billing.energy import energy_lines
from gridwright.billing.spans import Span, billing_span
from gridwright.billing.standing import demand_lines, standing_lines
from gridwright.billing.usage import Account, Usage, daily_counts, prepare, to_kwh, usage_hash
from gridwright.domain import quality as q
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.calendar import local_calendar
from gridwright.domain.errors import GridMismatch, RateRefused
from gridwright.domain.interval import Interval, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.rate import Channel, Charge, DateRange, Percent, RateCard, Reduce
from gridwright.domain.reading_type import Flow
from gridwright.domain.usage_point import UsagePoint

# The versions of this engine, of which each makes bills of its own; the last is this one.
ENGINES = ("1",)
ENGINE = ENGINES[-1]
NOTHING: Mapping[str, Decimal] = MappingProxyType({})


def rate(
    panel_row: Panel,
    card: RateCard,
    *,
    usage_point: UsagePoint,
    known_at: datetime,
    period: Interval | Span | None = None,
    example: bool = False,
    received: Panel | None = None,
    carried: Mapping[str, Decimal] = NOTHING,
) -> Bill:
    """Bill one usage point; `panel_row` and `received` hold its delivered and received energy.

    The period runs between local midnights of the usage point, or is a `Span` of its days; left out, it is every civil
    day the readings touch.
    Intervals without value are counted and noted, never taken for use of zero unseen. `carried`: kWh since 1 January
    by charge, for ladders that start anew each year. RateRefused where pricing would need a guess.
    """
    bills = rate_all(
        panel_row,
        card,
        usage_points=(usage_point,),
        known_at=known_at,
        period=period,
        example=example,
        received=received,
        carried={usage_point.id: carried},
    )
    return next(iter(bills))


def rate_all(
    panel: Panel,
    card: RateCard,
    *,
    usage_points: Sequence[UsagePoint],
    known_at: datetime,
    period: Interval | Span | None = None,
    example: bool = False,
    received: Panel | None = None,
    carried: Mapping[str, Mapping[str, Decimal]] = MappingProxyType({}),
) -> Iterator[Bill]:
    """Bill every row of a panel (one zone, rows in the order of `usage_points`); sums are made once for all."""
    _check_rows(panel, received, usage_points)
    whole = period if isinstance(period, Span) else billing_span(period, panel.period, usage_points[0].zone)
    _check_validity(card, whole)
    panels = {Channel.DELIVERED: prepare(panel, whole)}
    if received is not None:
        panels[Channel.RECEIVED] = prepare(received, whole)
    usage = Usage(panels, card, whole)
    for row, point in enumerate(usage_points):
        account = Account(usage, row, point, carried.get(point.id, NOTHING))
        yield _bill(account, known_at, example=example or card.example)


def _check_rows(panel: Panel, received: Panel | None, usage_points: Sequence[UsagePoint]) -> None:
    for one in (panel, received):
        if one is not None and len(one.points) != len(usage_points):
            raise GridMismatch(f"{one!r} has {len(one.points)} rows for {len(usage_points)} usage points")
    if panel.reading_type.flow is Flow.RECEIVED:
        raise GridMismatch(f"{panel!r} is received energy", remedy="hand it over as received=")
    zones = {point.zone for point in usage_points}
    if len(zones) != 1:
        raise GridMismatch(f"usage points lie in {len(zones)} zones", remedy="bill each zone by itself")


def _check_validity(card: RateCard, whole: Span) -> None:
    start, end = card.valid.start, card.valid.end
    if (start is not None and whole.first < start) or (end is not None and whole.last > end):
        raise RateRefused(
            f"rate card {card.reference} is valid {card.valid}, but the bill covers [{whole.first}, {whole.last})",
            remedy="bill each version's days by themselves",
        )


def _bill(account: Account, known_at: datetime, *, example: bool) -> Bill:
    card, whole, point = account.card, account.whole, account.point
    panel = account.usage.panels[Channel.DELIVERED]
    quality = panel.quality[account.row : account.row + 1]
    missing, estimated = (int(q.has_status(quality, kinds).sum()) for kinds in (q.GAPS, q.ESTIMATES))
    digest = usage_hash(account)
    key = bill_key(point.id, whole.period, card.reference, digest)
    counts = daily_counts(account)
    exponent = panel.reading_type.exponent
    return Bill(
        id=f"{point.id}-{whole.first.isoformat()}-{key[:8]}",
        key=key,
        usage_point=point.id,
        period=whole.period,
        zone=whole.zone,
        rate_card=card.reference,
        currency=card.currency,
        lines=tuple(bill_lines(account)),
        usage_hash=digest,
        known_at=known_at,
        energy_kwh=to_kwh(int(counts.sum()), exponent),
        intervals=panel.slots,
        estimated=estimated,
        missing=missing,
        example=example,
        notes=tuple(_notes(account, missing, estimated, example=example)),
        daily_kwh=tuple(to_kwh(day, exponent) for day in counts.tolist()),
    )


def bill_key(usage_point: str, period: Interval, rate_card: str, digest: str, engine: str = ENGINE) -> str:
    """Return what makes a bill the same bill: usage point, period, card version, usage and engine version."""
    return hashlib.sha256("|".join((usage_point, str(period), rate_card, digest, engine)).encode()).hexdigest()


def bill_lines(account: Account) -> list[BillLine]:
    """Return the lines of every charge in the card's order, then minimum and taxes."""
    lines: list[BillLine] = []
    for charge in account.card.charges:
        if applies_to(charge, account.point):
            lines.extend(_charge_lines(charge, account, lines))
    lines.extend(minimum_lines(account, lines))
    lines.extend(tax_lines(account, lines))
    return lines


def _charge_lines(charge: Charge, account: Account, above: list[BillLine]) -> list[BillLine]:
    lines: list[BillLine] = []
    for span in account.whole.cut_at([charge.valid, *_changes(account.card)]):
        if span.first in charge.valid:
            lines.extend(_span_lines(charge, span, account, above))
    return lines


def _changes(card: RateCard) -> list[DateRange]:
    """List when taxes and percentages change: their bases must not straddle that."""
    percentages = [charge.valid for charge in card.charges if isinstance(charge.price, Percent)]
    return [*(tax.valid for tax in card.taxes), *percentages]


def _span_lines(charge: Charge, span: Span, account: Account, above: list[BillLine]) -> list[BillLine]:
    if isinstance(charge.price, Percent):
        return percent_lines(charge, charge.price, span, above)
    price = {Reduce.SUM: energy_lines, Reduce.MAX: demand_lines}.get(charge.determinant.reduce, standing_lines)
    return price(charge, charge.price, span, account)


def _notes(account: Account, missing: int, estimated: int, *, example: bool) -> Iterator[str]:
    card, point = account.card, account.point
    slots = account.usage.panels[Channel.DELIVERED].slots
    if example:
        yield f"Example rate: {card.name} is not a published tariff; no money is owed."
    if missing:
        yield f"{missing} of {slots} intervals have no value, and their energy is not billed: estimate them first."
    if estimated:
        yield f"{estimated} of {slots} intervals are estimates."
    if card.zone and card.zone != point.zone:
        yield f"The rate card is written for {card.zone}; its hours are read in {point.zone}, the usage point's zone."
    if card.customer_class and card.customer_class != point.customer_class:
        yield f"The rate card is for class {card.customer_class}; the usage point is {point.customer_class}."
    if Channel.RECEIVED not in account.usage.panels and _bills_received(card):
        yield "No received energy was handed over, so nothing is billed or credited for it."
    yield from _seam_notes(account.whole)
    yield from _clock_notes(account)


def _bills_received(card: RateCard) -> bool:
    return any(charge.determinant.channel is Channel.RECEIVED for charge in card.charges)


def _seam_notes(whole: Span) -> Iterator[str]:
    tz = zone_of(whole.zone)
    for verb, at, side in (("begins", whole.opens, "before"), ("ends", whole.closes, "behind")):
        if at is not None:
            yield (
                f"The bill {verb} at {at.astimezone(tz):%Y-%m-%d %H:%M} in {whole.zone}, not at midnight: the bill "
                f"{side} it was made in another time zone, and each hour is billed once."
            )


def _clock_notes(account: Account) -> Iterator[str]:
    panel = account.usage.panels[Channel.DELIVERED]
    offsets = local_calendar(panel.start, panel.interval, panel.slots, account.whole.zone).offset_s
    for slot in np.flatnonzero(np.diff(offsets)).tolist():
        day = (panel.start + panel.interval * (slot + 1)).astimezone(account.point.tz).date()
        hours = 24 - int(offsets[slot + 1] - offsets[slot]) / 3600
        yield f"The clocks change on {day.isoformat()}, a day of {hours:g} hours."

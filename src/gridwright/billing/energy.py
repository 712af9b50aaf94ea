"""Energy charges: sums by label, climbed up their ladders, become lines."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from gridwright.billing.basis import block_text, energy_basis
from gridwright.billing.determinants import Determinants
from gridwright.billing.spans import Span
from gridwright.billing.tiers import ZERO, Part, block_limits, fill, price_parts, share
from gridwright.billing.usage import Account, to_kwh
from gridwright.domain.bill import BillLine
from gridwright.domain.errors import RateRefused
from gridwright.domain.rate import Allocate, Charge, Per, Price, TierMode

Filled = dict[str, list[Decimal]]


@dataclass(frozen=True, slots=True)
class Priced:
    """A charge with ladders, the span it is priced over, and the sums it is priced from."""

    charge: Charge
    price: Price
    span: Span
    sums: Determinants

    def counts(self, row: int, label: str) -> int:
        """Return the counts of a label; "" = of all labels that the charge names."""
        return int(self.sums.energy[row, self.columns(label)].sum())

    def columns(self, label: str) -> list[int]:
        """Return the columns of a label; "" = of all labels that the charge names."""
        wanted = (label,) if label else (self.charge.determinant.labels or self.sums.labels)
        return [self.sums.labels.index(name) for name in wanted]

    def kwh(self, counts: float) -> Decimal:
        """Return counts as the billed quantity."""
        return to_kwh(counts, self.sums.exponent, self.charge.determinant.multiplier, self.charge.quantity_places)


def energy_lines(charge: Charge, price: Price, span: Span, account: Account) -> list[BillLine]:
    """Price the energy of one span; a ladder that starts anew each month or year is priced part by part."""
    if not account.has(charge.determinant.channel):
        return []
    lines: list[BillLine] = []
    for part in _climbs(price, span):
        priced = Priced(charge, price, part, account.usage.determinants(charge.determinant, part))
        limits = {
            ladder.label: block_limits(price, ladder.blocks, (part, account.whole), charge) for ladder in price.ladders
        }
        used = _used(priced, account)
        filled = (
            _fill_pool(priced, limits, used, account) if price.pooled else _fill_each(priced, limits, used, account)
        )
        lines.extend(_line(piece, priced, account) for piece in price_parts(price, filled, limits))
    return lines


def _climbs(price: Price, span: Span) -> list[Span]:
    if not price.tiered or price.reset is Per.BILL:
        return [span]
    months = span.by_month()
    if price.reset is Per.MONTH:
        return months
    return span.cut(part.first for part in months if part.first.month == 1)


def _used(priced: Priced, account: Account) -> Decimal:
    """Return the use since New Year before the bill: known, or the span begins on 1 January."""
    if priced.price.reset is not Per.YEAR or not priced.price.tiered:
        return ZERO
    if (priced.span.first.month, priced.span.first.day) == (1, 1):
        return ZERO
    before = account.carried.get(priced.charge.id)
    if before is None:
        raise RateRefused(
            f"charge {priced.charge.id} climbs a yearly ladder, and the use before {priced.span.first} is not known",
            remedy=f'hand over carried={{"{priced.charge.id}": kWh since 1 January}}',
        )
    return before + _earlier(priced, account)


def _earlier(priced: Priced, account: Account) -> Decimal:
    if priced.span.first == account.whole.first:
        return ZERO
    before = account.whole.up_to(priced.span.first)
    sums = account.usage.determinants(priced.charge.determinant, before)
    return Priced(priced.charge, priced.price, before, sums).kwh(priced.counts(account.row, ""))


def _fill_each(priced: Priced, limits: Filled, used: Decimal, account: Account) -> Filled:
    return {
        label: fill(priced.kwh(priced.counts(account.row, label)), limits[label], priced.price.mode, used)
        for label in limits
    }


def _fill_pool(priced: Priced, limits: Filled, used: Decimal, account: Account) -> Filled:
    price, places = priced.price, priced.charge.quantity_places
    own = {label: priced.kwh(priced.counts(account.row, label)) for label in limits}
    bounds = next(iter(limits.values()))
    if price.allocate is Allocate.CHRONOLOGICAL and price.mode is TierMode.GRADUATED:
        return _fill_in_time(priced, bounds, used, account)
    total = fill(sum(own.values(), ZERO), bounds, price.mode, used)
    return {label: share(total, quantity, places) for label, quantity in own.items()}


def _fill_in_time(priced: Priced, bounds: list[Decimal], used: Decimal, account: Account) -> Filled:
    """Let the energy fill the blocks in the order in which it flowed."""
    determinant = priced.charge.determinant
    labels = account.labels(determinant, priced.span)
    columns = priced.columns("")
    counts = np.where(np.isin(labels, columns), np.nan_to_num(account.part(determinant.channel, priced.span)), 0.0)
    running = np.r_[0.0, np.cumsum(counts)]
    unit = Fraction(10) ** (priced.sums.exponent - 3) * Fraction(determinant.multiplier)
    edges = [float(int((Fraction(bound) - Fraction(used)) / unit)) for bound in bounds]
    reached = np.array([np.clip(running, -np.inf, edge) for edge in (max(edge, 0.0) for edge in edges)] + [running])
    by_label = {
        label: [int(np.diff(level)[labels == column].sum()) for level in reached]
        for label, column in ((name, priced.sums.labels.index(name)) for name in determinant.labels)
    }
    return {label: _steps([priced.kwh(level) for level in levels]) for label, levels in by_label.items()}


def _steps(levels: list[Decimal]) -> list[Decimal]:
    return [after - before for before, after in zip([ZERO, *levels], levels, strict=False)]


def _line(part: Part, priced: Priced, account: Account) -> BillLine:
    charge, columns = priced.charge, priced.columns(part.label)
    block = block_text(part) if priced.price.tiered else ""
    suffix = ", ".join(text for text in (part.label, block) if text)
    return BillLine(
        charge=charge.id,
        text=f"{charge.text} ({suffix})" if suffix else charge.text,
        quantity=part.quantity,
        unit="kWh",
        price=part.rate,
        currency=account.card.currency,
        rounding=charge.rounding,
        period=priced.span.period,
        determinant=f"{charge.determinant.channel}/{charge.determinant.reduce}",
        label=part.label,
        block=block,
        intervals=int(priced.sums.slots[columns].sum()),
        estimated=int(priced.sums.estimated[account.row, columns].sum()),
        basis=energy_basis(part, charge, priced.span, account),
        ledger_account=charge.ledger_account,
    )

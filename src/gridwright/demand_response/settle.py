"""Settlement: what each participant is paid, and the portfolio, from unrounded sums; run again, it says the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from gridwright.demand_response.performance import Delivered, Uncertainty, uncertainty
from gridwright.domain.bill import BillLine, plain
from gridwright.domain.program import Event, Performance, Program, payment_of

ZERO = Decimal(0)
LEDGER_ACCOUNT = "demand_response"


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All participants together. `reduction_kwh` is total baseline less total use: who used more counts against it.

    `paid_kwh` adds up only what was saved, as payments do. `band_kwh`: half-width of the 80 % band of the whole.
    """

    participants: int
    measured: int
    baseline_kwh: Decimal
    actual_kwh: Decimal
    paid_kwh: Decimal
    payment: Decimal
    currency: str
    committed_kw: float | None = None
    delivered_kw: float = 0.0
    bias_kwh: float | None = None
    band_kwh: float | None = None

    @property
    def reduction_kwh(self) -> Decimal:
        """Energy not used by all together."""
        return self.baseline_kwh - self.actual_kwh

    def to_dict(self) -> dict[str, Any]:
        """Return the portfolio as a JSON object."""
        return {
            "participants": self.participants,
            "measured": self.measured,
            "baseline_kwh": plain(self.baseline_kwh),
            "actual_kwh": plain(self.actual_kwh),
            "reduction_kwh": plain(self.reduction_kwh),
            "paid_kwh": plain(self.paid_kwh),
            "payment": plain(self.payment),
            "currency": self.currency,
            "committed_kw": self.committed_kw,
            "delivered_kw": self.delivered_kw,
            "bias_kwh": self.bias_kwh,
            "band_kwh": self.band_kwh,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Portfolio:
        """Read `to_dict` back."""
        known = {item.name: data[item.name] for item in fields(cls)}
        exact = {name: Decimal(known[name]) for name in ("baseline_kwh", "actual_kwh", "paid_kwh", "payment")}
        return cls(**{**known, **exact})


@dataclass(frozen=True, slots=True)
class Settlement:
    """The statement of an event: what each delivered and is paid, the portfolio, and who could not be measured.

    `statement_hash` is the same for the same event, roster, prices, readings and rule version.
    """

    event: Event
    rule: str
    performances: tuple[Performance, ...]
    portfolio: Portfolio
    statement_hash: str
    problems: Mapping[str, str] = field(default_factory=dict, hash=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the statement as a JSON object."""
        return {
            "event": self.event.id,
            "program": self.event.program,
            "period": plain(self.event.period),
            "state": str(self.event.state),
            "rule": self.rule,
            "statement_hash": self.statement_hash,
            "portfolio": self.portfolio.to_dict(),
            "performances": [performance_dict(each) for each in self.performances],
            "problems": dict(self.problems),
        }


def settle(
    event: Event,
    program: Program,
    parts: Sequence[Delivered],
    committed_kw: Mapping[str, float] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Settlement:
    """Settle an event from what its participants delivered, in parts of any number of usage points.

    `problems`: why some usage points are in no part at all.
    """
    committed = committed_kw or {}
    order = {point: place for place, point in enumerate(event.participants)}
    rows = [(part.points[row], part, row) for part in parts for row in part.measurable if part.points[row] in order]
    rows.sort(key=lambda each: order[each[0]])
    performances = tuple(_performance(event, program, part, row, committed.get(name)) for name, part, row in rows)
    own = {point: error.message for part in parts for point, error in part.problems.items() if point in order}
    rule = next((part.baseline.rule.label for part in parts), "")
    promised = [committed[name] for name, _, _ in rows if name in committed]
    portfolio = portfolio_of(
        event,
        program,
        performances,
        committed_kw=sum(promised) if promised else None,
        delivered_kw=sum(part.kw(row) for _, part, row in rows),
        miss=uncertainty(parts),
    )
    return Settlement(
        event, rule, performances, portfolio, statement_hash(event, program, performances), {**own, **(problems or {})}
    )


def portfolio_of(
    event: Event,
    program: Program,
    performances: Sequence[Performance],
    *,
    committed_kw: float | None = None,
    delivered_kw: float = 0.0,
    miss: Uncertainty | None = None,
) -> Portfolio:
    """Add up the performances; the reduction follows from the sums, never from parts cut off at zero."""
    return Portfolio(
        participants=len(event.participants),
        measured=len(performances),
        baseline_kwh=sum((each.baseline_kwh for each in performances), ZERO),
        actual_kwh=sum((each.actual_kwh for each in performances), ZERO),
        paid_kwh=sum((max(each.reduction_kwh, ZERO) for each in performances), ZERO),
        payment=sum((each.payment for each in performances), ZERO),
        currency=program.currency,
        committed_kw=committed_kw,
        delivered_kw=round(delivered_kw, 6),
        bias_kwh=round(miss.bias_kwh, 6) if miss else None,
        band_kwh=round(miss.band_kwh, 6) if miss else None,
    )


def statement_hash(event: Event, program: Program, performances: Sequence[Performance]) -> str:
    """Return the digest of all that the statement rests on."""
    terms = (event.id, program.id, program.currency, str(program.price_per_kwh), str(event.period))
    used = [f"{each.usage_point}|{each.rule}|{each.usage_hash}" for each in performances]
    return _digest("\n".join([*terms, *event.participants, "--", *used]).encode())


def credit(performance: Performance, event: Event, price_per_kwh: Decimal) -> BillLine:
    """Return the bill line that pays a performance: the energy saved at the program's price, to the customer's good.

    What was settled stays: where the program's price has changed since, the line's price follows from the payment.
    """
    saved = max(performance.reduction_kwh, ZERO)
    price = price_per_kwh
    if payment_of(saved, price, performance.currency) != performance.payment:
        price = performance.payment / saved
    days = f", {len(performance.days)} like days" if performance.days else ""
    return BillLine(
        charge=f"event {event.id}",
        text="Demand response: energy saved",
        quantity=saved,
        unit="kWh",
        price=-price,
        currency=performance.currency,
        period=event.period,
        determinant="reduction",
        basis=(
            f"baseline {performance.baseline_kwh:f} kWh ({performance.rule}{days}, adjusted by "
            f"{performance.adjustment:.4f}) less {performance.actual_kwh:f} kWh used; no tax is added to it"
        ),
        ledger_account=LEDGER_ACCOUNT,
    )


def performance_dict(performance: Performance) -> dict[str, Any]:
    """Return a performance as a JSON object; decimals as texts."""
    return {
        "event": performance.event,
        "usage_point": performance.usage_point,
        "baseline_kwh": plain(performance.baseline_kwh),
        "actual_kwh": plain(performance.actual_kwh),
        "reduction_kwh": plain(performance.reduction_kwh),
        "payment": plain(performance.payment),
        "currency": performance.currency,
        "adjustment": performance.adjustment,
        "days": [day.isoformat() for day in performance.days],
        "rule": performance.rule,
        "usage_hash": performance.usage_hash,
        "note": performance.note,
    }


def _performance(event: Event, program: Program, part: Delivered, row: int, committed_kw: float | None) -> Performance:
    expected, actual = _kwh(part.base_wh[row]), _kwh(part.actual_wh[row])
    reduction = expected - actual
    notes = list(part.notes(row, committed_kw))
    if reduction < 0:
        notes.insert(0, "more was used than the baseline: nothing is paid, and nothing is charged")
    return Performance(
        event=event.id,
        usage_point=part.points[row],
        baseline_kwh=expected,
        actual_kwh=actual,
        payment=payment_of(reduction, program.price_per_kwh, program.currency),
        currency=program.currency,
        adjustment=round(float(part.baseline.adjustment[row]), 6),
        days=part.baseline.days(row, part.like),
        rule=part.baseline.rule.label,
        usage_hash=_digest(*_evidence(event, part, row)),
        note="; ".join(notes),
    )


def _kwh(wh: Any) -> Decimal:  # noqa: ANN401 - an array of floats
    """Add up energy and round it to the watt-hour, which is the only rounding before money."""
    return Decimal(round(float(np.nansum(wh)))).scaleb(-3)


def _evidence(event: Event, part: Delivered, row: int) -> Iterator[bytes]:
    """Yield what a row's figures follow from: rule, period, days, and the readings of all of them."""
    base = part.baseline
    days: tuple[date, ...] = base.days(row, part.like)
    yield f"{base.rule.label}|{event.period}|{part.points[row]}|{[day.isoformat() for day in days]}".encode()
    taken = [0, *(1 + np.flatnonzero(base.chosen[row])).tolist()]
    yield np.ascontiguousarray(part.like.wh[row, taken], dtype="<f8").tobytes()
    yield np.packbits(part.like.estimated[row, taken]).tobytes()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()

"""Settlement by hand: what is paid, what is only shown, and that the same inputs make the same statement."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gridwright.billing import postings
from gridwright.billing.credit_line import with_credits
from gridwright.demand_response import BASELINES, Portfolio, Settlement, credit, measure, settle
from gridwright.domain import quality as q
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.interval import Interval, local_midnight, local_month
from gridwright.domain.panel import Panel
from gridwright.domain.program import Event, Program

ZONE = "Europe/Berlin"
TZ = ZoneInfo(ZONE)
HOUR = timedelta(hours=1)
START = local_midnight(date(2025, 1, 6), TZ)
PERIOD = Interval(datetime(2025, 2, 26, 17, tzinfo=TZ), datetime(2025, 2, 26, 19, tzinfo=TZ))
PROGRAM = Program("peak", "Peak saver", "EUR", Decimal("0.50"))
NAMES = ("UP-1", "UP-2", "UP-3", "UP-4")
EVENT = Event("E-1", "peak", PERIOD, NAMES, opted_out=("UP-4",))
FIRST = (PERIOD.start - START) // HOUR


def a_panel() -> Panel:
    """1000 Wh an hour on all days. In the event UP-1 uses 400 + 591, UP-2 1500 + 1000, UP-3 nothing that is known."""
    values = np.full((4, 60 * 24), 1000.0)
    values[0, FIRST : FIRST + 2] = 400, 591
    values[1, FIRST : FIRST + 2] = 1500, 1000
    values[2, FIRST : FIRST + 2] = np.nan
    values[3, FIRST : FIRST + 2] = 0
    return Panel(NAMES, START, HOUR, values)


def a_settlement(panel: Panel | None = None, event: Event = EVENT, rule: str = "10-of-10") -> Settlement:
    done = measure(panel or a_panel(), PERIOD, BASELINES[rule], zone=ZONE)
    return settle(event, PROGRAM, [done], {"UP-1": 0.5})


def test_who_saved_is_paid_and_who_used_more_is_shown() -> None:
    statement = a_settlement()
    first, second = statement.performances
    assert (first.baseline_kwh, first.actual_kwh) == (Decimal("2.000"), Decimal("0.991"))
    assert first.reduction_kwh == Decimal("1.009")
    assert first.payment == Decimal("0.50")  # 1.009 × 0.50 = 0.5045
    assert "0.50 kW of 0.5 kW committed (101%)" in first.note
    assert (second.reduction_kwh, second.payment) == (Decimal("-0.500"), Decimal("0.00"))
    assert second.note.startswith("more was used than the baseline")
    assert statement.problems == {"UP-3": "2 of 2 intervals of the event have no measured value"}
    assert statement.rule == first.rule == "10-of-10 v1"


def test_the_portfolio_follows_from_the_sums_and_not_from_parts_cut_off_at_zero() -> None:
    whole = a_settlement().portfolio
    assert whole.reduction_kwh == Decimal("0.509")  # 1.009 − 0.500
    assert whole.paid_kwh == Decimal("1.009")
    assert whole.payment == Decimal("0.50")
    assert (whole.participants, whole.measured) == (3, 2)
    assert whole.delivered_kw == pytest.approx(0.509 / 2)
    assert whole.committed_kw == 0.5
    assert Portfolio.from_dict(whole.to_dict()) == whole


def test_the_same_inputs_make_the_same_statement_and_other_ones_another() -> None:
    statement = a_settlement()
    assert a_settlement() == statement
    changed = a_panel()
    changed.values[0, FIRST + 1] += 1
    hashes = {
        statement.statement_hash,
        a_settlement(changed).statement_hash,
        a_settlement(rule="10-of-10-unadjusted").statement_hash,
        a_settlement(event=replace(EVENT, opted_out=())).statement_hash,
    }
    assert len(hashes) == 4


def test_a_reading_that_the_baseline_does_not_rest_on_changes_nothing() -> None:
    changed = a_panel()
    changed.values[0, 30] += 500  # the second day of the year's second week is too long ago
    assert a_settlement(changed).statement_hash == a_settlement().statement_hash


def test_estimates_in_the_event_are_left_out_and_told() -> None:
    event = Interval(PERIOD.start, PERIOD.end + 6 * HOUR)
    panel = a_panel()
    panel.quality[0, FIRST] = q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)
    done = measure(panel, event, BASELINES["10-of-10"], zone=ZONE)
    assert np.isnan(done.reduction_wh[0, 0])
    assert done.reduction_wh[0, 1] == pytest.approx(409)
    assert "1 of 8 intervals are estimated and left out" in done.notes(0)


def test_the_order_of_the_parts_does_not_matter() -> None:
    panel = a_panel()
    done = [measure(panel.rows([row]), PERIOD, BASELINES["10-of-10"], zone=ZONE) for row in (2, 1, 0)]
    assert settle(EVENT, PROGRAM, done, {"UP-1": 0.5}) == a_settlement()


def test_the_uncertainty_comes_from_days_without_event() -> None:
    panel = a_panel()
    panel.values[:2, :FIRST] += np.tile(np.repeat([-100.0, 100.0], 24), 40)[:FIRST]
    # Five days at 1100 and five at 900: two hours of two homes miss by ±100 × 10/9 × 4 Wh = ±0.444 kWh.
    whole = a_settlement(panel, rule="10-of-10-unadjusted").portfolio
    assert whole.band_kwh == pytest.approx(1.2816 * 0.4444 * (10 / 9) ** 0.5, rel=1e-3)
    assert whole.bias_kwh == pytest.approx(0, abs=1e-6)
    # The hours before show which of the two a day is.
    assert a_settlement(panel).portfolio.band_kwh == pytest.approx(0, abs=1e-6)


# --- the bill ---------------------------------------------------------------------------------------------------------


def a_bill() -> Bill:
    month = local_month(2025, 2, TZ)
    energy = BillLine("energy", "Energy", Decimal(100), "kWh", Decimal("0.30"), "EUR")
    tax = BillLine("vat", "VAT", Decimal("30.00"), "EUR", Decimal("0.19"), "EUR", ledger_account="vat")
    return Bill(
        "UP-1-2025-02-01-0a1b2c3d", "0a1b2c3d" * 8, "UP-1", month, ZONE, "card 1", "EUR", (energy, tax), "u", month.end
    )


def test_the_credit_is_a_line_that_explains_itself() -> None:
    statement = a_settlement()
    line = credit(statement.performances[0], EVENT, PROGRAM.price_per_kwh)
    assert line.amount == -statement.performances[0].payment
    assert (line.quantity, line.price) == (Decimal("1.009"), Decimal("-0.50"))
    assert line.basis == (
        "baseline 2.000 kWh (10-of-10 v1, 10 like days, adjusted by 1.0000) less 0.991 kWh used; no tax is added to it"
    )


def test_a_price_changed_later_does_not_change_what_was_settled() -> None:
    performance = a_settlement().performances[0]
    assert credit(performance, EVENT, Decimal("0.80")).amount == -performance.payment


def test_the_bill_with_the_credit_is_another_bill_and_its_postings_balance() -> None:
    line = credit(a_settlement().performances[0], EVENT, PROGRAM.price_per_kwh)
    bill = a_bill()
    credited = with_credits(bill, [line])
    assert credited.total == bill.total - Decimal("0.50") == sum(each.amount for each in credited.lines)
    assert credited.key != bill.key
    assert len(credited.key) == 64
    assert credited.id == f"UP-1-2025-02-01-{credited.key[:8]}"
    assert credited.notes == ("Demand response: energy saved, event E-1: 0.50 EUR to your credit.",)
    assert with_credits(bill, [line]) == credited
    lines = postings(credited)
    assert sum(each.amount for each in lines) == 0
    assert {each.account: each.amount for each in lines}["demand_response"] == Decimal("0.50")


def test_no_credit_leaves_the_bill_as_it_is() -> None:
    assert with_credits(a_bill(), []) is not None
    assert with_credits(a_bill(), []) == a_bill()


def test_a_credit_in_another_currency_is_told_and_not_mixed_in() -> None:
    line = replace(credit(a_settlement().performances[0], EVENT, PROGRAM.price_per_kwh), currency="CHF")
    told = with_credits(a_bill(), [line])
    assert told.total == a_bill().total
    assert told.key == a_bill().key
    assert told.notes == ("Demand response: energy saved, event E-1: 0.50 CHF are not on this bill in EUR.",)

"""Rating: windows, missing values, received energy, proration, taxes; and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright import billing
from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch, RateError, RateRefused
from gridwright.domain.panel import Panel, concat_points
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from tests.unit.billing.builders import BERLIN, KNOWN, a_bill, a_card, a_panel, a_period, flat

APRIL = a_period("2026-04")
ENERGY = '[[charges]]\nid = "energy"\nprice.rate = 0.25\n'
FEED_IN = '[[charges]]\nid = "feed-in"\nquantity.ch = "export"\nprice.rate = -0.08\n'


def test_missing_values_are_counted_and_told() -> None:
    panel = flat(APRIL, 1000)
    panel.values[0, :5] = np.nan
    quality = panel.quality.copy()
    quality[0, :5] = q.MISSING
    quality[0, 7] = q.pack(q.Status.REJECTED)
    quality[0, 10:13] = q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)
    bill = a_bill(panel.with_values(panel.values, quality), a_card(ENERGY))
    assert (bill.intervals, bill.missing, bill.estimated) == (720, 6, 3)
    assert bill.energy_kwh == Decimal("714.000")
    assert bill.lines[0].estimated == 3
    assert any("6 of 720 intervals have no value" in note for note in bill.notes)


def test_the_period_is_every_day_touched_unless_given() -> None:
    panel = flat(APRIL, 1000).slice(5, 50)
    bill = a_bill(panel, a_card(ENERGY))
    assert bill.period == a_period("2026-04-01/2026-04-04")
    assert bill.missing == 72 - 45
    assert a_bill(flat(APRIL, 1000), a_card(ENERGY), period=a_period("2026-04-02")).energy_kwh == 24
    assert sum(bill.daily_kwh) == bill.energy_kwh
    assert len(bill.daily_kwh) == 3


def test_a_period_runs_between_local_midnights() -> None:
    utc_day = a_period("2026-04-02", "UTC")
    with pytest.raises(RateError, match="midnight in Europe/Berlin"):
        a_bill(flat(APRIL, 1000), a_card(ENERGY), period=utc_day)
    with pytest.raises(RateError, match="empty"):
        a_bill(flat(APRIL, 1000).slice(0, 0), a_card(ENERGY))


def test_received_energy_is_credited() -> None:
    received = flat(APRIL, 500, kind=RECEIVED_ENERGY)
    point = UsagePoint("UP-1", BERLIN, exports=True)
    bill = a_bill(flat(APRIL, 1000), a_card(ENERGY + FEED_IN), usage_point=point, received=received)
    assert [line.amount for line in bill.lines] == [Decimal("180.00"), Decimal("-28.80")]
    assert bill.total == Decimal("151.20")
    assert sum(line.amount for line in billing.postings(bill)) == 0


def test_received_energy_is_never_guessed() -> None:
    card = a_card(ENERGY + FEED_IN)
    with pytest.raises(RateRefused, match="exports, but no received energy"):
        a_bill(flat(APRIL, 1000), card, usage_point=UsagePoint("UP-1", BERLIN, exports=True))
    bill = a_bill(flat(APRIL, 1000), card)
    assert [line.charge for line in bill.lines] == ["energy"]
    assert any("No received energy" in note for note in bill.notes)


def test_the_same_usage_gives_the_same_key() -> None:
    card = a_card(ENERGY)
    first, again = (a_bill(flat(APRIL, 1000), card, known_at=at) for at in (KNOWN, KNOWN + timedelta(days=9)))
    assert first.key == again.key
    changed = flat(APRIL, 1000)
    changed.values[0, 3] += 1
    assert a_bill(changed, card).key != first.key
    quality = flat(APRIL, 1000).quality.copy()
    quality[0, 3] = q.ACTUAL
    assert a_bill(flat(APRIL, 1000).with_values(changed.values, quality), card).usage_hash != first.usage_hash
    assert a_bill(flat(APRIL, 1000), card, period=a_period("2026-04-02")).key != first.key


def test_many_bills_equal_single_ones() -> None:
    rows = np.arange(5 * 720, dtype=float).reshape(5, 720)
    rows[2, 5] = np.nan
    panel = a_panel(rows, APRIL.start)
    points = [UsagePoint(name, BERLIN) for name in panel.points]
    card = a_card(ENERGY)
    together = list(billing.rate_all(panel, card, usage_points=points, known_at=KNOWN))
    assert together == [a_bill(panel.row(point.id), card, usage_point=point) for point in points]


FIXED = '[[charges]]\nid = "fixed"\nquantity.reduce = "one"\nprice.rate = 10.01\n'


@pytest.mark.parametrize(
    ("charge", "period", "amounts"),
    [
        (FIXED, "2026-04", ["10.01"]),
        (FIXED, "2026", ["120.12"]),
        (FIXED, "2026-04-01/2026-04-16", ["5.01"]),
        (FIXED, "2026-01-17/2026-03-08", ["10.01", "4.84", "2.26"]),
        (FIXED.replace("quantity", 'prorate = "none"\nquantity'), "2026-01-17/2026-03-08", ["30.03"]),
        (FIXED.replace('"one"', '"count_days"'), "2026-03", ["310.31"]),
        (FIXED.replace("quantity.reduce", "quantity.when.months = [2]\nquantity.reduce"), "2026", ["10.01"]),
        ("[[charges]]\nid = 'e'\nprice.rate = 0\n[minimum]\namount = 30\n", "2026-04-01/2026-04-16", ["0.00", "15.00"]),
        (
            "[[charges]]\nid = 'e'\nprice.rate = 0\n[minimum]\namount = 365\nper = 'year'\n",
            "2026-04",
            ["0.00", "30.00"],
        ),
    ],
)
def test_time_is_prorated_by_days(charge: str, period: str, amounts: list[str]) -> None:
    bill = a_bill(flat(a_period(period), 0), a_card(charge))
    assert [f"{line.amount:f}" for line in bill.lines] == amounts


def test_taxes_are_dated_compound_and_exempt() -> None:
    taxes = (
        "[[taxes]]\ncode = 'old'\nrate = 0.10\nto = 2026-04-16\n"
        "[[taxes]]\ncode = 'new'\nrate = 0.20\nfrom = 2026-04-16\n"
        "[[taxes]]\ncode = 'city'\nrate = 0.10\ncompound = true\nexempt_if = 'free'\n"
    )
    card = a_card(ENERGY + taxes)
    bill = a_bill(flat(APRIL, 1000), card)
    amounts = {line.charge: str(line.amount) for line in bill.lines if line.determinant == "tax"}
    assert amounts == {"old": "9.00", "new": "18.00", "city": "20.70"}
    free = UsagePoint("UP-1", BERLIN, attributes={"free": "yes"})
    assert "city" not in {line.charge for line in a_bill(flat(APRIL, 1000), card, usage_point=free).lines}


def test_charges_apply_by_attributes() -> None:
    solar = ENERGY + "applies = { has_solar = true }\n"
    assert a_bill(flat(APRIL, 1000), a_card(solar)).lines == ()
    by_area = a_card(ENERGY + 'applies = { class = "residential", area = "north" }\n')
    north = UsagePoint("UP-1", BERLIN, attributes={"area": "north"})
    assert a_bill(flat(APRIL, 1000), by_area, usage_point=north).lines
    with pytest.raises(RateRefused, match="applies by 'area'"):
        a_bill(flat(APRIL, 1000), by_area)


def test_demand_by_label_with_a_floor() -> None:
    text = (
        "[calendars.c]\nlabels = ['off', 'on']\nweekday = [[" + "0, " * 12 + "1, " * 12 + "]]\n"
        "[[charges]]\nid = 'd'\nprice.rate = 2\n[charges.quantity]\nreduce = 'max'\nfloor_kw = 3\n"
        "when = { calendar = 'c', labels = ['on'] }\nwindow = { length = '60m' }\n"
    )
    panel = flat(a_period("2026-03-15/2026-05-01"), 100)
    panel.values[0, 5] = 9000  # in the night: another label
    panel.values[0, 14] = 4500
    lines = a_bill(panel, a_card(text)).lines
    assert [f"{line.quantity:f}" for line in lines] == ["4.500", "3"]
    assert "Sun 2026-03-15 14:00" in lines[0].basis
    with pytest.raises(RateRefused, match="windows of 15 min"):
        a_bill(panel, a_card(text.replace("'60m'", "'15m'")))


def test_notes_name_what_a_reader_should_know() -> None:
    card = a_card("class = 'commercial'\ntz = 'Europe/Paris'\n" + ENERGY)
    notes = " ".join(a_bill(flat(a_period("2026-03-29"), 1000), card, example=True).notes)
    for told in ("Example rate", "Europe/Paris", "class commercial", "2026-03-29, a day of 23 hours"):
        assert told in notes


YEARLY = '[[charges]]\nid = "energy"\nprice = { reset = "year", blocks = [{ upto = 1000, rate = 1 }, { rate = 2 }] }\n'


def test_yearly_ladders_carry_on_and_start_anew() -> None:
    card = a_card(YEARLY)
    winter = a_period("2026-12-01/2027-02-01")
    bill = a_bill(flat(winter, 1000), card, carried={"energy": Decimal(900)})
    assert [f"{line.quantity:f}" for line in bill.lines] == ["100.000", "644.000", "744.000"]
    assert a_bill(flat(a_period("2026-01"), 1000), card).total == 744
    with pytest.raises(RateRefused, match="use before 2026-12-01 is not known"):
        a_bill(flat(winter, 1000), card)


def test_monthly_ladders_start_anew_each_month() -> None:
    card = a_card(YEARLY.replace("year", "month"))
    bill = a_bill(flat(a_period("2026-03-01/2026-04-16"), 2000), card)
    # 31 days of March (743 h) and half of April, whose block is half as long.
    assert [f"{line.quantity:f}" for line in bill.lines] == ["1000.000", "486.000", "500.000", "220.000"]


def test_chronological_blocks_fill_in_the_order_of_time() -> None:
    text = (
        "[calendars.c]\nlabels = ['am', 'pm']\nweekday = [[" + "0, " * 12 + "1, " * 12 + "]]\n"
        "[[charges]]\nid = 'e'\nquantity.when.calendar = 'c'\n[charges.price]\nscope = 'pooled'\nallocate = '{}'\n"
        "label_blocks.am = [{{ upto = 15, rate = 1 }}, {{ rate = 2 }}]\n"
        "label_blocks.pm = [{{ upto = 15, rate = 3 }}, {{ rate = 4 }}]\n"
    )
    day = flat(a_period("2026-04-01"), 1000)
    parts = {
        how: [f"{line.label} {line.quantity:f}" for line in a_bill(day, a_card(text.format(how))).lines]
        for how in ("chronological", "proportional")
    }
    assert parts["chronological"] == ["am 12.000", "pm 3.000", "pm 9.000"]
    assert parts["proportional"] == ["am 7.500", "am 4.500", "pm 7.500", "pm 4.500"]


def test_volume_prices_all_at_the_block_reached() -> None:
    blocks = "price = { mode = 'volume', blocks = [{ upto = 24, rate = 1 }, { rate = 0.5 }] }\n"
    card = a_card("[[charges]]\nid = 'e'\n" + blocks)
    assert a_bill(flat(a_period("2026-04-01"), 1000), card).total == 24
    assert a_bill(flat(a_period("2026-04-01"), 1001), card).total == Decimal("12.01")


def test_a_card_is_not_stretched_beyond_its_dates() -> None:
    with pytest.raises(RateRefused, match="is valid"):
        a_bill(flat(APRIL, 1000), a_card("valid = [2026-04-02]\n" + ENERGY))


def test_power_registers_and_fractions_are_no_energy_to_bill() -> None:
    with pytest.raises(RateError, match="cannot be billed"):
        a_bill(flat(APRIL, 1000, kind=DELIVERED_REGISTER), a_card(ENERGY))
    with pytest.raises(RateError, match="fractions"):
        a_bill(flat(APRIL, 0.5), a_card(ENERGY))


def test_rows_and_usage_points_must_fit() -> None:
    both = concat_points([flat(APRIL, 1), Panel(("UP-2",), APRIL.start, timedelta(hours=1), np.ones((1, 720)))])
    points = (UsagePoint("UP-1", BERLIN), UsagePoint("UP-2", "Europe/Paris"))
    for given, message in ((points[:1], "2 rows for 1"), (points, "2 zones")):
        with pytest.raises(GridMismatch, match=message):
            list(billing.rate_all(both, a_card(ENERGY), usage_points=given, known_at=KNOWN))
    with pytest.raises(GridMismatch, match="received energy"):
        a_bill(flat(APRIL, 1, kind=RECEIVED_ENERGY), a_card(ENERGY))


def test_contracted_power_must_be_known() -> None:
    card = a_card("[[charges]]\nid = 'p'\nquantity = { ch = 'contract_kw', reduce = 'one' }\nprice.rate = 3\n")
    point = UsagePoint("UP-1", BERLIN, attributes={"contract_kw": "4.6"})
    assert a_bill(flat(APRIL, 0), card, usage_point=point).total == Decimal("13.80")
    with pytest.raises(RateRefused, match="contracted power"):
        a_bill(flat(APRIL, 0), card)


def test_finer_than_a_watt_hour_still_bills_whole_watt_hours() -> None:
    fine = flat(APRIL, 1000).rescaled(-1)
    assert a_bill(fine, a_card(ENERGY)).total == a_bill(flat(APRIL, 1000), a_card(ENERGY)).total
    assert a_bill(fine, a_card(ENERGY)).known_at == datetime(2026, 12, 1, tzinfo=UTC)

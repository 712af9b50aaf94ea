"""Bills month by month: whole civil months, conserved energy, ladders of a year carried on."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from gridwright.billing import example_card, parse_rate_card
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.bill_months import bill_months

ZONE = "Europe/Berlin"
POINT = UsagePoint("UP-1", ZONE)
HOUR = timedelta(hours=1)
YEARLY = """
[tariff]
id = "ladder"
version = 1
name = "Ladder of a year"
currency = "EUR"

[[charges]]
id = "energy"
label = "Energy"
price = { reset = "year", blocks = [{ upto = 1000, per = "bill", rate = 0.10 }, { rate = 0.20 }] }
"""


def a_panel(first: date, last: date, wh: float = 1000) -> Panel:
    period = Interval(local_midnight(first, zone_of(ZONE)), local_midnight(last, zone_of(ZONE)))
    return Panel((POINT.id,), period.start, HOUR, np.full((1, period.slots(HOUR)), wh))


def test_each_civil_month_has_its_bill() -> None:
    panel = a_panel(date(2025, 2, 10), date(2025, 5, 1))
    done = bill_months(panel, example_card(), POINT, known_at=panel.end)
    hours = [bill.energy_kwh for bill in done.bills]
    assert hours == [19 * 24, 31 * 24 - 1, 30 * 24]
    assert sum(hours) == Decimal(str(panel.total_kwh()[0]))
    assert all(
        before.period.end == after.period.start for before, after in zip(done.bills, done.bills[1:], strict=False)
    )


def test_a_ladder_of_a_year_goes_on_from_month_to_month() -> None:
    panel = a_panel(date(2024, 12, 1), date(2025, 3, 1))
    done = bill_months(panel, parse_rate_card(YEARLY, where="test"), POINT, known_at=panel.end)
    january, february = done.bills
    # What was used in 2024 before December is not known, so December is refused rather than guessed.
    assert "2024-12-01 is not known" in done.notes[0]
    assert january.total == Decimal("74.40")
    # 744 kWh of the first block are used: 256 remain at 0.10, 416 cost 0.20.
    assert february.total == Decimal("108.80")


def test_a_period_without_readings_is_told() -> None:
    panel = a_panel(date(2025, 3, 1), date(2025, 4, 1))
    year = Interval(local_midnight(date(2019, 1, 1), zone_of(ZONE)), local_midnight(date(2020, 1, 1), zone_of(ZONE)))
    done = bill_months(panel, example_card(), POINT, known_at=panel.end, period=year)
    assert done.bills == ()
    assert "UP-1 has no readings in 2018-12-31" in done.notes[0]


def test_a_card_that_is_not_valid_leaves_a_note_and_bills_the_rest() -> None:
    card = parse_rate_card(YEARLY.replace("[[charges]]", "valid = [2025-01-01]\n[[charges]]", 1), where="test")
    panel = a_panel(date(2024, 12, 1), date(2025, 2, 1))
    done = bill_months(panel, card, POINT, known_at=panel.end)
    assert len(done.bills) == 1
    assert "valid" in done.notes[0]

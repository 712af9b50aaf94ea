"""What it costs, and what a battery would change: a month's bill in full, all months, and the last weeks again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from gridwright.billing.explain import tidy
from gridwright.dispatch import WhatIf
from gridwright.documents.bill_pdf import days_of, long_date, money
from gridwright.documents.charts.battery import battery_chart
from gridwright.documents.charts.chart import Chart
from gridwright.documents.charts.scale import number
from gridwright.documents.report_text import counted, share
from gridwright.documents.report_views import BatteryView, BillLineView, BillView, Fact, Row, Rows
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.interval import local_month, zone_of

# A battery that turns over less than a hundredth of itself does nothing worth a picture.
LITTLE_USE = 0.01
CENT = 0.005  # what would show as a hundredth


def bill_of(bills: Sequence[Bill]) -> Bill | None:
    """Return the bill to show in full: the last of a whole month, else the last."""
    return next((bill for bill in reversed(bills) if is_whole_month(bill)), bills[-1] if bills else None)


def is_whole_month(bill: Bill) -> bool:
    """Tell whether a bill covers its civil month from the first to the last midnight."""
    first, _ = days_of(bill)
    return bill.period == local_month(first.year, first.month, zone_of(bill.zone))


def bill_view(bills: Sequence[Bill]) -> BillView | None:
    """Show one bill in full and all in a table."""
    bill = bill_of(bills)
    if bill is None:
        return None
    return BillView(
        text=_text(bill),
        example=bill.example,
        lines=tuple(_line(line, bill) for line in bill.lines),
        total=f"{money(bill.total)} {bill.currency}",
        notes=bill.notes,
        months=_months(bills) if len(bills) > 1 else None,
    )


def _text(bill: Bill) -> str:
    first, last = days_of(bill)
    text = f"{long_date(first)} to {long_date(last)}: {bill.energy_kwh:,f} kWh at the rates of {bill.rate_card}"
    doubts = [f"{bill.estimated:,} estimated"] if bill.estimated else []
    doubts += [f"{bill.missing:,} without a value, which are not billed"] if bill.missing else []
    made = f", {' and '.join(doubts)}" if doubts else ", all measured"
    return f"{text}, from {counted(bill.intervals, 'interval')}{made}."


def _line(line: BillLine, bill: Bill) -> BillLineView:
    unit = line.unit if line.unit != bill.currency else ""
    return BillLineView(
        text=line.text,
        basis=line.basis,
        quantity=f"{money(line.quantity)} {line.unit}".strip(),
        price=f"{tidy(line.price).replace('-', '−')} {bill.currency}/{unit}" if unit else tidy(line.price),
        amount=money(line.amount),
    )


def _months(bills: Sequence[Bill]) -> Rows:
    rows = tuple(
        (
            "{:%Y-%m-%d} to {:%Y-%m-%d}".format(*days_of(bill)),
            f"{bill.energy_kwh:,f} kWh",
            f"{bill.estimated:,}",
            f"{bill.missing:,}",
            f"{money(bill.total)} {bill.currency}",
        )
        for bill in bills
    )
    total = (
        "total",
        f"{sum((bill.energy_kwh for bill in bills), Decimal(0)):,f} kWh",
        f"{sum(bill.estimated for bill in bills):,}",
        f"{sum(bill.missing for bill in bills):,}",
        f"{money(sum((bill.total for bill in bills), Decimal(0)))} {bills[0].currency}",
    )
    header = ("period", "energy", "estimated intervals", "missing", "amount")
    return Rows(header, (*rows, total), numbers=True)


def battery_view(what_if: WhatIf | None) -> BatteryView | None:
    """Show what a battery would have saved, on the forecast and with perfect foresight."""
    if what_if is None or not what_if.days:
        return None
    moved = what_if.cycles >= LITTLE_USE
    return BatteryView(
        text=_battery_text(what_if),
        facts=tuple(_battery_facts(what_if)),
        chart=_battery_chart(what_if) if moved else None,
        notes=what_if.notes,
        days=_battery_days(what_if) if moved else None,
    )


def _battery_text(found: WhatIf) -> str:
    battery = found.battery
    round_trip = battery.charge_efficiency * battery.discharge_efficiency
    first, last = found.days[0].day, found.days[-1].day
    power = max(battery.charge_kw, battery.discharge_kw)
    text = (
        f"A battery of {number(battery.capacity_kwh)} kWh and {number(power)} kW that gives back {round_trip:.0%} of "
        f"what it takes, on the {counted(len(found.days), 'whole day')} from {long_date(first)} to {long_date(last)}, "
        "planned each midnight on the forecast of that moment and once more knowing what would come."
    )
    if found.cycles < LITTLE_USE:
        return f"{text} It would stand idle."
    if math.isfinite(found.share_of_perfect):
        text += f" The forecast reaches {share(found.share_of_perfect, 1)} of what perfect foresight would."
    return text


def _battery_facts(found: WhatIf) -> Iterator[Fact]:
    amount = f"{{:,.2f}} {found.currency}".format
    yield Fact("Without a battery", amount(found.cost_without), "cost of the exchange with the grid")
    without = found.cost_without
    for name, saving in (
        ("Saved on the forecast", found.saving_on_forecast),
        ("With perfect foresight", found.saving_perfect),
        ("By the simple rule", found.saving_rule),
    ):
        note = f"{share(saving, without)} of the cost" if without > 0 and saving > 0 else "nothing gained"
        if name.startswith("By"):
            note = "store each surplus, cover each deficit"
        # A saving of −0.00 is none.
        yield Fact(name, amount(round(saving, 2) + 0.0), note)
    yield Fact("Use", f"{number(found.cycles)} cycles", "full discharges in these days")


def _battery_chart(found: WhatIf) -> Chart:
    day = found.average_day
    return battery_chart("The average day with a battery", day.without_kw, day.with_kw, day.stored_kwh, day.buy)


def _battery_days(found: WhatIf) -> Rows:
    def row(name: str, costs: tuple[float, float, float]) -> Row:
        without, planned, perfect = costs
        return (name, f"{without:.2f}", f"{planned:.2f}", f"{without - planned + 0.0:.2f}", f"{perfect:.2f}")

    days = [(f"{d.day}", (d.cost_without, d.cost_on_forecast, d.cost_perfect)) for d in found.days]
    total = tuple(sum(costs[k] for _, costs in days) for k in range(3))
    rows = (*(row(name, costs) for name, costs in days), row("total", (total[0], total[1], total[2])))
    header = ("day", f"without, {found.currency}", "on the forecast", "saved", "with foresight")
    owed = total[0] - total[1] - found.saving_on_forecast
    note = f"The saving above is {owed:.2f} lower: the battery ended emptier than it began." if owed >= CENT else ""
    return Rows(header, rows, numbers=True, note=note)

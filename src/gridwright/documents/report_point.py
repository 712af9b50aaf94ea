"""The part of the page about one usage point: its figures, whether they can be trusted, and how energy is used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date

import numpy as np

from gridwright.analytics import Analysis
from gridwright.documents.charts.chart import Chart
from gridwright.documents.charts.daily import daily_chart
from gridwright.documents.charts.duration import duration_chart
from gridwright.documents.charts.heat_map import heat_map_chart
from gridwright.documents.charts.months import months_chart
from gridwright.documents.charts.profile import DayShape, profile_chart
from gridwright.documents.charts.scale import number
from gridwright.documents.report_data import PointResult
from gridwright.documents.report_forecast import day_ahead_kwh, forecast_view
from gridwright.documents.report_money import battery_view, bill_of, bill_view
from gridwright.documents.report_text import change, clock_of, counted, day, energy, local, minutes, power, share, span
from gridwright.documents.report_trust import findings_view, stretches, trust_text
from gridwright.documents.report_views import Fact, PointView, Row, Rows


def point_view(result: PointResult, anchor: str) -> PointView:
    """Show one usage point in full."""
    found, zone = result.analysis, result.usage_point.tz
    return PointView(
        anchor=anchor,
        id=result.usage_point.id,
        subtitle=(
            f"{span(found.period.start, found.period.end, zone)}, one value every {minutes(found.interval)}, "
            f"{clock_of(result.usage_point.zone)}"
        ),
        facts=tuple(_facts(result)),
        notes=result.notes,
        trust=trust_text(result),
        daily=_daily(found),
        stretches=stretches(found.ribbon, zone),
        findings=findings_view(result.findings, zone),
        charts=tuple(_charts(found)),
        usage=_usage(result),
        forecast=forecast_view(result),
        bill=bill_view(result.bills),
        battery=battery_view(result.what_if),
    )


def _facts(result: PointResult) -> Iterator[Fact]:
    found = result.analysis
    yield Fact("Energy delivered", energy(found.total_kwh), _per_day(found))
    if found.received is not None:
        yield Fact("Energy fed in", energy(found.received.total_kwh), "to the grid, same days")
    top = found.peaks[0] if found.peaks else None
    yield Fact("Highest power", power(found.peak_kw), local(top.at, result.usage_point.tz) if top else "no value")
    if math.isfinite(found.base_kw):
        yield Fact("Base load", power(found.base_kw), f"always on: {share(found.base_kw, found.mean_kw)} of the mean")
    quality = found.ribbon.totals
    slots = sum(quality.values())
    gaps = quality["missing"] + quality["rejected"]
    note = f"{quality['estimated']:,} estimated, {gaps:,} without value"
    yield Fact("Measured", share(quality["measured"] + quality["edited"], slots), note)
    yield Fact("Findings", f"{len(result.findings):,}", "doubts of the validation rules")
    yield from _outlook_facts(result)


def _per_day(found: Analysis) -> str:
    kwh = found.days.kwh[0][found.days.complete[0]]
    return f"{number(float(kwh.mean()))} kWh on an average whole day" if kwh.size else "no whole day"


def _outlook_facts(result: PointResult) -> Iterator[Fact]:
    ahead = day_ahead_kwh(result.forecast)
    if result.forecast is not None and ahead is not None:
        yield Fact("Next 24 hours", energy(ahead), f"expected from {day(result.forecast.start, result.usage_point.tz)}")
    bill = bill_of(result.bills)
    if bill is not None:
        note = span(bill.period.start, bill.period.end, result.usage_point.tz)
        yield Fact("Bill", f"{bill.total:,f} {bill.currency}", f"{note}{', example rate' if bill.example else ''}")
    if result.what_if is not None:
        saving = result.what_if.saving_on_forecast
        days = counted(len(result.what_if.days), "day")
        yield Fact(
            "Battery would save", f"{saving + 0.0:,.2f} {result.what_if.currency}", f"in {days}, on the forecast"
        )


def _daily(found: Analysis) -> Chart | None:
    if not found.days.names:
        return None
    kwh = np.where(found.days.known[0] > 0, found.days.kwh[0], np.nan)
    return daily_chart(date.fromisoformat(found.days.names[0]), kwh, found.ribbon.shares)


def _charts(found: Analysis) -> Iterator[Chart]:
    if not found.duration_kw.size:
        return
    yield heat_map_chart(found.heat_map.first, found.heat_map.kw)
    weekday, weekend = (DayShape(s.mean, s.low, s.high) for s in (found.profile.weekday, found.profile.weekend))
    yield profile_chart(weekday, weekend)
    yield duration_chart(found.duration_kw, found.base_kw)
    if len(found.months.names) > 1:
        yield months_chart(
            found.months.names, found.months.kwh[0], found.year_before_kwh, found.months.complete[0].tolist()
        )


def _usage(result: PointResult) -> Rows | None:
    rows = tuple(_usage_rows(result))
    return Rows(("what", "value", "when or how"), rows) if rows else None


def _usage_rows(result: PointResult) -> Iterator[Row]:
    found, zone = result.analysis, result.usage_point.tz
    for rank, peak in enumerate(found.peaks, start=1):
        yield (f"peak {rank}", power(peak.kw), f"interval from {local(peak.at, zone)}")
    if math.isfinite(found.load_factor):
        yield ("load factor", share(found.load_factor, 1), "mean power as a share of the highest")
    if math.isfinite(found.weekday_kwh):
        yield ("a weekday", energy(found.weekday_kwh), "mean of whole days, Monday to Friday")
    if math.isfinite(found.weekend_kwh):
        yield ("a weekend day", energy(found.weekend_kwh), "mean of whole days, Saturday and Sunday")
    for name, shape in found.profile.seasons.items():
        mean = float(np.nanmean(shape.mean))
        yield (f"a day in {name}", energy(24 * mean), f"mean of {counted(shape.days, 'day')} with values")
    if found.previous is not None:
        before = found.previous
        yield (
            f"last {before.days} days",
            f"{number(before.now_kwh_per_day)} kWh a day",
            (
                f"{change(before.change)} than the {before.days} days from {before.before_from}, "
                f"which used {number(before.before_kwh_per_day)} kWh a day"
            ),
        )
    if found.labels is not None:
        for name, kwh in zip(found.labels.names, found.labels.kwh[0].tolist(), strict=True):
            yield (f"at price {name}", energy(kwh), f"{share(kwh, found.total_kwh)} of all energy delivered")

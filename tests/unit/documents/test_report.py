"""The report page: every part is there, nothing is fetched, nothing a file says becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from gridwright.analytics import analyse
from gridwright.documents.report import render_report
from gridwright.documents.report_data import PointResult, ReportData
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Reject
from tests.unit.documents.report_building import ZONE, a_report, a_town, point_result, report_of, result_of

VOID = {"meta", "br"}
EVIL = """<script>alert(1)</script>"'&<img src=x onerror=alert(1)>"""


class Page(HTMLParser):
    """Checks nesting and gathers tags, attributes, ids and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(a_report())


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def a_silent_point(days: int = 1) -> PointResult:
    """A usage point of which nothing is known."""
    town = a_town("2025-03-03", f"2025-03-{3 + days:02d}")
    panel = town.panel.rows([0]).with_values(np.full((1, 48 * days), np.nan), np.full((1, 48 * days), 3, np.uint8))
    return result_of(PointResult(town.points[0], panel, panel, (), analyse(panel, ZONE)))


@pytest.mark.parametrize(
    "heading",
    [
        "What was read",
        "How it was understood",
        "What could not be taken",
        "All usage points",
        "Usage point UP-1001",
        "Can the data be trusted?",
        "How energy is used",
        "What comes next",
        "What it costs",
        "What would a battery do here?",
    ],
)
def test_every_part_is_there(page: Page, heading: str) -> None:
    assert heading in page.text


@pytest.mark.parametrize(
    "title",
    [
        "Energy a day, and what it is made of",
        "Heat map: when energy is used",
        "Load profile: the average day",
        "Load duration",
        "Energy a month",
        "Forecast for the next 48 hours",
        "The average day with a battery",
    ],
)
def test_every_chart_is_drawn_and_named(page: Page, title: str) -> None:
    assert any(label.startswith(f"{title}. ") for label in page.values("aria-label"))


def test_nothing_is_fetched_and_nothing_runs(html: str, page: Page) -> None:
    assert "http" not in html.replace("http-equiv", "")
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert all(uri.startswith(("#", "data:image/png;base64,")) for uri in page.values("href") + page.values("src"))
    assert page.values("content")[1].startswith("default-src 'none'")
    assert "url(" not in re.sub(r"url\(#\w+\)", "", html)


def test_ids_are_unique_and_every_link_has_its_end(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {uri[1:] for uri in page.values("href") if uri.startswith("#")} <= set(ids)


def test_a_number_never_shows_as_nan(page: Page) -> None:
    assert not re.search(r"\b(nan|inf|None|NaN)\b", page.text)
    assert not any("nan" in path for path in page.values("d"))


def test_figures_agree_with_the_analysis(page: Page) -> None:
    home = a_report().points[0]
    assert f"{home.analysis.total_kwh:,.0f} kWh" in page.text
    bill = home.bills[-1]
    assert f"{bill.total:,f} EUR" in page.text
    assert "Total" in page.text
    estimated = home.analysis.ribbon.totals["estimated"]
    assert estimated > 0
    assert f"{estimated} intervals are estimated" in page.text


def test_the_forecast_is_compared_in_words(page: Page) -> None:
    home = a_report().points[0]
    assert home.accuracy is not None
    own = home.accuracy.own
    assert own is not None
    better = 1 - own.mase / home.accuracy.by_model["seasonal_naive_24"].mase
    assert f"{abs(better):.0%} {'better' if better > 0 else 'worse'} than repeating yesterday" in page.text


def test_the_scores_name_each_model_and_the_one_in_use(page: Page) -> None:
    home = a_report().points[0]
    assert home.forecast is not None
    assert f"({home.forecast.models[0]}), in use" in page.text
    for model in ("seasonal_naive_24", "seasonal_naive_168", "hist_quantile_28d", "ar"):
        assert f"({model})" in page.text


def test_findings_are_counted_by_rule_and_listed(page: Page) -> None:
    for finding in a_report().points[0].findings[:3]:
        assert finding.code in page.text
        assert finding.message in page.text
    assert "V10_missing fail" in page.text


def test_a_battery_without_a_task_gives_its_reason(page: Page) -> None:
    assert "It would stand idle." in page.text
    assert "there is nothing to shift" in page.text


def test_energy_that_a_battery_owes_is_told() -> None:
    solar = a_report().points[1]
    assert solar.what_if is not None
    whole = solar.what_if.cost_without - sum(day.cost_on_forecast for day in solar.what_if.days)
    owing = replace(solar.what_if, saving_on_forecast=whole - 0.5)
    text = Page(render_report(report_of(replace(solar, what_if=owing)))).text
    assert "The saving above is 0.50 lower" in text


def test_rejects_stand_with_line_reason_and_remedy_the_first_fifty_of_all() -> None:
    rejects = tuple(Reject(line, f"reason {line}", "write a number", f"v{line}") for line in range(1, 61))
    text = Page(render_report(report_of(a_silent_point(), rejects=rejects))).text
    assert "60 of 6,780 records were not taken" in text
    assert "The first 50 are shown here." in text
    assert "50 v50 reason 50 write a number" in text
    assert "reason 51" not in text


def test_reasons_that_many_records_share_are_counted() -> None:
    rejects = (*(Reject(line, "no number") for line in range(3)), Reject(9, "no stamp"))
    text = Page(render_report(report_of(rejects=rejects))).text
    assert "Most often: 3 × no number." in text


def test_repeats_and_options_are_told(page: Page) -> None:
    assert "3 records repeated a reading" in page.text
    assert "zone Europe/Berlin stamps carry its offset --zone" in page.text


def test_what_a_file_says_is_text_only() -> None:
    point = replace(a_silent_point(), usage_point=UsagePoint(EVIL, ZONE), notes=(EVIL,))
    data = report_of(point, point, source=EVIL, rejects=(Reject(1, EVIL, EVIL, EVIL, EVIL),))
    page = Page(render_report(data))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not page.values("onerror")
    assert f"Usage point {EVIL}" in page.text
    assert f"1 {EVIL} {EVIL} {EVIL}" in page.text


def test_what_cannot_be_printed_is_replaced() -> None:
    data = report_of(replace(a_silent_point(), notes=("a\x00b\u202ec\ud800d",)), source="x\udcff.csv")
    html = render_report(data)
    assert "a\ufffdb\ufffdc\ufffdd" in html
    html.encode("utf-8")


def test_commands_can_be_typed_as_they_stand() -> None:
    text = Page(render_report(replace(a_report(), sources=(Path("my file's.csv"),)))).text
    assert """gridwright validate 'my file'"'"'s.csv'""" in text


def test_a_point_without_any_value_says_what_would_help() -> None:
    page = Page(render_report(report_of(a_silent_point())))
    assert "No interval has a value that can be trusted" in page.text
    assert "bring at least one day of readings" in page.text
    assert "Bring some weeks of readings" in page.text
    assert "48 (100%) stay without a value" in page.text
    assert not re.search(r"\b(nan|None)\b", page.text)


def test_one_day_is_enough_for_a_page() -> None:
    page = Page(render_report(report_of(point_result(a_town("2025-03-03", "2025-03-04"), 1))))
    assert "3 Mar 2025, one value every 30 min" in page.text
    assert "All usage points" not in page.text
    assert not re.search(r"\b(nan|None)\b", page.text)


def test_a_file_without_usage_points_says_so() -> None:
    assert "No usage point was found" in Page(render_report(report_of())).text


def test_no_bill_names_the_remedy() -> None:
    page = Page(render_report(report_of(replace(a_silent_point(), bills=()))))
    assert "There is no bill" in page.text


def test_points_beyond_the_details_keep_their_row() -> None:
    page = Page(render_report(replace(a_report(), details=1)))
    assert "The first 1 of 2 usage points follow in full." in page.text
    assert "Usage point UP-1002" not in page.text
    assert "UP-1002" in page.text


def test_several_files_name_themselves_in_each_row() -> None:
    one = report_of(a_silent_point(), source="one.csv", rejects=(Reject(4, "no number"),))
    both = replace(one, sources=(Path("one.csv"), Path("two.csv")), intakes=one.intakes * 2)
    text = Page(render_report(both)).text
    assert "Meter report: 2 files" in text
    assert "one.csv 4 no number" in text


def test_the_same_data_gives_the_same_page(html: str) -> None:
    assert render_report(a_report()) == html


def test_two_years_of_quarter_hours_stay_small() -> None:
    page = render_report(a_long_report(slots=70_080, interval=timedelta(minutes=15)))
    assert len(page.encode()) < 1_000_000


def test_a_month_of_minutes_stays_small() -> None:
    page = render_report(a_long_report(slots=43_200, interval=timedelta(minutes=1)))
    assert len(page.encode()) < 1_000_000


def a_long_report(*, slots: int, interval: timedelta) -> ReportData:
    """Noise, which compresses worst."""
    town = a_town("2025-03-03", "2025-03-04")
    values = np.random.default_rng(1).integers(0, 2000, (1, slots)).astype(np.float64)
    panel = Panel((town.points[0].id,), town.panel.start, interval, values)
    return report_of(PointResult(town.points[0], panel, panel, (), analyse(panel, ZONE)))

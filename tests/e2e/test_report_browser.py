"""The report in a real browser: offline, in both colour schemes, without JavaScript, on paper and for everyone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gridwright.documents.report import render_report
from tests.unit.documents.report_building import a_report

SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_report(a_report()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Containers and root have no sandbox; the page is our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, report: Path, **options: Any) -> tuple[Page, list[str]]:  # noqa: ANN401 - Playwright's own
    """Open the report without network; the list gathers errors and every request but that for the page."""
    page = browser.new_context(offline=True, **options).new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    own = report.as_uri()
    page.on(
        "request",
        lambda request: trouble.append(request.url) if not request.url.startswith((own, "data:")) else None,
    )
    page.goto(own)
    return page, trouble


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, report: Path, scheme: str) -> None:
    page, trouble = opened(browser, report, color_scheme=scheme)
    page.locator("details").first.locator("summary").click()
    assert trouble == []
    page.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_everyone_can_use_the_page(browser: Browser, report: Path, scheme: str) -> None:
    page, _ = opened(browser, report, color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], [node["target"] for node in rule["nodes"]][:3]) for rule in found] == []
    page.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_drawn(browser: Browser, report: Path, scheme: str) -> None:
    page, _ = opened(browser, report, color_scheme=scheme)
    chart = page.locator("figure.chart svg").first
    chart.scroll_into_view_if_needed()
    # A blank picture of this size compresses to a few hundred bytes.
    assert len(chart.screenshot()) > 3_000
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 28)")
    page.context.close()


def test_without_javascript_all_is_there(browser: Browser, report: Path) -> None:
    page, trouble = opened(browser, report, java_script_enabled=False)
    assert page.get_by_role("heading", name="What comes next").first.is_visible()
    assert page.locator("figure.chart svg").first.is_visible()
    assert page.get_by_text("Total", exact=True).first.is_visible()
    assert trouble == []
    page.context.close()


def test_the_keyboard_reaches_the_content(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))
    page.context.close()


@pytest.mark.parametrize("width", [360, 760, 1280])
def test_nothing_runs_off_the_side(browser: Browser, report: Path, width: int) -> None:
    page, _ = opened(browser, report, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_no_label_is_cut_or_covers_another(browser: Browser, report: Path) -> None:
    page, _ = opened(browser, report, viewport={"width": 1000, "height": 800})
    assert page.evaluate(LABELS_IN_TROUBLE) == []
    page.context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_prints_dark_on_white(browser: Browser, report: Path, scheme: str) -> None:
    page, trouble = opened(browser, report, color_scheme=scheme)
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 35, 41)"
    assert page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    assert page.pdf(format="A4").startswith(b"%PDF-")
    assert trouble == []
    page.context.close()


LABELS_IN_TROUBLE = """() => {
  const found = [];
  for (const svg of document.querySelectorAll('figure.chart svg')) {
    const frame = svg.getBoundingClientRect();
    const labels = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
    for (const [text, box] of labels) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
        found.push(`${text} is cut`);
    }
    labels.forEach(([text, a], k) => labels.slice(k + 1).forEach(([other, b]) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 1 && down > 4) found.push(`${text} covers ${other}`);
    }));
  }
  return found;
}"""

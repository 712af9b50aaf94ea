"""The console in a real browser: every page, in both themes, on a phone, by keyboard, and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gridwright.web.assets import missing_assets
from tests.e2e.console_building import PASSWORD, served
from tests.integration.api.small_town import Town

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
STAFF = (
    "/today",
    "/usage-points",
    "/usage-points/UP-1?compare=true",
    "/usage-points/UP-1?days=14&view=trusted",
    "/exceptions",
    "/edits",
    "/edits/{edit}",
    "/edits/new?point=UP-1",
    "/rule-sets",
    "/corrections",
    "/corrections/{correction}",
    "/controls",
    "/controls/{control}",
    "/controls/ask?point=UP-2&command=disconnect",
    "/events",
    "/events/{past}",
    "/grid",
    "/bills/{bill}",
    "/my-energy",
    "/usage-points/UP-1?from=2027-01-01",
    "/usage-points/UP-1?from=2026-06-01&days=366",
)
# A customer sees bills that are issued.
CUSTOMER = ("/my-energy", "/usage-points/UP-1", "/usage-points", "/bills/{corrected}")
WAIT_MS = 30_000  # of a machine that does many things at once
expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Town]]:
    if missing_assets():
        pytest.skip("the browser's libraries are not here; run `make assets`")
    with served(tmp_path_factory.mktemp("console")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Containers and root have no sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def signed_in(browser: Browser, url: str, name: str = "admin", **options: Any) -> Iterator[tuple[Page, list[str]]]:  # noqa: ANN401
    """Open a browser as somebody; the list gathers errors and whatever is asked of another host."""
    context = browser.new_context(**options)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda asked: trouble.append(asked.url) if not asked.url.startswith(url) else None)
    page.goto(f"{url}/sign-in")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".me")).to_contain_text(name)
    yield page, trouble
    context.close()


def test_every_page_is_for_everyone_and_asks_nobody_else(browser: Browser, console: tuple[str, Town]) -> None:
    url, town = console
    for name, paths in (("admin", STAFF), ("own", CUSTOMER)):
        with signed_in(browser, url, name) as (page, trouble):
            for path, schemes in zip(paths, cycle((SCHEMES, SCHEMES[::-1])), strict=False):
                page.emulate_media(color_scheme=schemes[0])
                page.goto(url + path.format(**town.ids))
                for scheme in schemes:  # a page is loaded in one, and turns to the other as a person's machine does
                    page.emulate_media(color_scheme=scheme)
                    if page.locator("[data-chart]").count():
                        expect(page.locator("[data-drawn]").first).to_be_visible()
                    assert violations(page) == [], (path, scheme)
            assert trouble == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_door_and_what_is_not_there_are_for_everyone(
    browser: Browser, console: tuple[str, Town], scheme: Literal["light", "dark"]
) -> None:
    url, _ = console
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    assert violations(page) == []
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    context.close()
    with signed_in(browser, url, color_scheme=scheme) as (page, _):
        page.goto(f"{url}/usage-points/NONE")
        expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
        assert violations(page) == []


def violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds, each rule with the first element that breaks it."""
    return [(each["id"], each["nodes"][0]["html"]) for each in Axe().run(page).response["violations"]]


def test_no_page_is_wider_than_a_phone(browser: Browser, console: tuple[str, Town]) -> None:
    url, town = console
    with signed_in(browser, url, viewport={"width": 360, "height": 800}) as (page, _):
        wide = []
        for path in STAFF:
            page.goto(url + path.format(**town.ids))
            if page.evaluate("document.documentElement.scrollWidth") > 360:
                wide.append(path)
    with signed_in(browser, url, "own", viewport={"width": 360, "height": 800}) as (page, _):
        for path in CUSTOMER:
            page.goto(url + path.format(**town.ids))
            if page.evaluate("document.documentElement.scrollWidth") > 360:
                wide.append(f"own {path}")
    assert wide == []


def test_pages_work_without_javascript(browser: Browser, console: tuple[str, Town]) -> None:
    url, _ = console
    with signed_in(browser, url, java_script_enabled=False) as (page, _):
        page.get_by_role("link", name="Usage points").click()
        page.get_by_role("searchbox").fill("UP-2")
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name="UP-2").click()
        expect(page.get_by_role("heading", name="UP-2")).to_be_visible()
        page.get_by_role("link", name="Previous 7 days").click()
        expect(page.get_by_role("heading", name="UP-2")).to_be_visible()
        page.get_by_role("link", name="Exceptions").click()
        page.get_by_label("Usage point", exact=True).fill("UP-2")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("checkbox").first.check()
        page.get_by_label("Why the values are right").fill("checked on site")
        page.get_by_role("button", name="Accept the selected").click()
        expect(page.get_by_role("status")).to_contain_text("1 accepted")
        page.goto(f"{url}/controls/ask?point=UP-2&command=disconnect")
        page.get_by_label("Why", exact=True).fill("move-out")
        page.get_by_role("button", name="Ask for it").click()
        expect(page.get_by_text("needs a second person to approve it")).to_be_visible()
        page.get_by_label("Why it must not happen").fill("asked by mistake")
        page.get_by_role("button", name="Reject").click()
        expect(page.locator(".head .tag")).to_have_text("failed")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_customer_steps_out_of_an_event(browser: Browser, console: tuple[str, Town]) -> None:
    url, _ = console
    with signed_in(browser, url, "own", java_script_enabled=False) as (page, _):
        page.get_by_role("button", name="Take no part").click()
        expect(page.get_by_role("status")).to_contain_text("takes no part in this event")
        expect(page.get_by_text("you take no part")).to_be_visible()
        expect(page.get_by_role("button", name="Take no part")).to_have_count(0)


def test_the_search_finds_while_one_writes(browser: Browser, console: tuple[str, Town]) -> None:
    url, _ = console
    with signed_in(browser, url) as (page, trouble):
        page.goto(f"{url}/usage-points")
        page.get_by_role("searchbox").press_sequentially("UP-2")
        expect(page.locator("#list tbody tr")).to_have_count(1)
        assert trouble == []


def test_an_exception_is_accepted_by_keyboard_alone(browser: Browser, console: tuple[str, Town]) -> None:
    url, _ = console
    with signed_in(browser, url) as (page, _):
        page.goto(f"{url}/exceptions")
        before = page.locator("[data-row]").count()
        page.locator("[data-row]").first.wait_for()
        for key in ("j", "x", "r"):
            page.keyboard.press(key)
        page.keyboard.type("checked with the customer")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("1 accepted")
        assert page.locator("[data-row]").count() == before - 1


def test_a_second_person_approves_a_control_by_keyboard(browser: Browser, console: tuple[str, Town]) -> None:
    url, town = console
    with signed_in(browser, url, "second") as (page, _):
        page.goto(f"{url}/controls/{town.ids['control']}")
        expect(page.get_by_text("needs a second person to approve it")).to_be_visible()
        assert page.get_by_role("button", name="Approve").count() == 0
    with signed_in(browser, url) as (page, _):
        page.goto(f"{url}/controls")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.get_by_text("would lose supply")).to_be_visible()
        page.get_by_label("Why it is right").focus()
        page.keyboard.type("tenant confirmed the move")
        page.keyboard.press("Enter")
        expect(page.locator(".head .tag")).to_have_text("approved")


def test_a_customer_sees_their_own_energy_only(browser: Browser, console: tuple[str, Town], tmp_path: Path) -> None:
    url, _ = console
    with signed_in(browser, url, "own") as (page, _):
        expect(page.get_by_role("heading", name="My energy")).to_be_visible()
        expect(page.locator("[data-drawn]").first).to_be_visible()
        assert page.locator("nav[aria-label=Pages] a").all_text_contents() == ["My energy"]
        assert Axe().run(page).response["violations"] == []
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Download my data").click()
        assert waiting.value.path().read_text().startswith("start_utc,kwh,quality\n")
        page.goto(f"{url}/usage-points/UP-2")
        expect(
            page.get_by_role("heading", name="Forbidden").or_(page.get_by_role("heading", name="Not Found"))
        ).to_be_visible()

"""The console's addresses in process: who sees what, twins, sessions and forged forms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from gridwright.api.app import make_app
from gridwright.app.live import refresh_outlooks
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.program import EventState, Performance
from gridwright.jobs.cascade.adopt_rules import adopt_rules
from gridwright.vee import rule_book
from gridwright.web.pages import add_pages
from gridwright.web.who import form_token, local_path
from tests.integration.api.small_town import NOW, Town, build, platform_at

PASSWORD = "a long enough password"  # noqa: S105 - of the test's own town
PAGES = ("/today", "/usage-points", "/usage-points/UP-1", "/exceptions", "/controls", "/events", "/grid", "/my-energy")
BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("pages")
    town = build(folder)
    platform = platform_at(folder)
    platform.store.identities.set_password(LOCAL_OWNER, "operator", PASSWORD)
    town.app = make_app(platform)
    add_pages(town.app, platform)
    yield town
    platform.close()


def ask(town: Town, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    """Return the answer to a browser without a key."""
    return town.ask(method, path, "", headers=BROWSER | more.pop("headers", {}), **more)


def session(town: Town) -> dict[str, str]:
    """Sign in, and return the cookie as a header."""
    answer = ask(town, "POST", "/sign-in", data={"name": "operator", "password": PASSWORD, "next": "/today"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/today")
    told = answer.headers["set-cookie"]
    assert "HttpOnly" in told
    assert "samesite=strict" in told.lower()
    return {"Cookie": told.split(";")[0]}


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_its_twins(town: Town, path: str) -> None:
    page = town.get(path, headers=BROWSER)
    assert page.status_code == 200
    assert "<h1>" in page.text
    assert json.loads(town.get(f"{path}.json").text)
    table = town.get(f"{path}.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.count("\n") >= 1


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(town: Town, path: str) -> None:
    answer = ask(town, "GET", path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")
    assert town.ask("GET", f"{path}.json", "").status_code == 401


@pytest.mark.parametrize("path", ["/today", "/exceptions", "/controls", "/events", "/grid", "/usage-points/UP-2"])
def test_a_customer_sees_no_page_of_others(town: Town, path: str) -> None:
    answer = town.get(path, "own", headers=BROWSER)
    assert answer.status_code in {403, 404}
    assert "<h1>" in answer.text


def test_a_device_opens_no_page(town: Town) -> None:
    assert town.get("/today", "device", headers=BROWSER).status_code == 403


def test_a_wrong_password_is_told_without_saying_what_was_wrong(town: Town) -> None:
    wrong = ask(town, "POST", "/sign-in", data={"name": "operator", "password": "no"})
    unknown = ask(town, "POST", "/sign-in", data={"name": "nobody", "password": "no"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("operator", "") == unknown.text.replace("nobody", "")


def test_a_key_signs_in_too(town: Town) -> None:
    answer = ask(town, "POST", "/sign-in", data={"key": town.keys["viewer"]})
    assert answer.status_code == 303


def test_a_form_needs_the_token_of_its_session(town: Town) -> None:
    cookie = session(town)
    form = {"id": town.ids["finding"], "reason": "checked"}
    assert ask(town, "POST", "/exceptions/resolve", headers=cookie, data=form).status_code == 403
    assert ask(town, "POST", "/exceptions/resolve", headers=cookie, data=form | {"csrf": "0" * 64}).status_code == 403
    page = ask(town, "GET", "/exceptions", headers=cookie).text
    token = page.split('name="csrf" value="')[1].split('"')[0]
    for header, site in (("Origin", "http://evil"), ("Sec-Fetch-Site", "cross-site")):
        answer = ask(town, "POST", "/exceptions/resolve", headers=cookie | {header: site}, data=form | {"csrf": token})
        assert answer.status_code == 403
    done = ask(town, "POST", "/exceptions/resolve", headers=cookie, data=form | {"csrf": token})
    assert done.status_code == 303
    assert "1+accepted" in done.headers["location"]


def test_signing_out_ends_the_session_at_once(town: Town) -> None:
    cookie = session(town)
    page = ask(town, "GET", "/today", headers=cookie)
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    assert ask(town, "POST", "/sign-out", headers=cookie, data={"csrf": token}).status_code == 303
    assert ask(town, "GET", "/today", headers=cookie).status_code == 303


def test_own_controls_are_not_approved(town: Town) -> None:
    data = json.loads(town.get(f"/controls/{town.ids['control']}.json", "second").text)
    assert not data["may_approve"]
    assert "second person" in data["why_not"]
    assert json.loads(town.get(f"/controls/{town.ids['control']}.json", "operator").text)["may_approve"]


def test_roles_see_what_they_may(town: Town) -> None:
    assert json.loads(town.get("/usage-points/UP-1.json", "operator").text)["bills"] is None
    assert json.loads(town.get("/usage-points/UP-1.json", "biller").text)["bills"]
    assert json.loads(town.get("/usage-points/UP-1.json", "biller").text)["audit"] is None
    assert json.loads(town.get("/usage-points/UP-1.json").text)["audit"]
    assert 'name="reason"' not in town.get("/exceptions", "viewer", headers=BROWSER).text


def test_a_bill_opens_onto_its_readings_and_goes_on_paper(town: Town) -> None:
    bill = town.ids["bill"]
    page = town.get(f"/bills/{bill}", headers=BROWSER).text
    assert "/usage-points/UP-1?from=2026-10-01&amp;days=31&amp;view=trusted" in page
    assert town.get(f"/bills/{bill}.pdf").content.startswith(b"%PDF")
    assert town.get(f"/bills/{town.ids['foreign']}", "own", headers=BROWSER).status_code in {403, 404}


def test_a_page_shows_what_was_known_on_a_day(town: Town) -> None:
    """Readings came an hour before NOW, the bill was made then: a day earlier nobody knew either."""
    early, late = "2026-11-24T12:00:00Z", NOW.isoformat().replace("+00:00", "Z")
    then = town.get(f"/usage-points/UP-1?from=2026-11-20&as-of={early}", headers=BROWSER).text
    assert f"as they were known on {early}" in then
    assert f"&amp;as-of={quote(early, safe='')}" in then, "links and the chart keep it"
    for view in ("raw", "trusted"):
        address = f"/usage-points/UP-1.json?from=2026-11-20&view={view}&as-of="
        assert json.loads(town.get(address + early).text)["total_kwh"] is None
        assert json.loads(town.get(address + late).text)["total_kwh"] > 0
    chart = "/usage-points/UP-1/chart.json?from=2026-11-20&as-of="
    assert json.loads(town.get(chart + early).text)["t"] == []
    assert json.loads(town.get(chart + late).text)["t"]
    bill = f"/bills/{town.ids['bill']}?as-of="
    assert town.get(bill + early, headers=BROWSER).status_code == 404
    assert f"As it was known on {late}" in town.get(bill + late, headers=BROWSER).text


def test_long_ranges_keep_their_spikes(town: Town) -> None:
    whole = json.loads(town.get("/usage-points/UP-1/chart.json?from=2026-10-01&days=31&points=5000").text)
    thin = json.loads(town.get("/usage-points/UP-1/chart.json?from=2026-10-01&days=31&points=50").text)
    assert len(thin["t"]) <= 50
    assert max(thin["max_kw"]) == max(whole["kw"])
    assert min(thin["min_kw"]) == min(whole["kw"])


def test_the_grid_tells_outages_once_for_all_who_lost_power(own_console: Town) -> None:
    assert "Not computed yet" in own_console.get("/grid", headers=BROWSER).text
    refresh_outlooks(own_console.platform)
    told = json.loads(own_console.get("/grid.json").text)
    (outage,) = told["events"]["outages"]
    assert (outage["node"], outage["customers"], outage["connected"], outage["minutes"]) == ("T-1", 2, 2, 20.0)
    assert told["events"]["reliability"]["saidi_min"] == 20.0
    assert [(row["node"], row["depth"], row["connections"]) for row in told["nodes"]] == [("F-1", 0, 0), ("T-1", 1, 2)]
    page = own_console.get("/grid", headers=BROWSER).text
    assert "SAIDI" in page
    assert "2 of 2" in page
    assert "breaks the limit" in page


def test_my_energy_counts_both_months_and_what_an_event_paid(own_console: Town) -> None:
    store = own_console.platform.store
    over = store.programs.event(LOCAL_OWNER, "E-past")
    store.programs.save_event(LOCAL_OWNER, over.to(EventState.COMPLETED))
    paid = Performance("E-past", "UP-1", Decimal(3), Decimal(1), Decimal("0.90"), "EUR")
    store.programs.save_performances(LOCAL_OWNER, "E-past", [paid])
    (home,) = json.loads(own_console.get("/my-energy.json", "own").text)["homes"]
    october = store.readings.load(LOCAL_OWNER, "UP-1", Interval(berlin(10, 1), berlin(10, 26)))
    november = store.readings.load(LOCAL_OWNER, "UP-1", Interval(berlin(11, 1), NOW))
    assert home["before_kwh"] == pytest.approx(float(october.total_kwh()[0]), abs=0.01)
    assert home["month_kwh"] == pytest.approx(float(november.total_kwh()[0]), abs=0.01)
    assert home["days_compared"] == 25
    assert [(each["id"], each["may_opt_out"]) for each in home["events"]] == [("E-next", True), ("E-past", False)]
    assert home["events"][1]["result"]["payment"] == "0.90"
    assert "not final" in own_console.get("/my-energy", "own", headers=BROWSER).text


def berlin(month: int, day: int) -> datetime:
    """Return the midnight that begins a day of 2026 in Berlin."""
    return local_midnight(date(2026, month, day), ZoneInfo("Europe/Berlin"))


def test_errors_are_pages_with_a_remedy(town: Town) -> None:
    answer = town.get("/usage-points/UP-9", headers=BROWSER)
    assert (answer.status_code, "UP-9" in answer.text) == (404, True)
    assert town.get("/nothing", headers=BROWSER).status_code == 404
    assert town.get("/v1/nothing", headers=BROWSER).headers["content-type"] == "application/problem+json"
    assert town.get("/usage-points/UP-1?days=0", headers=BROWSER).status_code == 422


@pytest.mark.parametrize("text", ["//evil", "https://evil", "/\\evil", "evil", "", "/a\nb"])
def test_a_sign_in_leads_nowhere_else(text: str) -> None:
    assert local_path(text) == "/"


def test_pages_forbid_foreign_scripts(town: Town) -> None:
    answer = town.get("/today", headers=BROWSER)
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert "style=" not in answer.text


def test_a_cancelled_note_says_so_on_its_page(own_console: Town) -> None:
    store, note = own_console.platform.store, own_console.ids["correction"]
    page = own_console.get(f"/corrections/{note}", "biller", headers=BROWSER).text
    assert "Credit note (draft) to bill" in page
    assert "What differs from the readings is then drafted anew." in page
    store.corrections.issue(LOCAL_OWNER, note)
    store.corrections.cancel(LOCAL_OWNER, note)
    page = own_console.get(f"/corrections/{note}", "biller", headers=BROWSER).text
    assert "Credit note 1 (cancelled) to bill" in page
    assert "Cancelled; was to be given back" in page
    assert "drafted anew" not in page


def test_what_is_in_doubt_is_withheld_on_the_pages_of_bills(own_console: Town) -> None:
    store, note, bill = own_console.platform.store, own_console.ids["correction"], own_console.ids["foreign"]
    for month in (store.ledger.bill(LOCAL_OWNER, bill).bill, store.corrections.correction(LOCAL_OWNER, note)):
        day = Interval(month.period.start, month.period.start + timedelta(days=1))
        doubt = Finding("V30_sum", month.usage_point, day, Severity.FAIL, "the registers say <3> kWh")
        store.findings.save(LOCAL_OWNER, [doubt], known_at=own_console.platform.clock())
    page = own_console.get("/corrections", "biller", headers=BROWSER).text
    assert "Bills that are withheld" in page
    assert "the registers say &lt;3&gt; kWh" in page
    assert page.count(">withheld</span>") == 1
    assert len(own_console.get("/corrections.json", "biller").json()["withheld"]) == 1
    for path in (f"/bills/{bill}", f"/corrections/{note}"):
        assert "Withheld by V30_sum" in own_console.get(path, "biller", headers=BROWSER).text
    assert (
        "Why it goes although it is withheld" in own_console.get(f"/corrections/{note}", "biller", headers=BROWSER).text
    )
    form = {"csrf": form_token(own_console.keys["biller"])}
    path = f"/corrections/{note}/issue"
    assert own_console.ask("POST", path, "biller", data=form, headers=BROWSER).status_code == 409
    form["despite"] = "the second meter agrees"
    assert own_console.ask("POST", path, "biller", data=form, headers=BROWSER).status_code == 303
    assert store.corrections.correction(LOCAL_OWNER, note).number == 1


STUCK = """
version = "{version}"
[[group]]
name = "<cold> stores"
extends = "residential"
customer_class = "residential"
[group.rules]
V17_stuck = {{ hours = {hours} }}
"""


def test_the_history_of_rules_tells_who_changed_what(own_console: Town) -> None:
    store = own_console.platform.store
    anna = Access("anna", Role.ADMIN)
    for at, (version, hours) in enumerate((("7", 6), ("8", 48), ("8", 72)), start=1):
        book = rule_book(STUCK.format(version=version, hours=hours), "rules.toml")
        adopt_rules(store, anna, book, now=NOW + timedelta(hours=at), source="rules.toml")
    steps = own_console.get("/rule-sets.json", "viewer").json()["rule_sets"]
    assert [each["version"] for each in steps] == ["8", "8", "7", "1"]
    assert [each["by"] for each in steps] == ["anna", "anna", "anna", "local"]
    (change,) = steps[1]["changes"]
    assert change == {"group": "<cold> stores", "rule": "V17_stuck", "name": "hours", "before": 6, "after": 48}
    assert (steps[2]["changes"][0]["group"], steps[3]["first"], steps[0]["to"]) == ("<cold> stores", True, None)
    page = own_console.get("/rule-sets", "viewer", headers=BROWSER).text
    for text in ("V17_stuck hours: 48 → 72", "&lt;cold&gt; stores", "in force", "give the changed file a new version"):
        assert text in page
    assert "packaged" in page
    sheet = own_console.get("/rule-sets.csv", "viewer").text.splitlines()
    assert sheet[0].startswith("from,to,version,digest,source,by,group,rule,name,before,after")
    assert sheet[1].endswith(",rules.toml,anna,<cold> stores,V17_stuck,hours,48.0,72.0")
    assert own_console.get("/rule-sets", "own", headers=BROWSER).status_code == 403


def test_a_rule_that_does_not_exist_is_told(shown_console: Town) -> None:
    """Misspelt, it would be answered as if nothing were in doubt."""
    answer = shown_console.get("/exceptions?code=V17_stuk", headers=BROWSER)
    assert answer.status_code == 422
    assert "o finding has the code" in answer.text
    assert "V17_stuck" in answer.text
    assert shown_console.get("/exceptions?code=V17_stuck", headers=BROWSER).status_code == 200

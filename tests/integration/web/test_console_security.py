"""What somebody hostile tries at the console: scripts in names, foreign ids, forged notices, odd days, other sites."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.control import Command
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.field.request_control import request_control
from gridwright.web.who import form_token
from tests.integration.api.small_town import NOW, START, Town

EVIL = "<script>alert(1)</script>"
QUOTES = "\"><img src=x onerror=alert(1)>'"
PASSWORD = "a long enough password"  # noqa: S105 - of the test's own town
BROWSER = {"Accept": "text/html"}


@pytest.fixture
def hostile(own_console: Town) -> Town:
    """The town after somebody has written markup wherever text goes."""
    store = own_console.platform.store
    name = EVIL.replace("/", "|")
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name, "UTC", attributes={"street": EVIL, EVIL: QUOTES})])
    store.registry.save_meter(LOCAL_OWNER, Meter(QUOTES))
    store.registry.save_installation(LOCAL_OWNER, install(name, QUOTES, START))
    event = EndDeviceEvent("M-1", "3.26.9.1", NOW - timedelta(hours=1), NOW, "UP-1", text=EVIL)
    store.devices.save_events(LOCAL_OWNER, [event, replace(event, end_device=QUOTES, usage_point=name)])
    period = Interval(NOW - timedelta(days=1), NOW)
    store.findings.save(LOCAL_OWNER, [Finding("V17_stuck", name, period, Severity.WARN, EVIL)], known_at=NOW)
    store.quarantine.save(LOCAL_OWNER, [QuarantinedReading(EVIL, NOW - timedelta(hours=1), 1.0, 900)], received=NOW)
    request_control(
        store, Access("second", Role.OPERATOR), command=Command.DISCONNECT, reason=EVIL, now=NOW, usage_point="UP-2",
        expires=NOW + timedelta(hours=1),
    )  # fmt: skip
    return own_console


def test_markup_in_texts_is_shown_not_run(hostile: Town) -> None:
    control = json.loads(hostile.get("/controls.json").text)["waiting"][0]["id"]
    name = EVIL.replace("/", "|").replace("<", "%3C").replace(">", "%3E")
    pages = ("/today", "/usage-points", f"/usage-points/{name}", "/usage-points/UP-1", "/usage-points/UP-2",
             "/exceptions", "/controls", f"/controls/{control}", f"/usage-points?search={name}",
             f"/exceptions?code={name}&point={name}", f"/usage-points/{name}zzz", f"/sign-in?next=/{name}")  # fmt: skip
    shown = 0
    for page in pages:
        text = hostile.get(page, headers=BROWSER).text
        assert not re.search(r"<script(?! defer src=\"/static| type=\"module\" src=\"/static)", text), page
        assert "<img src=x" not in text, page
        shown += "&lt;script&gt;" in text
    assert shown >= len(pages) - 2


def test_a_spreadsheet_runs_no_formula(own_console: Town) -> None:
    own_console.platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("=1+1")])
    assert "\n'=1+1," in own_console.get("/usage-points.csv").text


@pytest.mark.parametrize("ending", ["", ".json", ".csv", "/chart.json"])
def test_a_customer_cannot_tell_foreign_usage_points_from_none(shown_console: Town, ending: str) -> None:
    answers = [shown_console.get(f"/usage-points/{name}{ending}", "own", headers=BROWSER) for name in ("UP-2", "UP-9")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].text.replace("UP-2", "UP-9") == answers[1].text


@pytest.mark.parametrize("ending", ["", ".json", ".csv", ".pdf"])
def test_a_customer_cannot_tell_foreign_bills_from_none(shown_console: Town, ending: str) -> None:
    names = (shown_console.ids["foreign"], "UP-2-2026-10-01-00000000")
    answers = [shown_console.get(f"/bills/{name}{ending}", "own", headers=BROWSER) for name in names]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text.replace(names[0], names[1]) == answers[1].text


def test_a_search_finds_a_customer_nothing_of_others(shown_console: Town) -> None:
    assert json.loads(shown_console.get("/usage-points.json?search=UP-", "own").text)["usage_points"][0]["id"] == "UP-1"
    for text in ("UP-2", "M-2"):
        assert json.loads(shown_console.get(f"/usage-points.json?search={text}", "own").text)["usage_points"] == []


def test_pages_are_kept_by_nobody(shown_console: Town) -> None:
    for page in ("/today", "/today.json", "/usage-points/UP-1.csv", f"/bills/{shown_console.ids['bill']}.pdf"):
        assert shown_console.get(page, headers=BROWSER).headers["cache-control"] == "no-store", page
    assert shown_console.ask("GET", "/sign-in", "", headers=BROWSER).headers["cache-control"] == "no-store"
    assert shown_console.ask("GET", "/static/console.css", "").headers["cache-control"] == "no-cache"


def test_a_session_over_tls_travels_over_tls_only(own_console: Town) -> None:
    own_console.platform.store.identities.set_password(LOCAL_OWNER, "operator", PASSWORD)

    async def sign_in(base: str) -> httpx.Response:
        transport = httpx.ASGITransport(own_console.app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.post("/sign-in", data={"name": "operator", "password": PASSWORD, "next": "//evil"})

    safe, plain = (asyncio.run(sign_in(base)) for base in ("https://town", "http://town"))
    assert "secure" in safe.headers["set-cookie"].lower()
    assert "secure" not in plain.headers["set-cookie"].lower()
    assert safe.headers["location"] == "/"
    for answer in (safe, plain):
        assert "httponly" in answer.headers["set-cookie"].lower()
        assert "samesite=strict" in answer.headers["set-cookie"].lower()


def test_a_notice_that_somebody_else_wrote_is_not_shown(shown_console: Town) -> None:
    for page in ("/exceptions", "/my-energy"):
        text = shown_console.get(f"{page}?done=Call+0900&seal={'0' * 32}", headers=BROWSER).text
        assert "Call 0900" not in text


@pytest.mark.parametrize(
    "query",
    ["from=9999-12-31", "from=0001-01-01", "days=400&from=9999-01-01", "from=2027-01-01", "days=401", "view=evil",
     "from=%00", "from=2026-10-25&days=1", "compare=true&from=1972-01-01&days=400",
     "as-of=yesterday", "as-of=%00", "as-of=9999-12-31T23:59-23:00", "as-of=0001-01-01&view=trusted"],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["", ".json", ".csv", "/chart.json"])
def test_odd_days_are_answered(shown_console: Town, query: str, ending: str) -> None:
    assert shown_console.get(f"/usage-points/UP-1{ending}?{query}", headers=BROWSER).status_code in {200, 422}


@pytest.mark.parametrize(
    ("page", "form"),
    [
        ("/exceptions/resolve", {"id": "9" * 40, "reason": "x"}),
        ("/exceptions/resolve", {"id": "-1", "reason": "x"}),
        ("/controls/ask", {"usage_point": "UP-2", "command": "read", "reason": "x", "hours": "1"}),
        ("/controls/ask", {"usage_point": "UP-2", "command": "disconnect", "reason": "x", "hours": "²"}),
        ("/controls/ask", {"usage_point": "UP-2", "command": "disconnect", "reason": " ", "hours": "1"}),
        ("/controls/{control}/approve", {"reason": " "}),
        ("/controls/nothing/approve", {"reason": "x"}),
    ],
)
def test_odd_forms_are_refused(own_console: Town, page: str, form: dict[str, str]) -> None:
    data = form | {"csrf": form_token(own_console.keys["operator"])}
    path = page.format(**own_console.ids)
    assert own_console.ask("POST", path, "operator", data=data, headers=BROWSER).status_code in {400, 404, 409, 422}


def test_whoever_approves_sees_what_stands_against_it_by_now(own_console: Town) -> None:
    page = f"/controls/{own_console.ids['control']}"
    before = json.loads(own_console.get(f"{page}.json", "operator").text)
    assert (before["consequence"]["refusals"], before["consequence"]["disconnects_in_window"]) == ([], 0)
    registry = own_console.platform.store.registry
    point = registry.point(LOCAL_OWNER, "UP-1")
    registry.save_points(LOCAL_OWNER, [replace(point, attributes={"life_support": "yes"})])
    after = json.loads(own_console.get(f"{page}.json", "operator").text)
    assert "life_support" in after["consequence"]["refusals"][0]["reason"]
    assert "is critical" in own_console.get(page, "operator", headers=BROWSER).text


def test_why_it_was_approved_stays_with_the_control(own_console: Town) -> None:
    name = own_console.ids["control"]
    data = {"reason": "the tenant confirmed", "csrf": form_token(own_console.keys["operator"])}
    assert own_console.ask("POST", f"/controls/{name}/approve", "operator", data=data).status_code == 303
    steps = json.loads(own_console.get(f"/controls/{name}.json").text)["steps"]
    assert (steps[-1]["state"], steps[-1]["actor"], steps[-1]["detail"]) == ("approved", "operator", data["reason"])
    newest = own_console.platform.store.audit.records(LOCAL_OWNER, limit=1)[0]
    assert (newest.actor, name in newest.subject) == ("operator", True)


def test_what_came_too_late_is_on_record_as_expired(own_console: Town) -> None:
    late = replace(own_console.platform, clock=lambda: NOW + timedelta(days=2))
    own_console.app.state.platform = late
    name = own_console.ids["control"]
    data = {"reason": "late", "csrf": form_token(own_console.keys["operator"])}
    assert own_console.ask("POST", f"/controls/{name}/approve", "operator", data=data).status_code == 409
    assert str(late.store.controls.control(LOCAL_OWNER, name).state) == "expired"


def test_a_customer_steps_out_of_a_coming_event(own_console: Town) -> None:
    data = {"event": "E-next", "usage_point": "UP-1", "csrf": form_token(own_console.keys["own"])}
    assert "Take no part" in own_console.get("/my-energy", "own", headers=BROWSER).text
    answer = own_console.ask("POST", "/my-energy/opt-out", "own", data=data)
    assert answer.status_code == 303
    shown = own_console.get(answer.headers["location"], "own", headers=BROWSER).text
    assert "UP-1 takes no part in this event." in shown
    assert "Take no part" not in shown
    event = own_console.platform.store.programs.event(LOCAL_OWNER, "E-next")
    assert (event.opted_out, event.targets) == (("UP-1",), ("UP-1", "UP-2"))
    newest = own_console.platform.store.audit.records(LOCAL_OWNER, limit=1)[0]
    assert newest.actor == "own"
    other = data | {"usage_point": "UP-2"}
    assert own_console.ask("POST", "/my-energy/opt-out", "own", data=other, headers=BROWSER).status_code == 403


def test_the_audit_chain_tells_sign_ins_by_name(own_console: Town) -> None:
    own_console.platform.store.identities.set_password(LOCAL_OWNER, "viewer", PASSWORD)
    form = {"name": "viewer", "password": PASSWORD}
    assert own_console.ask("POST", "/sign-in", "", data=form, headers=BROWSER).status_code == 303
    newest = own_console.platform.store.audit.records(LOCAL_OWNER, limit=1)[0]
    assert (newest.actor, newest.subject, newest.detail["what"]) == ("viewer", "user viewer", "signed in")


@pytest.mark.parametrize("page", ["/my-energy", "/my-energy.json", "/usage-points/UP-1", "/usage-points/UP-1.json"])
def test_no_page_tells_a_customer_of_a_draft(shown_console: Town, page: str) -> None:
    text = shown_console.get(page, "own", headers=BROWSER).text
    assert shown_console.ids["corrected"] in text
    assert shown_console.ids["bill"] not in text
    assert shown_console.ids["bill"] in shown_console.get("/usage-points/UP-1.json", "biller").text

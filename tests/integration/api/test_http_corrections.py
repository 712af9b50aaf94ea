"""Corrections over HTTP: listed, shown as JSON, text and PDF, issued once, and a bill as it stood."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from tests.integration.api.small_town import Town


def test_a_correction_is_listed_shown_and_issued_once(town: Town) -> None:
    path = f"/v1/corrections/{town.ids['correction']}"
    (listed,) = town.get("/v1/corrections?state=draft&point=UP-1", "biller").json()["items"]
    shown = town.get(path, "biller").json()
    assert {name: shown[name] for name in listed} == listed
    assert (shown["kind"], shown["total"]) == ("credit note", "-3.00")
    (line,) = shown["lines"]
    assert (line["billed"]["quantity"], line["now"]["quantity"], line["difference"]) == ("100", "90", "-3.00")
    assert shown["days"] == [{"day": "2026-09-01", "billed_kwh": "20", "now_kwh": "10", "replaced": 96}]
    assert "To your credit" in town.get(path, "biller", headers={"Accept": "text/plain"}).text
    assert town.get(path, "biller", headers={"Accept": "application/pdf"}).content.startswith(b"%PDF")
    assert town.get("/v1/corrections?point=UP-1", "own").json()["items"] == []  # a draft is nobody's bill yet
    issued = town.post(f"{path}/issue", who="biller").json()
    assert (issued["state"], issued["number"]) == ("issued", 1)
    assert town.post(f"{path}/issue", who="biller").json() == issued
    assert town.get(path, "own").json()["number"] == 1
    bill = town.ids["corrected"]
    assert town.post(f"/v1/bills/{bill}/cancel", who="biller").status_code == HTTPStatus.CONFLICT
    assert [each["state"] for each in town.get(f"/v1/bills/{bill}/corrections").json()["items"]] == ["issued"]


def test_a_cancelled_note_says_so_and_lets_its_bill_be_rated_again(town: Town) -> None:
    name, waiting = town.ids["correction"], len(town.platform.store.rerates.pending(LOCAL_OWNER))
    for state, number in (("issue", 1), ("cancel", 1)):
        done = town.post(f"/v1/corrections/{name}/{state}", who="biller").json()
        assert (done["state"], done["number"]) == ({"issue": "issued", "cancel": "cancelled"}[state], number)
    told = town.get(f"/v1/corrections/{name}", "biller", headers={"Accept": "text/plain"}).text
    assert told.startswith("Credit note 1 (cancelled)\n")
    assert "Cancelled; was to your credit: 3.00 EUR" in told
    # Its bill waits to be rated again, so that what differs is drafted anew.
    assert len(town.platform.store.rerates.pending(LOCAL_OWNER)) == waiting + 1


def test_a_bill_and_its_corrections_as_they_stood(town: Town) -> None:
    bill = town.ids["corrected"]
    early = "as-of=2026-11-01T00:00:00Z"
    assert town.get(f"/v1/bills/{bill}?{early}").status_code == HTTPStatus.NOT_FOUND
    assert town.get(f"/v1/bills/{bill}/corrections?{early}").json()["items"] == []
    assert town.get(f"/v1/bills/{bill}?as-of=2026-11-25T12:00:00Z").json()["state"] == "draft"


def test_days_are_added_up_as_they_are_known(town: Town) -> None:
    path = "/v1/usage-points/UP-1/day-totals?from=2026-10-05T00:00:00Z&to=2026-10-06T12:00:00Z"
    days = town.get(path).json()["items"]
    assert [day["day"] for day in days] == ["2026-10-05", "2026-10-06"]
    assert all(day["intervals"] == 96 and day["kwh"] > 0 for day in days)
    assert town.get(f"{path}&as-of=2020-01-01T00:00:00Z").json()["items"] == []


def doubted(town: Town, kind: str, name: str) -> int:
    """Let V30 doubt the first day of a bill or note, and return the finding's number."""
    store = town.platform.store
    noun = (
        store.ledger.bill(LOCAL_OWNER, name).bill
        if kind == "bills"
        else store.corrections.correction(LOCAL_OWNER, name)
    )
    period = Interval(noun.period.start, noun.period.start + timedelta(days=1))
    doubt = Finding("V30_sum", noun.usage_point, period, Severity.FAIL, "the registers say 3 kWh")
    store.findings.save(LOCAL_OWNER, [doubt], known_at=town.platform.clock())
    return store.findings.open_of(LOCAL_OWNER, [noun.usage_point], ["V30_sum"])[-1].id


@pytest.mark.parametrize(("kind", "key"), [("bills", "bill"), ("corrections", "correction")])
def test_a_draft_in_doubt_is_withheld_until_somebody_says_why_it_goes(town: Town, kind: str, key: str) -> None:
    path, number = f"/v1/{kind}/{town.ids[key]}", doubted(town, kind, town.ids[key])
    obstacle = town.get(path, "biller").json()["obstacles"][-1]
    assert (obstacle["finding"], obstacle["code"], obstacle["severity"]) == (number, "V30_sum", "fail")
    refused = town.post(f"{path}/issue", who="biller")
    assert (refused.status_code, f"finding {number}" in refused.json()["detail"]) == (HTTPStatus.CONFLICT, True)
    assert f"finding resolve {number}" in refused.json()["remedy"]
    for body, status in (({"despite": " "}, HTTPStatus.UNPROCESSABLE_ENTITY), ({"reason": "x"}, 422)):
        assert town.post(f"{path}/issue", body, "biller").status_code == status
    assert town.post(f"{path}/issue", {"despite": "it is urgent"}, "biller").json()["state"] == "issued"
    assert town.get(path, "biller").json()["obstacles"] == []


def test_months_that_get_no_bill_are_listed(town: Town) -> None:
    number = doubted(town, "bills", town.ids["foreign"])
    (one,) = town.get("/v1/withheld-bills", "biller").json()["items"]
    assert (one["usage_point"], one["obstacles"][0]["finding"]) == ("UP-2", number)
    assert town.get("/v1/withheld-bills?point=UP-1", "biller").json()["items"] == []


def test_a_run_in_spite_of_doubts_names_its_points(town: Town) -> None:
    asked = {"period": "2026-10", "despite": "it is urgent"}
    assert town.post("/v1/bills", asked, "biller").status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert town.post("/v1/bills", {**asked, "points": ["UP-1"]}, "biller").status_code == HTTPStatus.ACCEPTED

"""Lists: pages that never skip or repeat, CSV twins, cursors and limits that are not."""

from __future__ import annotations

import csv
import io
from http import HTTPStatus
from urllib.parse import quote

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.usage_point import UsagePoint
from tests.integration.api.small_town import NOW, Town


def walk(town: Town, path: str, meanwhile: object = None) -> list[dict[str, object]]:
    """Return the items of all pages, following `Link`; `meanwhile` is called between them."""
    items: list[dict[str, object]] = []
    following = path
    while following:
        answer = town.get(following)
        assert answer.status_code == HTTPStatus.OK, answer.text
        items += answer.json()["items"]
        following = answer.links.get("next", {}).get("url", "")
        if callable(meanwhile):
            meanwhile(len(items))
    return items


def test_all_pages_are_walked_while_points_are_added(town: Town) -> None:
    registry = town.platform.store.registry
    registry.save_points(LOCAL_OWNER, [UsagePoint(f"WP-{at:03}") for at in range(50)])

    def added(seen: int) -> None:
        registry.save_points(LOCAL_OWNER, [UsagePoint(f"AA-{seen}"), UsagePoint(f"ZZ-{seen}")])

    names = [str(item["id"]) for item in walk(town, "/v1/usage-points?limit=7", added)]
    assert len(names) == len(set(names))
    assert {f"WP-{at:03}" for at in range(50)} | {"UP-1", "UP-2"} <= set(names)
    assert names == sorted(names)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/findings?limit=1",
        "/v1/bills?limit=1",
        "/v1/controls?limit=1",
        "/v1/end-devices?limit=1",
        "/v1/audit?limit=9",
        "/v1/usage-points/UP-1/end-device-events?limit=1",
        "/v1/quarantine?limit=1",
    ],
)
def test_pages_hold_what_one_list_holds(shown_town: Town, path: str) -> None:
    whole = shown_town.get(path.split("?", maxsplit=1)[0] + "?limit=1000").json()
    assert whole["next"] is None
    assert walk(shown_town, path) == whole["items"]
    assert whole["items"]


def test_the_search_stays_in_the_link(shown_town: Town) -> None:
    answer = shown_town.get("/v1/usage-points?search=UP&limit=1")
    assert "search=UP" in answer.links["next"]["url"]
    assert [item["id"] for item in shown_town.get("/v1/usage-points?search=M-2").json()["items"]] == ["UP-2"]


@pytest.mark.parametrize(
    "cursor", ["x", "%00", "W10", "WyJmaW5kaW5ncyIsMV0", "WyJ1c2FnZS1wb2ludHMiLDFd", "a" * 599, "ä", "-"]
)
def test_a_cursor_of_something_else_is_named(shown_town: Town, cursor: str) -> None:
    answer = shown_town.get(f"/v1/usage-points?cursor={quote(cursor)}")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json()["errors"][0]["name"] == "cursor"


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "9" * 5000, "1e3", "", "all", "10.5", "٣٠٠٠"])
def test_an_impossible_limit_is_named(shown_town: Town, limit: str) -> None:
    answer = shown_town.get("/v1/findings", params={"limit": limit})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    (error,) = answer.json()["errors"]
    assert (error["in"], error["name"], error["value"]) == ("query", "limit", limit[:120])


def test_a_list_has_a_csv_twin(shown_town: Town) -> None:
    answer = shown_town.get("/v1/findings", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    items = shown_town.get("/v1/findings").json()["items"]
    assert [row["code"] for row in rows] == [item["code"] for item in items]
    assert rows[0]["period.from"] == items[0]["period"]["from"]
    assert answer.headers["content-type"].startswith("text/csv")


def test_a_cell_is_no_formula(town: Town) -> None:
    town.platform.store.registry.save_points(
        LOCAL_OWNER, [UsagePoint("=1+1", attributes={"name": "@SUM(A1)", "t": "-5"})]
    )
    answer = town.get("/v1/usage-points?search=1%2B1", headers={"Accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (row["id"], row["attributes.name"], row["attributes.t"]) == ("'=1+1", "'@SUM(A1)", "-5")


@pytest.mark.parametrize(
    ("accept", "status", "media"),
    [
        ("*/*", 200, "application/json"),
        ("text/html, application/json;q=0.5, text/csv;q=0.9", 200, "text/csv"),
        ("text/*", 200, "text/csv"),
        ("application/json;q=0, text/csv", 200, "text/csv"),
        ("application/json;q=nan?, */*;q=0.1", 200, "application/json"),
        ("image/png", 406, "application/problem+json"),
    ],
)
def test_accept_decides(shown_town: Town, accept: str, status: int, media: str) -> None:
    answer = shown_town.get("/v1/usage-points", headers={"Accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"].split(";")[0] == media


def test_controls_and_findings_are_narrowed(shown_town: Town) -> None:
    assert shown_town.get("/v1/controls?state=confirmed&state=failed").json()["items"] == []
    assert len(shown_town.get("/v1/controls?state=requested&point=UP-1").json()["items"]) == 1
    assert shown_town.get("/v1/findings?severity=fail").json()["items"] == []
    assert len(shown_town.get("/v1/findings?point=UP-2&code=V17_stuck").json()["items"]) == 1
    assert len(shown_town.get("/v1/bills?state=draft").json()["items"]) == 2
    assert shown_town.get("/v1/events?program=none").status_code in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
    told = shown_town.get("/v1/status").json()
    assert told["now"] == NOW.isoformat().replace("+00:00", "Z")
    assert told["journal"] == {"readings": 0, "age_s": None, "put_aside": 0, "reason": ""}
    assert (told["readings"], told["newest_reading"], told["lag_s"]) == (31920, told["now"], 0.0)
    assert (told["late"], told["late_total"], told["dirty_ranges"]) == ([], 0, 0)


@pytest.mark.parametrize("path", ["/v1/usage-points", "/v1/usage-points/UP-1/interval-blocks", "/v1/status"])
def test_a_parameter_that_nobody_knows_is_not_passed_over(shown_town: Town, path: str) -> None:
    day = {"from": "2026-11-24T00:00:00Z", "to": "2026-11-25T00:00:00Z"} if "blocks" in path else {}
    answer = shown_town.get(path, params=day | {"as_of": "2026-11-20T00:00:00Z"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    (error,) = answer.json()["errors"]
    assert (error["name"], error["value"]) == ("as_of", "2026-11-20T00:00:00Z")
    assert "as-of" in error["reason"] or "blocks" not in path

"""The authorisation table: every endpoint × every role, tested, and shown as a page of the reference."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gridwright.api.app import make_app
from gridwright.api.asgi import HEALTH, METER_READING, READINGS
from gridwright.api.openapi import described
from gridwright.domain.access import Role
from tests.integration.api.small_town import ASKERS, Town, opened

HERE = Path(__file__).parent
TABLE: list[dict[str, Any]] = tomllib.loads((HERE / "authorisation.toml").read_text())["endpoint"]
PAGE = HERE.parents[2] / "docs" / "reference" / "authorisation.md"
COLUMNS = tuple(name for name in ASKERS if name != "second")
HEADINGS = {"own": "customer (own)", "other": "customer (of others)"}
LOOKS = [row for row in TABLE if row["ask"].startswith("GET")]
CHANGES = [row for row in TABLE if not row["ask"].startswith("GET")]


def ask(town: Town, row: dict[str, Any], who: str) -> int:
    """Return the status of a row's request."""
    method, path = filled(row["ask"], town.ids).split(" ", 1)
    body = row.get("body")
    if isinstance(body, str):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return town.ask(method, path, who, content=body, headers=form).status_code
    more = {} if body is None else {"json": filled(body, town.ids)}
    return town.ask(method, path, who, headers=row.get("headers", {}), **more).status_code


def filled(value: Any, ids: dict[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Return a row's text or body with the ids of the town in place of their names."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, ids) for each in value]
    if not isinstance(value, str):
        return value
    text = re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], value)
    return int(text) if value == "{finding}" else text


def expected(row: dict[str, Any], who: str) -> int:
    """Return the status that the table says."""
    if not who:
        return HTTPStatus.UNAUTHORIZED
    if who in row["may"].split():
        return int(row.get("ok", HTTPStatus.OK))
    return HTTPStatus.NOT_FOUND if who in row.get("hidden_from", "").split() else HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("row", LOOKS, ids=lambda row: row["ask"])
def test_looks(shown_town: Town, row: dict[str, Any]) -> None:
    found = {who: ask(shown_town, row, who) for who in ("", *COLUMNS)}
    assert found == {who: expected(row, who) for who in found}


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row["ask"])
def test_changes(built_town: Town, tmp_path: Path, row: dict[str, Any]) -> None:
    found = {}
    with ExitStack() as towns:
        folder = tmp_path / "refused"
        folder.mkdir()
        refusing = towns.enter_context(opened(built_town, folder))
        before = audited(refusing)
        for who in ("", *COLUMNS):
            if who in row["may"].split():
                own = tmp_path / who
                own.mkdir()
                found[who] = ask(towns.enter_context(opened(built_town, own)), row, who)
            else:
                found[who] = ask(refusing, row, who)
        assert audited(refusing) == before, "a request that was refused has changed something"
    assert found == {who: expected(row, who) for who in found}


def audited(town: Town) -> int:
    """Return how many changes the audit chain has."""
    return int(town.platform.store.audit.records(town.platform.access, limit=1)[0].number)


@pytest.mark.parametrize("who", [who for who, (role, _) in ASKERS.items() if role is Role.CUSTOMER])
def test_no_answer_tells_a_customer_of_a_draft(shown_town: Town, who: str) -> None:
    """Of their own bills they see what was issued, by every way there is; what is drafted may never be."""
    drafts = {shown_town.ids[name] for name in ("bill", "foreign", "correction")}
    ways = [(filled(row["ask"], shown_town.ids).split(" ", 1)[1], row.get("headers", {})) for row in LOOKS]
    for name in drafts:
        asked = f"/v1/bills/{name}"
        ways += [(asked, {"Accept": media}) for media in ("application/json", "application/pdf", "text/plain")]
        ways += [(f"{asked}?as-of=2026-11-26T00:00:00Z", {}), (f"{asked}/corrections", {})]
    ways += [("/v1/bills?state=draft", {}), ("/v1/bills?point=UP-1&limit=1", {}), ("/v1/corrections?state=draft", {})]
    for path, headers in ways:
        answer = shown_town.get(path, who, headers=headers)
        told = [name for name in drafts if name in answer.text and name not in path]
        assert told == [], path
        assert answer.status_code == HTTPStatus.NOT_FOUND or not drafts.intersection(path.split("?")[0].split("/")), (
            path
        )
    listed = [each["id"] for each in shown_town.get("/v1/bills", who).json()["items"]]
    assert listed == ([shown_town.ids["corrected"]] if who == "own" else [])
    assert drafts < {each["id"] for each in shown_town.get("/v1/bills", "biller").json()["items"]} | {"B-9-c1"}


def test_a_bill_was_a_draft_to_its_customer_before_it_was_issued(shown_town: Town) -> None:
    bill = f"/v1/bills/{shown_town.ids['corrected']}"
    store = shown_town.platform.store
    issued = store.ledger.bill(shown_town.platform.access, shown_town.ids["corrected"]).issued_at
    assert issued is not None
    before = {"as-of": (issued - timedelta(seconds=1)).isoformat()}
    assert shown_town.get(bill, "own").status_code == HTTPStatus.OK
    assert shown_town.get(bill, "biller", params=before).json()["state"] == "draft"
    assert shown_town.get(bill, "own", params=before).status_code == HTTPStatus.NOT_FOUND


def test_every_endpoint_is_in_the_table(shown_town: Town) -> None:
    app = make_app(shown_town.platform)
    there = {*endpoints(app), f"POST {READINGS}", f"POST {METER_READING}", "POST /v1/edges/{edge}/batches"}
    asked = [row["ask"].split("?")[0] for row in TABLE]
    assert len(asked) == len(set(asked))
    missing = [each for each in sorted(there) if sum(bool(re.fullmatch(pattern(each), one)) for one in asked) != 1]
    assert missing == [], "add them to authorisation.toml"
    assert len(asked) == len(there)


def endpoints(app: FastAPI) -> Iterator[str]:
    """Yield method and path of every route, those that the document leaves out too."""
    for path, operations in described(app)["paths"].items():
        if path != READINGS:
            yield from (f"{method.upper()} {path}" for method in operations)
    for route in app.routes:
        if isinstance(route, APIRoute) and not route.include_in_schema:
            yield from (f"{method} {route.path}" for method in route.methods or ())


def pattern(endpoint: str) -> str:
    """Return what the requests of an endpoint look like."""
    return re.sub(r"\\\{\w+\\\}", "(?!resolve|verify)[^/]+", re.escape(endpoint))


@pytest.mark.parametrize("path", HEALTH)
def test_health_needs_no_key(shown_town: Town, path: str) -> None:
    assert shown_town.get(path, "").status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/", "/v1/no-such-thing", "/v1/readings", "/v1/openapi.json", "/openapi.json", "/v1//keys"]
)
def test_nothing_of_v1_is_told_without_a_key(shown_town: Town, path: str) -> None:
    assert shown_town.get(path, "").status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/v2", "/V1/keys"])
def test_nothing_else_is_there(shown_town: Town, path: str) -> None:
    assert shown_town.get(path, "").status_code == HTTPStatus.NOT_FOUND


def test_a_key_is_asked_for_before_the_body_is_read(shown_town: Town) -> None:
    headers = {"Content-Type": "application/json"}
    assert shown_town.ask("POST", "/v1/users", "", content=b"{", headers=headers).status_code == HTTPStatus.UNAUTHORIZED


def test_the_page_of_the_reference_is_current() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.integration.api.test_authorisation"


def page() -> str:
    """Return the table as a page of the reference."""
    names = [HEADINGS.get(name, name) for name in COLUMNS]
    lines = [
        "# Who may ask what",
        "",
        "Every endpoint and every role, as the test suite checks them. ✓ is let in; everybody else gets 403, and 401",
        "without a key. `customer (own)` asks about their own usage point, `customer (of others)` about somebody",
        "else's; in lists each of them sees what is theirs.",
        "",
        f"| endpoint | {' | '.join(names)} |",
        f"|---|{':-:|' * len(names)}",
    ]
    for row in TABLE:
        asked = row["ask"].split("?")[0]
        may = row["may"].split()
        cells = ["✓" if name in may else "" for name in COLUMNS]
        lines.append(f"| `{generic(asked)}` | {' | '.join(cells)} |")
    lines += ["", "`/healthz` and `/readyz` need no key, nor do the console's sign-in and its static files.", ""]
    return "\n".join(lines)


def generic(asked: str) -> str:
    """Return a request with the names of its ids in place of the town's."""
    text = re.sub(r"\{\w+\}", "{id}", asked)
    return re.sub(r"/(UP-1|M-\d|viewer)(?=/|$)", "/{id}", text)


if __name__ == "__main__":
    PAGE.write_text(page())

"""Problems: each failure says what is wrong, where, and what helps; nothing of others or of the program is told."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import pytest
import structlog

from gridwright.api import problems
from gridwright.api.door import MAX_BODY
from gridwright.domain import errors
from gridwright.domain.errors import GridwrightError, StoreCorrupt, StoreLocked
from gridwright.protocols.iec62056_21 import errors as _telegrams  # noqa: F401 - errors count once they are defined
from gridwright.protocols.iec62056_21 import stamps as _stamps  # noqa: F401
from gridwright.simulate.delivery import entrance as _entrance  # noqa: F401
from tests.integration.api.small_town import Town

MEMBERS = {"type", "title", "status", "detail", "instance"}
FOREIGN = ("UP-2", "M-2", "M-9", "admin", "second")


def every_error(kind: type[GridwrightError] = GridwrightError) -> list[type[GridwrightError]]:
    """Return the tree of our errors, flat."""
    return [kind, *(each for child in kind.__subclasses__() for each in every_error(child))]


EVERY_ERROR: list[type[GridwrightError]] = sorted(every_error(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem(kind: type[GridwrightError]) -> None:
    answer = problems.problem_of(kind("it broke", where="db.sqlite", remedy="mend it"), "/v1/x")
    told = json.loads(bytes(answer.body))
    assert told.keys() >= MEMBERS
    assert answer.media_type == "application/problem+json"
    assert told["status"] == answer.status_code >= HTTPStatus.BAD_REQUEST
    assert told["type"] == f"/docs/errors#{kind.__name__}"
    assert ("where" in told) == (answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR)


def test_every_class_has_its_status() -> None:
    leaves = [kind for kind in every_error() if not kind.__subclasses__() and kind.__module__ == errors.__name__]
    unknown = [kind.__name__ for kind in leaves if not any(issubclass(kind, known) for known, _ in problems.STATUS)]
    assert unknown == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/usage-points/", 404),
        ("DELETE", "/v1/usage-points", 405),
        ("PATCH", "/v1/bills/x", 405),
        ("GET", "/v1/usage-points/UP-77", 404),
        ("GET", "/v1/usage-points/" + "x" * 121, 422),
        ("GET", "/v1/usage-points/%00", 422),
        ("GET", "/v1/usage-points/%20", 422),
        ("GET", "/v1/bills/%F0%9F%92%A1", 404),
        ("GET", "/v1/usage-points?search=%00", 422),
        ("GET", "/v1/jobs/J-none", 404),
        ("GET", "/v1/controls/C-none", 404),
        ("GET", "/v1/events/E-none", 404),
        ("GET", "/v1/end-devices/none", 404),
        ("DELETE", "/v1/keys/none", 404),
        ("GET", "/v1/controls?state=angry", 422),
        ("GET", "/v1/usage-points?limit=1&limit=2", 422),
        ("GET", "/v1/controls?state=armed&limit=1&limit=1", 422),
        ("GET", "/v1/usage-points/UP-1/forecast?horizon=400d", 422),
        ("GET", "/v1/usage-points/UP-1/plan?battery-kw=5", 422),
        ("GET", "/v1/usage-points/UP-1/plan?battery-kwh=inf", 422),
        ("GET", "/v1/usage-points/UP-1/plan?battery-kwh=nan", 422),
        ("GET", "/v1/usage-points/UP-1/versions?day=0001-01-01", 422),
    ],
)
def test_a_problem_has_its_members(shown_town: Town, method: str, path: str, status: int) -> None:
    answer = shown_town.ask(method, path)
    told = answer.json()
    assert answer.status_code == told["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert told.keys() >= MEMBERS
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, "body"),
        (b"", 422, "body"),
        (b"[]", 422, "body"),
        (b"null", 422, "body"),
        (b'{"id": "UP-5", "zone": "Mars/Olympus"}', 422, ""),
        (b'{"id": "UP-5", "zon": "UTC"}', 422, "zon"),
        (b'{"id": "\\u0000"}', 422, "id"),
        (b'{"id": "\\ud800"}', 422, "id"),
        (b'{"id": "  "}', 422, "id"),
        (b'{"id": 5}', 422, "id"),
        (b'{"id": "UP-5", "capacity_kw": -1}', 422, "capacity_kw"),
        (b'{"id": "UP-5", "capacity_kw": NaN}', 422, "capacity_kw"),
        (b'{"id": "UP-5", "attributes": {"a": {"b": 1}}}', 422, "attributes.a"),
        (b'{"id": "UP-5", "attributes": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", 400, None),
        (b"\xff\xfe", 400, None),
    ],
)
def test_a_wrong_body_is_named(town: Town, body: bytes, status: int, name: str | None) -> None:
    headers = {"Content-Type": "application/json"}
    answer = town.ask("POST", "/v1/usage-points", content=body, headers=headers)
    if name is None:
        assert HTTPStatus.BAD_REQUEST <= answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, answer.text
        return
    assert answer.status_code == status, answer.text
    if name:
        assert answer.json()["errors"][0]["name"] == name


@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""])
def test_a_body_says_that_it_is_json(shown_town: Town, media: str) -> None:
    headers = {"Content-Type": media} if media else {}
    answer = shown_town.ask("POST", "/v1/plans", content=b"{}", headers=headers)
    assert answer.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert "application/json" in answer.json()["remedy"]


@pytest.mark.parametrize("told", [True, False])
def test_a_body_too_large_is_not_read(shown_town: Town, told: bool) -> None:
    body: Any = b"x" * (MAX_BODY + 1)

    async def pieces() -> Any:  # noqa: ANN401 - an async iterator
        for at in range(0, len(body), 1 << 16):
            yield body[at : at + (1 << 16)]

    headers = {"Content-Type": "application/json"}
    answer = shown_town.ask("POST", "/v1/usage-points", content=body if told else pieces(), headers=headers)
    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_a_customer_learns_nothing_of_others(shown_town: Town) -> None:
    own = [
        f"/v1/{path}"
        for path in (
            "usage-points", "findings", "bills", "controls", "events", "events/E-next", "events/E-past",
            "grid/topology", "jobs", "usage-points?search=UP-2", "usage-points?search=M-2",
            "usage-points/UP-1/end-device-events",
            "usage-points/UP-404", "usage-points/UP-404/series", "bills/none", "jobs/none", "status", "quarantine",
            "end-devices", "end-devices/none", "users", "keys", "audit", "findings?limit=0", "nothing",
            f"controls/{shown_town.ids['control']}",
        )
    ]  # fmt: skip
    for path in own:
        text = shown_town.get(path, "own").text.replace(path, "")
        leaked = [word for word in FOREIGN if re.search(rf"\b{word}\b", text) and word not in path]
        # Who asked for the control of their own meter is theirs to know.
        assert leaked in ([], ["second"] if "control" in path else []), path


@pytest.mark.parametrize(
    "path", ["usage-points/{}", "usage-points/{}/bills", "usage-points/{}/forecast", "usage-points/{}/plan"]
)
def test_a_foreign_point_and_none_look_alike(shown_town: Town, path: str) -> None:
    foreign, none = (shown_town.get(f"/v1/{path.format(name)}", "own") for name in ("UP-2", "UP-9"))
    assert foreign.status_code == none.status_code == HTTPStatus.FORBIDDEN
    assert foreign.text.replace("UP-2", "UP-9") == none.text


def test_lists_of_a_customer_hold_their_own(shown_town: Town) -> None:
    for path in ("usage-points", "findings", "bills"):
        mine = shown_town.get(f"/v1/{path}", "own").json()["items"]
        assert {each.get("usage_point") or each["id"] for each in mine} == {"UP-1"}
    event = shown_town.get("/v1/events/E-next", "own").json()
    assert event["targets"] == ["UP-1"]


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError("secret inside of the program")


def test_a_failure_nobody_expected_tells_an_id_only(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(town.platform.store.findings), "page", broken)
    with structlog.testing.capture_logs() as lines:
        answer = town.get("/v1/findings")
    told = answer.json()
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "secret" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert [line["incident"] for line in lines if line["event"] == "request failed"] == [told["incident"]]
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("error", "retry"), [(StoreLocked("busy", where="/data/x.db"), "2"), (StoreCorrupt("bad"), "2")]
)
def test_a_store_in_trouble_can_be_asked_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, error: GridwrightError, retry: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(town.platform.store.findings), "page", fail)
    answer = town.get("/v1/findings")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.headers["retry-after"] == retry
    assert "/data" not in answer.text


@pytest.mark.parametrize("path", ["/v1/usage-points", "/v1/nothing", "/nothing", "/v1/findings?limit=x"])
def test_headers_for_browsers_are_on_every_answer(shown_town: Town, path: str) -> None:
    headers = shown_town.get(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_over_tls_the_browser_is_told_to_stay_there(shown_town: Town) -> None:
    answer = shown_town.get("https://town/v1/usage-points")
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_head_is_a_get_without_body(shown_town: Town) -> None:
    whole, head = (shown_town.ask(method, "/v1/usage-points/UP-1") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (HTTPStatus.OK, b"")
    assert head.headers == whole.headers
    assert shown_town.ask("HEAD", "/v1/users", "viewer").status_code == HTTPStatus.FORBIDDEN
    assert shown_town.ask("HEAD", "/v1/users", "").status_code == HTTPStatus.UNAUTHORIZED


def test_a_page_of_another_site_changes_nothing(shown_town: Town) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    refused = shown_town.post("/v1/plans", {}, headers=headers)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert shown_town.get("/v1/usage-points", headers=headers).status_code == HTTPStatus.OK

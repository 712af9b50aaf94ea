"""The OpenAPI document: whole, valid, and enough to write a client from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api.small_town import Town

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(shown_town: Town) -> dict[str, Any]:
    """The document as a viewer gets it."""
    found: dict[str, Any] = shown_town.get("/v1/openapi.json", "viewer").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every operation by method and path."""
    return {
        f"{method} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_it_is_of_this_version(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Gridwright"
    assert set(document) >= {"openapi", "info", "paths", "components", "security"}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:  # noqa: ANN401 - any JSON
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [each for value in node.values() for each in references(value)]
        return [each for value in node for each in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        at: Any = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]
        assert at


def test_every_operation_explains_itself(document: dict[str, Any]) -> None:
    lacking = []
    for name, operation in operations(document).items():
        good = [each for status, each in operation["responses"].items() if status.startswith("2")]
        shaped = all("204" in operation["responses"] or each["content"]["application/json"]["schema"] for each in good)
        told = operation.get("summary") and operation.get("description") and operation.get("tags")
        problem = "application/problem+json" in operation["responses"]["default"]["content"]
        if not (good and shaped and told and problem):
            lacking.append(name)
    assert lacking == []


def test_every_operation_has_its_own_name(document: dict[str, Any]) -> None:
    names = [each["operationId"] for each in operations(document).values()]
    assert len(names) == len(set(names))
    summaries = [each["summary"] for each in operations(document).values()]
    assert len(summaries) == len(set(summaries))


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    posts = {name: each for name, each in operations(document).items() if name.startswith("post ")}
    del posts["post /v1/readings"]
    lacking = [
        name
        for name, each in posts.items()
        if "Idempotency-Key" not in [parameter["name"] for parameter in each["parameters"]]
    ]
    assert lacking == []


def test_keys_are_shown_in_three_ways(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key", "basic"}
    assert {name for each in document["security"] for name in each} == {"bearer", "key", "basic"}


def test_a_model_per_body_and_a_description_per_model(document: dict[str, Any]) -> None:
    nameless = [name for name, each in document["components"]["schemas"].items() if not each.get("description")]
    assert [name for name in nameless if not name.startswith(("Page", "Command", "Role"))] == []


def test_it_is_also_where_tools_look_for_it(shown_town: Town, document: dict[str, Any]) -> None:
    assert shown_town.get("/openapi.json", "viewer").json() == document

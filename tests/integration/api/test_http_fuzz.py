"""Whatever is sent, nobody gets a 500: parameters and bodies made from the OpenAPI document, right and wrong."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.api.app import make_app
from gridwright.api.openapi import described
from gridwright.app import Platform
from gridwright.settings import Settings, StoreSettings
from tests.integration.api.small_town import Town

DOCUMENT = described(make_app(Platform(Settings(store=StoreSettings(url="sqlite://")))))
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = sorted(
    (method, path)
    for path, item in DOCUMENT["paths"].items()
    for method in METHODS
    if method in item and path != "/v1/readings"
)
KNOWN = st.sampled_from(["UP-1", "UP-2", "M-1", "M-9", "E-past", "E-next", "J-1", "peak", "viewer", "T-1"])
STRANGE = st.sampled_from(
    ["", " ", "\x00", "\ud7ff", "💡", "'; DROP TABLE bill; --", "%", "_", "null", "NaN", "-1", "0", "1e308", "9" * 400,
     "2026-11-02T00:00:00Z", "2026-11-03T00:00:00+01:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-30",
     "../../etc/passwd", "true", "48h", "[]", "{}", "Infinity", "٣", "a" * 3000]
)  # fmt: skip
TEXTS = st.one_of(KNOWN, STRANGE, st.text(max_size=40).filter(lambda text: text.isprintable()))
TAGS = st.sampled_from(["a", "*", '"x"', "k" * 300, "b"])
ACCEPTED = st.sampled_from(["*/*", "text/csv", "application/json", "image/png", "x;q=y,,"])
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that a schema might describe, and, now and then, some that it does not.

    What draws them is made once: to make it anew for each example took a third of the time.
    """
    return _of(json.dumps(schema, sort_keys=True))


@cache
def _of(written: str) -> st.SearchStrategy[Any]:
    schema = json.loads(written)
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return st.one_of([of_schema(each) for each in schema["anyOf"]])
    if schema.get("type") in ("object", "array"):
        return of_many(schema)
    made: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(-(2**70), 2**70) | st.integers(1, 50),
        "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 50),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    examples = schema.get("examples", [])
    times = ["2026-11-02T00:00:00Z", "2026-11-26T00:00:00Z", "2026-12-02T00:00:00Z"]
    usual = [*examples, *schema.get("enum", []), *(times if schema.get("format") == "date-time" else [])]
    if schema.get("type") in made:
        return made[schema["type"]]
    return st.sampled_from(usual) | TEXTS if usual else TEXTS


@cache
def ids_or_texts(ids: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Return ids that there are, and others."""
    return st.sampled_from(ids) | TEXTS


def of_many(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return objects and lists that a schema might describe."""
    if schema["type"] == "array":
        return st.lists(of_schema(schema.get("items", {})), max_size=3)
    if "properties" not in schema:
        return st.dictionaries(TEXTS, TEXTS, max_size=3)
    fields = {name: of_schema(each) for name, each in schema["properties"].items()}
    needed = {name: fields[name] for name in schema.get("required", [])}
    return st.fixed_dictionaries(needed, optional={k: v for k, v in fields.items() if k not in needed}) | JSON


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_never_a_500(fuzzed_town: Town, method: str, path: str, data: st.DataObject) -> None:
    operation = DOCUMENT["paths"][path][method]
    query, headers, address = {}, {}, path
    for parameter in operation.get("parameters", []):
        place, name = parameter["in"], parameter["name"]
        if place == "path":
            ids = ids_or_texts(tuple(sorted(fuzzed_town.ids.values())))
            address = address.replace(f"{{{name}}}", quote(data.draw(ids), safe=""))
        elif place == "query" and (parameter.get("required") or data.draw(st.booleans())):
            query[name] = data.draw(of_schema(parameter["schema"]))
        elif place == "header" and data.draw(st.booleans()):
            headers[name] = data.draw(TAGS)
    headers["Accept"] = data.draw(ACCEPTED)
    more: dict[str, Any] = {"params": {name: told(value) for name, value in query.items()}}
    if "requestBody" in operation:
        more["json"] = data.draw(of_schema(operation["requestBody"]["content"]["application/json"]["schema"]))
    answer = fuzzed_town.ask(method.upper(), address, headers=headers, **more)
    assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, answer.text
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        assert answer.headers["content-type"] == "application/problem+json"


def told(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value as a query says it."""
    return value if isinstance(value, list | str) else str(value)

"""The OpenAPI document of `/v1`, for whoever has a key: routes of FastAPI, the entrance for readings, the problems."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse

from gridwright import __version__
from gridwright.api.door import DOCUMENT, PREFIX, Asking
from gridwright.api.problems import PROBLEM
from gridwright.api.shapes.shape import Problem

ABOUT = (
    "Readings in, everything else out. Instants are RFC 3339 in UTC, periods half-open `[from, to)`, decimals texts. "
    "Lists come in pages (`limit`, `cursor`, `Link: rel=next`) as JSON or CSV; errors are RFC 9457 problems."
)
METHODS = ("get", "post", "put", "patch", "delete")
REF = {"$ref": "#/components/schemas/Problem"}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer gw_…`"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "Any name, and an API key as the password."},
}
READING = {
    "type": "object",
    "required": ["usage_point", "start", "kwh"],
    "properties": {
        "usage_point": {"type": "string"},
        "start": {"type": "string", "format": "date-time"},
        "kwh": {"type": "number"},
        "interval_s": {"type": "integer"},
        "flow": {"type": "string", "enum": ["delivered", "received", "net"]},
        "quality": {"type": "string"},
    },
    "example": {"usage_point": "UP-1042", "start": "2026-11-25T10:00:00Z", "kwh": 0.25, "interval_s": 900},
}
ENTRANCE: dict[str, Any] = {
    "tags": ["Readings"],
    "summary": "Bring readings",
    "operationId": "bring_readings",
    "description": "Take readings as JSON, NDJSON, CSV or Arrow; the answer means that what it counts is durable.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": READING}},
            "application/x-ndjson": {},
            "text/csv": {},
            "application/vnd.apache.arrow.stream": {},
        },
    },
    "responses": {
        "200": {
            "description": "How many were taken, and a verdict on each that was not",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "accepted": {"type": "integer"},
                            "rejected": {"type": "integer"},
                            "quarantined": {"type": "integer"},
                            "verdicts": {"type": "array", "items": {"type": "object"}},
                        },
                    }
                }
            },
        }
    },
}


def add_document(app: FastAPI) -> None:
    """Serve the document at `/v1/openapi.json`, and where tools look for it, behind the door as everything else."""

    @app.get(DOCUMENT, include_in_schema=False)
    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False, summary="Describe this API")
    def document(platform: Asking) -> JSONResponse:
        """Return the OpenAPI document; any key opens it."""
        del platform
        return JSONResponse(described(app))


@lru_cache(maxsize=4)
def described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the application's `/v1`."""
    routes = [route for route in app.routes if not isinstance(route, APIRoute) or route.path.startswith(PREFIX)]
    document = get_openapi(title="Gridwright", version=__version__, description=ABOUT, routes=routes)
    document["paths"][f"{PREFIX}/readings"] = {"post": ENTRANCE}
    schemas = document["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = SECURITY
    document["security"] = [{name: []} for name in SECURITY]
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                _explain(path[method])
    return document


def _explain(operation: dict[str, Any]) -> None:
    """Say that every failure is a problem, in place of FastAPI's own form of it."""
    answer = {"description": "What went wrong, and what helps", "content": {PROBLEM: {"schema": REF}}}
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = answer

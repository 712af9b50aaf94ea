"""RFC 9457 problems: what went wrong, at which parameter, and what helps; never the inside of the program."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridwright.domain import errors as e

PROBLEM = "application/problem+json"
DOCS = "/docs/errors#"
LONGEST_VALUE = 120
RETRY_S = "2"
MOST_LISTED = 20
# The first class that fits decides.
STATUS: tuple[tuple[type[e.GridwrightError], HTTPStatus], ...] = (
    (e.NotAuthenticated, HTTPStatus.UNAUTHORIZED),
    (e.AccessDenied, HTTPStatus.FORBIDDEN),
    (e.NotFound, HTTPStatus.NOT_FOUND),
    (e.Conflict, HTTPStatus.CONFLICT),
    (e.ControlRefused, HTTPStatus.CONFLICT),
    (e.InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (e.UsageError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (e.TooLittleData, HTTPStatus.UNPROCESSABLE_ENTITY),
    (e.RateError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (e.PlanError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (e.DeviceError, HTTPStatus.BAD_GATEWAY),
    (e.MissingExtra, HTTPStatus.NOT_IMPLEMENTED),
    (e.StoreFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (e.StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (e.ConfigError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


class RequestRefused(HTTPException):
    """A request that HTTP itself forbids: a failed precondition, a key used twice; with what helps."""

    def __init__(self, status: HTTPStatus, detail: str, *, remedy: str = "") -> None:
        super().__init__(status, detail)
        self.remedy = remedy


def bad_parameter(place: str, name: str, reason: str, value: object = None) -> RequestValidationError:
    """Return the error of a parameter that only the handler could check; `place`: query, path, header or body."""
    return RequestValidationError([{"loc": (place, name), "msg": reason, "type": "value_error", "input": value}])


def status_of(error: e.GridwrightError) -> HTTPStatus:
    """Return the HTTP status that an error is answered with."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(
    status: int,
    detail: str,
    *,
    instance: str,
    kind: str = "",
    title: str = "",
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401 - members of the JSON object
) -> JSONResponse:
    """Return a problem; members that are empty are left out, `kind` names the error class that the docs explain."""
    phrase = HTTPStatus(status).phrase
    told = {
        "type": f"{DOCS}{kind or phrase.replace(' ', '')}",
        "title": title or phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
        **{name: value for name, value in more.items() if value not in (None, "", [])},
    }
    return JSONResponse(told, int(status), dict(headers or {}), media_type=PROBLEM)


def problem_of(error: e.GridwrightError, instance: str) -> JSONResponse:
    """Return the problem that one of our own errors is; where a server failed, its places stay untold."""
    status, kind = status_of(error), type(error)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="gridwright"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_S
    where = "" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else error.where
    return problem(
        status,
        error.message,
        instance=instance,
        kind=kind.__name__,
        title=(kind.__doc__ or "").split("\n")[0],
        headers=headers,
        where=where,
        remedy=error.remedy,
    )


def add_problems(app: FastAPI) -> None:
    """Answer every failure that the application expects with a problem."""

    @app.exception_handler(e.GridwrightError)
    def ours(request: Request, error: e.GridwrightError) -> Response:
        return problem_of(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        return invalid_request(error, request.url.path)

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        remedy = error.remedy if isinstance(error, RequestRefused) else ""
        detail = {
            HTTPStatus.NOT_FOUND: "there is nothing at this address",
            HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not answered here",
        }.get(HTTPStatus(error.status_code), str(error.detail))
        return problem(error.status_code, detail, instance=request.url.path, headers=error.headers, remedy=remedy)


def invalid_request(error: RequestValidationError, instance: str) -> JSONResponse:
    """Return the problem of a request whose parameters or body are not as they must be; it names each of them."""
    found = [_fault(each) for each in error.errors()]
    broken = any(each.get("type") == "json_invalid" for each in error.errors())
    told = "; ".join(f"{each['name']}: {each['reason']}" for each in found[:3])
    status = HTTPStatus.BAD_REQUEST if broken else HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(
        status,
        told,
        instance=instance,
        kind="InvalidRequest",
        title="The request is not valid",
        errors=found[:MOST_LISTED],
    )


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    place, *path = error.get("loc") or ("body",)
    name, reason, context = (
        ".".join(str(part) for part in path) or str(place),
        error.get("msg", ""),
        error.get("ctx", {}),
    )
    if error.get("type") == "json_invalid":
        name, reason = "body", f"it is not JSON: {context.get('error', '')} at character {path[0] if path else 0}"
    elif error.get("type") == "string_pattern_mismatch" and r"\x00" in context.get("pattern", ""):
        reason = "it has control characters"
    told = {"in": str(place), "name": name, "reason": str(reason or "not valid").removeprefix("Value error, ")}
    # What stands in a body may be a secret; what stands in the address is in everybody's log anyway.
    value = error.get("input") if place in {"query", "path"} else None
    return told | ({"value": str(value)[:LONGEST_VALUE]} if isinstance(value, str | int | float) else {})


class Unexpected:
    """ASGI middleware: a failure nobody expected becomes a 500 without its inside; the log has both, by one id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and keep the failure from whoever asked."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            incident = uuid.uuid4().hex[:12]
            structlog.get_logger().exception("request failed", incident=incident, path=scope["path"], error=repr(error))
            if started:
                raise
            await unexpected(scope["path"], incident)(scope, receive, send)


def unexpected(instance: str, incident: str) -> JSONResponse:
    """Return the problem that tells nothing but the id under which the log has the failure."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the server failed at this request",
        instance=instance,
        kind="Unexpected",
        remedy=f"its log tells what happened, under incident {incident}",
        incident=incident,
    )


def header_of(scope: Scope, name: str) -> str:
    """Return a header of an ASGI request, empty when it is not there."""
    return Headers(scope=scope).get(name, "").strip()


def documented(statuses: Iterable[HTTPStatus]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI entries of answers that are problems."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}

"""Errors as pages, with what helps; a program that asked for JSON, and `/v1`, keep their problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from gridwright.api.problems import invalid_request, problem, problem_of, status_of
from gridwright.domain.errors import GridwrightError, NotAuthenticated
from gridwright.web.show import page


def add_trouble(app: FastAPI) -> None:
    """Show errors of the console's addresses as pages."""

    @app.exception_handler(GridwrightError)
    def ours(request: Request, error: GridwrightError) -> Response:
        if not is_page(request):
            return problem_of(error, request.url.path)
        if isinstance(error, NotAuthenticated):
            onward = f"{request.url.path}{'?' + request.url.query if request.url.query else ''}"
            seen = urlencode({"next": onward}) if request.method == "GET" and onward != "/" else ""
            return RedirectResponse(f"/sign-in{'?' + seen if seen else ''}", HTTPStatus.SEE_OTHER)
        return trouble_page(request, status_of(error), error.message, error.remedy)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        if not is_page(request):
            return invalid_request(error, request.url.path)
        told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()[:3])
        return trouble_page(request, HTTPStatus.UNPROCESSABLE_ENTITY, told, "correct the address and try again")

    plain: Any = app.exception_handlers[HTTPException]

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        if not is_page(request):
            answer: Response = plain(request, error)
            return answer
        return trouble_page(request, HTTPStatus(error.status_code), "There is no page at this address.", "")


def is_page(request: Request) -> bool:
    """Tell whether a browser waits for a page."""
    path = request.url.path
    if path.startswith(("/v1/", "/static/")) or path.endswith((".json", ".csv")):
        return False
    return "text/html" in request.headers.get("accept", "")


def trouble_page(request: Request, status: HTTPStatus, message: str, remedy: str) -> Response:
    """Return the page that tells what is wrong and what helps."""
    shown = {"title": status.phrase, "status": int(status), "message": message, "remedy": remedy}
    return page(request, "trouble.html.j2", shown, who=getattr(request.state, "viewer", None), status=status)


def failed(request: Request, incident: str) -> Response:
    """Return what is shown of a failure nobody expected: nothing but where the log tells more."""
    remedy = f"The server's log tells what happened, under incident {incident}."
    if is_page(request):
        return trouble_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "This page could not be made.", remedy)
    path, status = request.url.path, HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, "the page could not be made", instance=path, kind="Unexpected", remedy=remedy)

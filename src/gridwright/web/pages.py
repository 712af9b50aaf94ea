"""The console on an application: its pages, their twins, and what the browser loads beside them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gridwright.app import Platform
from gridwright.domain.errors import GridwrightError
from gridwright.web.assets import REMEDY, missing_assets
from gridwright.web.routes import (
    bills,
    controls,
    corrections,
    edits,
    errors,
    events,
    exceptions,
    grid,
    mine,
    points,
    rules,
    sign_in,
    today,
)
from gridwright.web.trouble import add_trouble, failed

PAGES = (sign_in, today, points, bills, corrections, exceptions, edits, rules, controls, events, grid, mine, errors)
LONG, SHORT = "public, max-age=31536000, immutable", "no-cache"


class PageRoute(APIRoute):
    """A route whose unexpected failure becomes a page with an incident, not a problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the failure told."""
        answer = super().get_route_handler()

        async def telling(request: Request) -> Response:
            try:
                return await answer(request)
            except (GridwrightError, HTTPException, RequestValidationError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, a person waits for a page
                incident = uuid.uuid4().hex[:12]
                structlog.get_logger().exception(
                    "page failed", incident=incident, path=request.url.path, error=repr(error)
                )
                return failed(request, incident)

        return telling


class Assets(StaticFiles):
    """Files for the browser; those with a version in their name may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with how long the file may be kept."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = LONG if path.startswith("vendor/") else SHORT
        return response


@cache
def routers() -> list[APIRouter]:
    """Return the pages by theme, made once for all applications of a process."""
    made = [APIRouter(route_class=PageRoute, include_in_schema=False) for _ in PAGES]
    for router, each in zip(made, PAGES, strict=True):
        each.add(router)
    return made


def add_pages(app: FastAPI, platform: Platform) -> None:
    """Add the console to the application of a platform."""
    app.state.platform = platform
    app.mount("/static", Assets(packages=[("gridwright.web", "static")]), name="static")
    for router in routers():
        app.include_router(router)
    add_trouble(app)
    if missing := missing_assets():
        structlog.get_logger().warning("console without charts", missing=missing, remedy=REMEDY)

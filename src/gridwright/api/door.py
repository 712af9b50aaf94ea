"""The door of `/v1`: nobody passes without a key, and no body that is too large is read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gridwright.api.authenticate import access_of
from gridwright.api.problems import header_of, problem, problem_of
from gridwright.app import Platform
from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, GridwrightError

PREFIX = "/v1"
DOCUMENT = "/openapi.json"
GUARDED = {PREFIX, DOCUMENT}
MAX_BODY = 4 << 20  # no request of these routes needs more; readings come in by their own entrance
JSON = "application/json"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Door:
    """ASGI middleware: finds out who asks before anything of a request to `/v1` is looked at."""

    def __init__(self, app: ASGIApp, platform: Platform) -> None:
        self._app, self._platform = app, platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in with its access, or answer 401, 403 or 413."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in GUARDED or path.startswith(f"{PREFIX}/")):
            await self._app(scope, receive, send)
            return
        try:
            access = await run_in_threadpool(self._who, scope)
        except GridwrightError as error:
            await problem_of(error, path)(scope, receive, send)
            return
        length = header_of(scope, "content-length")
        if length.isdigit() and int(length) > MAX_BODY:
            await too_large(scope, receive, send)
            return
        if not is_json(scope):
            await no_json(scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = access
        if scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, bodiless(send))
        else:
            await self._app(scope, bounded(receive), send)

    def _who(self, scope: Scope) -> Access:
        # A page of another site can make a browser send its cookie: what changes something needs a key, or our page.
        access = access_of(scope["headers"], self._platform)
        if scope["method"] not in SAFE and not is_same_site(scope):
            raise AccessDenied("this request comes from another site", remedy="send an API key from a program")
        return access


def is_same_site(scope: Scope) -> bool:
    """Tell whether a browser sent the request from one of our own pages; a program names no site."""
    return header_of(scope, "sec-fetch-site") in {"", "same-origin", "none"}


def bodiless(send: Send) -> Send:
    """Return `send` that keeps the head of an answer, with the length of what a GET would bring, and no body."""

    async def sending(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sending


def is_json(scope: Scope) -> bool:
    """Tell whether a body, if there is one, says that it is JSON: a form of another site's page cannot."""
    if header_of(scope, "content-length") in {"", "0"} and not header_of(scope, "transfer-encoding"):
        return True
    media = header_of(scope, "content-type").split(";")[0].strip().lower()
    return media == JSON or (media.startswith("application/") and media.endswith("+json"))


async def no_json(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that the body must be JSON."""
    answer = problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"the body is {header_of(scope, 'content-type')[:80] or 'of no type'}, not {JSON}",
        instance=scope["path"],
        remedy=f"send JSON with Content-Type: {JSON} (curl --json)",
    )
    await answer(scope, receive, send)


def bounded(receive: Receive) -> Receive:
    """Return `receive` that refuses a body over MAX_BODY, told or not."""
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {MAX_BODY >> 20} MiB")
        return message

    return receiving


async def too_large(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that the body is too large."""
    detail = f"the body is larger than {MAX_BODY >> 20} MiB"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    await problem(status, detail, instance=scope["path"])(scope, receive, send)


def asking(request: Request) -> Platform:
    """Return the platform, speaking for whoever asks."""
    platform: Platform = request.app.state.platform
    return platform.for_access(request.state.access)


def staff(request: Request) -> Platform:
    """Return the platform for someone who sees every usage point; a customer, or a device, is denied."""
    platform = asking(request)
    platform.access.require(Act.READ)
    if platform.access.points is not None:
        raise AccessDenied(f"{platform.access.actor} may see only their own usage points")
    return platform


Asking = Annotated[Platform, Depends(asking)]
Staff = Annotated[Platform, Depends(staff)]

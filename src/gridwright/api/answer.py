"""Answers of the entrances that stand in front of FastAPI: status, body and headers, sent as raw ASGI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog

from gridwright.api.problems import DOCS, PROBLEM, RETRY_S, status_of
from gridwright.api.security_headers import ALWAYS, STRICT_TRANSPORT
from gridwright.domain.errors import GridwrightError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
# These answers are data for machines: nothing in them may be framed, guessed at, run or kept by a browser.
SECURITY = tuple(
    (name.lower().encode(), value.encode())
    for name, value in {**ALWAYS, "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}.items()
)
SECURE = (b"strict-transport-security", STRICT_TRANSPORT.encode())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is told; `headers` besides the type, the length and those every answer has."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def head(self, *, secure: bool = False) -> list[tuple[bytes, bytes]]:
        """Return the headers; `secure`: over TLS, which the client is then asked to keep to."""
        told = [(b"content-type", self.media_type.encode()), (b"content-length", str(len(self.body)).encode())]
        # RFC 9110, 8.6: 204 has no length, and strict clients and proxies take one that has for an error.
        head = [*(() if self.status == HTTPStatus.NO_CONTENT else told), *SECURITY, *self.headers]
        return [*head, SECURE] if secure else head

    async def send(self, send: Send, *, secure: bool = False) -> None:
        """Send it as ASGI messages."""
        head = self.head(secure=secure)
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": self.body})


def answer_to(error: Exception, path: str) -> Answer:
    """Return the problem that a failure is: one we did not expect is a 500 without details, which the log has."""
    if isinstance(error, Refused):
        return error.answer
    if isinstance(error, GridwrightError):
        return problem_of(error)
    structlog.get_logger().error("request failed", path=path, error=repr(error), exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed at this request", remedy="its log tells what happened"
    )


class Refused(Exception):
    """A request that is answered before it reaches the store; carries the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def problem(
    status: int, detail: str, *, remedy: str = "", headers: dict[str, str] | None = None, **more: object
) -> Answer:
    """Return an RFC 9457 problem: what is wrong, what helps, and what else there is to tell."""
    phrase = HTTPStatus(status).phrase
    told: dict[str, object] = {"type": f"{DOCS}{phrase.replace(' ', '')}", "title": phrase, "status": int(status)}
    more = {**more, "detail": detail, "remedy": remedy}
    told |= {name: value for name, value in more.items() if value not in (None, "")}
    extra = tuple((name.lower().encode(), value.encode()) for name, value in (headers or {}).items())
    return Answer(int(status), json.dumps(told, ensure_ascii=False).encode(), PROBLEM, extra)


def problem_of(error: GridwrightError) -> Answer:
    """Return the problem that one of our own errors is; where a server failed, its places stay untold."""
    status, kind = status_of(error), type(error)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="gridwright"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_S
    where = "" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else error.where
    title = (kind.__doc__ or "").split("\n")[0]
    named = {"type": f"{DOCS}{kind.__name__}", "title": title, "where": where}
    return problem(status, error.message, remedy=error.remedy, headers=headers, **named)


def refuse(
    status: int, detail: str, *, remedy: str = "", headers: dict[str, str] | None = None, **more: object
) -> Refused:
    """Return the exception that answers with a problem."""
    return Refused(problem(status, detail, remedy=remedy, headers=headers, **more))

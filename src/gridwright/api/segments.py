"""Addresses by their segments: a name may hold `/`, `?` or any other sign, and is still one segment.

A server hands over a path that is unescaped already, in which `9b6c%2F01` can no longer be told from two segments. Here
the path is made anew from what the client wrote, escaped in one way only; routes match that, and names are unescaped
behind them.
"""

from __future__ import annotations

import re
from typing import cast
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

SAFE = "!$&'()*+,;=:@"  # what RFC 3986 lets stand in a segment, beside letters, digits and -._~
# Stays as it was written: `x%2Ecsv` is the name x.csv, where `x.csv` is the table of x.
DOT = re.compile(rb"%2[Ee]")


class Segments:
    """ASGI middleware: lets all behind it see the path escaped, segment by segment."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            scope["path"] = escaped(scope)
        await self._app(scope, receive, send)


def escaped(scope: Scope) -> str:
    """Return the path of a request, each segment escaped in the one way in which routes expect it."""
    raw = cast("bytes", scope.get("raw_path") or quote(scope["path"]).encode())
    return "/".join("%2E".join(_again(part) for part in DOT.split(segment)) for segment in raw.split(b"/"))


def _again(part: bytes) -> str:
    return quote_from_bytes(unquote_to_bytes(part), safe=SAFE)


async def whole_names(request: Request) -> None:
    """Unescape the names in an address, before anything of it is looked at."""
    names = request.scope.get("path_params", {})
    request.scope["path_params"] = {name: unquote(value) for name, value in names.items()}

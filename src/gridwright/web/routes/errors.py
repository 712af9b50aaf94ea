"""What an error means: the page that the `type` of each problem links to."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.api.problems import STATUS
from gridwright.domain.errors import GridwrightError
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.who import Who

Kind = type[GridwrightError]


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/docs/errors", errors)


def errors(request: Request, who: Who) -> Response:
    """Show every error with its status and its meaning, the particular below the general."""
    rows = [
        {"name": kind.__name__, "depth": depth, "status": status(kind), "meaning": meaning(kind)}
        for kind, depth in tree()
    ]
    columns = ("name", "status", "meaning")
    cells = [[row[name] for name in columns] for row in rows]
    return show(request, who, View("errors.html.j2", "Errors", {"errors": rows}, columns, cells))


def tree(kind: Kind = GridwrightError, depth: int = 0) -> Iterator[tuple[Kind, int]]:
    """Walk the tree of errors, each with how deep it stands."""
    yield kind, depth
    for below in sorted(kind.__subclasses__(), key=lambda each: each.__name__):
        if below.__module__ == GridwrightError.__module__:
            yield from tree(below, depth + 1)


def status(kind: Kind) -> int:
    """Return the status with which HTTP answers it."""
    return int(next((code for each, code in STATUS if issubclass(kind, each)), HTTPStatus.INTERNAL_SERVER_ERROR))


def meaning(kind: Kind) -> str:
    """Return its meaning in a sentence."""
    return (kind.__doc__ or "").split("\n", maxsplit=1)[0]

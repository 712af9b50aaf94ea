"""Lists as JSON or CSV, a page at a time, with the link to the next one."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gridwright.api.problems import RequestRefused

Item = TypeVar("Item", bound=BaseModel)
JSON, CSV = "application/json", "text/csv"
# A table program runs a cell that begins like this as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is the cursor of the one after it, null on the last."""

    items: list[Item]
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last.")


def accepted(request: Request, offered: Sequence[str]) -> str:
    """Return the media type of `offered` that the Accept header likes best; 406 when it takes none of them.

    The first one is the default: no header, or one that takes everything.
    """
    wanted = request.headers.get("accept", "").strip() or "*/*"
    best, weight = "", 0.0
    for media in offered:
        liked = max((_weight(part, media) for part in wanted.split(",")), default=0.0)
        if liked > weight:
            best, weight = media, liked
    if not best:
        raise RequestRefused(
            HTTPStatus.NOT_ACCEPTABLE,
            f"none of {wanted[:200]!r} is to be had here",
            remedy=f"accept {', '.join(offered)}",
        )
    return best


def _weight(part: str, media: str) -> float:
    """Return how much one part of an Accept header likes a media type; a plain name counts a little over a range."""
    name, *options = (each.strip().lower() for each in part.split(";"))
    kind = media.split("/", maxsplit=1)[0]
    closeness = {media: 1.0, f"{kind}/*": 0.99, "*/*": 0.98}.get(name, 0.0)
    quality = next((each[2:] for each in options if each.startswith("q=")), "1")
    try:
        return closeness * min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return 0.0


def listed(request: Request, items: Sequence[BaseModel], following: str | None = None) -> Response:
    """Return a page as the request wants it; `following` is the cursor of the next one."""
    headers = {"Vary": "Accept"}
    if following:
        headers["Link"] = f'<{next_address(request, following)}>; rel="next"'
    if accepted(request, (JSON, CSV)) == CSV:
        return Response(to_csv(items), headers=headers, media_type=f"{CSV}; charset=utf-8; header=present")
    body = Page[Any].model_construct(items=list(items), next=following)
    return Response(body.model_dump_json(by_alias=True, serialize_as_any=True), headers=headers, media_type=JSON)


def next_address(request: Request, cursor: str) -> str:
    """Return the path and query of the next page."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*query, ('cursor', cursor)])}"


def to_csv(items: Sequence[BaseModel]) -> str:
    """Return items as CSV: a column a field, nested objects as `outer.inner`, lists joined by spaces."""
    rows = [dict(_flat(item.model_dump(mode="json", by_alias=True))) for item in items]
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\r\n", restval="")
    if names:
        writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _flat(item: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    cells: list[tuple[str, Any]] = []
    for name, value in item.items():
        if isinstance(value, Mapping):
            cells += _flat(value, f"{prefix}{name}.")
        else:
            cells.append((f"{prefix}{name}", cell(value)))
    return cells


def cell(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a CSV cell shows; text that a table program would run as a formula is quoted with `'`."""
    if isinstance(value, list):
        value = " ".join(str(each) for each in value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def cut(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], Any | None]:
    """Split one row more than a page has: the page, and its last row when another page follows."""
    page = rows[:limit]
    return page, page[-1] if len(rows) > limit and page else None

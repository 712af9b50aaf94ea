"""From a view to an answer: the page, its JSON twin or its CSV twin, by the ending of the address."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, JSONResponse, Response

from gridwright.domain.interval import zone_of
from gridwright.web import assets
from gridwright.web.who import Viewer

TWINS = ("json", "csv", "pdf")  # endings of addresses that are the same page in another form
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a text that begins so
INSTANT = re.compile(r"\b\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)")
HEADERS = {"Referrer-Policy": "same-origin"}  # the browser tells its origin only to ourselves, so that we can check it


@dataclass(frozen=True, slots=True)
class View:
    """One page: its template, what it shows as JSON, and the rows of its CSV twin (the first one names the columns)."""

    template: str
    title: str
    data: dict[str, Any]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    api: str = ""
    cli: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def show(request: Request, who: Viewer, view: View) -> Response:
    """Answer with the page, or with the twin that the address asks for."""
    path = request.url.path
    if path.endswith(".json"):
        return JSONResponse(view.data, headers=HEADERS)
    if path.endswith(".csv"):
        name = path.rsplit("/", 1)[-1]  # escaped, as routes see it
        headers = {**HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(_csv(view), media_type="text/csv; charset=utf-8", headers=headers)
    return page(request, view.template, {**view.data, **view.extra, "sheet": view, "title": view.title}, who=who)


def page(
    request: Request, template: str, shown: dict[str, Any], *, who: Viewer | None = None, status: int = HTTPStatus.OK
) -> HTMLResponse:
    """Render a template; `who` is None before the sign-in and where nobody is known."""
    query = f"?{request.url.query}" if request.url.query else ""
    zone = who.platform.settings.site.zone if who else "UTC"
    around = {
        "who": who,
        "path": request.url.path,
        "query": query,
        "here": f"{request.url.path}{query}",
        "host": str(request.base_url).rstrip("/"),
        "site_zone": zone,
        "missing_assets": assets.missing_assets(),
        "assets": assets,
    }
    text = environment().get_template(template).render({**around, **shown})
    return HTMLResponse(text, status, headers=HEADERS)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the templates with the console's own filters; everything is escaped unless it is made here."""
    made = Environment(
        loader=PackageLoader("gridwright.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"when": when, "day": day, "told": told, "number": number, "share": share}
    made.filters |= {"segment": segment, "query": query_of}
    return made


def when(moment: str | datetime | None, zone: str = "UTC", shape: str = "%a %-d %b %Y, %H:%M") -> Markup:
    """Return an instant by the local clock with its zone; UTC appears on hover."""
    if not moment:
        return Markup('<span class="soft">never</span>')
    at = (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).astimezone(UTC)
    local = at.astimezone(zone_of(zone))
    return Markup('<time datetime="{0}" title="{1} UTC">{2} <small>{3}</small></time>').format(
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", local.strftime(shape), local.tzname()
    )


def day(text: str, shape: str = "%a %-d %b %Y") -> str:
    """Return a civil day as people write it."""
    return date.fromisoformat(text).strftime(shape)


def told(text: str, zone: str) -> str:
    """Return what a machine wrote, its instants to the second by the local clock."""

    def local(found: re.Match[str]) -> str:
        at = datetime.fromisoformat(found[0]).astimezone(zone_of(zone))
        return f"{at:%-d %b %Y, %H:%M:%S} {at.tzname()}"

    return INSTANT.sub(local, text)


def number(value: float | str | None, places: int = 1) -> str:
    """Return a number with separators; a dash where there is none. Negative `places`: as many as there are, at most."""
    if value is None:
        return "–"
    if places < 0:
        written = f"{Decimal(str(value)):f}".partition(".")[2].rstrip("0")
        places = min(len(written), -places)
    return f"{float(value):,.{places}f}".replace("-", "−")


def share(value: float | None, places: int = 1) -> str:
    """Return a share as per cent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{places}f} %".replace("-", "−")


def utc_text(moment: datetime) -> str:
    """Return an instant as an address of the API takes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def segment(text: str) -> str:
    """Return a name as one segment of an address; one that ends like a twin is not taken for it."""
    name, dot, ending = quote(str(text), safe="").rpartition(".")
    return f"{name}%2E{ending}" if dot and ending in TWINS else f"{name}{dot}{ending}"


def query_of(fields: dict[str, Any]) -> Markup:
    """Return a query of the fields that are set, with its question mark."""
    shown = {name: value for name, value in fields.items() if not isinstance(value, Undefined)}
    kept = {name: value for name, value in shown.items() if value not in (None, "", False)}
    return Markup("?{}").format(urlencode(kept)) if kept else Markup("")


def _csv(view: View) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(view.columns)
    writer.writerows([[_cell(value) for value in row] for row in view.rows])
    return text.getvalue()


def _cell(value: Any) -> Any:  # noqa: ANN401 - what a row holds
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value

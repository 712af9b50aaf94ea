"""Usage points: find one, and see everything about it on one timeline."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from shlex import quote
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import JSONResponse, Response

from gridwright.api.routes.point_data import trusted_panel
from gridwright.domain.access import Act
from gridwright.domain.errors import ArchiveUnreadable, Conflict, GridwrightError, InputError, NotFound, TooLittleData
from gridwright.domain.interval import Interval, parse_instant
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import FindingFilter
from gridwright.web.routes.twins import add_page
from gridwright.web.show import HEADERS, View, segment, show, utc_text
from gridwright.web.views.bill import bill_row
from gridwright.web.views.control import control_row
from gridwright.web.views.point import Range, columns, counts, daily, interval_rows, listed, passed, range_of, runs
from gridwright.web.views.today import device_event
from gridwright.web.who import Viewer, Who

PAGE, LISTED, AUDITED = 50, 20, 1000
MOST_DAYS = 400
RAW, TRUSTED = "raw", "trusted"
Days = Annotated[int, Query(ge=1, le=MOST_DAYS)]
Known = Annotated[str, Query(alias="as-of", max_length=40)]
Kind = Annotated[str, Query(pattern="^(raw|trusted)$")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days of a usage point are asked for, raw or trusted, beside the days before or alone, as known when."""

    first: str
    days: int
    view: str
    compare: bool
    known: str = ""

    def span(self, here: UsagePoint, now: datetime) -> Range:
        """Return the civil days, in the usage point's own zone."""
        return range_of(self.first, self.days, here.zone, now)

    def as_of(self, here: UsagePoint) -> datetime | None:
        """Return the instant as known at which it is asked for; None: as known now."""
        return parse_instant(self.known, here.tz) if self.known else None


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/usage-points", find)
    router.add_api_route("/usage-points/{name}/chart.json", chart, methods=["GET"])
    add_page(router, "/usage-points/{name}", point)


def find(request: Request, who: Who, search: str = "", after: str = "") -> Response:
    """List usage points by id, or those that a search finds."""
    rows = who.platform.store.registry.page(who.access, search=search.strip(), limit=PAGE + 1, after=after)
    shown = [_facts(each) for each in rows[:PAGE]]
    data = {
        "search": search,
        "after": after,
        "usage_points": shown,
        "following": shown[-1]["id"] if len(rows) > PAGE else "",
    }
    names = ("id", "customer_class", "zone", "capacity_kw", "exports")
    return show(
        request,
        who,
        View(
            "points.html.j2",
            "Usage points",
            data,
            names,
            [[each[name] for name in names] for each in shown],
            api=f"/v1/usage-points?limit={PAGE}",
            cli="gridwright usage-point list",
        ),
    )


def asked(
    first: Annotated[str, Query(alias="from")] = "",
    days: Days = 7,
    view: Kind = RAW,
    known: Known = "",
    *,
    compare: bool = False,
) -> Asked:
    """Return which days an address asks for, and how they are shown."""
    return Asked(first, days, view, compare, known.strip())


Which = Annotated[Asked, Depends(asked)]


def point(request: Request, who: Who, name: str, which: Which) -> Response:
    """Show one usage point over some days."""
    here = who.platform.store.registry.point(who.access, name)
    span = which.span(here, who.platform.clock())
    as_of = which.as_of(here)
    panel, trouble = read(who, here, span.period, which.view, as_of)
    columns_shown = ("start_utc", "kwh", "quality")
    if request.url.path.endswith(".csv"):
        return show(request, who, View("", name, {}, columns_shown, interval_rows(panel) if panel else ()))
    data = {
        "usage_point": _facts(here),
        "range": span.to_dict(),
        "view": which.view,
        "compare": which.compare,
        "as_of": which.known,
        "trouble": trouble,
        "counts": counts(panel) if panel else None,
        "runs": runs(panel) if panel else [],
        "days": daily(panel, here.zone) if panel else [],
        "total_kwh": round(float(panel.total_kwh()[0]), 3) if panel else None,
        **_around(who, here, span),
    }
    first, last = utc_text(span.period.start), utc_text(span.period.end)
    address = f"/v1/usage-points/{segment(name)}/interval-blocks?from={first}&to={last}"
    address += f"&as-of={utc_text(as_of)}" if as_of else ""
    line = f"gridwright usage-point show {quote(name)}"
    view = View("point.html.j2", name, data, columns_shown, api=address, cli=line)
    return show(request, who, view)


def chart(
    who: Who, name: str, which: Which, most: Annotated[int, Query(alias="points", ge=10, le=5000)] = 2000
) -> JSONResponse:
    """Return the columns of the chart, thinned out to `points` steps of mean, least and highest."""
    here = who.platform.store.registry.point(who.access, name)
    span = which.span(here, who.platform.clock())
    as_of = which.as_of(here)
    panel, trouble = read(who, here, span.period, which.view, as_of)
    found = columns(panel, most) if panel else {"t": [], "kw": [], "interval_s": 0}
    if which.compare and panel and found["interval_s"] == panel.interval_s:
        before, _ = read(who, here, span.earlier, which.view, as_of)
        if before and before.interval == panel.interval:
            earlier = listed(before.kw[0][: panel.slots])
            found["before_kw"] = earlier + [None] * (panel.slots - len(earlier))
    for kind in ("forecast", "plan"):
        known = who.platform.store.outlooks.latest(who.access, kind, name)
        found[kind] = {"issued": known.issued.isoformat(), **known.body} if known else None
    return JSONResponse({**found, "zone": here.zone, "trouble": trouble}, headers=HEADERS)


def read(
    who: Viewer, here: UsagePoint, period: Interval, view: str, as_of: datetime | None = None
) -> tuple[Panel | None, str]:
    """Return the delivered energy of a period, raw or trusted; None, with the reason, when there is none.

    `as_of`: as known at that instant.
    """
    try:
        if view == TRUSTED:
            panel = trusted_panel(who.platform, here.id, DELIVERED_ENERGY, period, as_of=as_of)
        else:
            panel = who.platform.readings(here.id, period, as_of=as_of)
    except (NotFound, TooLittleData, InputError) as error:
        return None, error.message
    except (Conflict, ArchiveUnreadable) as error:
        return None, f"{error.message}. {error.remedy}"
    over = passed(panel, who.platform.clock())
    return (over, "") if over.slots else (None, "These days are still to come.")


def _around(who: Viewer, here: UsagePoint, span: Range) -> dict[str, Any]:
    """Return what belongs to a usage point beside its readings, as far as the role may see it."""
    store, access, name = who.platform.store, who.access, here.id
    with_registers = Interval(span.period.start - timedelta(days=31), span.period.end)
    found: dict[str, Any] = {
        "installations": [
            {"device": each.end_device, "since": each.period.start.isoformat(),
             "until": None if each.is_open else each.period.end.isoformat(), "multiplier": f"{each.multiplier:f}"}
            for each in store.registry.installations(access, name)
        ],
        "registers": [
            {"at": each.at.isoformat(), "meter": each.end_device, "kwh": each.value / 1000}
            for each in store.registers.load(access, name, with_registers)[-LISTED:]
        ],
        "findings": [
            {"id": each.id, **each.finding.to_dict()}
            for each in store.findings.page(access, FindingFilter(name), limit=LISTED)
        ],
        "controls": [control_row(each) for each in store.controls.find(access, point=name, limit=LISTED)],
        "reports": [device_event(each) for each in store.devices.events(access, point=name, limit=LISTED)],
        "bills": None, "audit": None,
    }  # fmt: skip
    if who.may(Act.READ_BILLS):
        found["bills"] = [bill_row(each) for each in store.ledger.bills(access, name)][::-1]
    if who.may(Act.ADMINISTER):
        with suppress(GridwrightError):
            found["audit"] = [
                {"at": each.at.isoformat(), "actor": each.actor, "act": each.act, "subject": each.subject}
                for each in store.audit.records(access, limit=AUDITED)
                if name in each.subject
            ][:LISTED]
    return found


def _facts(point: UsagePoint) -> dict[str, Any]:
    return {"id": point.id, "zone": point.zone, "customer_class": point.customer_class,
            "capacity_kw": point.capacity_kw, "exports": point.exports,
            "attributes": dict(sorted(point.attributes.items()))}  # fmt: skip

"""Exceptions: what must a person decide? Doubts of validation, and meters nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from gridwright.app.live import deciding, edit_policy
from gridwright.domain.access import Act
from gridwright.domain.edit import EditState
from gridwright.domain.errors import InputError
from gridwright.domain.finding import Severity
from gridwright.jobs.meters.accept_findings import Decided, accept_findings
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.waiting_meters import waiting_meters
from gridwright.jobs.meters.weigh_acceptance import together
from gridwright.store import FindingFilter
from gridwright.vee.remedies import check_code
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.bill import days_of
from gridwright.web.who import BoundForm, Form, Staff, Viewer

PAGE = 50
DIGITS = re.compile("[0-9]{1,18}")
LARGEST = (1 << 62) - 1
After = Annotated[int, Query(ge=0, le=LARGEST)]
SEVERITIES = tuple(map(str, Severity))


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/exceptions", exceptions)
    router.add_api_route("/exceptions/resolve", resolve, methods=["POST"])
    router.add_api_route("/exceptions/assign", assign, methods=["POST"])
    router.add_api_route("/exceptions/claim", claim, methods=["POST"])


@dataclass(frozen=True, slots=True)
class Sought:
    """Which exceptions the address asks for."""

    severity: str
    code: str
    point: str
    person: str
    proposed: str


def sought(severity: str = "", code: str = "", point: str = "", person: str = "", proposed: str = "") -> Sought:
    """Return what the address asks for; `proposed`: those that wait for a second person."""
    return Sought(severity, code, point, person, "yes" if proposed else "")


def exceptions(
    request: Request,
    who: Staff,
    asked: Annotated[Sought, Depends(sought)],
    *,
    after: After = 0,
    done: str = "",
    seal: str = "",
) -> Response:
    """Show the work list, filtered as the address says."""
    store, access = who.platform.store, who.access
    wanted = asdict(asked)
    rows = store.findings.page(access, _described(wanted), limit=PAGE + 1, after=after)
    zones = _zones(who, {each.finding.usage_point for each in rows})
    found = [
        {"id": each.id, **each.finding.to_dict(), "known_at": each.known_at.isoformat(),
         "assigned_to": each.assigned_to, "proposed_by": each.proposed_by, "proposal": each.proposal,
         **days_of(each.finding.period, zones.get(each.finding.usage_point, "UTC"))}
        for each in rows[:PAGE]
    ]  # fmt: skip
    waiting = [
        {"meter": each.meter, "readings": each.readings, "events": each.events, "first": each.first.isoformat(),
         "last": each.last.isoformat()}
        for each in waiting_meters(store, access, limit=PAGE)
    ]  # fmt: skip
    data: dict[str, Any] = {
        "findings": found, "quarantine": waiting, "following": found[-1]["id"] if len(rows) > PAGE else 0,
        "filter": wanted,
    }  # fmt: skip
    names = ("id", "usage_point", "code", "severity", "channel", "from", "to", "slots", "message", "assigned_to",
             "proposed_by")  # fmt: skip
    extra = {
        "done": who.unseal(done, seal),
        "waiting_edits": len(store.edits.find(access, states=(EditState.PROPOSED,), limit=PAGE)),
        "waiting_doubts": len(store.findings.page(access, FindingFilter(proposed=True), limit=PAGE)),
        "may_resolve": who.may(Act.WRITE_READINGS),
        "may_claim": who.may(Act.WRITE_REGISTRY),
        "severities": SEVERITIES,
    }
    return show(
        request,
        who,
        View(
            "exceptions.html.j2",
            "Exceptions",
            data,
            names,
            [[each[name] for name in names] for each in found],
            api="/v1/findings",
            cli="gridwright finding list",
            extra=extra,
        ),
    )


def resolve(who: Staff, form: BoundForm) -> Response:
    """Accept the selected doubts, or all that fit the filter, with a reason."""
    ids, reason = _chosen(who, form), form.text("reason")
    if not ids or not reason:
        raise InputError("select at least one exception and give a reason", remedy="go back and fill in both")
    done = accept_findings(who.platform.store, who.access, ids, reason=reason, by=deciding(who.platform))
    return _back(who, form.text("filter"), _said(done, edit_policy(who.platform).alone_kwh))


def _said(done: Decided, alone_kwh: float) -> str:
    """Return what became of an acceptance, as a sentence without its full stop."""
    accepted, total = f"{done.findings} accepted, with your reason in the audit chain", together(done.effects)
    if done.waiting:
        wait = f"{done.waiting} wait for a second person, for they let more than {alone_kwh:g} kWh count"
        return f"{accepted}; {wait}" if done.findings else wait
    again = f"{total.intervals} intervals count again as measured, {total.added_wh / 1000:+g} kWh"
    return f"{accepted}; {again}" if total.intervals else accepted


def assign(who: Staff, form: BoundForm) -> Response:
    """Give the selected doubts, or all that fit the filter, to somebody."""
    ids, person = _chosen(who, form), form.text("person")
    if not ids:
        raise InputError("select at least one exception", remedy="go back and select some")
    number = who.platform.store.findings.assign(who.access, ids, person, now=who.platform.clock())
    return _back(who, form.text("filter"), f"{number} given to {person or 'nobody'}")


def _chosen(who: Viewer, form: Form) -> list[int]:
    """Return the selected ids; with `all`, those of everything that fits the filter, which must narrow it."""
    if not form.text("all"):
        return [int(text) for text in form.all("id") if DIGITS.fullmatch(text)]
    asked = dict(parse_qsl(form.text("filter").lstrip("?")))
    where = _described(asked)
    if not where.narrows:
        raise InputError("all exceptions at once cannot be decided", remedy="filter by rule, usage point or severity")
    return who.platform.store.findings.ids(who.access, where)


def _described(asked: Mapping[str, str]) -> FindingFilter:
    """Return which findings a filter of the page asks for."""
    severity, point, code, person = (asked.get(name, "").strip() for name in ("severity", "point", "code", "person"))
    if code:
        check_code(code)
    wanted = Severity(severity) if severity in SEVERITIES else None
    proposed = bool(asked.get("proposed"))
    return FindingFilter(point or None, wanted, code or None, assigned_to=person or None, proposed=proposed)


def claim(who: Staff, form: BoundForm) -> Response:
    """Say at which usage point an unknown meter hangs, and take its readings in."""
    wish = MeterClaim(form.text("meter"), form.text("usage_point"))
    done = claim_in_portions(who.platform.store, who.access, wish, now=who.platform.clock())
    said = (
        f"Meter {wish.meter} hangs at {wish.usage_point}; its" if done.installation else f"{wish.usage_point}: its own"
    )
    return _back(who, "", ". ".join([f"{said} readings are in", *done.notes]))


def _back(who: Viewer, query: str, done: str) -> Response:
    kept = f"{query.lstrip('?')}&" if query.startswith("?") else ""
    return RedirectResponse(f"/exceptions?{kept}{urlencode(who.seal(done))}", HTTPStatus.SEE_OTHER)


def _zones(who: Viewer, points: set[str]) -> dict[str, str]:
    return {each.id: each.zone for each in who.platform.store.registry.points(who.access, sorted(points))}

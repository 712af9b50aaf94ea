"""Edits: put agreed values in place of readings, approve what others propose, and take it back."""

from __future__ import annotations

import re
from http import HTTPStatus
from shlex import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gridwright.app.live import edit_policy
from gridwright.domain.access import Act
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import InputError
from gridwright.domain.interval import exact_period
from gridwright.domain.reading_type import DELIVERED_ENERGY, from_code
from gridwright.domain.written_number import read_number
from gridwright.jobs.meters.edit_readings import EditWish, approve_edit, propose_edit, reject_edit, withdraw_edit
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, segment, show
from gridwright.web.views.edit import LISTED, decisions, edit_row, value_rows
from gridwright.web.who import BoundForm, Staff

SHOWN = 50
SPACES = re.compile(r"[\s;]+")


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/edits", edits)
    router.add_api_route("/edits/new", new, methods=["GET"])
    router.add_api_route("/edits/new", propose, methods=["POST"])
    router.add_api_route("/edits/{name}/approve", approve, methods=["POST"])
    router.add_api_route("/edits/{name}/reject", reject, methods=["POST"])
    router.add_api_route("/edits/{name}/withdraw", withdraw, methods=["POST"])
    add_page(router, "/edits/{name}", edit)


def edits(request: Request, who: Staff) -> Response:
    """List edits: those that wait for a second person first."""
    find = who.platform.store.edits.find
    waiting = [edit_row(each) for each in find(who.access, states=(EditState.PROPOSED,), limit=SHOWN)]
    decided = tuple(each for each in EditState if each is not EditState.PROPOSED)
    done = [edit_row(each) for each in find(who.access, states=decided, limit=SHOWN)]
    names = ("id", "usage_point", "from", "to", "state", "moves", "author", "approved_by", "decided_by", "reason")
    rows = [[each[name] for name in names] for each in (*waiting, *done)]
    data = {"waiting": waiting, "done": done}
    view = View("edits.html.j2", "Edits", data, names, rows, api="/v1/edits", cli="gridwright edit list")
    return show(request, who, view)


def edit(request: Request, who: Staff, name: str) -> Response:
    """Show one edit, interval by interval, and what may be done about it."""
    found = who.platform.store.edits.edit(who.access, name)
    rows = value_rows(found)
    data = {
        "edit": edit_row(found),
        "values": rows[:LISTED],
        "more": max(0, len(rows) - LISTED),
        **decisions(found, who.access, edit_policy(who.platform)),
    }
    names = ("at", "before", "after")
    return show(
        request,
        who,
        View(
            "edit.html.j2",
            f"Edit of {found.usage_point}",
            data,
            names,
            [[each[column] for column in names] for each in rows],
            api=f"/v1/edits/{segment(name)}",
            cli=f"gridwright edit show {quote(name)}",
        ),
    )


def new(request: Request, who: Staff, point: str = "", start: str = "", end: str = "") -> Response:
    """Show the form of a new edit, for the period of a doubt or any other."""
    who.access.require(Act.WRITE_READINGS, point or None)
    zone = who.platform.store.registry.point(who.access, point).zone if point else who.platform.settings.site.zone
    alone = edit_policy(who.platform).alone_kwh
    data = {
        "usage_point": point,
        "period": f"{start}/{end}" if start and end else "",
        "zone": zone,
        "alone": alone,
        "kind": DELIVERED_ENERGY.code,
    }
    cli = f"gridwright edit propose {quote(point or 'UP-1042')} --period 2026-03-01 --total 12.5 --reason WHY"
    return show(request, who, View("edit_new.html.j2", "Edit readings", data, api="/v1/edits", cli=cli))


def propose(who: Staff, form: BoundForm) -> Response:
    """Put an edit on record."""
    point = who.platform.store.registry.point(who.access, form.text("usage_point"))
    kind = form.text("reading_type")
    wish = EditWish(
        point.id,
        exact_period(form.text("period"), point.tz),
        form.text("reason"),
        values=_values(form.text("values")),
        total=read_number(form.text("total"), "total", signed=True),
        evidence=form.text("evidence"),
        reading_type=from_code(kind) if kind else DELIVERED_ENERGY,
    )
    now, policy = who.platform.clock(), edit_policy(who.platform)
    return _to(propose_edit(who.platform.store, who.access, wish, policy=policy, now=now))


def approve(who: Staff, form: BoundForm, name: str) -> Response:
    """Let an edit go, as a second person."""
    now = who.platform.clock()
    return _to(approve_edit(who.platform.store, who.access, name, now=now, note=form.text("reason")))


def reject(who: Staff, form: BoundForm, name: str) -> Response:
    """Stop an edit that waits."""
    now = who.platform.clock()
    return _to(reject_edit(who.platform.store, who.access, name, reason=form.text("reason"), now=now))


def withdraw(who: Staff, form: BoundForm, name: str) -> Response:
    """Take an edit back."""
    now = who.platform.clock()
    return _to(withdraw_edit(who.platform.store, who.access, name, reason=form.text("reason"), now=now))


def _values(text: str) -> list[float] | None:
    """Read values apart from each other by blanks, semicolons or line ends; None where there are none."""
    words = [word for word in SPACES.split(text) if word]
    try:
        return [float(word.replace(",", ".")) for word in words] or None
    except ValueError as error:
        raise InputError(
            f"a value is no number: {error}", remedy="give numbers with blanks or line ends between"
        ) from None


def _to(found: Edit) -> Response:
    return RedirectResponse(f"/edits/{segment(found.id)}", HTTPStatus.SEE_OTHER)

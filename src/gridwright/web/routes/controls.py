"""Controls: what waits for a second person, what is under way, and what the devices proved."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from shlex import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gridwright.app.live import control_policy
from gridwright.control import refusals
from gridwright.domain.control import Command, EndDeviceControl
from gridwright.domain.errors import InputError
from gridwright.jobs.field.approve_control import approve_control, reject_control
from gridwright.jobs.field.control_situation import situation_of
from gridwright.jobs.field.request_control import preview_control, request_control
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, segment, show
from gridwright.web.views.control import DONE, RUNNING, WAITING, approval, consequence_view, control_row, step_row
from gridwright.web.who import BoundForm, Staff, Viewer

SHOWN = 50
HOURS = re.compile("[0-9]{1,3}")
LONGEST_H = 168
OFFERED = (Command.DISCONNECT, Command.RECONNECT)


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/controls", controls)
    router.add_api_route("/controls/ask", preview, methods=["GET"])
    router.add_api_route("/controls/ask", ask, methods=["POST"])
    router.add_api_route("/controls/{name}/approve", approve, methods=["POST"])
    router.add_api_route("/controls/{name}/reject", reject, methods=["POST"])
    add_page(router, "/controls/{name}", control)


def controls(request: Request, who: Staff) -> Response:
    """List controls by where they stand."""
    find = who.platform.store.controls.find
    groups = {"waiting": WAITING, "running": RUNNING, "done": DONE}
    data = {
        name: [
            {**control_row(each), **approval(each, who.access)} for each in find(who.access, states=states, limit=SHOWN)
        ]
        for name, states in groups.items()
    }
    names = ("id", "command", "usage_point", "device", "state", "requested_by", "approved_by", "reason")
    rows = [[each[name] for name in names] for group in data.values() for each in group]
    return show(
        request,
        who,
        View("controls.html.j2", "Controls", data, names, rows, api="/v1/controls", cli="gridwright control status"),
    )


def control(request: Request, who: Staff, name: str) -> Response:
    """Show one control, its steps, and what may be done about it."""
    store = who.platform.store
    found = store.controls.control(who.access, name)
    steps = [step_row(each) for each in store.controls.steps(who.access, name)]
    may = approval(found, who.access)
    data = {"control": control_row(found), "steps": steps, **may,
            "consequence": _consequence(who, found) if may["may_approve"] or may["may_reject"] else None}  # fmt: skip
    names = ("at", "state", "actor", "detail")
    return show(
        request,
        who,
        View(
            "control.html.j2",
            f"Control {name}",
            data,
            names,
            [[each[column] for column in names] for each in steps],
            api=f"/v1/controls/{segment(name)}",
            cli=f"gridwright control status {quote(name)}",
        ),
    )


def preview(request: Request, who: Staff, point: str = "", command: str = Command.DISCONNECT) -> Response:
    """Show what a command would do before it is asked for; nothing is recorded."""
    wanted = _command(command)
    found = preview_control(
        who.platform.store, who.access, command=wanted, now=who.platform.clock(), usage_point=point,
        policy=control_policy(who.platform),
    )  # fmt: skip
    data = {"usage_point": point, "command": str(wanted), "commands": [str(each) for each in OFFERED],
            "consequence": consequence_view(found)}  # fmt: skip
    view = View("ask.html.j2", f"{str(wanted).capitalize()} {point}", data,
                api=f"/v1/usage-points/{segment(point)}/control-preview?command={wanted}",
                cli=f"gridwright control request {quote(point)} {wanted} --reason WHY --dry-run")  # fmt: skip
    return show(request, who, view)


def ask(who: Staff, form: BoundForm) -> Response:
    """Put a request on record for a second person."""
    hours, now = form.text("hours"), who.platform.clock()
    if not HOURS.fullmatch(hours) or not 1 <= int(hours) <= LONGEST_H:
        raise InputError(f"{hours!r} is no number of hours", remedy=f"give 1 to {LONGEST_H}")
    made = request_control(
        who.platform.store, who.access, command=_command(form.text("command")), reason=form.text("reason"),
        expires=now + timedelta(hours=int(hours)), now=now, usage_point=form.text("usage_point"),
        policy=control_policy(who.platform),
    )  # fmt: skip
    return _to(made)


def approve(who: Staff, form: BoundForm, name: str) -> Response:
    """Let a control go, as a second person who says why."""
    reason = form.text("reason")
    if not reason:
        raise InputError("an approval needs a reason", remedy="go back and say why it is right")
    return _to(approve_control(who.platform.store, who.access, name, now=who.platform.clock(), note=reason))


def reject(who: Staff, form: BoundForm, name: str) -> Response:
    """Stop a control that was not sent."""
    reason = form.text("reason")
    if not reason:
        raise InputError("a rejection needs a reason", remedy="go back and say why it must not happen")
    return _to(reject_control(who.platform.store, who.access, name, reason=reason, now=who.platform.clock()))


def _consequence(who: Viewer, found: EndDeviceControl) -> dict[str, object]:
    """Return what a control would do by now, and what stands against it by now, the control itself set aside."""
    store, now, policy = who.platform.store, who.platform.clock(), control_policy(who.platform)
    seen = preview_control(
        store, who.access, command=found.command, now=now,
        usage_point=found.usage_point, device=found.end_device, policy=policy,
    )  # fmt: skip
    situation = situation_of(store, who.access, found, now=now, policy=policy)
    against = tuple(refusals(found, situation, policy))
    return consequence_view(replace(seen, refusals=against, disconnects_in_window=situation.disconnects))


def _command(text: str) -> Command:
    if text not in OFFERED:
        raise InputError(f"{text!r} cannot be asked for here", remedy=f"one of {', '.join(OFFERED)}")
    return Command(text)


def _to(control: EndDeviceControl) -> Response:
    return RedirectResponse(f"/controls/{segment(control.id)}", HTTPStatus.SEE_OTHER)

"""Rules: which rules of validation were in force, who put them in force, and what they changed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.jobs.cascade.rule_history import rule_history
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.rules import step_row
from gridwright.web.who import Staff

SHOWN = 50


def add(router: APIRouter) -> None:
    """Add the address."""
    add_page(router, "/rule-sets", rules)


def rules(request: Request, who: Staff) -> Response:
    """Show the history of the rules, the newest first, each set with its differences from the one before."""
    steps = [step_row(each) for each in rule_history(who.platform.store, who.access, newest=SHOWN)]
    names = ("from", "to", "version", "digest", "source", "by", "group", "rule", "name", "before", "after")
    told = [{**step, **change} for step in steps for change in step["changes"] or [{}]]
    rows = [[each.get(name) for name in names] for each in told]
    view = View("rules.html.j2", "Rules of validation", {"rule_sets": steps, "shown": SHOWN}, names, rows,
                api="/v1/rule-sets", cli="gridwright vee history")  # fmt: skip
    return show(request, who, view)

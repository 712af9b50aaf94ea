"""Rule sets: by which rules readings were judged, and from when to when."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response

from gridwright.api.door import Staff
from gridwright.api.listing import JSON, Page, listed
from gridwright.api.parameters import AsOf, Id
from gridwright.api.shapes.rule_sets import RulePeriodShape, RuleSetShape
from gridwright.jobs.cascade.adopt_rules import rules_then
from gridwright.jobs.cascade.rule_history import rule_history

router = APIRouter(tags=["Findings"])


@router.get("/rule-sets", summary="List the rules that were in force", response_model=Page[RulePeriodShape])
def list_rule_sets(request: Request, platform: Staff, *, as_of: AsOf = None) -> Response:
    """Return which rules were in force from when to when, by whom, and their changes; `as-of`: those of then."""
    store, access = platform.store, platform.access
    then = None if as_of is None else rules_then(store, access, as_of)
    steps = [each for each in rule_history(store, access)[::-1] if then in {None, each.period}]
    told = [RulePeriodShape.of(each.period, by=each.by, changes=each.changes, note=each.note) for each in steps]
    return listed(request, told)


@router.get("/rule-sets/{name}", summary="Show a set of rules", response_model=RuleSetShape)
def show_rule_set(platform: Staff, name: Id) -> Response:
    """Return a set of rules that was in force, by its digest, with every group as it was resolved."""
    found = platform.store.rule_sets.content(platform.access, name)
    shape = RuleSetShape.of(found, **{key: json.loads(found.text)[key] for key in ("groups", "estimation")})
    return Response(shape.model_dump_json(by_alias=True), media_type=JSON)

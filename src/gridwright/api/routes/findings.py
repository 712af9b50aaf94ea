"""Findings: the doubts of validation, and what a person decides about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import CursorText, FromIf, Id, Limit, Name, PointIf, Text, ToIf, period_if
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.edits import Assign, Chosen, Decided, Resolve
from gridwright.api.shapes.work import FindingShape
from gridwright.app import Platform
from gridwright.app.live import deciding
from gridwright.domain.errors import InputError
from gridwright.domain.finding import Severity
from gridwright.jobs.meters.accept_findings import Decided as DecidedFindings
from gridwright.jobs.meters.accept_findings import (
    accept_findings,
    preview_acceptance,
    preview_reopening,
    reopen_findings,
)
from gridwright.store import FindingFilter
from gridwright.vee.remedies import check_code

router = APIRouter(tags=["Findings"])
SeverityIf = Annotated[Severity | None, Query(description="Only findings of this severity.")]
CodeIf = Annotated[Name | None, Query(description="Only this rule, such as `V17_stuck`.")]
AssignedTo = Annotated[
    Text | None, Query(alias="assigned-to", description="Only those given to this person; empty: to nobody.")
]
Act = Callable[[Platform, Sequence[int]], DecidedFindings]
ResolvedToo = Annotated[bool, Query(description="Those that are resolved too.")]
Proposed = Annotated[bool, Query(description="Only those that wait for a second person.")]


def described(
    *,
    severity: SeverityIf = None,
    code: CodeIf = None,
    start: FromIf = None,
    end: ToIf = None,
    assigned_to: AssignedTo = None,
    resolved: ResolvedToo = False,
    proposed: Proposed = False,
) -> FindingFilter:
    """Return which findings the query asks for, whatever their usage point."""
    if code is not None:
        try:
            check_code(code)
        except InputError as error:
            raise bad_parameter("query", "code", f"{error}; {error.remedy}", code) from error
    return FindingFilter(None, severity, code, period_if(start, end), assigned_to, resolved, proposed)


Where = Annotated[FindingFilter, Depends(described)]


@router.get("/findings", summary="List findings", response_model=Page[FindingShape])
def list_findings(
    request: Request,
    platform: Asking,
    where: Where,
    *,
    point: PointIf = None,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return open findings in the order in which they came up."""
    place = from_cursor("findings", cursor, (0,))
    after = int(place[0]) if place else 0
    wanted = replace(where, point=point)
    rows = platform.store.findings.page(platform.access, wanted, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    return listed(request, [FindingShape.of(each) for each in page], last and to_cursor("findings", (last.id,)))


@router.get("/usage-points/{name}/findings", summary="List a usage point's findings", response_model=Page[FindingShape])
def list_findings_of(
    request: Request, platform: Asking, where: Where, name: Id, *, limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return the open findings of one usage point in the order in which they came up."""
    return list_findings(request, platform, where, point=name, limit=limit, cursor=cursor)


@router.post("/findings/resolve", summary="Accept findings", response_model=Decided)
def resolve(once: OnceDone, asked: Resolve) -> Response:
    """Accept the values that findings doubt, for a reason, which the audit chain keeps: rejected ones count again.

    What lets more energy count than one person may (`edits.alone_kwh`) waits until a second one accepts it too.
    """

    def act(platform: Platform, ids: Sequence[int]) -> DecidedFindings:
        if asked.dry_run:
            return preview_acceptance(platform.store, platform.access, ids, by=deciding(platform))
        return accept_findings(platform.store, platform.access, ids, reason=asked.reason, by=deciding(platform))

    return decided(once, asked, act)


@router.post("/findings/reopen", summary="Take an acceptance back", response_model=Decided)
def reopen(once: OnceDone, asked: Resolve) -> Response:
    """Open findings again that somebody had accepted or proposed to accept, for a reason."""

    def act(platform: Platform, ids: Sequence[int]) -> DecidedFindings:
        if asked.dry_run:
            return preview_reopening(platform.store, platform.access, ids, by=deciding(platform))
        return reopen_findings(platform.store, platform.access, ids, reason=asked.reason, by=deciding(platform))

    return decided(once, asked, act, resolved=True)


@router.post("/findings/assign", summary="Give findings to somebody", response_model=Decided)
def assign(once: OnceDone, asked: Assign) -> Response:
    """Say which user is to decide about findings; one who may not, or a name of nobody, is refused with who may."""

    def act(platform: Platform, ids: Sequence[int]) -> DecidedFindings:
        findings = platform.store.findings
        return DecidedFindings(findings.assign(platform.access, ids, asked.person, now=platform.clock()))

    return decided(once, asked, act)


def decided(once: OnceDone, asked: Chosen, act: Act, *, resolved: bool = False) -> Response:
    """Do something about the findings that are named or described, all or none of them."""
    platform: Platform = once.platform

    def work() -> Decided:
        named = asked.ids
        ids = platform.store.findings.ids(platform.access, asked.where(resolved=resolved)) if named is None else named
        return Decided.of(act(platform, ids) if ids else DecidedFindings())

    return once(HTTPStatus.OK, work)

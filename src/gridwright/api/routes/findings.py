"""Findings: the doubts of validation, and what a person decides about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import CursorText, FromIf, Id, Limit, Name, PointIf, Text, ToIf, period_if
from gridwright.api.shapes.edits import Assign, Chosen, Decided, Resolve
from gridwright.api.shapes.work import FindingShape
from gridwright.app import Platform
from gridwright.domain.access import Access
from gridwright.domain.finding import Severity
from gridwright.store import FindingFilter
from gridwright.store.findings import Findings

router = APIRouter(tags=["Findings"])
SeverityIf = Annotated[Severity | None, Query(description="Only findings of this severity.")]
CodeIf = Annotated[Name | None, Query(description="Only this rule, such as `V17_stuck`.")]
AssignedTo = Annotated[
    Text | None, Query(alias="assigned-to", description="Only those given to this person; empty: to nobody.")
]
Act = Callable[[Findings, Access, Sequence[int], datetime], int]
ResolvedToo = Annotated[bool, Query(description="Those that are resolved too.")]


def described(
    *,
    severity: SeverityIf = None,
    code: CodeIf = None,
    start: FromIf = None,
    end: ToIf = None,
    assigned_to: AssignedTo = None,
    resolved: ResolvedToo = False,
) -> FindingFilter:
    """Return which findings the query asks for, whatever their usage point."""
    return FindingFilter(None, severity, code, period_if(start, end), assigned_to, resolved)


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
    """Accept the values that findings doubt, for a reason, which the audit chain keeps."""
    return decided(
        once, asked, lambda findings, who, ids, now: findings.resolve(who, ids, reason=asked.reason, now=now)
    )


@router.post("/findings/reopen", summary="Take an acceptance back", response_model=Decided)
def reopen(once: OnceDone, asked: Resolve) -> Response:
    """Open findings again that somebody had accepted, for a reason."""
    return decided(
        once,
        asked,
        lambda findings, who, ids, now: findings.reopen(who, ids, reason=asked.reason, now=now),
        resolved=True,
    )


@router.post("/findings/assign", summary="Give findings to somebody", response_model=Decided)
def assign(once: OnceDone, asked: Assign) -> Response:
    """Say who is to decide about findings."""
    return decided(once, asked, lambda findings, who, ids, now: findings.assign(who, ids, asked.person, now=now))


def decided(once: OnceDone, asked: Chosen, act: Act, *, resolved: bool = False) -> Response:
    """Do something about the findings that are named or described, all or none of them."""
    platform: Platform = once.platform
    findings = platform.store.findings

    def work() -> Decided:
        ids = asked.ids if asked.ids is not None else findings.ids(platform.access, asked.where(resolved=resolved))
        return Decided(findings=act(findings, platform.access, ids, platform.clock()) if ids else 0)

    return once(HTTPStatus.OK, work)

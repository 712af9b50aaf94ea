"""Findings: the doubts of validation, and what a person decides about them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import CursorText, Id, Limit, Name, PointIf
from gridwright.api.shapes.work import FindingShape, Resolve, Resolved
from gridwright.app import Platform
from gridwright.domain.finding import Severity

router = APIRouter(tags=["Findings"])
SeverityIf = Annotated[Severity | None, Query(description="Only findings of this severity.")]
CodeIf = Annotated[Name | None, Query(description="Only this rule, such as `V17_stuck`.")]
ResolvedToo = Annotated[bool, Query(description="Those that are resolved too.")]


@router.get("/findings", summary="List findings", response_model=Page[FindingShape])
def list_findings(
    request: Request,
    platform: Asking,
    *,
    point: PointIf = None,
    severity: SeverityIf = None,
    code: CodeIf = None,
    resolved: ResolvedToo = False,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return open findings in the order in which they came up."""
    place = from_cursor("findings", cursor, (0,))
    after = int(place[0]) if place else 0
    rows = platform.store.findings.page(
        platform.access, point=point, severity=severity, code=code, resolved=resolved, limit=limit + 1, after=after
    )
    page, last = cut(rows, limit)
    return listed(request, [FindingShape.of(each) for each in page], last and to_cursor("findings", (last.id,)))


@router.get("/usage-points/{name}/findings", summary="List a usage point's findings", response_model=Page[FindingShape])
def list_findings_of(
    request: Request,
    platform: Asking,
    name: Id,
    *,
    severity: SeverityIf = None,
    resolved: ResolvedToo = False,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return the open findings of one usage point in the order in which they came up."""
    return list_findings(
        request, platform, point=name, severity=severity, resolved=resolved, limit=limit, cursor=cursor
    )


@router.post("/findings/resolve", summary="Accept findings", response_model=Resolved)
def resolve(once: OnceDone, asked: Resolve) -> Response:
    """Accept the values that findings doubt, for a reason, which the audit chain keeps."""
    platform: Platform = once.platform
    return once(
        HTTPStatus.OK,
        lambda: Resolved(
            resolved=platform.store.findings.resolve(
                platform.access, asked.ids, reason=asked.reason, now=platform.clock()
            )
        ),
    )

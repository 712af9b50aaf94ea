"""Jobs: long work that was ordered, and how far it came."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.door import Asking
from gridwright.api.listing import JSON, Page, listed
from gridwright.api.order import job_shape
from gridwright.api.parameters import Id, Limit, Name
from gridwright.api.shapes.work import JobShape
from gridwright.domain.job import JobState

router = APIRouter(prefix="/jobs", tags=["Jobs"])


@router.get("", summary="List jobs", response_model=Page[JobShape])
def list_jobs(
    request: Request,
    platform: Asking,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[Name | None, Query(description="Only jobs of this kind.")] = None,
    limit: Limit = 100,
) -> Response:
    """Return the newest jobs; a customer sees their own."""
    states = () if state is None else (state,)
    rows = platform.store.jobs.find(platform.access, states=states, kind=kind, limit=limit)
    return listed(request, [job_shape(each) for each in rows])


@router.get("/{name}", summary="Show a job", response_model=JobShape)
def show_job(platform: Asking, name: Id) -> Response:
    """Return a job with its progress, and its result or error once it has ended."""
    shape = job_shape(platform.store.jobs.job(platform.access, name))
    return Response(shape.model_dump_json(), media_type=JSON)

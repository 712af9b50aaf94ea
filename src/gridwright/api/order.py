"""Long work: ordered here, done by the worker, followed at `/v1/jobs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gridwright.api.address import href
from gridwright.api.shapes.work import JobShape
from gridwright.app import Platform
from gridwright.domain.job import Job
from gridwright.jobs.new_id import new_id


def order_job(platform: Platform, kind: str, request: Mapping[str, Any]) -> JobShape:
    """Queue a job for whoever asks, and return it."""
    now = platform.clock()
    job = Job(new_id("J", now), kind, platform.access.actor, now, dict(request))
    platform.store.jobs.add(platform.access, job)
    return job_shape(job)


def known(platform: Platform, points: Sequence[str] | None) -> list[str] | None:
    """Return whom a job is about, each once and known; None = everybody (the store lets nobody order for a part)."""
    if points is None:
        return None
    return [point.id for point in platform.store.registry.points(platform.access, list(dict.fromkeys(points)))]


def job_shape(job: Job) -> JobShape:
    """Return a job as JSON shows it."""
    return JobShape.of(job, href=href("jobs", job.id), request=dict(job.request), result=dict(job.result))

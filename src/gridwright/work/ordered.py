"""Jobs that somebody ordered by HTTP: taken from the store one by one, with progress, result and error kept there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridwrightError
from gridwright.domain.job import Job, JobState
from gridwright.telemetry import job_line

if TYPE_CHECKING:
    from gridwright.app import Platform

Progress = Callable[[int, int], None]
MOST = 100
Order = Callable[["Platform", Job, Progress], Mapping[str, Any]]


def run_ordered(platform: Platform) -> Mapping[str, object]:
    """Run every job that is queued, oldest first."""
    done = 0
    while (job := platform.store.jobs.claim(platform.access, tuple(ORDERS), platform.clock())) is not None:
        platform.store.jobs.save(platform.access, finished(platform, job))
        done += 1
    return {"jobs": done}


def finished(platform: Platform, job: Job) -> Job:
    """Run one job and return it with its result or its error."""

    def progress(done: int, total: int) -> None:
        platform.store.jobs.save(platform.access, replace(job, done=done, total=total))

    # Whoever ordered it was allowed to: the entrance has checked it, and the audit chain tells for whom it was done.
    on_behalf = f"gridwright for {job.requested_by}"
    try:
        with job_line(job.kind, order=job.id, by=job.requested_by):
            result = ORDERS[job.kind](platform.for_access(Access(on_behalf, Role.ADMIN)), job, progress)
    except GridwrightError as error:
        return replace(job, state=JobState.FAILED, error=str(error), ended=platform.clock())
    except Exception:  # noqa: BLE001 - the job runner, which must outlive every job
        structlog.get_logger().exception("job broke", job=job.id, kind=job.kind)
        reason = "the job broke; the log tells where"
        return replace(job, state=JobState.FAILED, error=reason, ended=platform.clock())
    return replace(job, state=JobState.DONE, result=dict(result), ended=platform.clock())


def bill_run(platform: Platform, job: Job, progress: Progress) -> Mapping[str, Any]:
    """Make drafts of bills: `points`, `period`, `tariff`, `dry_run` and `despite` as asked."""
    from gridwright.app.live import run_billing
    from gridwright.jobs.billing.run_billing import BillOrder

    asked = job.request
    despite = str(asked.get("despite") or "")
    order = BillOrder(asked.get("points"), asked.get("period") or None, bool(asked.get("dry_run")), despite)
    run = run_billing(platform, order, asked.get("tariff"), progress=progress)
    bills = [bill.id for bill in run.bills]
    withheld = [each.to_dict() for each in run.withheld]
    counts = {"new": run.new, "replaced": run.replaced}
    return {"bills": bills, **counts, "withheld": withheld, "notes": run.notes[:MOST]}


def outlooks(platform: Platform, job: Job, progress: Progress) -> Mapping[str, Any]:
    """Issue forecasts and plans of `points` (left out, all)."""
    from gridwright.app.live import refresh_outlooks

    done = refresh_outlooks(platform, job.request.get("points"), progress=progress)
    return {"forecasts": done.forecasts, "plans": done.plans, "notes": list(done.notes[:MOST])}


def commission(platform: Platform, job: Job, progress: Progress) -> Mapping[str, Any]:
    """Commission the devices named in `serials` (left out, all that are not in service yet)."""
    from gridwright.app.live import commission as commission_devices

    done = commission_devices(platform, job.request.get("serials") or (), progress=progress)
    return {"in_service": done.in_service, "failed": {link.serial: link.problem for link in done.failed}}


ORDERS: dict[str, Order] = {"bill-run": bill_run, "refresh-outlooks": outlooks, "commission": commission}

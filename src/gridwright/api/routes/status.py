"""Status: how much there is, how late it is, what waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from gridwright import __version__
from gridwright.api.door import Staff
from gridwright.api.ingest.compiled import machine
from gridwright.api.listing import JSON
from gridwright.api.shapes.people import JournalShape, LateShape, ListenerShape, StatusShape, WriterShape
from gridwright.app import Platform
from gridwright.app.care import listeners
from gridwright.domain.job import JobState
from gridwright.jobs.meters.waiting_meters import waiting_meters
from gridwright.jobs.upkeep.listener_status import ListenerStatus, listener_dict
from gridwright.store.journal.journal import Waiting

router = APIRouter(tags=["Status"])
LATE = timedelta(hours=36)  # the freshness of a series is known to the day
SHOWN = 100
COUNTED = 1000  # what waits is counted so far: more of it is as bad


@router.get("/status", summary="Show how the platform is doing", response_model=StatusShape)
def status(platform: Staff, request: Request) -> Response:
    """Return counts, the age of the newest reading, the usage points that are late, and what waits to be done."""
    told = status_of(platform)
    writer = getattr(request.app.state, "writer", None)
    if writer is not None:
        figures = WriterShape(**asdict(writer.figures()), compiled=machine() is not None)
        told = told.model_copy(update={"writer": figures})
    return Response(told.model_dump_json(), media_type=JSON)


def status_of(platform: Platform) -> StatusShape:
    """Gather the figures."""
    store, access, now = platform.store, platform.access, platform.clock()
    waiting_there = store.journal.waiting(access)  # before anything is read: that folds it
    ends = store.readings.freshness_counts(access, late=now - LATE, silent=now - LATE, listed=SHOWN)
    counts = {
        "dirty_ranges": store.dirty.count(access, COUNTED + 1),
        "quarantined_meters": len(waiting_meters(store, access, limit=COUNTED + 1)),
        "jobs_waiting": len(store.jobs.find(access, states=(JobState.QUEUED, JobState.RUNNING), limit=COUNTED + 1)),
    }
    links = store.devices.links(access)
    return StatusShape(
        version=__version__,
        now=now,
        usage_points=store.registry.count(access),
        readings=ends.readings,
        newest_reading=ends.newest,
        lag_s=None if ends.newest is None else max(0.0, (now - ends.newest).total_seconds()),
        late=[
            LateShape(usage_point=each.usage_point, last=each.last, age_s=(now - each.last).total_seconds())
            for each in ends.oldest
        ],
        late_total=ends.late + ends.silent,
        devices=dict(Counter(str(each.state) for each in links)),
        dirty_ranges=min(counts["dirty_ranges"], COUNTED),
        quarantined_meters=min(counts["quarantined_meters"], COUNTED),
        jobs_waiting=min(counts["jobs_waiting"], COUNTED),
        more=[name for name, count in counts.items() if count > COUNTED],
        journal=journal_shape(waiting_there, now),
        listeners=[listener_shape(one, now) for one in listeners(platform)],
    )


def journal_shape(one: Waiting, now: datetime) -> JournalShape:
    """Return what waits in the journal as it is told."""
    age_s = None if one.oldest is None else max(0.0, (now - one.oldest).total_seconds())
    return JournalShape(readings=one.readings, age_s=age_s, put_aside=one.aside_readings, reason=one.reason)


def listener_shape(one: ListenerStatus, now: datetime) -> ListenerShape:
    """Return a listener's figures as they are told."""
    told = {name: value for name, value in listener_dict(one, now).items() if name in ListenerShape.model_fields}
    return ListenerShape(**told)

"""Registers that nobody read on a date, estimated until they are read (E09)."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from gridwright.api.idempotency import OnceDone
from gridwright.api.shapes.points import EstimatesAsked, EstimateShape, EstimatesShape
from gridwright.jobs.meters.estimate_reads import EstimatedRead, estimate_reads

router = APIRouter(tags=["Usage points"])


@router.post("/register-estimates", summary="Estimate registers nobody read", response_model=EstimatesShape)
def estimate(once: OnceDone, asked: EstimatesAsked) -> Response:
    """Estimate registers that were not read on a day, as it begins; what was read, or was sent as estimate, stays."""
    store, access, now = once.platform.store, once.platform.access, once.platform.clock()

    def work() -> EstimatesShape:
        found = estimate_reads(store, access, asked.on, asked.usage_points, now=now, dry_run=asked.dry_run)
        return EstimatesShape(items=[_shape(each) for each in found])

    return once(HTTPStatus.OK, work)


def _shape(each: EstimatedRead) -> EstimateShape:
    kwh = None if each.read is None else each.read.value * each.reading_type.resolution / 1000
    serial = "" if each.read is None else each.read.end_device
    return EstimateShape.of(each, reading_type=each.reading_type.code, kwh=kwh, end_device=serial)

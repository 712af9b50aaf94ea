"""A demand-response event on a page: baseline beside use, added up and for each participant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gridwright.domain.program import Event, Performance


def event_row(event: Event) -> dict[str, Any]:
    """Return what a list of events shows."""
    return {
        "id": event.id,
        "program": event.program,
        "state": str(event.state),
        "signal": event.signal,
        "start": event.period.start.isoformat(),
        "end": event.period.end.isoformat(),
        "targets": len(event.targets),
        "opted_out": len(event.opted_out),
        "participants": len(event.participants),
        "notified": event.notified.isoformat() if event.notified else None,
    }


def performance_row(row: Performance) -> dict[str, Any]:
    """Return what one participant delivered; figures as texts, so that no digit is lost."""
    return {
        "usage_point": row.usage_point,
        "baseline_kwh": f"{row.baseline_kwh:f}",
        "actual_kwh": f"{row.actual_kwh:f}",
        "reduction_kwh": f"{row.reduction_kwh:f}",
        "payment": f"{row.payment:f}",
        "currency": row.currency,
        "adjustment": row.adjustment,
        "note": row.note,
    }


def totals(rows: Sequence[Performance]) -> dict[str, str] | None:
    """Add up what all delivered; None without anybody."""
    if not rows:
        return None
    return {
        "baseline_kwh": f"{sum(row.baseline_kwh for row in rows):f}",
        "actual_kwh": f"{sum(row.actual_kwh for row in rows):f}",
        "reduction_kwh": f"{sum(row.reduction_kwh for row in rows):f}",
        "payment": f"{sum(row.payment for row in rows):f}",
        "currency": rows[0].currency,
    }


def steps(bodies: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add up baseline and use of those measured on the same grid, in kW by interval; gaps count for neither."""
    found: dict[datetime, list[float]] = {}
    interval = 0
    for body in bodies:
        interval = interval or body["interval_s"]
        if body["interval_s"] != interval:
            continue
        start = datetime.fromisoformat(body["start"])
        for number, (base, used) in enumerate(zip(body["baseline_kwh"], body["actual_kwh"], strict=False)):
            if base is not None and used is not None:
                sums = found.setdefault(start + timedelta(seconds=interval * number), [0.0, 0.0])
                sums[0] += base
                sums[1] += used
    per_hour = 3600 / interval if interval else 0.0
    return [
        {"start": at.isoformat(), "baseline_kw": round(base * per_hour, 3), "actual_kw": round(used * per_hour, 3)}
        for at, (base, used) in sorted(found.items())
    ]

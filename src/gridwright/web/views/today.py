"""The figures of Today and the colour of their lights."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from gridwright.domain.event import EndDeviceEvent
from gridwright.store.readings import Freshness

LATE, SILENT = timedelta(hours=24), timedelta(hours=72)
LISTED = 8
GOOD_SHARE, POOR_SHARE = 0.98, 0.9


def freshness(rows: Sequence[Freshness], points: int, now: datetime) -> dict[str, Any]:
    """Count usage points by the age of their newest reading, and name those longest without one."""
    ages = [(now - row.last, row) for row in sorted(rows, key=lambda row: row.last)]
    late = sum(LATE < age <= SILENT for age, _ in ages)
    silent = sum(age > SILENT for age, _ in ages) + max(0, points - len(rows))
    fresh = max(0, points - late - silent)
    oldest = [
        {"usage_point": row.usage_point, "last": row.last.isoformat(), "tone": "bad" if age > SILENT else "doubt"}
        for age, row in ages[:LISTED]
        if age > LATE
    ]
    return {
        "points": points,
        "fresh": fresh,
        "late": late,
        "silent": silent,
        "share": fresh / points if points else None,
        "oldest": oldest,
    }


def device_event(event: EndDeviceEvent) -> dict[str, Any]:
    """Return what a device reported."""
    return {
        "at": event.at.isoformat(),
        "device": event.end_device,
        "usage_point": event.usage_point,
        "type": event.type,
        "text": event.text,
    }


def tone_of(data: dict[str, Any]) -> dict[str, str]:
    """Return the light of each figure: good, doubt or bad; `none` where there is nothing to judge."""
    known = data["reads"]["share"]
    reads = "none" if known is None else "good" if known >= GOOD_SHARE else "doubt" if known >= POOR_SHARE else "bad"
    doubts = data["exceptions"]
    return {
        "reads": reads,
        "exceptions": "bad" if doubts["fail"] else "doubt" if doubts["warn"] else "good",
        "waiting": "doubt" if data["waiting"] else "good",
        "quarantined": "doubt" if data["quarantined"] else "good",
    }

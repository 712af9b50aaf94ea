"""The figures of Today and the colour of their lights."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gridwright.domain.event import EndDeviceEvent
from gridwright.store.readings import FreshnessCounts

LATE, SILENT = timedelta(hours=24), timedelta(hours=72)
GOOD_SHARE, POOR_SHARE = 0.98, 0.9


def freshness(counts: FreshnessCounts, points: int, now: datetime) -> dict[str, Any]:
    """Return how many usage points are read, late and silent, those that never were read among these."""
    silent = counts.silent + max(0, points - counts.read)
    fresh = max(0, points - counts.late - silent)
    return {
        "points": points,
        "fresh": fresh,
        "late": counts.late,
        "silent": silent,
        "share": fresh / points if points else None,
        "oldest": [
            {"usage_point": row.usage_point, "last": row.last.isoformat(), "tone": _tone_of_age(now - row.last)}
            for row in counts.oldest
        ],
    }


def _tone_of_age(age: timedelta) -> str:
    return "bad" if age > SILENT else "doubt" if age > LATE else "good"


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

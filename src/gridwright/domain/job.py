"""Job: long work that someone asked for, and how far it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work: its kind (`bill-run` ...), what was asked, its progress, and its result or error."""

    id: str
    kind: str
    requested_by: str
    created: datetime
    request: Mapping[str, Any] = field(default_factory=dict, hash=False)
    state: JobState = JobState.QUEUED
    done: int = 0
    total: int = 0
    result: Mapping[str, Any] = field(default_factory=dict, hash=False)
    error: str = ""
    ended: datetime | None = None

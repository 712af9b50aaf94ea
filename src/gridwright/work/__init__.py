"""Work: what runs by itself, in lanes that do not wait for each other: devices, and data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridwright.work.tasks import SYSTEM, lanes
from gridwright.work.worker import Lane, Task, Worker

if TYPE_CHECKING:
    from gridwright.app import Platform

__all__ = ["Lane", "Task", "Worker", "lanes", "start"]


def start(platform: Platform) -> Worker:
    """Start the worker of a platform; `stop()` ends it after the task at hand.

    Jobs that a worker was at when it died are begun again.
    """
    mine = platform.for_access(SYSTEM)
    mine.store.jobs.requeue_running(mine.access, mine.clock())
    worker = Worker(lanes(platform))
    worker.start()
    return worker

"""The clockwork: tasks in lanes, one thread a lane, each task again after its pause; a failure is told and outlived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from gridwright.domain.errors import GridwrightError

Facts = Mapping[str, object]
LONGEST_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """Something done again and again: its name, the pause after each run, and what it does; it returns its facts."""

    name: str
    every_s: float
    run: Callable[[], Facts]


@dataclass(slots=True)
class Lane:
    """Tasks that take turns on one thread."""

    name: str
    tasks: Sequence[Task]
    due: dict[str, float] = field(default_factory=dict)

    def turn(self, now: float) -> float:
        """Run what is due and return how long nothing will be."""
        for task in self.tasks:
            if now >= self.due.get(task.name, 0.0):
                run_once(task)
                self.due[task.name] = time.monotonic() + task.every_s
        return max(0.0, min(self.due.values(), default=LONGEST_WAIT_S) - time.monotonic())


def run_once(task: Task) -> Facts | None:
    """Run a task and return its facts, None when it failed; work that found nothing to do leaves no line in the log."""
    log, began = structlog.get_logger(), time.perf_counter()
    try:
        found = task.run()
    except GridwrightError as error:
        log.warning(task.name, outcome="failed", error=str(error))  # the next run may do better
        return None
    except Exception:  # the clockwork outlives every task
        log.exception("task broke", task=task.name)
        return None
    if any(found.values()):
        log.info(task.name, seconds=round(time.perf_counter() - began, 3), **found)
    return found


class Worker:
    """Runs lanes until it is stopped."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start one thread a lane."""
        for lane in self._lanes:
            thread = threading.Thread(target=self._run, args=(lane,), name=f"gridwright-{lane.name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _run(self, lane: Lane) -> None:
        while not self._stop.is_set():
            pause = lane.turn(time.monotonic())
            self._stop.wait(min(max(pause, 0.01), LONGEST_WAIT_S))

    def stop(self, timeout_s: float = 30.0) -> bool:
        """Let each lane finish the task at hand; tell whether all did in time."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

"""The clockwork: tasks take turns, lanes do not wait for each other, a broken task is outlived, stop means stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from gridwright.domain.errors import StoreLocked
from gridwright.work.worker import Lane, Task, Worker, run_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONG_S = 20.0


def counting(wanted: int) -> tuple[Callable[[], Mapping[str, object]], threading.Event, list[int]]:
    done, runs = threading.Event(), [0]

    def run() -> Mapping[str, object]:
        runs[0] += 1
        if runs[0] >= wanted:
            done.set()
        return {"run": runs[0]}

    return run, done, runs


def test_a_task_comes_again_after_its_pause() -> None:
    run, done, _ = counting(3)
    worker = Worker([Lane("one", [Task("count", 0.01, run)])])
    worker.start()
    assert done.wait(LONG_S)
    assert worker.stop()


def test_a_task_that_is_not_due_waits() -> None:
    run, _, runs = counting(1)
    lane = Lane("one", [Task("count", 1000.0, run)])
    assert lane.turn(0.0) > 900
    lane.turn(0.0)
    assert runs == [1]


def test_a_slow_lane_does_not_hold_up_another() -> None:
    gate = threading.Event()
    run, done, _ = counting(3)
    slow = Lane("slow", [Task("wait", 0.01, lambda: {"opened": gate.wait(LONG_S)})])
    worker = Worker([slow, Lane("quick", [Task("count", 0.01, run)])])
    worker.start()
    assert done.wait(LONG_S)
    gate.set()
    assert worker.stop()


def test_failures_are_outlived() -> None:
    run, done, _ = counting(2)

    def locked() -> Mapping[str, object]:
        raise StoreLocked("another process writes")

    def broken() -> Mapping[str, object]:
        raise ZeroDivisionError

    lane = Lane("one", [Task("locked", 0.01, locked), Task("broken", 0.01, broken), Task("count", 0.01, run)])
    worker = Worker([lane])
    worker.start()
    assert done.wait(LONG_S)
    assert worker.stop()


def test_what_a_task_found_is_returned_and_a_failure_is_none() -> None:
    run, _, _ = counting(1)
    assert run_once(Task("count", 1.0, run)) == {"run": 1}
    assert run_once(Task("broken", 1.0, lambda: {"never": 1 // 0})) is None

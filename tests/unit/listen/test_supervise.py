"""A listener beside a server: started again when it ends, and ended with it."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from gridwright.listen import supervise
from gridwright.listen.supervise import Supervised

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHIN_S = 20.0
LINE = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(float(sys.argv[2]))"


def until(true: Callable[[], bool]) -> None:
    last = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < last
        time.sleep(0.01)


def starts(place: Path) -> int:
    return len(place.read_text()) if place.exists() else 0


def test_it_is_started_again_when_it_is_killed_and_ended_at_the_end(tmp_path: Path) -> None:
    place = tmp_path / "starts"
    supervised = Supervised([sys.executable, "-c", LINE, str(place), "600"], pause_s=0.01)
    supervised.start()
    until(lambda: starts(place) == 1)
    first = supervised.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: starts(place) == 2)
    supervised.stop()
    assert supervised.pid is None


def test_the_pause_grows_while_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    supervised = Supervised([str(tmp_path / "absent")], pause_s=1.0)
    monkeypatch.setattr(supervise, "LONGEST_PAUSE_S", 4.0)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) == 4:
            supervised._stopping.set()
        return supervised._stopping.is_set()

    monkeypatch.setattr(supervised._stopping, "wait", wait)
    supervised.start()
    supervised._thread.join(WITHIN_S)
    assert pauses == [1.0, 2.0, 4.0, 4.0]

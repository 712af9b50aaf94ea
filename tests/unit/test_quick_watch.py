from __future__ import annotations

import faulthandler
import time
from typing import Any

import pytest

from tests import quick_watch


def test_it_begins_anew_with_the_first_test_after_a_minute(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    clock, begun = [0.0], list[tuple[float, float]]()

    def later(after_s: float, **_: Any) -> None:  # noqa: ANN401 - the file
        begun.append((clock[0], clock[0] + after_s))

    monkeypatch.setattr(faulthandler, "dump_traceback_later", later)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = quick_watch.Watch()
    for clock[0] in (0.0, 0.1, 59.0, 61.0, 100.0, 900.0):
        watch.pytest_runtest_protocol(request.node)
    assert begun == [(0.0, 300.0), (61.0, 361.0), (900.0, 1200.0)]  # after what began at 59 has hung for 240 s

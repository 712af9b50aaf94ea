"""A test that hangs says where, after four to five minutes.

pytest's own watch has a thread begin and end with each test, and waits for its end, which on a machine at work takes
longer than most tests do.
"""

from __future__ import annotations

import faulthandler
import time

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

AFTER_S, ANEW_S = 240.0, 60.0


class Watch:
    """Begins to watch anew with the first test after a minute, so that none is taken for one that hangs."""

    def __init__(self) -> None:
        self._since = float("-inf")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Watch what is to run."""
        if (now := time.monotonic()) - self._since >= ANEW_S:
            faulthandler.dump_traceback_later(AFTER_S + ANEW_S, file=item.config.stash[fault_handler_stderr_fd_key])
            self._since = now

    def pytest_sessionfinish(self) -> None:
        """Watch no longer."""
        faulthandler.cancel_dump_traceback_later()

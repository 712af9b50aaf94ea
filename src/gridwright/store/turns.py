"""The turn of the one writer: threads of this process get it in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress


class Turns:
    """A lock that the thread which has it may take again; who lets go of it hands it to the one that waits longest.

    Without that, whoever writes much in many transactions takes it again before another thread is even awake.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def __enter__(self) -> None:
        """Wait for the turn."""
        me = threading.get_ident()
        if self._owner == me:
            self._depth += 1
            return
        called = threading.Lock()
        called.acquire()
        try:
            with self._guard:
                if self._owner is None:
                    self._owner, self._depth = me, 1
                else:
                    self._waiting.append((me, called))
            if self._owner != me:
                called.acquire()
        except BaseException:  # Ctrl-C: who does not wait any more must not be called, or passes the turn on
            self._leave(me, called)
            raise

    def __exit__(self, *_: object) -> None:
        """Hand it on."""
        self._depth -= 1
        if not self._depth:
            self._hand_on()

    def _hand_on(self) -> None:
        with self._guard:
            if not self._waiting:
                self._owner = None
                return
            self._owner, called = self._waiting.popleft()
            self._depth = 1
            called.release()

    def _leave(self, me: int, called: threading.Lock) -> None:
        with self._guard, suppress(ValueError):
            self._waiting.remove((me, called))
        if self._owner == me:
            self._hand_on()

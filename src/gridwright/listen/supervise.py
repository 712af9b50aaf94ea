"""A listener beside a server, in a process of its own: neither goes down with the other, and it is started again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import structlog

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
WELL_AFTER_S = 60.0  # one that ran so long was well: it is started again at once
END_WITHIN_S = 30.0


class Supervised:
    """Keeps a command running: each time it ends it is started again, after a pause that doubles while it fails."""

    def __init__(self, command: Sequence[str], pause_s: float = FIRST_PAUSE_S) -> None:
        self._command, self._first_s = command, pause_s
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self) -> None:
        """End it in good order, and wait for that."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                self._process.terminate()
        self._thread.join(END_WITHIN_S)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _run(self) -> None:
        pause = self._first_s
        while not self._stopping.is_set():
            began = time.monotonic()
            told = self._once()
            if self._stopping.is_set():
                return
            pause = self._first_s if time.monotonic() - began > WELL_AFTER_S else pause
            structlog.get_logger().warning("the listener ended", told=told, again_in_s=pause)
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _once(self) -> str:
        """Run it until it ends, and say how it did."""
        with self._lock:
            if self._stopping.is_set():
                return ""
            try:
                # In a group of its own: Ctrl-C ends the server, and that ends the listener.
                self._process = subprocess.Popen(  # noqa: S603 - our own command
                    self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0
                )
            except OSError as error:  # no memory, no process left: the next try may do better
                return str(error.strerror)
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def beside(options: Sequence[str]) -> Supervised:
    """Start a listener with the options of the command line; it ends in good order when this process does."""
    command = [sys.executable, "-m", "gridwright", *options, "--parent", str(os.getpid())]
    supervised = Supervised(command)
    supervised.start()
    return supervised

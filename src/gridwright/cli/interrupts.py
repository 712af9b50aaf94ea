"""Ctrl-C ends a command even where the KeyboardInterrupt that it raised was lost on its way.

Python drops one that is raised in a callback of a C library or in a finalizer, and says no more than "Exception
ignored"; each import has such a callback, and a command is mostly imports until it begins. So the press is noted as
well, and whoever works in steps looks at it between them.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.cli.output import Advance

INTERRUPTED = 130


class CtrlC:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self._pressed = threading.Event()

    def noted(self, number: int, frame: FrameType | None) -> None:
        """Note the signal, and raise KeyboardInterrupt as ever."""
        del number, frame
        self._pressed.set()
        raise KeyboardInterrupt

    def look(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed, now or before."""
        if self._pressed.is_set():
            raise KeyboardInterrupt

    def looked_at(self, advance: Advance) -> Advance:
        """Return progress that stops the work where Ctrl-C was pressed."""

        def step(done: int, total: int) -> None:
            self.look()
            advance(done, total)

        return step

    def rest(self, seconds: float) -> None:
        """Sleep, unless Ctrl-C was pressed before or is pressed meanwhile."""
        self.look()
        time.sleep(seconds)
        self.look()


@contextmanager
def ctrl_c() -> Iterator[CtrlC]:
    """Note Ctrl-C while work without an event loop goes on, and look at its end whether it was pressed.

    Where it is ignored, or handled elsewhere, it stays so.
    """
    heard = CtrlC()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield heard
        return
    signal.signal(signal.SIGINT, heard.noted)
    try:
        yield heard
        heard.look()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the command with its usual code while it is loaded, when there is nothing yet that catches it."""
    try:
        with ctrl_c():
            yield
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        let_code_stand()
        raise SystemExit(INTERRUPTED) from None


def let_code_stand() -> None:
    """Let a program end with its own code though Ctrl-C came while a text was run, as each data class runs one.

    Python notes such a press, whoever catches it, and kills itself by it in the end, unless another text was run.
    """
    exec("")  # noqa: S102 - an empty one

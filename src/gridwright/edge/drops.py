"""What the log says of records that are dropped: once when it begins, and once when there is room again."""

from __future__ import annotations

import structlog

from gridwright.edge.buffer import Buffer

ROOM = 0.5  # of the limit: what is held beyond it may be dropped again soon, and the log would fill with it


class Drops:
    """Tells one run of drops from the next; asked after each append."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._before = buffer.dropped
        self._dropping = False

    def note(self) -> None:
        """Tell that records are dropped, or that none are any more."""
        buffer = self._buffer
        if not self._dropping and buffer.dropped > self._before:
            self._dropping = True
            structlog.get_logger().warning(
                "the buffer is full: the oldest records are dropped",
                dropped=buffer.dropped - self._before,
                waiting=buffer.level.waiting,
                limit_bytes=buffer.bounds.limit,
                remedy="bring the way to the centre back, or give the buffer more room (edge.limit_mb)",
            )
        elif self._dropping and buffer.bytes_held <= ROOM * buffer.bounds.limit:
            self.end("there is room again: no records are dropped any more")

    def end(self, told: str = "the edge ends while records are dropped") -> None:
        """Tell how many were dropped since it began."""
        if self._dropping:
            lost = self._buffer.dropped - self._before
            structlog.get_logger().warning(told, dropped=lost, waiting=self._buffer.level.waiting)
        self._before, self._dropping = self._buffer.dropped, False

"""What the log says while the oldest records are dropped: when it begins and when it ends, with the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from gridwright.edge.bounds import Bounds, OnFull
from gridwright.edge.buffer import Buffer
from gridwright.edge.drops import Drops

if TYPE_CHECKING:
    from pathlib import Path

BOUNDS = Bounds(limit=2000, segment=500, on_full=OnFull.DROP_OLDEST)


def fill(buffer: Buffer, drops: Drops, count: int) -> None:
    for number in range(count):
        buffer.append([f"{number:050}".encode()])
        drops.note()


def acknowledge(buffer: Buffer) -> None:
    while (piece := buffer.read(1 << 20, 1000)) is not None:
        buffer.acknowledge(piece.epoch, piece.last)


def test_the_log_tells_once_when_drops_begin_and_once_when_they_end(tmp_path: Path) -> None:
    with capture_logs() as told, Buffer(tmp_path, BOUNDS) as buffer:
        drops = Drops(buffer)
        fill(buffer, drops, 10)
        assert told == []
        fill(buffer, drops, 100)
        (begun,) = told
        assert begun["event"] == "the buffer is full: the oldest records are dropped"
        assert 0 < begun["dropped"] < buffer.dropped
        assert "edge.limit_mb" in begun["remedy"]
        lost = buffer.dropped
        acknowledge(buffer)
        fill(buffer, drops, 1)
        assert told[1:] == [
            {
                "event": "there is room again: no records are dropped any more",
                "log_level": "warning",
                "dropped": lost,
                "waiting": 1,
            }
        ]
        fill(buffer, drops, 100)
        assert 0 < told[2]["dropped"] < lost  # counted anew
        drops.end()
        assert (told[3]["event"], told[3]["dropped"]) == (
            "the edge ends while records are dropped",
            buffer.dropped - lost,
        )
        assert len(told) == 4


def test_what_the_centre_had_already_is_no_loss(tmp_path: Path) -> None:
    with capture_logs() as told, Buffer(tmp_path, BOUNDS) as buffer:
        drops = Drops(buffer)
        for _ in range(20):
            fill(buffer, drops, 5)
            acknowledge(buffer)
        drops.end()
    assert told == []

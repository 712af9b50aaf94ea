"""Reads the buffer in order: the next piece of one epoch, with what is missing in it told as ranges of numbers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from gridwright.edge.folder import Mark
from gridwright.edge.segment import HEAD, Found, Segment, needed_at, record_at, sound_records

CHUNK = 1 << 20
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Numbers `first` to `last` of an epoch: the records that there are, and the ranges that are lost."""

    epoch: str
    first: int
    last: int
    records: tuple[tuple[int, bytes], ...]
    lost: tuple[Range, ...]


class Reader:
    """A place in the buffer's segments, which its owner shares with it; not safe for several threads by itself."""

    def __init__(self, segments: Sequence[Segment], mark: Mark) -> None:
        self._segments = segments
        self._file = -1
        self._open: Segment | None = None
        self.rewind(mark)

    def rewind(self, mark: Mark) -> None:
        """Go back to the first record that is not acknowledged."""
        self._epoch, self._through = mark.epoch, mark.through
        self._at: Segment | None = None
        self._offset = 0
        self._ahead: Found | None = None
        self._gaps: list[Range] = []

    def forget(self, segment: Segment) -> None:
        """Go on behind a segment that is gone."""
        if self._at is segment:
            self._at, self._offset, self._ahead = None, 0, None

    def close(self) -> None:
        """Let go of the file at hand."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._open = -1, None

    def read(self, most_bytes: int, most_records: int) -> Piece | None:
        """Return the next piece; None when there is nothing (yet)."""
        records: list[tuple[int, bytes]] = []
        lost: list[Range] = []
        size, epoch, first = 0, "", 0
        while len(records) < most_records:
            found = self._next()
            if found is None:
                break
            segment, record = found
            size += len(record.payload or b"")
            if first and (segment.epoch != epoch or size > most_bytes):
                self._ahead = record
                break
            expected = self._expected(segment)
            if not first:
                epoch, first = segment.epoch, expected
            missing = record.sequence if record.payload is None else record.sequence - 1
            if missing >= expected:
                lost.append((expected, missing))
            self._epoch, self._through = epoch, record.sequence
            if record.payload is not None:
                records.append((record.sequence, record.payload))
        self._gaps += lost
        return Piece(epoch, first, self._through, tuple(records), tuple(lost)) if first else None

    def lost_to(self, epoch: str, through: int, mark: Mark) -> int:
        """Return how many records up to an acknowledged number were missing, those that were dropped left out."""
        if epoch != self._epoch:
            return 0
        done = [gap for gap in self._gaps if gap[1] <= through]
        self._gaps = [gap for gap in self._gaps if gap[1] > through]
        dropped = mark.dropped_to[1] if mark.dropped_to[0] == epoch else 0
        return sum(end - max(begin, dropped + 1) + 1 for begin, end in done if end > dropped)

    def _expected(self, segment: Segment) -> int:
        """Return the number that should come next in the epoch of a segment."""
        return self._through + 1 if segment.epoch == self._epoch else 1

    def _next(self) -> tuple[Segment, Found] | None:
        """Return the next record that was not read yet, and step behind it; of lost ones the last, without payload."""
        while (segment := self._here()) is not None:
            record, self._ahead = self._ahead or self._record(segment), None
            expected = self._expected(segment)
            if record is None and expected <= segment.last:
                # One without records tells the gap before it.
                segment.damaged = segment.damaged or segment.records > 0
                record = Found(segment.last, None, segment.size)
            if record is None:
                if not self._leave(segment):
                    return None
                continue
            self._offset = record.end
            if expected <= record.sequence <= segment.last:
                return segment, record
        return None

    def _here(self) -> Segment | None:
        """Return the segment at hand; at the beginning the first one, whatever is acknowledged of it."""
        if self._at is None and self._segments:
            self._at = next((one for one in self._segments if not self._is_behind(one)), None)
            self._offset = self._at.begin if self._at is not None else 0
        return self._at

    def _is_behind(self, segment: Segment) -> bool:
        """Tell whether all of a segment was read or acknowledged before."""
        return segment.epoch == self._epoch and segment.records > 0 and segment.last <= self._through

    def _leave(self, segment: Segment) -> bool:
        """Go on to the segment after this one; False where it is the last, which may grow."""
        following = [one for one in self._segments if one.ordinal > segment.ordinal]
        if not following:
            return False
        self._at, self._offset = following[0], following[0].begin
        return True

    def _record(self, segment: Segment) -> Found | None:
        """Return the record at the place at hand, or the next sound one behind damage; None at the end."""
        if self._offset >= segment.size:
            return None
        data = self._bytes(segment, HEAD.size)
        needed = needed_at(data)
        if needed and self._offset + needed <= segment.size:
            found = record_at(self._bytes(segment, needed), segment.epoch, 0)
            if found is not None and (opened := segment.opened(found)) is not None:
                return replace(opened, end=self._offset + found.end)
        segment.damaged = True
        rest = self._bytes(segment, segment.size - self._offset)
        sound = (segment.opened(found) for found in sound_records(rest, segment.epoch))
        first = next((found for found in sound if found is not None), None)
        return None if first is None else replace(first, end=self._offset + first.end)

    def _bytes(self, segment: Segment, count: int) -> bytes:
        """Return bytes from the place at hand; fewer where the file is shorter, none where it is gone."""
        if self._open is not segment:
            self.close()
            with suppress(OSError):
                self._file = os.open(segment.path, os.O_RDONLY)
                self._open = segment
        if self._file < 0:
            return b""
        with suppress(OSError):
            return os.pread(self._file, count, self._offset)
        return b""

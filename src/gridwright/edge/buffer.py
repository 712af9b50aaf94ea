"""The edge's buffer: records in order on disk, durable before they are acknowledged, deleted once the centre has them.

An epoch is one unbroken run of numbers, 1, 2, 3 …: each opening of the buffer begins a new one, and so does a failure
after which it is not certain what the disk holds. So no number ever means two records, whatever crashed when.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from gridwright.domain.errors import StoreCorrupt, StoreError, StoreFull
from gridwright.durable import sync
from gridwright.edge.folder import QUARANTINE, locked, read_mark, save_mark
from gridwright.edge.reader import Piece, Reader
from gridwright.edge.sealing import DataKey, Seals
from gridwright.edge.segment import Segment, encode, key_frame, path_of, sealed_path, segment_of

MIB = 1 << 20


class OnFull(StrEnum):
    """What happens to new records when there is no room: they are refused, or the oldest make room, counted."""

    REFUSE = "refuse"
    DROP_OLDEST = "drop-oldest"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the buffer may hold, how long a file of it gets, and what happens when it is full."""

    limit: int = 1024 * MIB
    segment: int = 8 * MIB
    on_full: OnFull = OnFull.REFUSE


@dataclass(frozen=True, slots=True)
class Level:
    """How full it is: records and bytes that wait, records dropped for want of room, records lost to damage.

    `plain_bytes`: of those that wait, the bytes in files that are not sealed.
    """

    waiting: int
    waiting_bytes: int
    dropped: int
    damaged: int
    quarantined_bytes: int
    plain_bytes: int


class Buffer:
    """An append-only queue on disk for one process; appends and reads may come from two threads.

    StoreLocked where another process has it. StoreFull when it is full under `refuse`, or the disk is. Without
    `seals` records are kept as they are, and sealed ones are StoreCorrupt.
    """

    def __init__(self, folder: Path, bounds: Bounds = Bounds(), seals: Seals | None = None) -> None:
        self.folder, self.bounds, self.seals = folder, bounds, seals
        self._lock = locked(folder)
        self._key: DataKey | None = None
        self._wrapped = b""
        # Tells whoever holds it that something was appended; `appended` counts the calls.
        self.changed = threading.Condition()
        self.appended = 0
        self._appending = threading.Lock()
        self._mark = read_mark(folder)
        try:
            self._segments = self._found()
            # After a crash the mark is older than the files: one that is begun later has to come behind them all.
            newest = max((segment.ordinal for segment in self._segments), default=0)
            self._mark = replace(self._mark, ordinal=max(self._mark.ordinal, newest))
            if seals is not None and seals.seals:
                self._key, self._wrapped = seals.fresh()
        except BaseException:
            self._lock.close()
            raise
        self._reader = Reader(self._segments, self._mark)
        self._quarantined = sum(path.stat().st_size for path in (folder / QUARANTINE).glob("*"))
        self._waiting = sum(self._unacknowledged(segment) for segment in self._segments)
        self._active: Segment | None = None
        self._file = -1
        self._begin_epoch()

    def _found(self) -> list[Segment]:
        """Return what earlier runs left, in order; a file that was not sealed is now, as far as it is sound."""
        segments = [segment for path in self.folder.iterdir() if (segment := segment_of(path)) is not None]
        segments.sort(key=lambda one: one.ordinal)
        for segment in segments:
            # Bytes behind the last sound record: a write that a crash cut, or damage; nobody can tell, so it is kept.
            segment.damaged = segment.path.stat().st_size > segment.size
            _seal(segment)
        self._unlock(segments)
        return segments

    def _unlock(self, segments: Sequence[Segment]) -> None:
        """Unwrap the data keys of files; one whose own is damaged may have that of its epoch."""
        of_epoch: dict[str, DataKey] = {}
        for segment in segments:
            if not segment.wrapped:
                continue
            if self.seals is None:
                raise StoreCorrupt("it is sealed, and no key was given", where=str(segment.path), remedy="give the key")
            segment.key = of_epoch[segment.epoch] = self.seals.unwrapped(segment.wrapped, segment.path)
        for segment in segments:
            segment.key = segment.key or of_epoch.get(segment.epoch)

    def _begin_epoch(self) -> None:
        self.epoch, self._last = secrets.token_hex(8), 0

    def append(self, payloads: Sequence[bytes]) -> int:
        """Write records and return the number of the last one, once all are on the disk; all of them, or none."""
        with self._appending:
            segment, size = self._kept(payloads)
            with self.changed:
                self.appended += 1
                self._last += len(payloads)
                self._waiting += len(payloads)
                segment.last, segment.size = self._last, segment.size + size
                self.changed.notify_all()
            return self._last

    def _kept(self, payloads: Sequence[bytes]) -> tuple[Segment, int]:
        """Write records to the segment at hand, and return it and how many bytes that were; full disk = full buffer."""
        while True:
            # Anew each time: a failed sync has begun another epoch, and records are bound to theirs.
            first, key = self._last + 1, self._key
            records = [encode(self.epoch, first + at, payload, key) for at, payload in enumerate(payloads)]
            size = sum(map(len, records))
            self._make_room(size)
            try:
                segment = self._segment_for(size)
                head = key_frame(segment.epoch, segment.wrapped) if segment.wrapped and not segment.size else b""
                self._write(segment, [head, *records])
            except OSError as error:
                if error.errno != errno.ENOSPC or not self._drop_one():
                    raise _trouble(error, self.folder) from error
            else:
                return segment, len(head) + size

    def _make_room(self, size: int) -> None:
        while self.bytes_held + size > self.bounds.limit:
            if not self._drop_one():
                raise StoreFull(
                    f"the buffer is full: it holds {self.bytes_held:,} of {self.bounds.limit:,} bytes",
                    where=str(self.folder),
                    remedy="bring the way to the centre back, or give the buffer more room (edge.limit_mb)",
                )

    def _drop_one(self) -> bool:
        """Drop the oldest segment where the policy allows; it is counted, and the gap is told to the centre."""
        if self.bounds.on_full is not OnFull.DROP_OLDEST:
            return False
        if len(self._segments) == 1 and self._segments[0] is self._active:
            self._close_segment()
        with self.changed:
            if not self._segments:
                return False
            victim = self._segments[0]
            lost = self._unacknowledged(victim)
            dropped_to = (victim.epoch, victim.last)
            self._mark = replace(self._mark, dropped=self._mark.dropped + lost, dropped_to=dropped_to)
            self._waiting -= lost
            self._note_end(victim)
            # The count first: a crash in between tells more dropped than there are, never fewer.
            save_mark(self.folder, self._mark, durable=True)
            self._discard(victim)
            self._reader.forget(victim)
        return True

    def _note_end(self, victim: Segment) -> None:
        """Remember an epoch whose last file is dropped: no record comes behind the gap, with which it would be told."""
        others = {segment.epoch for segment in self._segments if segment is not victim}
        if victim.epoch in others | {self.epoch} or not victim.records:
            return
        first = self._mark.through + 1 if self._mark.epoch == victim.epoch else 1
        if first <= victim.last:
            gone = (victim.epoch, first, victim.last)
            self._mark = replace(self._mark, untold=(*self._mark.untold, gone))

    def _unacknowledged(self, segment: Segment) -> int:
        through = self._mark.through if segment.epoch == self._mark.epoch else 0
        return max(0, segment.last - max(through, segment.first - 1))

    def _segment_for(self, size: int) -> Segment:
        """Return the segment to write to: the one at hand, or a new one when that is long enough."""
        active = self._active
        if active is not None and active.size and active.size + size > self.bounds.segment:
            self._close_segment()
        if self._active is None:
            ordinal = 1 + max([segment.ordinal for segment in self._segments], default=self._mark.ordinal)
            path = path_of(self.folder, ordinal, self.epoch, self._last + 1)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
            self._file = os.open(path, flags, 0o600)
            sync(self.folder)
            self._active = Segment(path, ordinal, self.epoch, self._last + 1, self._last, 0)
            self._active.wrapped, self._active.key = self._wrapped, self._key
            with self.changed:
                self._mark = replace(self._mark, ordinal=ordinal)
                self._segments.append(self._active)
        return self._active

    def _write(self, segment: Segment, records: Sequence[bytes]) -> None:
        """Write and sync; after a failure the file ends where it did before, or the epoch does."""
        data = memoryview(b"".join(records))
        unsure = False
        try:
            while data:
                data = data[os.write(self._file, data) :]
            unsure = True  # after a failed sync nobody knows what the disk has
            os.fsync(self._file)
        except OSError:
            try:
                os.ftruncate(self._file, segment.size)
            except OSError:
                unsure = True
            if unsure:
                self._close_segment()
                self._begin_epoch()
            raise

    def _close_segment(self) -> None:
        segment, self._active = self._active, None
        if segment is None:
            return
        os.close(self._file)
        with self.changed:
            _seal(segment)
            if not segment.records:
                self._discard(segment)

    def read(self, most_bytes: int, most_records: int) -> Piece | None:
        """Return the next records that were not read since the last `rewind`, of one epoch; None = there are none."""
        with self.changed:
            for epoch, first, last in self._mark.untold[:1]:
                return Piece(epoch, first, last, (), ((first, last),))
            return self._reader.read(most_bytes, most_records)

    def rewind(self) -> None:
        """Read again from the first record that the centre has not acknowledged."""
        with self.changed:
            self._reader.rewind(self._mark)

    def acknowledge(self, epoch: str, through: int) -> None:
        """Let go of everything up to a number of an epoch, and of the epochs before it: it is durable at the centre."""
        with self.changed:
            epochs = [segment.epoch for segment in self._segments]
            if epoch not in epochs:
                # A batch may have been under way when what it was read from was dropped: the rest is still untold.
                left = tuple(
                    (name, max(first, through + 1) if name == epoch else first, last)
                    for name, first, last in self._mark.untold
                    if name != epoch or last > through
                )
                if left != self._mark.untold:
                    self._mark = replace(self._mark, untold=left)
                    with suppress(OSError):  # then it is told again, and the centre knows it
                        save_mark(self.folder, self._mark, durable=True)
                return
            before = sum(map(self._unacknowledged, self._segments))
            done = epochs.index(epoch)
            lost = self._reader.lost_to(epoch, through, self._mark)
            earlier = self._mark.through if self._mark.epoch == epoch else 0
            through = max(through, earlier)
            self._mark = replace(self._mark, epoch=epoch, through=through, damaged=self._mark.damaged + lost)
            for segment in list(self._segments):
                number = epochs.index(segment.epoch)
                if number < done or (number == done and segment.last <= through and segment is not self._active):
                    self._discard(segment)
            self._waiting -= before - sum(map(self._unacknowledged, self._segments))
            with suppress(OSError):  # then records come again, and the centre knows them
                save_mark(self.folder, self._mark, durable=bool(lost))

    def _discard(self, segment: Segment) -> None:
        """Delete a file that is done with; a damaged one is put aside, for somebody may want to know."""
        self._segments.remove(segment)
        with suppress(OSError):  # a disk that cannot be written: it stays, and comes again after a restart
            if segment.damaged:
                (self.folder / QUARANTINE).mkdir(mode=0o700, exist_ok=True)
                segment.path.rename(self.folder / QUARANTINE / segment.path.name)
                self._quarantined += segment.size
            else:
                segment.path.unlink()

    @property
    def bytes_held(self) -> int:
        """Bytes of all its files, those put aside included."""
        return sum(segment.size for segment in self._segments) + self._quarantined

    @property
    def dropped(self) -> int:
        """Records dropped for want of room, ever."""
        return self._mark.dropped

    @property
    def level(self) -> Level:
        """How full it is."""
        with self.changed:
            mark = self._mark
            plain = sum(segment.size for segment in self._segments if segment.key is None)
            return Level(self._waiting, self.bytes_held, mark.dropped, mark.damaged, self._quarantined, plain)

    @property
    def is_encrypted(self) -> bool:
        """Whether new records are sealed, and none of those that wait lies here in plain."""
        return self._key is not None and not self.level.plain_bytes

    def close(self) -> None:
        """Let go of the folder; what waits stays."""
        with self._appending:
            with suppress(OSError):
                self._close_segment()
            with self.changed:
                if not self._waiting:
                    for segment in list(self._segments):
                        self._discard(segment)
                self._reader.close()
            with suppress(OSError):
                save_mark(self.folder, self._mark, durable=True)
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _seal(segment: Segment) -> None:
    """Give a complete file the name that tells its records; where that fails it is read through next time."""
    target = sealed_path(segment)
    if segment.path != target and segment.records:
        with suppress(OSError):
            segment.path.rename(target)
            segment.path = target


def _trouble(error: OSError, folder: Path) -> StoreError:
    """Return what the disk said as an error of ours."""
    reason, place = (error.strerror or str(error)).lower(), str(folder)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the disk of the buffer is full", where=place, remedy="make room on it")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreError(f"the buffer cannot be written: {reason}", where=place, remedy="make the disk writable again")
    return StoreCorrupt(f"the disk of the buffer fails: {reason}", where=place, remedy="check the disk")

"""The edge's buffer: records in order on disk, durable before they are acknowledged, deleted once the centre has them.

An epoch is one unbroken run of numbers, 1, 2, 3 …: each opening of the buffer begins a new one, and so does a failure
after which it is not certain what the disk holds. So no number ever means two records, whatever crashed when.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from gridwright.domain.errors import StoreFull
from gridwright.durable import sync
from gridwright.edge.bounds import USUAL, Bounds, Level, OnFull
from gridwright.edge.folder import (
    FULL,
    QUARANTINE,
    UNKNOWN,
    Ended,
    Mark,
    Sent,
    locked,
    note_dropped,
    read_mark,
    save_mark,
    trouble,
)
from gridwright.edge.found import found_in
from gridwright.edge.gone import (
    Numbers,
    arrived,
    is_told,
    unacknowledged,
    was_dropped,
    with_acknowledged,
    with_dropped,
    with_ended,
    with_set_back,
    with_told,
)
from gridwright.edge.reader import Piece, Reader
from gridwright.edge.sealing import DataKey, Seals
from gridwright.edge.segment import LONGEST, Segment, encode, key_frame, path_of, seal

HIGHEST = 1 << 62
FRAME = 1_024  # bytes around a record at most: its head and seal, and the data key before it


class Buffer:
    """An append-only queue on disk for one process; appends and reads may come from two threads.

    StoreLocked where another process has it. StoreFull when it is full under `refuse`, or the disk is. Without
    `seals` records are kept as they are, and sealed ones are StoreCorrupt.
    """

    def __init__(self, folder: Path, bounds: Bounds = USUAL, seals: Seals | None = None) -> None:
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
            self._segments = found_in(folder, seals)
            # After a crash the mark is older than the files: one that is begun later has to come behind them all.
            newest = max((segment.ordinal for segment in self._segments), default=0)
            self._mark = replace(self._mark, ordinal=max(self._mark.ordinal, newest))
            if seals is not None and seals.seals:
                self._key, self._wrapped = seals.fresh()
        except BaseException:
            self._lock.close()
            raise
        self._quarantined = sum(path.stat().st_size for path in (folder / QUARANTINE).glob("*"))
        self._end_drops()
        self._reader = Reader(self._segments, self._mark)
        self._waiting = sum(unacknowledged(segment, self._mark) for segment in self._segments)
        self._active: Segment | None = None
        self._file = -1
        self._dropped_since_read: list[Numbers] = []  # their records may be in the batch that is under way
        self._begin_epoch()

    def _end_drops(self) -> None:
        """Delete what a crash left of files that were counted as dropped, and may be told as gone."""
        for segment in [one for one in self._segments if was_dropped(one, self._mark)]:
            self._discard(segment)

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
            # Anew each time: a failed sync, or a drop, may have begun another epoch, and records are bound to theirs.
            epoch, first, key = self.epoch, self._last + 1, self._key
            records = [encode(epoch, first + at, payload, key) for at, payload in enumerate(payloads)]
            size = sum(map(len, records))
            self._make_room(size)
            if self.epoch != epoch:
                continue
            try:
                segment = self._segment_for(size)
                head = key_frame(segment.epoch, segment.wrapped) if segment.wrapped and not segment.size else b""
                self._write(segment, [head, *records])
            except OSError as error:
                if error.errno not in FULL or not self._drop_one():
                    raise trouble(error, self.folder) from error
            else:
                return segment, len(head) + size

    def _make_room(self, size: int) -> None:
        if size > self._room:  # no dropping helps: nothing is lost for what cannot be kept anyway
            raise StoreFull(
                f"{size:,} bytes at once are more than the buffer can ever hold: {self._room:,} bytes",
                where=str(self.folder),
                remedy="send them in smaller requests, or give the buffer more room (edge.limit_mb)",
            )
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
        if self._segments and self._segments[0] is self._active:
            self._close_segment()
        with self.changed:
            if not self._segments:
                return False
            victim = self._segments[0]
            is_end = self._is_end(victim)
            mark = with_dropped(self._mark, victim, is_end=is_end)
            lost = mark.dropped - self._mark.dropped
            # Noted first: a crash in between tells more dropped than there are, never fewer.
            note_dropped(self.folder, mark, victim)
            self._mark = mark
            self._waiting -= lost
            self._dropped_since_read.append((victim.epoch, victim.last - lost + 1, victim.last))
            self._discard(victim)
            self._reader.forget(victim)
            if is_end and victim.epoch == self.epoch:
                self._begin_epoch()  # what is noted of an epoch has to be its end
        return True

    def _is_end(self, segment: Segment) -> bool:
        """Tell whether no other file of its epoch is left, with which a gap would be told."""
        return all(one is segment or one.epoch != segment.epoch for one in self._segments)

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
            seal(segment)
            # Without a record it still tells the gap before it, where nothing else of its epoch is left that does.
            if not segment.records and (is_told(segment, self._mark) or not self._is_end(segment)):
                self._discard(segment)

    def read(self, most_bytes: int, most_records: int) -> Piece | None:
        """Return the next records that were not read since the last `rewind`, of one epoch; None = there are none."""
        with self.changed:
            self._dropped_since_read.clear()
            for epoch, first, last in self._mark.untold[:1]:
                return Piece(epoch, first, last, (), ((first, last),))
            return self._reader.read(most_bytes, most_records)

    def rewind(self) -> None:
        """Read again from the first record that the centre has not acknowledged."""
        with self.changed:
            self._dropped_since_read.clear()
            self._reader.rewind(self._mark)

    def set_back(self, epoch: str, expected: int, *, again: bool = True) -> None:
        """Take back what was acknowledged of an epoch from a number on, which the centre does not have any more.

        What is still in files is read again (not where `again` is False), the rest is told as lost.
        """
        with self.changed:
            firsts = [one.first for one in self._segments if one.epoch == epoch and one.records > 0 and again]
            self._mark = with_set_back(self._mark, epoch, expected, min(firsts, default=HIGHEST))
            self._waiting = sum(unacknowledged(segment, self._mark) for segment in self._segments)
            self._dropped_since_read.clear()
            self._reader.rewind(self._mark)
            self._saved(durable=False)

    def forget_ended(self) -> None:
        """Forget what was acknowledged of earlier epochs: it was another centre that did."""
        with self.changed:
            self._mark = replace(self._mark, ended=())

    def holds(self, epoch: str) -> bool:
        """Tell whether records of an epoch wait."""
        with self.changed:
            return any(one.epoch == epoch and unacknowledged(one, self._mark) for one in self._segments)

    def acknowledge(self, epoch: str, through: int, sent: Sent = UNKNOWN) -> None:
        """Let go of everything up to a number of an epoch, and of the epochs before it: it is durable at the centre."""
        with self.changed:
            before, self._mark = self._mark, self._mark_after(epoch, through, sent)
            if self._mark == before:
                return
            # The mark first: what is deleted and not noted would look like damage after a crash.
            counts = replace(self._mark, epoch=before.epoch, through=before.through, sent=before.sent)
            durable = counts != before or bool(before.untold)
            saved = self._saved(durable=durable)
            self._let_go(epoch)
            if not saved:  # there may be room now
                self._saved(durable=durable)

    def _mark_after(self, epoch: str, through: int, sent: Sent) -> Mark:
        """Return the mark once the centre is durable up to a number; what was dropped under way and came is no loss."""
        mark = self._mark
        back = arrived(self._dropped_since_read, epoch, through)
        self._dropped_since_read.clear()
        after = replace(with_told(mark, epoch, through), dropped=mark.dropped - back)
        if all(segment.epoch != epoch for segment in self._segments):
            is_known = epoch in {mark.epoch, *(one.epoch for one in mark.ended)}
            return after if is_known else replace(after, ended=with_ended(mark.ended, Ended(epoch, through)))
        lost = self._reader.lost_to(epoch, through, mark)
        return replace(with_acknowledged(after, epoch, through, sent), damaged=mark.damaged + lost)

    def _let_go(self, epoch: str) -> None:
        """Delete the files that the centre has all of: those before an epoch, and by the mark."""
        epochs = [segment.epoch for segment in self._segments]
        before = epochs.index(epoch) if epoch in epochs else 0
        for number, segment in enumerate(list(self._segments)):
            if number < before or (is_told(segment, self._mark) and segment is not self._active):
                self._discard(segment)
        self._waiting = sum(unacknowledged(segment, self._mark) for segment in self._segments)

    def _saved(self, *, durable: bool) -> bool:
        """Save the mark, and tell whether that went; where not, what is told comes again, and the centre knows it."""
        try:
            save_mark(self.folder, self._mark, durable=durable)
        except OSError:
            return False
        return True

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
    def largest(self) -> int:
        """Bytes of the largest record that it can ever hold; damaged files that are put aside take room as well."""
        return min(self._room, LONGEST) - FRAME

    @property
    def _room(self) -> int:
        return self.bounds.limit - self._quarantined

    @property
    def bytes_held(self) -> int:
        """Bytes of all its files, those put aside included."""
        return sum(segment.size for segment in self._segments) + self._quarantined

    @property
    def dropped(self) -> int:
        """Records dropped for want of room, ever."""
        return self._mark.dropped

    @property
    def mark(self) -> Mark:
        """What the centre has, and what is gone."""
        return self._mark

    @property
    def is_told(self) -> bool:
        """Whether the centre has, or knows as gone, all that was ever kept here."""
        with self.changed:
            return not self._mark.untold and all(is_told(segment, self._mark) for segment in self._segments)

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
                for segment in [one for one in self._segments if is_told(one, self._mark)]:
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

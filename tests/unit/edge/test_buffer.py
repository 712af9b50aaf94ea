"""The disk buffer: what was acknowledged comes out once and in order, or is told as lost, whatever happens."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gridwright.domain.errors import StoreCorrupt, StoreError, StoreFull, StoreLocked
from gridwright.edge.bounds import Bounds, OnFull
from gridwright.edge.buffer import Buffer
from gridwright.edge.folder import MARK_FILE, is_locked
from gridwright.edge.sealing import Seals
from gridwright.edge.segment import encode
from gridwright.jobs.upkeep.vault import KEY_FILE, Vault

SMALL = Bounds(limit=1 << 20, segment=400)
payloads = st.lists(st.binary(max_size=120), min_size=1, max_size=6)


def seals_in(folder: Path, *, seals: bool = True) -> Seals:
    """What seals a buffer whose key lies in its folder."""
    return Seals(Vault(folder / KEY_FILE), seals=seals)


def crash(buffer: Buffer) -> None:
    """Let go of a buffer as a kill does: nothing is sealed, saved or flushed."""
    if buffer._file >= 0 and buffer._active is not None:
        os.close(buffer._file)
    buffer._reader.close()
    buffer._lock.close()


def rest(buffer: Buffer) -> tuple[list[bytes], int]:
    """Read all that waits from the start: the payloads, and how many numbers are told to be lost."""
    buffer.rewind()
    found, lost = [], 0
    while (piece := buffer.read(300, 4)) is not None:
        numbers = [number for number, _ in piece.records]
        told = [number for begin, end in piece.lost for number in range(begin, end + 1)]
        assert sorted(numbers + told) == list(range(piece.first, piece.last + 1))
        assert numbers == sorted(numbers)
        found += [payload for _, payload in piece.records]
        lost += len(told)
    return found, lost


class BufferMachine(RuleBasedStateMachine):
    """A queue in memory against the one on disk, through crashes, torn writes and lost marks."""

    SEALED = False

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.buffer = self.opened()
        self.waiting: list[bytes] = []
        self.under_way = 0  # of those that wait, how many were read since the last rewind

    def opened(self) -> Buffer:
        folder = Path(self.folder.name)
        return Buffer(folder, SMALL, seals_in(folder) if self.SEALED else None)

    @rule(some=payloads)
    def append(self, some: list[bytes]) -> None:
        self.buffer.append(some)
        self.waiting += some

    @rule(pieces=st.integers(1, 4))
    def deliver(self, pieces: int) -> None:
        """The centre acknowledges what is read."""
        self.buffer.rewind()
        self.under_way = 0
        self.go_on(pieces)

    @rule(pieces=st.integers(1, 30))
    def go_on(self, pieces: int) -> None:
        """The centre acknowledges what is read on a link that holds."""
        for _ in range(pieces):
            epoch, last = self.read_some(250, 5)
            if not last:
                assert self.under_way == len(self.waiting)
                return
            self.buffer.acknowledge(epoch, last)
            del self.waiting[: self.under_way]
            self.under_way = 0

    @rule()
    def read_in_vain(self) -> None:
        """The centre does not answer."""
        self.read_some(200, 3)

    def read_some(self, most_bytes: int, most_records: int) -> tuple[str, int]:
        piece = self.buffer.read(most_bytes, most_records)
        if piece is None:
            return "", 0
        assert not piece.lost
        begin, self.under_way = self.under_way, self.under_way + len(piece.records)
        assert [payload for _, payload in piece.records] == self.waiting[begin : self.under_way]
        return piece.epoch, piece.last

    @rule(torn=st.binary(max_size=60), of_record=st.booleans())
    def kill(self, torn: bytes, of_record: bool) -> None:
        active, epoch, number = self.buffer._active, self.buffer.epoch, self.buffer._last + 1
        crash(self.buffer)
        if active is not None:
            whole = encode(epoch, number, torn, active.key)
            with active.path.open("ab") as file:
                file.write(whole[: len(whole) - 1 - len(torn) // 2] if of_record else torn)
        self.buffer, self.under_way = self.opened(), 0

    @rule()
    def restart(self) -> None:
        self.buffer.close()
        self.buffer, self.under_way = self.opened(), 0

    @invariant()
    def holds_what_waits(self) -> None:
        if hasattr(self, "buffer"):
            assert self.buffer.level.waiting == len(self.waiting)
            assert self.buffer.level.damaged == self.buffer.level.dropped == 0

    @precondition(lambda self: hasattr(self, "buffer"))
    @rule()
    def all_is_there(self) -> None:
        assert rest(self.buffer) == (self.waiting, 0)
        self.under_way = len(self.waiting)

    def teardown(self) -> None:
        if hasattr(self, "buffer"):
            try:
                assert rest(self.buffer) == (self.waiting, 0)
            finally:
                self.buffer.close()
                self.folder.cleanup()


class SealedMachine(BufferMachine):
    """The same with what lies on the disk encrypted."""

    SEALED = True


TestBufferMachine, TestSealedMachine = BufferMachine.TestCase, SealedMachine.TestCase
TestBufferMachine.settings = TestSealedMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None
)


def filled(folder: Path, count: int = 40, bounds: Bounds = SMALL, seals: Seals | None = None) -> list[bytes]:
    """Leave a folder with records in several files, as a kill does."""
    every = [f"record {number}".encode() * 3 for number in range(count)]
    buffer = Buffer(folder, bounds, seals)
    for payload in every:
        buffer.append([payload])
    crash(buffer)
    return every


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in {".seg", ".open"})


@pytest.mark.parametrize("which", [0, 2, -1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("where", [3, 60, 200, -5], ids=["head", "second record", "later", "end"])
def test_a_flipped_bit_costs_its_record_and_nothing_else(tmp_path: Path, which: int, where: int) -> None:
    every = filled(tmp_path)
    path = files(tmp_path)[which]
    content = bytearray(path.read_bytes())
    content[where] ^= 0x10
    path.write_bytes(content)
    with Buffer(tmp_path, SMALL) as buffer:
        found, lost = rest(buffer)
        # In the file that was being written, the end looks as a torn write does; it is put aside, not told as lost.
        torn = which == -1 and (where == -5 or len(content) < where + 60)
        assert len(found) == len(every) - 1
        assert lost == (0 if torn else 1)
        assert [payload for payload in every if payload in found] == found
        buffer.append([b"one more"])
        buffer.rewind()
        while (piece := buffer.read(1000, 100)) is not None:
            buffer.acknowledge(piece.epoch, piece.last)
        assert buffer.level.waiting == 0
        assert buffer.level.damaged == lost
    assert [each.name.split("-")[0] for each in (tmp_path / "quarantine").iterdir()] == [path.name.split("-")[0]]
    assert files(tmp_path) == []


def test_a_file_that_cannot_be_read_is_told_as_lost(tmp_path: Path) -> None:
    every = filled(tmp_path)
    with Buffer(tmp_path, SMALL) as buffer:
        gone = files(tmp_path)[1]
        first, last = map(int, gone.stem.split("-")[2:])
        gone.unlink()
        found, lost = rest(buffer)
    assert lost == last - first + 1
    assert found == every[: first - 1] + every[last:]


def test_the_end_of_an_epoch_may_be_what_is_lost(tmp_path: Path) -> None:
    filled(tmp_path, 3, Bounds(segment=1 << 20))
    with Buffer(tmp_path, SMALL):
        pass  # it is sealed now: its name tells that there are three
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    with Buffer(tmp_path, SMALL) as buffer:
        buffer.append([b"of the next epoch"])
        one, two = buffer.read(1000, 100), buffer.read(1000, 100)
    assert one is not None
    assert two is not None
    assert (one.first, one.last, len(one.records), one.lost) == (1, 3, 2, ((3, 3),))
    assert (two.first, two.last, two.lost, two.records[0][1]) == (1, 1, (), b"of the next epoch")
    assert one.epoch != two.epoch


def test_a_lost_mark_sends_again_and_a_broken_one_is_no_end(tmp_path: Path) -> None:
    every = filled(tmp_path)
    with Buffer(tmp_path, SMALL) as buffer:
        piece = buffer.read(100, 2)
        assert piece is not None
        buffer.acknowledge(piece.epoch, piece.last)
        assert rest(buffer) == (every[2:], 0)
    (tmp_path / MARK_FILE).write_text('{"epoch": ')
    with Buffer(tmp_path, SMALL) as buffer:
        assert rest(buffer) == (every, 0)
        # The centre says what it has: that is let go of unread.
        buffer.acknowledge(piece.epoch, 30)
        assert rest(buffer) == (every[30:], 0)


def test_what_comes_after_a_kill_is_read_behind_what_was_there(tmp_path: Path) -> None:
    every = filled(tmp_path)
    with Buffer(tmp_path, SMALL) as buffer:
        while (piece := buffer.read(1000, 10)) is not None:
            del every[: len(piece.records)]
            buffer.acknowledge(piece.epoch, piece.last)
        assert every == []
        buffer.append([b"new"])  # the link holds: nothing is rewound
        piece = buffer.read(1000, 10)
        assert piece is not None
        assert [payload for _, payload in piece.records] == [b"new"]


def test_when_full_it_refuses(tmp_path: Path) -> None:
    with Buffer(tmp_path, Bounds(limit=2000, segment=500)) as buffer:
        count = 0
        while buffer.bytes_held + 120 <= 2000:
            buffer.append([b"x" * 100])
            count += 1
        with pytest.raises(StoreFull, match=r"the buffer is full: it holds [\d,]+ of 2,000 bytes"):
            buffer.append([b"x" * 100])
        assert len(rest(buffer)[0]) == count > 10
        buffer.rewind()
        piece = buffer.read(600, 100)
        assert piece is not None
        buffer.acknowledge(piece.epoch, piece.last)
        buffer.append([b"x" * 100])  # there is room again


def test_or_drops_the_oldest_and_tells(tmp_path: Path) -> None:
    every = [f"{number:050}".encode() for number in range(100)]
    with Buffer(tmp_path, Bounds(limit=2000, segment=500, on_full=OnFull.DROP_OLDEST)) as buffer:
        for payload in every:
            buffer.append([payload])
        found, lost = rest(buffer)
        assert 0 < len(found) < 100
        assert found == every[-len(found) :]
        assert lost == buffer.level.dropped == 100 - len(found)
        buffer.rewind()
        piece = buffer.read(10, 1)
        assert piece is not None
        buffer.acknowledge(piece.epoch, piece.last)
        assert buffer.level.damaged == 0
    with Buffer(tmp_path, SMALL) as buffer:
        assert buffer.level.dropped == lost


@pytest.mark.parametrize("on_full", list(OnFull))
def test_what_can_never_be_kept_drops_nothing(tmp_path: Path, on_full: OnFull) -> None:
    with Buffer(tmp_path, Bounds(limit=2000, segment=500, on_full=on_full)) as buffer:
        buffer.append([b"x" * 100])
        with pytest.raises(
            StoreFull, match=r"2,0\d\d bytes at once are more than the buffer can ever hold: 2,000"
        ) as told:
            buffer.append([b"y" * 2000])
        assert "smaller requests" in told.value.remedy
        assert rest(buffer) == ([b"x" * 100], 0)


class Disk:
    """A disk that fails: the calls of `os` that the buffer writes with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.syncs = True
        self.cuts = True
        self._write, self._truncate = os.write, os.ftruncate
        monkeypatch.setattr("gridwright.edge.buffer.os.write", self.write)
        monkeypatch.setattr("gridwright.edge.buffer.os.fsync", self.fsync)
        monkeypatch.setattr("gridwright.edge.buffer.os.ftruncate", self.ftruncate)

    def write(self, file: int, data: bytes) -> int:
        if self.left is None:
            return self._write(file, data)
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = self._write(file, data[: self.left])
        self.left -= done
        return done

    def fsync(self, file: int) -> None:
        del file
        if not self.syncs:
            raise OSError(errno.EIO, "Input/output error")

    def ftruncate(self, file: int, size: int) -> None:
        if not self.cuts:
            raise OSError(errno.EIO, "Input/output error")
        self._truncate(file, size)


def test_a_full_disk_takes_back_what_was_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(tmp_path)
    disk = Disk(monkeypatch)
    buffer.append([b"before"])
    epoch, disk.left = buffer.epoch, 40
    with pytest.raises(StoreFull, match="the disk of the buffer is full"):
        buffer.append([b"lost" * 10, b"lost too"])
    disk.left = None
    buffer.append([b"after"])
    assert buffer.epoch == epoch
    assert rest(buffer) == ([b"before", b"after"], 0)
    crash(buffer)
    with Buffer(tmp_path) as again:
        assert rest(again) == ([b"before", b"after"], 0)


@pytest.mark.parametrize("cuts", [True, False])
def test_a_failed_sync_ends_the_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: bool) -> None:
    buffer, disk = Buffer(tmp_path), Disk(monkeypatch)
    buffer.append([b"before"])
    epoch, disk.syncs, disk.cuts = buffer.epoch, False, cuts
    with pytest.raises(StoreCorrupt, match="the disk of the buffer fails"):
        buffer.append([b"perhaps"])
    disk.syncs = disk.cuts = True
    assert buffer.append([b"after"]) == 1
    assert buffer.epoch != epoch
    assert rest(buffer) == ([b"before", b"after"], 0)
    buffer.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_full_disk_at_the_sync_makes_room_and_goes_on_in_the_next_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    seals = seals_in(tmp_path) if sealed else None
    buffer = Buffer(tmp_path, Bounds(segment=400, on_full=OnFull.DROP_OLDEST), seals)
    buffer.append([b"the oldest" * 90])
    buffer.append([b"before"])
    epoch = buffer.epoch
    failing = [OSError(errno.ENOSPC, "No space left on device")]

    def sync(file: int) -> None:
        del file
        if failing:
            raise failing.pop()

    with monkeypatch.context() as patch:
        patch.setattr("gridwright.edge.buffer.os.fsync", sync)
        buffer.append([b"after"])
    assert buffer.epoch != epoch
    assert rest(buffer) == ([b"before", b"after"], buffer.level.dropped)
    assert buffer.level.dropped == 1
    buffer.close()


def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    with Buffer(tmp_path) as buffer:
        buffer.append([b"before"])
        with monkeypatch.context() as patch:
            patch.setattr("gridwright.edge.buffer.os.write", no)
            with pytest.raises(StoreError, match="cannot be written: read-only file system"):
                buffer.append([b"x"])
        assert rest(buffer) == ([b"before"], 0)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with Buffer(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(StoreLocked, match="an edge is running"):
            Buffer(tmp_path)
    assert not is_locked(tmp_path)


def test_records_larger_than_a_piece_come_one_by_one(tmp_path: Path) -> None:
    every = [bytes([number]) * 3000 for number in range(3)]
    with Buffer(tmp_path, SMALL) as buffer:
        buffer.append(every)
        assert rest(buffer) == (every, 0)


def test_an_epoch_that_is_dropped_to_its_end_is_told(tmp_path: Path) -> None:
    """No record of it is left behind the gap, with which the others are told."""
    bounds = Bounds(limit=2000, segment=500, on_full=OnFull.DROP_OLDEST)
    with Buffer(tmp_path, bounds) as buffer:
        for number in range(10):
            buffer.append([b"%050d" % number])
        (piece,) = [buffer.read(1 << 20, 4)]
        assert piece is not None
        buffer.acknowledge(piece.epoch, piece.last)
    with Buffer(tmp_path, bounds) as buffer:
        for number in range(60):
            buffer.append([b"%050d" % number])
    sent = told = 0
    with Buffer(tmp_path, bounds) as buffer:  # it is remembered
        while (piece := buffer.read(1 << 20, 1000)) is not None:
            buffer.rewind()  # an answer that is lost
            assert buffer.read(1 << 20, 1000) == piece
            sent, told = sent + len(piece.records), told + sum(end - begin + 1 for begin, end in piece.lost)
            buffer.acknowledge(piece.epoch, piece.last)
        assert (sent + told, told) == (66, buffer.dropped)


def test_what_is_dropped_behind_a_batch_under_way_is_told_after_it(tmp_path: Path) -> None:
    bounds = Bounds(limit=2000, segment=500, on_full=OnFull.DROP_OLDEST)
    with Buffer(tmp_path, bounds) as buffer:
        buffer.append([b"%050d" % number for number in range(5)])
    with Buffer(tmp_path, bounds) as buffer:
        under_way = buffer.read(1 << 20, 2)
        assert under_way is not None
        for number in range(40):
            buffer.append([b"%050d" % number])
        buffer.acknowledge(under_way.epoch, under_way.last)
        rest = buffer.read(1 << 20, 1000)
        assert rest is not None
        assert (rest.epoch, rest.lost) == (under_way.epoch, ((3, 5),))

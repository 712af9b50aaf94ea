"""What an edge that drops the oldest has not delivered it tells, number for number, wherever a kill meets it."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gridwright.domain.errors import StoreFull
from gridwright.edge.bounds import Bounds, OnFull
from gridwright.edge.buffer import Buffer
from gridwright.edge.folder import Mark, save_mark
from gridwright.edge.reader import Piece

TIGHT = Bounds(limit=900, segment=200, on_full=OnFull.DROP_OLDEST)
CALLS = ("open", "write", "fsync", "rename", "replace", "unlink", "ftruncate", "truncate")
Number = tuple[str, int]


class Killed(BaseException):
    """The process is gone: nothing that it would have done comes after."""


@contextmanager
def killed_at(call: int | None, *, done: bool) -> Iterator[None]:
    """Kill at one of the calls to the system, counted from 0, before or after it has done its work; None: at none."""
    left, ours = [-1 if call is None else call], threading.get_ident()

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def one(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - any call to the system
            if threading.get_ident() != ours or left[0] < 0:
                return real(*arguments, **named)
            left[0] -= 1
            if left[0] >= 0:
                return real(*arguments, **named)
            if done:
                real(*arguments, **named)
            raise Killed

        return one

    patches = [patch.object(os, name, counted(getattr(os, name))) for name in CALLS]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def crash(buffer: Buffer) -> None:
    """Let go of a buffer as a kill does: nothing is sealed, saved or flushed."""
    if buffer._file >= 0 and buffer._active is not None:
        with suppress(OSError):  # it was killed behind its closing
            os.close(buffer._file)
    buffer._reader.close()
    buffer._lock.close()


class Centre:
    """What the centre knows of each epoch: how far it is, the numbers that came, and those told as lost."""

    def __init__(self) -> None:
        self.at: dict[str, int] = {}
        self.came: dict[Number, bytes] = {}
        self.told: set[Number] = set()

    def apply(self, piece: Piece) -> None:
        at = self.at.get(piece.epoch, 0)
        assert piece.first <= at + 1, "numbers are missing that were neither sent nor told"
        lost = {number for begin, end in piece.lost for number in range(begin, end + 1)}
        sent = dict(piece.records)
        assert lost.isdisjoint(sent)
        assert lost | set(sent) == set(range(piece.first, piece.last + 1))
        self.came |= {(piece.epoch, number): payload for number, payload in sent.items() if number > at}
        self.told |= {(piece.epoch, number) for number in lost if number > at}
        self.at[piece.epoch] = max(at, piece.last)


kills = st.none() | st.integers(0, 12)


class ToldMachine(RuleBasedStateMachine):
    """Appends, drops, batches under way, kills at any call: the centre has each number, or was told that it is gone."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.centre = Centre()
        self.kept: dict[Number, bytes] = {}  # acknowledged to whoever sent it
        self.tried: set[Number] = set()  # numbers that a record may have had
        self.under_way: Piece | None = None
        self.arrived = False
        self.is_counted = True  # no kill, and no lost answer, made the edge count more than there is
        self.buffer = self.opened()

    def opened(self) -> Buffer:
        self.under_way, self.arrived = None, False
        return Buffer(Path(self.folder.name), TIGHT)

    @contextmanager
    def perhaps_killed(self, call: int | None, *, done: bool) -> Iterator[None]:
        try:
            with killed_at(call, done=done):
                yield
        except Killed:
            self.kill()

    @rule(count=st.integers(1, 5), size=st.integers(1, 150), call=kills, done=st.booleans())
    def append(self, count: int, size: int, call: int | None, done: bool) -> None:
        payloads = [f"{len(self.tried) + at:0{size}}".encode() for at in range(count)]
        buffer = self.buffer
        self.tried |= {(buffer.epoch, buffer._last + 1 + at) for at in range(count)}
        with self.perhaps_killed(call, done=done):
            last = buffer.append(payloads)
            self.kept |= {(buffer.epoch, last - count + 1 + at): one for at, one in enumerate(payloads)}
        self.tried |= {(buffer.epoch, buffer._last + 1 + at) for at in range(count)} | set(self.kept)

    @rule(times=st.integers(2, 8), call=kills, done=st.booleans())
    def flood(self, times: int, call: int | None, done: bool) -> None:
        """So much that whole epochs make room."""
        for _ in range(times):
            self.append(3, 60, None, done)
        self.append(3, 60, call, done)

    @rule(most=st.integers(1, 8))
    def send(self, most: int) -> None:
        if self.under_way is None:
            self.under_way = self.buffer.read(400, most)

    @rule()
    def arrive(self) -> None:
        if self.under_way is not None and not self.arrived:
            self.centre.apply(self.under_way)
            self.arrived = True

    @rule(call=kills, done=st.booleans())
    def acknowledge(self, call: int | None, done: bool) -> None:
        piece = self.under_way
        if piece is not None:
            self.arrive()
            self.under_way, self.arrived = None, False
            with self.perhaps_killed(call, done=done):
                self.buffer.acknowledge(piece.epoch, piece.last)

    @rule()
    def answer_is_lost(self) -> None:
        """Or the batch: it may have arrived before."""
        self.is_counted = self.is_counted and not self.arrived
        self.under_way, self.arrived = None, False
        self.buffer.rewind()

    @rule()
    def kill(self) -> None:
        self.is_counted = False
        crash(self.buffer)
        self.buffer = self.opened()

    @rule(call=kills, done=st.booleans())
    def restart(self, call: int | None, done: bool) -> None:
        with self.perhaps_killed(call, done=done):
            self.buffer.close()
            self.buffer = self.opened()

    @invariant()
    def tells_nothing_that_never_was(self) -> None:
        if hasattr(self, "buffer"):
            assert self.centre.told <= self.tried
            assert self.buffer.level.damaged == 0

    def all_is_told(self) -> None:
        self.buffer.rewind()
        while (piece := self.buffer.read(400, 5)) is not None:
            self.centre.apply(piece)
            self.buffer.acknowledge(piece.epoch, piece.last)
        assert self.buffer.level.waiting == 0
        assert self.buffer.is_told
        for number, payload in self.kept.items():
            assert self.centre.came.get(number, payload) == payload
        dropped, told = self.buffer.level.dropped, len(self.centre.told)
        assert dropped == told if self.is_counted else dropped >= told
        gone = set(self.kept) - set(self.centre.came)
        assert gone == self.centre.told & set(self.kept), "gone, and not told"

    def teardown(self) -> None:
        if hasattr(self, "buffer"):
            try:
                self.all_is_told()
            finally:
                self.buffer.close()
                self.folder.cleanup()


def numbered(count: int) -> list[bytes]:
    return [f"{number:050}".encode() for number in range(count)]


def centre_after(buffer: Buffer, *before: Piece) -> Centre:
    """Bring all to a centre, which took some pieces before."""
    centre = Centre()
    for piece in before:
        centre.apply(piece)
    while (fresh := buffer.read(1 << 20, 1000)) is not None:
        centre.apply(fresh)
        buffer.acknowledge(fresh.epoch, fresh.last)
    assert buffer.is_told
    return centre


def test_a_kill_behind_the_making_of_a_file_leaves_no_gap_untold(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, TIGHT)
    for payload in numbered(40):
        buffer.append([payload])
    while buffer._active is not None and buffer._active.size + 70 <= TIGHT.segment:
        buffer.append(numbered(1))
    epoch, kept = buffer.epoch, buffer._last
    with pytest.raises(Killed), patch.object(os, "write", side_effect=Killed):
        buffer.append(numbered(1))
    crash(buffer)
    assert [path.stat().st_size for path in tmp_path.glob("*.open")] == [0]
    with Buffer(tmp_path, TIGHT) as again:
        for payload in numbered(40):  # all of the epoch makes room
            again.append([payload])
        centre = centre_after(again)
        assert {number for number in centre.told if number[0] == epoch} == {(epoch, at + 1) for at in range(kept)}
        assert again.level.dropped == len(centre.told)
        assert again.level.damaged == 0


def test_a_kill_between_the_mark_and_the_files_is_no_damage(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path)
    buffer.append(numbered(5))
    piece = buffer.read(1 << 20, 5)
    buffer.append(numbered(3))
    assert piece is not None
    buffer.close()
    for call in range(6):
        buffer = Buffer(tmp_path)
        with suppress(Killed), killed_at(call, done=True):
            buffer.acknowledge(piece.epoch, 8)
        crash(buffer)
    with Buffer(tmp_path) as again:
        assert centre_after(again).told == set()
        assert again.level.damaged == 0


@pytest.mark.parametrize("saves", [False, True])
def test_a_disk_too_full_to_note_a_drop_gets_room_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: bool
) -> None:
    """`saves`: the note fits once what is dropped has made room."""
    every = numbered(12)
    with Buffer(tmp_path, TIGHT) as buffer:
        for payload in every:
            buffer.append([payload])
        before, held = buffer.dropped, buffer.level.waiting

        def save(folder: Path, mark: Mark, *, durable: bool) -> None:
            has_room = any(path.stat().st_size == 0 for path in folder.glob("*.seg"))
            if not (saves and has_room):
                raise OSError(errno.ENOSPC, "No space left on device")
            save_mark(folder, mark, durable=durable)

        with monkeypatch.context() as patching:
            patching.setattr("gridwright.edge.folder.save_mark", save)
            with nullcontext() if saves else pytest.raises(StoreFull, match="the disk of the buffer is full"):
                buffer.append([b"x" * 60])
        assert buffer.dropped > before if saves else buffer.dropped == before
        assert buffer.level.waiting == held + saves - (buffer.dropped - before)
        buffer.append([b"y" * 60])
        centre = centre_after(buffer)
        assert len(centre.told) == buffer.dropped + buffer.level.damaged
        assert len(centre.came) + len(centre.told) == 13 + saves


def test_what_was_dropped_while_its_batch_was_under_way_is_no_loss_once_it_came(tmp_path: Path) -> None:
    with Buffer(tmp_path, TIGHT) as buffer:
        for payload in numbered(10):
            buffer.append([payload])
        piece, dropped = buffer.read(1 << 20, 6), buffer.dropped
        assert piece is not None
        for payload in numbered(4):
            buffer.append([payload])
        assert buffer.dropped > dropped
        buffer.acknowledge(piece.epoch, piece.last)
        assert buffer.dropped == dropped
        assert centre_after(buffer, piece).told == set()


TestToldMachine = ToldMachine.TestCase
TestToldMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

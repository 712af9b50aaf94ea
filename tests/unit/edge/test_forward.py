"""Forwarding against a centre that fails in every way: each record is applied once, in order, or told as lost."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.api.edge.decode import Kept
from gridwright.api.edge.wire import Ack, EdgeBatch, Record, RecordVerdict, read_batch
from gridwright.edge.bounds import Bounds
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock, Moment
from gridwright.edge.entry import to_bytes
from gridwright.edge.forward import Forwarder, Patience, drained
from gridwright.edge.link import LinkDown, LinkGap, LinkRefused
from gridwright.edge.status import status_of
from gridwright.telemetry import configure_log

NOW = 1_764_000_000_000_000
SMALL = Bounds(segment=600)


@dataclass
class FakeCentre:
    """The centre's side of the protocol in memory, with faults to come: `down`, `lost answer`."""

    faults: list[str] = field(default_factory=list)
    at: dict[str, int] = field(default_factory=dict)
    applied: list[str] = field(default_factory=list)
    lost: int = 0
    refuse: set[str] = field(default_factory=set)
    choke: set[str] = field(default_factory=set)
    batches: list[EdgeBatch] = field(default_factory=list)
    verdicts: dict[str, list[RecordVerdict]] = field(default_factory=dict)
    told: set[tuple[str, int]] = field(default_factory=set)
    fail: set[str] = field(default_factory=set)  # records at which it answers 500

    def send(self, batch: EdgeBatch) -> Ack:
        batch = read_batch(msgspec.msgpack.encode(batch))  # its numbers must add up
        self.batches.append(batch)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "down":
            raise LinkDown("refused", 0.0)
        if fault == "500":
            raise LinkDown("the centre answers 500: it failed", failed=True)
        at = self.at.get(batch.epoch, 0)
        if batch.first > at + 1:
            raise LinkGap(at + 1)
        if any(text_of(record) in self.fail for record in batch.records if record.sequence > at):
            raise LinkDown("the centre answers 500: it failed", failed=True)
        if self.choke & {text_of(record) for record in batch.records}:
            raise LinkRefused({"detail": "too odd"})
        fresh = [record for record in batch.records if record.sequence > at]
        verdicts = [one for one in self.verdicts.get(batch.epoch, []) if one.sequence >= batch.first]
        self.verdicts[batch.epoch] = verdicts
        for record in fresh:
            if text_of(record) in self.refuse:
                verdicts.append(RecordVerdict(record.sequence, 1, [{"reason": "no"}]))
            else:
                self.applied.append(text_of(record))
        self.lost += sum(max(0, end - max(begin, at + 1) + 1) for begin, end in batch.lost)
        gone = {(batch.epoch, number) for begin, end in batch.lost for number in range(begin, end + 1)}
        self.told |= {one for one in gone if one[1] > at}
        self.at[batch.epoch] = max(at, batch.last)
        if fault == "lost answer":
            raise LinkDown("timed out", 0.0)
        if fault == "late 500":  # it fails behind its commit
            raise LinkDown("the centre answers 500: it failed", failed=True)
        told = [one for one in verdicts if batch.first <= one.sequence <= batch.last]
        return Ack("E", batch.epoch, self.at[batch.epoch], NOW, refused=told)

    def close(self) -> None:
        pass


def text_of(record: Record) -> str:
    return record.body.decode()


def entry(text: str) -> bytes:
    return to_bytes(Kept("/meter_reading", "", "", text.encode()), Moment(NOW, 1, "b"), stamped=True)


def forwarder(buffer: Buffer, centre: Any) -> Forwarder:  # noqa: ANN401 - a link, or what stands for one
    return Forwarder(buffer, centre, EdgeClock(buffer.folder))


def drain(buffer: Buffer, centre: FakeCentre, attempts: int = 200) -> Forwarder:
    """Step until nothing waits, without pauses."""
    forwarding = forwarder(buffer, centre)
    for _ in range(attempts):
        forwarding.attempt()
        if not buffer.level.waiting:
            break
    return forwarding


@pytest.fixture(autouse=True, scope="module")
def quiet() -> None:
    configure_log("error", json_lines=False)


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    faults=st.lists(st.sampled_from(["", "down", "lost answer"]), max_size=12),
    refuse=st.sets(st.integers(0, 30), max_size=4),
    restarts=st.booleans(),
)
def test_each_record_is_applied_once_and_in_order(
    runs: list[int], faults: list[str], refuse: set[int], restarts: bool
) -> None:
    centre = FakeCentre(list(faults), refuse={f"{number}" for number in refuse})
    sent: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in runs:
            with Buffer(folder, SMALL) as buffer:
                for _ in range(count):
                    buffer.append([entry(f"{len(sent)}")])
                    sent.append(f"{len(sent)}")
                forwarding = forwarder(buffer, centre)
                forwarding.attempt()
                if restarts:
                    forwarding.attempt()
        with Buffer(folder, SMALL) as buffer:
            done = drain(buffer, centre)
            assert buffer.level.waiting == 0
            kept = folder / "rejected.jsonl"
            rejected = [msgspec.json.decode(line) for line in kept.read_bytes().splitlines()] if kept.exists() else []
            assert done.rejected == len(rejected)
    assert centre.applied == [text for text in sent if text not in centre.refuse]
    assert {one["body"] for one in rejected} == set(sent) & centre.refuse
    assert centre.lost == 0


def test_what_the_centre_chokes_on_is_found_by_halving_and_kept(tmp_path: Path) -> None:
    centre = FakeCentre(choke={"7", "8"})
    with Buffer(tmp_path) as buffer:
        buffer.append([entry(f"{number}") for number in range(20)])
        done = drain(buffer, centre, 3)
        assert buffer.level.waiting == 0
    assert centre.applied == [f"{number}" for number in range(20) if number not in {7, 8}]
    assert (centre.lost, done.progress.gone, done.rejected) == (2, 2, 2)
    (first, _) = (tmp_path / "rejected.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(first)["verdicts"] == [{"reason": "too odd", "remedy": ""}]


def test_what_the_centre_keeps_and_doubts_is_counted(tmp_path: Path) -> None:
    class Doubting(FakeCentre):
        def send(self, batch: EdgeBatch) -> Ack:
            doubted = sum(text_of(record) == "900" for record in batch.records)
            return msgspec.structs.replace(super().send(batch), doubted=doubted)

    with Buffer(tmp_path) as buffer:
        buffer.append([entry(text) for text in ("200", "900", "201")])
        done = drain(buffer, Doubting())
        told = status_of("E", "", buffer, done, EdgeClock(tmp_path))
    assert (done.progress.doubted, told.doubted, done.rejected) == (1, 1, 0)


def test_damage_and_drops_are_told_as_lost(tmp_path: Path) -> None:
    with Buffer(tmp_path, Bounds(segment=200)) as buffer:
        for number in range(9):
            buffer.append([entry(f"{number}")])
    path = sorted(tmp_path.glob("*.seg"))[1]
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    centre = FakeCentre()
    with Buffer(tmp_path) as buffer:
        drain(buffer, centre, 5)
        assert (buffer.level.waiting, buffer.level.damaged) == (0, 1)
    assert centre.lost == 1
    assert len(centre.applied) == 8
    assert [each.name for each in (tmp_path / "quarantine").iterdir()] == [path.name]


def test_pauses_grow_with_chance_and_honour_the_centre(tmp_path: Path) -> None:
    class Busy:
        def send(self, batch: EdgeBatch) -> Ack:
            del batch
            raise LinkDown("the centre answers 429: busy", 7.0)

        def close(self) -> None:
            pass

    random.seed(1)
    with Buffer(tmp_path) as buffer:
        forwarding = forwarder(buffer, Busy())
        buffer.append([entry("1")])
        assert not forwarding.attempt()
        assert forwarding.progress.problem == "the centre answers 429: busy"
        assert forwarding.pause_s() == 7.0
        forwarding.progress.failures = 50
        pauses = {forwarding.pause_s() for _ in range(20)}
        assert len(pauses) == 20
        assert max(pauses) <= Patience().retry_s
        assert not drained(forwarding, buffer, 0.0)
        assert buffer.level.waiting == 1


def test_batches_are_bounded_and_the_clock_is_asked_first(tmp_path: Path) -> None:
    centre = FakeCentre()
    with Buffer(tmp_path) as buffer:
        buffer.append([entry(f"{number}") for number in range(20_000)])
        drain(buffer, centre)
    assert centre.batches[0].records == []
    sizes = [len(batch.records) for batch in centre.batches[1:]]
    assert sizes[:3] == [64, 128, 256]
    assert max(sizes) == 5000
    assert sum(sizes) == 20_000
    assert centre.batches[1].report.waiting == 19_936
    assert centre.batches[1].report.oldest_us is not None


def test_after_a_failure_batches_are_small_again(tmp_path: Path) -> None:
    centre = FakeCentre(["", "", "", "", "lost answer"])
    with Buffer(tmp_path) as buffer:
        buffer.append([entry(f"{number}") for number in range(2_000)])
        drain(buffer, centre)
    assert [len(batch.records) for batch in centre.batches][:7] == [0, 64, 128, 256, 512, 0, 64]


def test_a_slow_centre_gets_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    centre = FakeCentre()
    monkeypatch.setattr("gridwright.edge.forward.QUICK_S", -1.0)
    with Buffer(tmp_path) as buffer:
        buffer.append([entry(f"{number}") for number in range(150)])
        drain(buffer, centre)
    assert [len(batch.records) for batch in centre.batches] == [0, 64, 64, 22]


def test_it_runs_beside_and_stops(tmp_path: Path) -> None:
    centre = FakeCentre(["down", "lost answer"])
    with Buffer(tmp_path) as buffer:
        forwarding = forwarder(buffer, centre)
        forwarding.start()
        buffer.append([entry("1")])
        assert forwarding.progress.changed.wait(20)
        buffer.append([entry("2")])
        while centre.applied != ["1", "2"]:
            forwarding.progress.changed.clear()
            assert forwarding.progress.changed.wait(20)
        forwarding.stop()

"""A record at which the centre fails for ever (500) is put aside, and never anything that its state may explain."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.api.edge.decode import Decoders
from gridwright.api.edge.wire import Ack, EdgeBatch
from gridwright.edge import poison
from gridwright.edge.bounds import Bounds
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.forward import Forwarder
from gridwright.edge.poison import ATTEMPTS, PATIENCE_S, Suspicion
from gridwright.edge.rejected import read_rejected
from gridwright.edge.resend import resend
from gridwright.edge.sealing import Seals
from gridwright.settings import Settings
from tests.unit.edge.test_buffer import seals_in
from tests.unit.edge.test_forward import FakeCentre, entry
from tests.unit.edge.test_gone_is_told import Killed, crash

TINY = Bounds(segment=400)
BATCH = 64


@dataclass
class Time:
    """Seconds that pass when they are told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Breaking:
    """A way to the centre on which the edge is killed, at one of its batches, before or after it arrives."""

    centre: FakeCentre
    at: int = -1
    arrives: bool = False
    sent: int = field(default=0)

    def send(self, batch: EdgeBatch) -> Ack:
        self.sent += 1
        if self.sent != self.at:
            return self.centre.send(batch)
        if self.arrives:
            self.centre.send(batch)
        raise Killed

    def close(self) -> None:
        pass


def forwarder(buffer: Buffer, link: object, now: Time) -> Forwarder:
    forwarding = Forwarder(buffer, link, EdgeClock(buffer.folder))  # type: ignore[arg-type] # what stands for a link
    forwarding._suspicion = Suspicion(now)
    return forwarding


def go_on(forwarding: Forwarder, buffer: Buffer, now: Time, hours: float = 2.0) -> None:
    """Try once a minute until nothing waits, or hours have passed."""
    for _ in range(int(hours * 60)):
        forwarding.attempt()
        if buffer.is_told:
            return
        now.now += 60.0


def kept(folder: Path, seals: Seals) -> list[str]:
    return [str(one["body"]) for one in read_rejected(folder, seals)]


def fill(folder: Path, seals: Seals, *runs: range) -> list[str]:
    """Records of several epochs; returns them all."""
    for run in runs:
        with Buffer(folder, TINY, seals) as buffer:
            for number in run:
                buffer.append([entry(f"{number}")])
    return [f"{number}" for run in runs for number in run]


@pytest.mark.parametrize(
    ("runs", "fail"),
    [
        ([range(20)], {7}),
        ([range(20)], {0}),
        ([range(20)], {3, 4, 5, 11}),
        ([range(3 * BATCH)], {BATCH - 1, 2 * BATCH}),  # at the edges of batches
        ([range(5), range(5, 9)], {4}),  # the last one of an epoch, as after a restart
        ([range(1), range(1, 9)], {0}),
        ([range(5), range(5, 9), range(9, 12)], {3, 4, 7, 8}),
    ],
)
def test_what_lies_behind_a_record_goes_on(tmp_path: Path, runs: list[range], fail: set[int]) -> None:
    seals, now = seals_in(tmp_path), Time()
    centre = FakeCentre(fail={f"{number}" for number in fail})
    every = fill(tmp_path, seals, *runs)
    with Buffer(tmp_path, TINY, seals) as buffer:
        forwarding = forwarder(buffer, centre, now)
        go_on(forwarding, buffer, now, hours=6)
        assert buffer.is_told
        assert forwarding.progress.gone == len(fail)
    assert list(dict.fromkeys(centre.applied)) == centre.applied
    assert set(centre.applied) == set(every) - centre.fail
    assert sorted(kept(tmp_path, seals)) == sorted(centre.fail)
    assert len(centre.told) == len(fail)
    for one in read_rejected(tmp_path, seals):
        assert one["verdicts"][0]["reason"] == "the centre answers 500: it failed"
    centre.fail = set()
    with Buffer(tmp_path, TINY, seals) as buffer:
        resend(buffer, seals, Decoders(Settings()), reason="answers 500")
        go_on(forwarder(buffer, centre, now), buffer, now)
    assert sorted(centre.applied) == sorted(every)


def test_before_it_was_long_and_often_nothing_is_looked_for(tmp_path: Path) -> None:
    seals, now, centre = seals_in(tmp_path), Time(), FakeCentre(fail={"3"})
    fill(tmp_path, seals, range(9))
    with Buffer(tmp_path, TINY, seals) as buffer:
        forwarding = forwarder(buffer, centre, now)
        for seconds in [0.0] * (2 * ATTEMPTS) + [PATIENCE_S - 1]:  # often, not long
            now.now += seconds
            forwarding.attempt()
        assert centre.applied == []
        forwarding = forwarder(buffer, centre, now)
        for _ in range(ATTEMPTS - 1):  # long, not often
            now.now += PATIENCE_S
            forwarding.attempt()
        assert centre.applied == []
        assert forwarding.progress.problem.startswith(
            "the centre answers 500: it failed; it answers, but takes no records from number 1 of epoch "
        )
    assert kept(tmp_path, seals) == []


@pytest.mark.parametrize("fault", ["down", "500"])
def test_a_centre_that_fails_at_more_than_records_is_waited_for(tmp_path: Path, fault: str) -> None:
    """Every other greeting fails: days of it put nothing aside."""
    seals, now, centre = seals_in(tmp_path), Time(), FakeCentre(fail={"3"})
    fill(tmp_path, seals, range(9))
    with Buffer(tmp_path, TINY, seals) as buffer:
        forwarding = forwarder(buffer, centre, now)
        for turn in range(500):
            now.now += 300.0
            centre.faults = [fault] if turn % 2 else []
            forwarding.attempt()
    assert (centre.applied, centre.told, kept(tmp_path, seals)) == ([], set(), [])


def test_a_centre_that_fails_at_all_records_gets_none_told(tmp_path: Path) -> None:
    """Its readings' table is broken, say, and greetings are answered: all waits, and arrives once it is mended."""
    seals, now = seals_in(tmp_path), Time()
    every = fill(tmp_path, seals, range(80), range(80, 90))
    centre = FakeCentre(fail=set(every))
    with Buffer(tmp_path, TINY, seals) as buffer:
        forwarding = forwarder(buffer, centre, now)
        go_on(forwarding, buffer, now, hours=3)
        assert (centre.applied, centre.told, kept(tmp_path, seals)) == ([], set(), [])
        assert forwarding.rejected == 0
        assert buffer.level.waiting == 90
        centre.fail = set()
        go_on(forwarding, buffer, now)
    assert centre.applied == every
    assert centre.told == set()


def test_one_that_has_nothing_behind_it_waits(tmp_path: Path) -> None:
    seals, now, centre = seals_in(tmp_path), Time(), FakeCentre(fail={"0"})
    fill(tmp_path, seals, range(1))
    with Buffer(tmp_path, TINY, seals) as buffer:
        forwarding = forwarder(buffer, centre, now)
        go_on(forwarding, buffer, now)
        assert (centre.told, kept(tmp_path, seals), buffer.level.waiting) == (set(), [], 1)
        buffer.append([entry("1")])
        go_on(forwarding, buffer, now)
    assert (centre.applied, kept(tmp_path, seals)) == (["1"], ["0"])


def test_one_that_is_refused_behind_it_is_kept_too(tmp_path: Path) -> None:
    seals, now, centre = seals_in(tmp_path), Time(), FakeCentre(fail={"0"}, choke={"1"})
    fill(tmp_path, seals, range(4))
    with Buffer(tmp_path, TINY, seals) as buffer:
        go_on(forwarder(buffer, centre, now), buffer, now)
    assert (centre.applied, sorted(set(kept(tmp_path, seals)))) == (["2", "3"], ["0", "1"])


@pytest.mark.parametrize("fault", ["lost answer", "late 500", "500", "down", "killed before", "killed behind"])
@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("count", [3, 4])
def test_what_breaks_while_it_is_put_aside_costs_nothing(tmp_path: Path, fault: str, place: int, count: int) -> None:
    """At each batch from the one on with which the record is looked for."""
    seals, now, centre = seals_in(tmp_path), Time(), FakeCentre(fail={"0", "1"})
    every = fill(tmp_path, seals, range(count))
    buffer = Buffer(tmp_path, TINY, seals)
    link = Breaking(centre)
    forwarding = forwarder(buffer, link, now)
    while not forwarding._suspicion.is_ripe:
        forwarding.attempt()
        now.now += PATIENCE_S
    if fault.startswith("killed"):
        link.at, link.arrives = link.sent + 1 + place, fault == "killed behind"
    else:
        centre.faults = [""] * place + [fault]
    try:
        go_on(forwarding, buffer, now)
    except Killed:
        crash(buffer)
    else:
        buffer.close()
    with Buffer(tmp_path, TINY, seals) as buffer:
        go_on(forwarder(buffer, centre, now), buffer, now)
        assert buffer.is_told
    assert list(dict.fromkeys(centre.applied)) == centre.applied
    assert {*centre.applied, *kept(tmp_path, seals)} == set(every)
    assert centre.fail <= set(kept(tmp_path, seals))


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    fail=st.sets(st.integers(0, 35), max_size=6),
    faults=st.lists(st.sampled_from(["", "", "", "lost answer", "down", "500", "late 500"]), max_size=60),
    kills=st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=4),
)
def test_whatever_breaks_meanwhile_each_is_there_or_kept(
    sizes: list[int], fail: set[int], faults: list[str], kills: list[tuple[int, bool]]
) -> None:
    """The law: what the centre has not applied is kept, and it was told of it; nothing is applied twice."""
    centre, now = FakeCentre(faults, fail={f"{number}" for number in fail}), Time()
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patching:
        patching.setattr(poison, "PATIENCE_S", 60.0)
        folder, seals = Path(name), Seals(seals_in(Path(name)).vault, seals=False)
        ends = [sum(sizes[:at]) for at in range(len(sizes) + 1)]
        every = fill(folder, seals, *(range(*pair) for pair in itertools.pairwise(ends)))
        for at, arrives in kills:
            buffer = Buffer(folder, TINY, seals)
            try:
                go_on(forwarder(buffer, Breaking(centre, at, arrives), now), buffer, now, hours=1)
            except Killed:
                crash(buffer)
            else:
                buffer.close()
        centre.faults = []
        with Buffer(folder, TINY, seals) as buffer:
            go_on(forwarder(buffer, centre, now), buffer, now, hours=6)
            waits = buffer.level.waiting
        assert len(centre.applied) == len(set(centre.applied))
        found = {*centre.applied, *kept(folder, seals)}
        assert len(set(every) - found) == 0 if not waits else len(set(every) - found) <= waits
        assert set(centre.applied).isdisjoint(centre.fail)
        assert len(centre.told) + len(centre.applied) + waits == len(every)
        centre.fail = set()
        with Buffer(folder, TINY, seals) as buffer:
            resend(buffer, seals, Decoders(Settings()))
            go_on(forwarder(buffer, centre, now), buffer, now)
            assert buffer.is_told
        assert set(centre.applied) == set(every)

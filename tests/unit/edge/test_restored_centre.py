"""A centre that is back from an older backup: the edge sends again what it still has, and tells the rest by number."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gridwright.cli.edge import app
from gridwright.edge.bounds import Bounds
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.folder import MARK_FILE, Sent
from gridwright.edge.forward import Forwarder
from gridwright.edge.gone import REMEMBERED
from gridwright.edge.status import StatusFile, status_of
from tests.unit.edge.test_forward import FakeCentre, drain, entry

HERE = Sent("E", "https://centre")
TINY = Bounds(segment=200)  # two or three records a file


def deliver(folder: Path, centre: FakeCentre, texts: list[str], sent: Sent = HERE, bounds: Bounds = TINY) -> str:
    """One run of an edge, which brings some records; returns its epoch."""
    with Buffer(folder, bounds) as buffer:
        forwarding = Forwarder(buffer, centre, EdgeClock(folder), sent=sent)  # type: ignore[arg-type] # a link
        assert forwarding.attempt()
        for text in texts:
            buffer.append([entry(text)])
            step(forwarding, buffer)
        return buffer.epoch


def step(forwarding: Forwarder, buffer: Buffer) -> None:
    """Go on until nothing waits, not even word of what is gone."""
    for _ in range(20):
        forwarding.attempt()
        if buffer.is_told:
            return
    raise AssertionError(forwarding.progress.problem)


def named(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(1, count + 1)]


def test_earlier_epochs_too_are_told(tmp_path: Path) -> None:
    centre = FakeCentre()
    first = deliver(tmp_path, centre, named("a", 5))
    backup = copy.deepcopy(centre)
    backup.at[first], backup.applied = 3, backup.applied[:3]
    second = deliver(tmp_path, centre, named("b", 4))
    deliver(tmp_path, backup, named("c", 2))
    assert backup.applied == ["a1", "a2", "a3", "c1", "c2"]
    assert backup.told == {(first, 4), (first, 5), *((second, number) for number in range(1, 5))}
    told = [(one.epoch, one.first, one.last, one.until_us) for one in backup.batches if one.lost]
    assert [one[:3] for one in told] == [(first, 4, 5), (second, 1, 4)]
    assert all(until is not None for *_, until in told)


def test_what_is_still_in_a_file_goes_again(tmp_path: Path) -> None:
    centre = FakeCentre()
    with Buffer(tmp_path) as buffer:
        forwarding = Forwarder(buffer, centre, EdgeClock(tmp_path), sent=HERE)  # type: ignore[arg-type] # a link
        for text in named("a", 5):
            buffer.append([entry(text)])
            step(forwarding, buffer)
        backup = copy.deepcopy(centre)
        backup.at[buffer.epoch], backup.applied = 2, ["a1", "a2"]
        centre.__dict__ |= backup.__dict__
        buffer.append([entry("a6")])
        step(forwarding, buffer)
        assert buffer.level.damaged == 0
    assert centre.applied == named("a", 6)
    assert centre.told == set()


def test_a_heartbeat_finds_it_though_nothing_is_to_be_sent(tmp_path: Path) -> None:
    centre = FakeCentre()
    with Buffer(tmp_path, TINY) as buffer:
        forwarding = Forwarder(buffer, centre, EdgeClock(tmp_path), sent=HERE)  # type: ignore[arg-type] # a link
        buffer.append([entry(text) for text in named("a", 5)])
        step(forwarding, buffer)
        centre.at, centre.applied = {}, []
        forwarding._greeted = 0.0  # long ago
        forwarding.attempt()
        step(forwarding, buffer)
        assert set(centre.applied) | {f"a{number}" for _, number in centre.told} == set(named("a", 5))


def test_the_status_tells_what_is_lacking_and_until_when(tmp_path: Path) -> None:
    centre = FakeCentre()
    first = deliver(tmp_path, centre, named("a", 5))
    centre.at[first] = 3
    with Buffer(tmp_path, TINY) as buffer:
        clock = EdgeClock(tmp_path)
        forwarding = Forwarder(buffer, centre, clock, sent=HERE)  # type: ignore[arg-type] # a link
        buffer.append([entry("b1")])
        step(forwarding, buffer)
        StatusFile(tmp_path, lambda: status_of("E", HERE.to, buffer, forwarding, clock)).stop()
    told = json.loads(CliRunner().invoke(app, ["status", "--folder", str(tmp_path), "--json"]).stdout)
    (lacking,) = told["forgotten"]
    assert (lacking["epoch"], lacking["first"], lacking["last"]) == (first, 4, 5)
    assert lacking["until"].startswith("2025-11-24T16:00:00")


def test_a_line_that_goes_while_it_is_told_costs_nothing(tmp_path: Path) -> None:
    for fault in ("down", "lost answer"):
        for place in range(6):
            folder, centre = tmp_path / fault / str(place), FakeCentre()
            first = deliver(folder, centre, named("a", 5))
            second = deliver(folder, centre, named("b", 3))
            centre.at, centre.applied = {first: 3}, named("a", 3)
            centre.faults = [""] * place + [fault]
            with Buffer(folder, TINY) as buffer:
                buffer.append([entry("c1")])
                step(Forwarder(buffer, centre, EdgeClock(folder), sent=HERE), buffer)  # type: ignore[arg-type] # a link
            assert centre.applied == [*named("a", 3), "c1"]
            assert centre.told == {(first, 4), (first, 5), (second, 1), (second, 2), (second, 3)}


def test_another_name_is_another_edge_and_another_address_may_be_another_centre(tmp_path: Path) -> None:
    for other in (Sent("E-2", HERE.to), Sent("E", "https://other")):
        folder, fresh = tmp_path / other.edge, FakeCentre()
        for prefix in "ab":
            deliver(folder, FakeCentre(), named(prefix, 3))
        deliver(folder, fresh, ["c1"], other)
        deliver(folder, fresh, ["d1"], other)
        assert (fresh.applied, fresh.told) == (["c1", "d1"], set())


def test_the_same_centre_at_another_address_is_told(tmp_path: Path) -> None:
    centre = FakeCentre()
    deliver(tmp_path, centre, named("a", 3))
    backup = copy.deepcopy(centre)
    second = deliver(tmp_path, centre, named("b", 3))
    deliver(tmp_path, backup, ["c1"], Sent("E", "https://elsewhere"))
    assert backup.told == {(second, number) for number in (1, 2, 3)}


def test_an_epoch_that_goes_on_under_another_name_begins_with_what_the_first_one_had(tmp_path: Path) -> None:
    first, second = FakeCentre(), FakeCentre()
    with Buffer(tmp_path) as buffer:
        buffer.append([entry(text) for text in named("a", 3)])
        step(Forwarder(buffer, first, EdgeClock(tmp_path), sent=HERE), buffer)  # type: ignore[arg-type] # a link
        epoch = buffer.epoch
        buffer.append([entry("a4")])
    deliver(tmp_path, second, ["b1"], Sent("E-2", HERE.to))
    assert second.applied == ["a4", "b1"]
    assert second.told == {(epoch, number) for number in (1, 2, 3)}


def test_a_mark_of_an_earlier_release_is_read_and_ours_by_it(tmp_path: Path) -> None:
    centre = FakeCentre()
    first = deliver(tmp_path, centre, named("a", 3))
    (tmp_path / MARK_FILE).write_text(f'{{"epoch": "{first}", "through": 3, "ordinal": 1}}')
    centre.at = {}
    deliver(tmp_path, centre, ["b1"])
    assert centre.told == {(first, number) for number in (1, 2, 3)}

    class Earlier(msgspec.Struct):
        epoch: str
        through: int

    assert msgspec.json.decode((tmp_path / MARK_FILE).read_bytes(), type=Earlier).through == 1


def test_the_memory_of_epochs_is_bounded(tmp_path: Path) -> None:
    centre = FakeCentre()
    for number in range(REMEMBERED + 5):
        deliver(tmp_path, centre, [f"{number}"])
    with Buffer(tmp_path) as buffer:
        assert len(buffer.mark.ended) == REMEMBERED
        centre.batches.clear()
        drain(buffer, centre, 3)
    assert [len(one.records) for one in centre.batches[:2]] == [0, 0], "one question while nothing is amiss"


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["", "backup", "restore"]), st.booleans()), min_size=2, max_size=8
    ),
    faults=st.lists(st.sampled_from(["", "", "down", "lost answer"]), max_size=8),
)
def test_each_number_is_there_once_or_told_whatever_is_restored_when(
    runs: list[tuple[int, str, bool]], faults: list[str]
) -> None:
    """The law: of all that was ever acknowledged, the centre has each number once, or knows that it lacks it."""
    centre, every = FakeCentre(), dict[tuple[str, int], str]()
    backup = copy.deepcopy(centre)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for run, (count, then, again) in enumerate(runs):
            with Buffer(folder, TINY) as buffer:
                forwarding = Forwarder(buffer, centre, EdgeClock(folder), sent=HERE)  # type: ignore[arg-type] # a link
                for number in range(count):
                    text = f"{run}.{number}"
                    every[buffer.epoch, buffer.append([entry(text)])] = text
                    if again:
                        step(forwarding, buffer)
                centre.faults = list(faults)
                step(forwarding, buffer)
                if then == "backup":
                    backup = copy.deepcopy(centre)
                elif then == "restore":
                    centre.__dict__ |= copy.deepcopy(backup).__dict__
                    if again:
                        forwarding._greeted = float("-inf")  # the line was away
                        forwarding.attempt()
                        step(forwarding, buffer)
        centre.faults = []
        deliver(folder, centre, ["end"])
    lacking = {text for number, text in every.items() if number in centre.told}
    assert len(centre.applied) == len(set(centre.applied))
    assert set(centre.applied) - {"end"} == set(every.values()) - lacking
    assert centre.told <= set(every)

"""Streams of edges on every database: compare and set, in the same transaction as what came with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.edge import EdgeReport, EdgeRun, EdgeStream
from gridwright.domain.errors import AccessDenied, Conflict, StoreError
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store
from gridwright.store.field import edges
from tests.integration.store.conftest import NOON

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEVEN = Access("seven", Role.DEVICE)
EIGHT = Access("eight", Role.DEVICE)
REPORT = EdgeReport(timedelta(milliseconds=-1500), 7, 3, NOW - HOUR)
NEW = EdgeStream("S-7", "a1", "seven", NOW, NOW, 10, 40, 2, 1, REPORT, '["ü"]')


def test_a_stream_moves_on_from_where_it_stands(store: Store) -> None:
    assert store.edges.stream(SEVEN, "S-7", "a1") is None
    store.edges.advance(SEVEN, NEW, after=0)
    assert store.edges.stream(SEVEN, "S-7", "a1") == NEW
    further = replace(NEW, sequence=25, last=NOW + HOUR, report=EdgeReport(), verdicts="[]")
    for wrong in (0, 9, 11, 25):
        with pytest.raises(Conflict, match="stands at 10"):
            store.edges.advance(SEVEN, further, after=wrong)
    store.edges.advance(SEVEN, further, after=10)
    assert store.edges.stream(SEVEN, "S-7", "a1") == further


def test_what_comes_with_it_is_written_with_it_or_not_at_all(store: Store) -> None:
    store.edges.advance(SEVEN, NEW, after=0)

    def both() -> None:
        with store.transaction():
            store.registry.save_points(ME, [UsagePoint("UP-1")])
            store.edges.advance(SEVEN, NEW, after=0)

    with pytest.raises(Conflict):
        both()
    assert store.registry.count(ME) == 0


def test_an_edge_has_one_owner(store: Store) -> None:
    store.edges.advance(SEVEN, NEW, after=0)
    with pytest.raises(AccessDenied, match="belongs to seven"):
        store.edges.stream(EIGHT, "S-7", "b2")
    with pytest.raises(AccessDenied, match="belongs to seven"):
        store.edges.advance(EIGHT, replace(NEW, epoch="b2"), after=0)
    assert store.edges.stream(ME, "S-7", "a1") == NEW
    store.edges.advance(EIGHT, replace(NEW, edge="s-7", actor="eight"), after=0)  # another name, on every database


def test_the_newest_epoch_is_shown_with_the_sums_of_all(store: Store) -> None:
    store.edges.advance(SEVEN, NEW, after=0)
    later = replace(NEW, epoch="b2", first=NOW + HOUR, last=NOW + HOUR, sequence=3, report=EdgeReport())
    store.edges.advance(SEVEN, later, after=0)
    store.edges.advance(EIGHT, replace(NEW, edge="A-1", actor="eight"), after=0)
    first, second = store.edges.latest(ME)
    assert (first.edge, second.edge) == ("A-1", "S-7")
    assert second == replace(later, first=NOW, readings=80, rejected=4, lost=2)
    assert (first.lag_s(NOW), second.lag_s(NOW)) == (3600.0, 0.0)


def test_what_was_written_while_the_clock_was_ahead_is_not_the_newest(store: Store) -> None:
    for epoch, last in (("a1", NOON - HOUR), ("b2", NOON + timedelta(days=500)), ("c3", NOON)):
        store.edges.advance(SEVEN, replace(NEW, epoch=epoch, first=last, last=last), after=0)
    (latest,) = store.edges.latest(ME)
    assert (latest.epoch, latest.last, latest.readings) == ("c3", NOON, 120)


def test_a_clock_that_jumps_ahead_forgets_no_epoch(store: Store) -> None:
    """The edge may still hold numbers of an epoch when it begins the next one: they would be told as lost."""
    store.edges.advance(SEVEN, NEW, after=0)
    jumped = NOW + timedelta(days=500)
    store.edges.advance(SEVEN, replace(NEW, epoch="b2", first=jumped, last=jumped), after=0)
    assert store.edges.stream(SEVEN, "S-7", "a1") == NEW


def test_new_epochs_and_losses_are_audited_and_old_epochs_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edges, "KEPT", 2)
    store.edges.advance(SEVEN, NEW, after=0)
    store.edges.advance(SEVEN, replace(NEW, sequence=12), after=10)
    store.edges.advance(SEVEN, replace(NEW, sequence=20, lost=5), after=12, gone=[(13, 16)])
    details = [record.detail for record in store.audit.records(ME) if record.subject == "edge S-7"]
    assert details == [
        {"epoch": "a1", "lost": 4, "numbers": "13-16"},
        {"epoch": "a1", "lost": 1},
        {"epoch": "a1"},
    ]
    store.edges.advance(SEVEN, replace(NEW, sequence=300, lost=65), after=20, gone=[(at, at) for at in range(101, 161)])
    told = store.audit.records(ME)[0].detail["numbers"]
    assert told.startswith("101-101, 102-102, ")
    assert told.endswith(", 150-150 and 10 ranges more")
    store.edges.advance(EIGHT, replace(NEW, edge="A-1", actor="eight"), after=0)
    for number in range(2, 5):
        much_later = NOW + timedelta(days=200 * number)
        store.edges.advance(SEVEN, replace(NEW, epoch=f"c{number}", first=much_later, last=much_later), after=0)
    there = [epoch for epoch in ("a1", "c2", "c3", "c4") if store.edges.stream(SEVEN, "S-7", epoch)]
    assert there == ["c2", "c3", "c4"]
    assert store.edges.stream(EIGHT, "A-1", "a1") is not None


def test_of_two_at_once_one_moves_it_on(store: Store, again: Callable[[], Store]) -> None:
    store.edges.advance(SEVEN, NEW, after=0)
    together, done = threading.Barrier(2), []

    def move() -> None:
        with again() as mine:
            together.wait()
            try:
                mine.edges.advance(SEVEN, replace(NEW, sequence=11), after=10)
                done.append("moved")
            except (Conflict, StoreError):
                done.append("refused")

    threads = [threading.Thread(target=move) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == ["moved", "refused"]


def test_processes_that_send_under_one_name_at_once_are_shown(store: Store) -> None:
    minute = timedelta(minutes=1)

    def heard(token: str, epoch: str, first: datetime, last: datetime) -> None:
        after = getattr(store.edges.stream(SEVEN, "S-7", epoch), "sequence", 0)
        run = EdgeRun(token, f"process of {token}", first, last)
        store.edges.advance(SEVEN, replace(NEW, epoch=epoch, first=first, last=last, run=run), after=after)

    def shared() -> tuple[str, ...]:
        (latest,) = store.edges.latest(ME)
        return latest.shared_by

    heard("a", "a1", NOON - 9 * minute, NOON - 8 * minute)
    heard("b", "b1", NOON - 7 * minute, NOON - 6 * minute)
    heard("b", "a1", NOON - 7 * minute, NOON - 5 * minute)  # what the first one left goes on
    assert shared() == ()
    heard("c", "c1", NOON - 6 * minute, NOON - 3 * minute)
    heard("b", "b1", NOON - 7 * minute, NOON - 2 * minute)
    assert shared() == ("process of b", "process of c")
    runs = store.edges.runs(SEVEN, "S-7")
    assert {(run.token, run.first) for run in runs} == {("b", NOON - 7 * minute), ("c", NOON - 6 * minute)}
    found = store.edges.stream(SEVEN, "S-7", "c1")
    assert found is not None
    assert (found.run, found.verdicts) == (EdgeRun("c", "process of c", NOON - 6 * minute, NOON - 3 * minute), '["ü"]')
    with pytest.raises(AccessDenied, match="belongs to seven"):
        store.edges.runs(EIGHT, "S-7")


def test_a_process_that_was_long_silent_is_another_ones_no_more(store: Store) -> None:
    for token, first, last in (("a", NOON - 3 * HOUR, NOON - HOUR), ("b", NOON - 2 * HOUR, NOON)):
        run = EdgeRun(token, token, first, last)
        store.edges.advance(SEVEN, replace(NEW, epoch=token, first=first, last=last, run=run), after=0)
    (latest,) = store.edges.latest(ME)
    assert latest.shared_by == ()

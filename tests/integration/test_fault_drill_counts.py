"""The fault drill's own eyes: what is lost, doubled or wrong in a store does not pass it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.edge import EdgeStream
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.fault_drill_buffer import dropped_of, ranges_told
from tests.integration.fault_drill_clock import Stamped, Try, compare_stamped
from tests.integration.fault_drill_lines import Body, Feeder, compare_lines, prepare_lines
from tests.integration.fault_drill_meters import QUARTER, START, Device, compare_meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gridwright.edge.gone import Numbers

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NAN = float("nan")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


def save(store: Store, name: str, start: datetime, values: list[float]) -> None:
    store.readings.save(ME, Panel((name,), start, QUARTER, np.array([values])), known_at=NOW)


def device(store: Store, way: str, stored: Mapping[int, float], slot: int) -> Device:
    """Return a device that was told that all before `slot` was taken, and a store with what is there indeed."""
    one = Device(3, way, slot=slot)
    store.registry.save_points(ME, [UsagePoint("UP-3")])
    if way == "form":
        reads = [RegisterReading("UP-3", START + QUARTER * at, wh) for at, wh in stored.items()]
        store.registers.save(ME, reads, known_at=NOW)
    else:
        save(store, "UP-3", START, [stored.get(at, NAN) for at in range(max(stored) + 1)])
    return one


@pytest.mark.parametrize("way", ["form", "json", "revised"])
@pytest.mark.parametrize(
    ("change", "lost", "wrong"),
    [
        ({}, [], 0),
        ({4: 3012}, [], 0),  # under way
        ({4: 3013}, [], 1),
        ({5: 3015}, [], 1),  # never sent
        ({2: None}, [2], 0),
        ({2: 3007}, [], 1),
        ({2: 3005}, [], 1),  # the draft, though the reading was acknowledged
    ],
)
def test_a_meter_that_lost_something_is_seen(
    store: Store, way: str, change: dict[int, float | None], lost: list[int], wrong: int
) -> None:
    stored = {slot: 3000.0 + 3 * slot for slot in range(4)} | change
    one = device(store, way, {slot: wh for slot, wh in stored.items() if wh is not None}, 4)
    there, gone, doubled, strange = compare_meter(store, one)
    assert (there, gone, doubled, strange) == (sum(wh is not None for wh in stored.values()), lost, 0, wrong)


def test_a_draft_may_stay_only_while_its_reading_is_under_way(store: Store) -> None:
    one = device(store, "revised", {0: 3000, 1: 3002}, 1)
    assert compare_meter(store, one)[1:] == ([], 0, 0)
    one.slot = 2
    assert compare_meter(store, one)[1:] == ([], 0, 1)


def save_body(store: Store, feeder: Feeder, change: Mapping[tuple[int, int], float]) -> Body:
    """Store the next body of a feeder, with some counts more (NaN = not there)."""
    body = feeder.next()
    point, slot = np.arange(body.points)[:, None], np.arange(body.slots)[None, :] + body.first
    values = feeder.value(point, slot).astype(np.float64)
    for place, more in change.items():
        values[place] += more
    names = tuple(feeder.name(each) for each in range(body.points))
    start = datetime(2020, 1, 1, tzinfo=UTC) + QUARTER * body.first
    store.readings.save(ME, Panel(names, start, QUARTER, values), known_at=NOW)
    return body


@pytest.mark.parametrize("way", ["stretches", "revisions"])
def test_lines_that_are_gone_or_others_are_seen(store: Store, way: str) -> None:
    feeder = Feeder(0, way)
    prepare_lines(store, [feeder])
    body = save_body(store, feeder, {(1, 2): NAN, (3, 4): 1})
    feeder.bodies.append(body)
    assert compare_lines(store, feeder, feeder.bodies) == (body.lines - 1, 1, 1)
    under_way = save_body(store, feeder, {(0, 0): 1})  # a draft may be there still
    wrong = 1 if way == "revisions" else 2
    assert compare_lines(store, feeder, feeder.bodies) == (body.lines + under_way.lines - 1, 1, wrong)


@pytest.mark.parametrize(
    ("at_s", "lost", "doubled", "wrong"),
    [
        ({1: [0], 2: [10], 3: [20]}, [], 0, 0),
        ({1: [0], 2: [10]}, [], 0, 0),  # nobody acknowledged the third
        ({1: [0], 3: [20]}, [2], 0, 0),
        ({1: [0, 4], 2: [10]}, [], 1, 0),
        ({1: [0], 2: [3610]}, [], 0, 1),  # an hour off
        ({1: [0], 2: [16], 3: [15]}, [], 0, 2),  # 2 too late, and behind 3
        ({1: [0], 2: [10], 9: [12]}, [], 0, 1),  # nobody sent it
    ],
)
def test_a_reading_stamped_wrongly_is_seen(
    store: Store, at_s: dict[int, list[int]], lost: list[int], doubled: int, wrong: int
) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-100")])
    tries = [Try(value, NOW + timedelta(seconds=10 * (value - 1))) for value in (1, 2, 3)]
    for one in tries[:2]:
        one.answered = one.sent
    reads = [
        RegisterReading("UP-100", NOW + timedelta(seconds=each), value)
        for value, every in at_s.items()
        for each in every
    ]
    store.registers.save(ME, reads, known_at=NOW)
    found = compare_stamped(store, Stamped(100, tries))
    assert found == (len(reads), lost, doubled, wrong)


@pytest.mark.parametrize(
    ("gone", "ranges", "told", "resent", "fault"),
    [
        ([[3, 4, 5], [4, 5]], [("a", 20, 24)], 5, 0, ""),
        ([[3, 4, 5], [4, 5]], [("a", 20, 26)], 7, 2, ""),  # two were sent again
        ([[3, 5], [4, 5, 6]], [("a", 20, 22), ("a", 40, 41)], 5, 0, ""),  # between them some arrived
        ([[3, 4, 5], [4, 5]], [("a", 20, 23)], 4, 0, "one was not told"),
        ([[3, 4, 5], [4, 5]], [("a", 20, 26)], 7, 1, "more were told than there were"),
        ([[3, 4, 5], [4, 5]], [("a", 20, 23)], 5, 0, "the ranges do not tell all"),
        ([[3, 5], [4, 5, 6]], [("a", 20, 24)], 5, 0, "two rows of one meter in one range"),
        ([[3, 4, 5], [8, 9]], [("a", 20, 24)], 5, 0, "the newest is gone"),
    ],
)
def test_an_edge_may_drop_the_oldest_alone_and_must_tell(
    gone: list[list[int]], ranges: list[Numbers], told: int, resent: int, fault: str
) -> None:
    if fault:
        with pytest.raises(AssertionError):
            dropped_of(gone, [10, 10], ranges, told, resent)
    else:
        assert dropped_of(gone, [10, 10], ranges, told, resent) == 5


def test_what_the_centre_knows_as_lost_is_read_from_its_audit(store: Store) -> None:
    stream = EdgeStream("drill", "a", "local", NOW, NOW)
    for epoch, after, last, gone in [("a", 0, 9, [(2, 4), (6, 9)]), ("a", 9, 20, [(10, 12)]), ("b", 0, 5, [(1, 5)])]:
        before = store.edges.stream(ME, "drill", epoch) or replace(stream, epoch=epoch)
        lost = before.lost + sum(end - begin + 1 for begin, end in gone)
        store.edges.advance(ME, replace(before, sequence=last, lost=lost), after=after, gone=gone)
    assert ranges_told(store) == [("a", 2, 4), ("a", 6, 12), ("b", 1, 5)]

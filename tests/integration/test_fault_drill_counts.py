"""The fault drill's own eyes: what is lost, doubled or wrong in a store does not pass it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.fault_drill import Site, dropped_of
from tests.integration.fault_drill_clock import Stamped, Try, compare_stamped
from tests.integration.fault_drill_lines import Body, Feeder, compare_lines, prepare_lines
from tests.integration.fault_drill_meters import QUARTER, START, Device, compare_meter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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


def test_an_edge_may_drop_the_oldest_alone_and_must_tell(tmp_path: Path) -> None:
    drops = Site(tmp_path, drops=True)
    gone = [[3, 4, 5], [4, 5]]
    assert dropped_of(drops, 1, gone, told=5, resent=0) == 5
    assert dropped_of(drops, 1, gone, told=7, resent=2) == 5  # two were sent again
    for told, resent, rounds, slots in [(4, 0, 1, gone), (7, 1, 1, gone), (5, 0, 1, [[3, 5], [4, 5, 6]])]:
        with pytest.raises(AssertionError):
            dropped_of(drops, rounds, slots, told=told, resent=resent)
    with pytest.raises(AssertionError, match="told as lost"):
        dropped_of(Site(tmp_path), 1, [[]], told=1, resent=0)

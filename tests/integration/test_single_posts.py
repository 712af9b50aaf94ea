"""Posts of one reading each: the short way to the store leaves behind what the way of all batches does."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directory, directory_of, resolve
from gridwright.api.write import batches as write_batches
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint
from gridwright.store import Newest, Single, Store, open_store
from gridwright.store.readings import Readings

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAYS = (
    datetime(2026, 11, 24, tzinfo=UTC),
    datetime(2026, 11, 23, 22, 30, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
)
INTERVALS, REGISTERS, TOWNS = ("I-1", "I-2", "I-3"), ("R-1", "R-2", "R-3"), itertools.count()
ALL_TIME = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Town:
    """Usage points that no other example has, so that a store serves many of them."""

    number: int

    @property
    def points(self) -> list[str]:
        return [self.named(point) for point in (*INTERVALS, *REGISTERS)]

    def named(self, point: str) -> str:
        return f"T{self.number}/{point}"

    @property
    def installed(self) -> list[Installation]:
        """Meters of which the second, with a factor, took over in the second hour of the first of DAYS."""
        began, changed = datetime(2025, 1, 1, tzinfo=UTC), DAYS[0] + timedelta(hours=1)
        return [
            Installation(point, f"{point}/{which}", Interval(since, until), Decimal(factor))
            for point in map(self.named, REGISTERS)
            for which, since, until, factor in ((1, began, changed, 1), (2, changed, FOREVER, 3))
        ]

    @property
    def directory(self) -> Directory:
        return directory_of(dict.fromkeys(self.points, 0), self.installed, 0.0)

    def batch(self, record: dict[str, Any], *, access: Access = ME) -> Batch:
        directory = self.directory
        here = record | {"usage_point": self.named(record["usage_point"])}
        decoded = decode_json(msgspec.json.encode([here]), Said(), NOW)
        return Batch(access, NOW, decoded, resolve(decoded, directory, access), directory, tell_readings)


def a_column(town: Town, point: str) -> Batch:
    """Build a batch of so many readings of a usage point that they come in columns."""
    many = [kwh(town.named(point), DAYS[0] + timedelta(minutes=15) * slot, 1) for slot in range(20)]
    directory = town.directory
    decoded = decode_json(msgspec.json.encode(many), Said(), NOW)
    columns = Batch(ME, NOW, decoded, resolve(decoded, directory, ME), directory, tell_readings)
    assert columns.resolved.intervals
    return columns


def a_town(*stores: Store) -> Town:
    town = Town(next(TOWNS))
    for store in stores:
        store.registry.save_points(ME, [UsagePoint(point) for point in town.points])
        for each in town.installed:
            # Of the first two the registers turn over after 100 kWh.
            dials = 8 if each.usage_point == town.named(REGISTERS[-1]) else 5
            store.registry.save_meter(ME, Meter(each.end_device, dials=dials))
            store.registry.exchange_meter(ME, each)
    return town


@pytest.fixture(scope="module")
def stores() -> Iterator[tuple[Store, Store]]:
    with open_store("sqlite://", clock=lambda: NOW) as short, open_store("sqlite://", clock=lambda: NOW) as long:
        yield short, long


def kwh(point: str, at: datetime, value: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"usage_point": point, "start": at.isoformat(), "kwh": value, "interval_s": 900} | more


def register(point: str, at: datetime, value: float) -> dict[str, Any]:
    return {"usage_point": point, "at": at.isoformat(), "register_kwh": value}


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    day = draw(st.sampled_from(DAYS))
    at = day + timedelta(minutes=15) * draw(st.integers(0, 5))
    if draw(st.booleans()):
        point, value = (
            draw(st.sampled_from(REGISTERS)),
            draw(st.sampled_from((0, 0.25, 0.5, 1, 40, 99.5, 99.75, 1e6, -1, 1.0005))),
        )
        return register(point, at, value) | draw(
            st.sampled_from(({}, {}, {"quality": "estimated"}, {"flow": "received"}))
        )
    point = draw(st.sampled_from((*INTERVALS, "I-unknown")))
    value = draw(st.sampled_from((0, 0.25, 0.25, 31, 33, -40, 3e6, 1e12, 1e20, 1.0005)))
    more: dict[str, Any] = draw(
        st.sampled_from(({}, {}, {}, {"quality": "estimated"}, {"interval_s": 3600}, {"flow": "nowhere"}))
    )
    return kwh(point, at, value, **more)


def left_behind(store: Store, town: Town) -> dict[str, Any]:
    """What anybody can read of a town afterwards, but for how its records of the audit are cut."""
    series = [one for point in town.points for one in store.readings.series(ME, point)]
    dirty = store.dirty.ranges(ME, points=town.points)
    return {
        "series": series,
        "registers": [
            read
            for point in town.points
            for kind in store.registers.kinds(ME, point)
            for read in store.registers.load(ME, point, ALL_TIME, kind)
        ],
        "findings": [
            (one.code, one.usage_point, one.period, one.message) for one in store.findings.load(ME, town.points)
        ],
        "dirty": sorted((one.usage_point, one.reading_type.code, one.from_day, one.to_day) for one in dirty),
        **known_then(store, town),
    }


def known_then(store: Store, town: Town) -> dict[str, Any]:
    """Return what was known at each instant of each day, and the values that each slot had, in turn.

    Of the states that a day went through within one instant some may not be kept.
    """
    then, turns = {}, {}
    for one in (one for point in town.points for one in store.readings.series(ME, point)):
        for day in {one.date() for one in (*DAYS, DAYS[1] + timedelta(days=1))}:
            which = (one.usage_point, one.reading_type, one.interval, day)
            versions = store.readings.versions(ME, one.usage_point, day, one.reading_type)
            # What register reads tell of a day may change its grid.
            versions = [each for each in versions if each.block.panel.interval == one.interval]
            states = [
                list(zip(np.nan_to_num(each.values[0], nan=-1).tolist(), each.quality[0].tolist(), strict=True))
                for each in (version.block.panel for version in versions)
            ]
            then[which] = dict(zip([version.known_at for version in versions], states, strict=True))
            turns[which] = [[value for value, _ in itertools.groupby(slot)] for slot in zip(*states, strict=True)]
    return {"then": then, "turns": turns}


def days_of(dirty: list[tuple[str, str, date, date]]) -> set[tuple[str, date]]:
    return {
        (point, first + timedelta(days=day)) for point, _, first, last in dirty for day in range((last - first).days)
    }


def told(outcomes: list[Any]) -> list[Any]:
    return [msgspec.json.decode(one.body) if isinstance(one, Answer) else type(one) for one in outcomes]


def written(store: Store, town: Town, groups: list[list[dict[str, Any]]], *, wait: bool = False) -> list[Any]:
    """Write groups of posts, two minutes after each other, and return what each was told."""
    answers = []
    for number, group in enumerate(groups):
        batches = [town.batch(one) for one in group]
        for batch in batches:
            batch.journal = wait
        answers.append(told(write(store, batches, NOW + timedelta(minutes=2 * number))))
    return answers


def of_a_group(record: dict[str, Any]) -> object:
    """Registers of one usage point in one transaction are judged together the long way: here they come one by one."""
    return record["usage_point"] if "register_kwh" in record else id(record)


def agree(group: list[dict[str, Any]]) -> bool:
    """Tell whether each usage point has intervals of one grid: of two the one laid first wins, whichever it is."""
    grids = {
        (one["usage_point"], one["interval_s"], datetime.fromisoformat(one["start"]).timestamp() % one["interval_s"])
        for one in group
        if "kwh" in one
    }
    return len(grids) == len({point for point, *_ in grids})


def groups_of_posts() -> st.SearchStrategy[list[list[dict[str, Any]]]]:
    group = st.lists(records(), min_size=1, max_size=6, unique_by=of_a_group).filter(agree)
    return st.lists(group, min_size=1, max_size=6)


@settings(
    max_examples=400 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(groups=groups_of_posts())
def test_the_short_way_leaves_behind_what_the_long_way_does(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch, groups: list[list[dict[str, Any]]]
) -> None:
    town = a_town(*stores)
    answers = written(stores[0], town, groups)
    with monkeypatch.context() as patched:
        patched.setattr(write_batches, "write_singles", lambda _, batches, __: list(batches))
        patched.setattr(Readings, "save_singles", lambda *given, **_: list(range(len(given[-1]))))
        assert written(stores[1], town, groups) == answers
    assert left_behind(stores[0], town) == left_behind(stores[1], town)


@settings(
    max_examples=400 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(groups=groups_of_posts())
def test_those_that_wait_leave_behind_what_others_do(
    stores: tuple[Store, Store], groups: list[list[dict[str, Any]]]
) -> None:
    town = a_town(*stores)
    assert written(stores[0], town, groups, wait=True) == written(stores[1], town, groups)
    some, others = (left_behind(store, town) for store in stores)
    # A usage point may have its first intervals by the time a later read of its register makes days dirty, or not.
    assert days_of(some.pop("dirty")) == days_of(others.pop("dirty"))
    assert some == others


def test_posts_that_wait_are_one_row_and_a_register_folds_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "grid.db", clock=lambda: NOW) as store:
        town, at = a_town(store), DAYS[0]
        quarters = [at + timedelta(minutes=15) * slot for slot in range(4)]
        groups = [[register(point, quarter, slot) for point in REGISTERS] for slot, quarter in enumerate(quarters)]
        groups.append([kwh(point, at, 1) for point in INTERVALS])
        written(store, town, groups, wait=True)
        waits = store.journal.waiting(ME)
        assert (waits.rows, waits.readings) == (4, 12)  # three derived intervals of each, and three that were sent
        assert store.journal.fold() == 4
        assert days_of(left_behind(store, town)["dirty"]) == {
            (town.named(one), at.date()) for one in INTERVALS + REGISTERS
        } | {(town.named(one), at.date() - timedelta(days=1)) for one in REGISTERS}
        hour = Interval(at, at + timedelta(minutes=45))
        stored = store.readings.load(ME, [town.named("R-1"), town.named("I-1")], hour)
        assert stored.values[0].tolist() == [1000, 1000, 1000]
        assert stored.values[1, 0] == 1000
        assert store.journal.waiting(ME).rows == 0


def test_a_mix_with_readings_in_columns_waits_for_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path / "grid.db", clock=lambda: NOW) as store:
        town = a_town(store)
        single, columns = town.batch(kwh("I-1", DAYS[0], 2)), a_column(town, "I-2")
        single.journal = True
        write(store, [single, columns], NOW)
        assert store.journal.waiting(ME).rows == 0


def test_what_came_first_is_superseded_by_what_came_after(stores: tuple[Store, Store]) -> None:
    """A single reading is written before batches in columns, but not before one that speaks of the same."""
    town, at = a_town(*stores), DAYS[0]
    write(stores[0], [a_column(town, "I-1"), town.batch(kwh("I-1", at, 2)), town.batch(kwh("I-2", at, 3))], NOW)
    hour = Interval(at, at + timedelta(hours=1))
    stored = stores[0].readings.load(ME, [town.named("I-1"), town.named("I-2")], hour)
    assert stored.values[:, 0].tolist() == [2000, 3000]
    assert [one.revision for one in stores[0].readings.versions(ME, town.named("I-1"), at.date())] == [1, 2]


def test_single_readings_are_written_only_by_those_who_may(stores: tuple[Store, Store]) -> None:
    town, store = a_town(*stores), stores[0]
    limited = Access("box", Role.OPERATOR, frozenset({town.named("I-1")}))
    for access, point in ((Access("eve", Role.VIEWER), "I-1"), (limited, "I-2")):
        with pytest.raises(AccessDenied):
            store.readings.save_singles(
                access, DELIVERED_ENERGY, 900, [Single(town.named(point), int(DAYS[0].timestamp()), 1)], known_at=NOW
            )
        newest = [Newest(town.named(point), int(DAYS[0].timestamp()), 1)]
        with pytest.raises(AccessDenied):
            store.registers.append(access, DELIVERED_REGISTER, newest, known_at=NOW)
    assert store.readings.series(ME, town.named("I-2")) == []


def test_few_readings_of_a_large_fleet_leave_the_others_series_alone(stores: tuple[Store, Store]) -> None:
    town, store = a_town(*stores), stores[0]
    at = int(DAYS[0].timestamp())
    every = [Single(town.named(point), at, 1) for point in INTERVALS]
    assert store.readings.save_singles(ME, DELIVERED_ENERGY, 900, every, known_at=NOW) == []
    outer = [Single(one.point, at + 900, 1) for one in (every[0], every[2])]
    assert store.readings.save_singles(ME, DELIVERED_ENERGY, 900, outer, known_at=NOW) == []
    counted = [store.readings.series(ME, one.point)[0].readings for one in every]
    assert counted == [2, 1, 2]

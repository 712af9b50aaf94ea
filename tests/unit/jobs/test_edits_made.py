"""Edits of series that others are made of: net energy, power, energy without a direction. They count as readings do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.calendar import day_number
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status, has_status
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    POWER,
    RECEIVED_ENERGY,
    VOLTAGE,
    Flow,
    Quantity,
    ReadingType,
    reading_type,
)
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.load.load_trusted import load_trusted
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, draft_edit, propose_edit
from gridwright.store import Store, open_store
from tests import edited
from tests.edited import FREE, SITE, take_back

if TYPE_CHECKING:
    from gridwright.domain.day_totals import DayTotals

START, DAYS = datetime(2025, 2, 1, tzinfo=UTC), 20
QUARTER = timedelta(minutes=15)
NOW = START + timedelta(days=DAYS)
AT = START + timedelta(days=9, hours=10)
EDITED = Interval(AT, AT + 2 * QUARTER)
DAY = Interval(AT - timedelta(hours=10), AT + timedelta(hours=14))
NET = ReadingType(flow=Flow.NET)
PLAIN = ReadingType(flow=Flow.NONE)
BOTH = (DELIVERED_ENERGY, RECEIVED_ENERGY)


def usual(days: int = DAYS) -> np.ndarray:
    quarters: np.ndarray = np.arange(96 * days)
    return np.asarray(np.rint(400 + 150 * np.sin(2 * np.pi * quarters / 96) + 20 * np.sin(quarters * 1.7)))


def a_store(kind: ReadingType, values: np.ndarray, start: datetime = START) -> Store:
    opened = open_store("sqlite://", clock=lambda: NOW)
    opened.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-N", capacity_kw=30.0)])
    opened.readings.save(LOCAL_OWNER, Panel(("UP-N",), start, QUARTER, values[None], reading_type=kind), known_at=start)
    correct(opened, LOCAL_OWNER, SITE, now=NOW)
    return opened


def edit(store: Store, kind: ReadingType, values: Sequence[float], period: Interval = EDITED) -> Edit:
    return edited.edit(store, "UP-N", period, values, now=NOW, kind=kind)


def final(store: Store, kind: ReadingType, period: Interval = EDITED) -> Panel:
    return store.readings.load(LOCAL_OWNER, "UP-N", period, reading_type=kind, interval=QUARTER, image=Image.FINAL)


def whole(store: Store) -> list[np.ndarray]:
    """Values and qualities of all final images; what was never fed in is zero."""
    panels = [final(store, kind, Interval(START, NOW)) for kind in BOTH]
    return [panels[0].values, panels[0].quality, np.nan_to_num(panels[1].values)]


def day_total(store: Store, kind: ReadingType) -> DayTotals:
    day = day_number(AT.date())
    return store.day_totals.load(LOCAL_OWNER, ["UP-N"], range(day, day + 1), reading_type=kind)


@pytest.mark.parametrize(
    ("kind", "values", "delivered", "received"),
    [
        (NET, [4, 4], [4000, 4000], None),
        (NET, [-4, 4], [0, 4000], [4000, 0]),
        (POWER, [4, -8], [1000, 0], [0, 2000]),
        (reading_type(Quantity.POWER, Flow.DELIVERED), [4, 8], [1000, 2000], None),
        (PLAIN, [4, 4], [4000, 4000], None),
        (NET.finer(1), [4, -4], [400, 0], [0, 400]),
    ],
    ids=["net", "net, fed in", "power", "power delivered", "no direction", "in steps of 10 Wh"],
)
def test_an_edit_counts_in_what_is_made_of_its_series(
    kind: ReadingType, values: list[float], delivered: list[float], received: list[float] | None
) -> None:
    with a_store(kind, usual()) as store:
        before = whole(store) if kind.exponent == 0 else []
        own, fed = (each.finer(kind.exponent) for each in BOTH)
        old = day_total(store, own).total.sum() - final(store, own).values.sum()
        made = edit(store, kind, values)
        np.testing.assert_array_equal(final(store, own).values[0], delivered)
        assert has_status(final(store, own).quality, (Status.EDITED,)).all()
        assert day_total(store, own).total.sum() == old + sum(delivered)
        assert (day_total(store, own).edited == 2).all()
        if received is not None:
            np.testing.assert_array_equal(final(store, fed).values[0], received)
            assert day_total(store, fed).total.sum() == sum(received)
        (group,) = load_trusted(store, LOCAL_OWNER, ["UP-N"], DAY, SITE, now=NOW)
        assert group.trusted.values.sum() == old + sum(delivered)
        again = correct(store, LOCAL_OWNER, SITE, now=NOW)
        assert (again.ranges, again.readings) == (0, 0)
        take_back(store, made, now=NOW)
        for one, other in zip(before, whole(store) if before else [], strict=True):
            np.testing.assert_array_equal(one, other)
        assert day_total(store, own).total.sum() == final(store, own, DAY).values.sum()


@given(st.lists(st.tuples(st.integers(0, 94), st.integers(-8, 8), st.integers(-8, 8)), min_size=1, max_size=3))
@settings(
    max_examples=40 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_what_was_edited_and_taken_back_was_never_edited(edits: list[tuple[int, int, int]]) -> None:
    values = usual()
    values[500:520] -= 900
    with a_store(NET, values) as store:
        before, totals = whole(store), [day_total(store, kind).total.tolist() for kind in BOTH]
        made = []
        for at, first, second in edits:
            period = Interval(DAY.start + at * QUARTER, DAY.start + (at + 2) * QUARTER)
            made.append(edit(store, NET, [first, second], period))
            net = final(store, DELIVERED_ENERGY, period).values - final(store, RECEIVED_ENERGY, period).values
            np.testing.assert_array_equal(net[0], [first * 1000, second * 1000])
        for each in made:
            take_back(store, each, now=NOW)
        for one, other in zip(before, whole(store), strict=True):
            np.testing.assert_array_equal(one, other)
        assert [day_total(store, kind).total.tolist() for kind in BOTH] == totals


def test_an_edit_of_power_moves_no_other_interval() -> None:
    """Energy is kept in whole Wh, whose rounding is carried on: not from one day into the next."""
    days = 110
    watts = usual(days) * 3 + np.arange(96 * days) % 5
    with a_store(POWER, watts, NOW - timedelta(days=days)) as store:
        whole = Interval(NOW - timedelta(days=days), NOW)
        before = final(store, DELIVERED_ENERGY, whole).values
        made = edit(store, POWER, [4, 4], Interval(NOW - 8 * QUARTER, NOW - 6 * QUARTER))
        differs = np.flatnonzero(final(store, DELIVERED_ENERGY, whole).values != before)
        assert differs.tolist() == [before.size - 8, before.size - 7]
        take_back(store, made, now=NOW)
        np.testing.assert_array_equal(final(store, DELIVERED_ENERGY, whole).values, before)


def test_what_stood_there_is_what_counted() -> None:
    """A value that was rejected does not count: its estimate is the ground of the edit."""
    values = usual()
    values[96 * 9 + 40] = 500_000
    with a_store(NET, values) as store:
        counted = final(store, DELIVERED_ENERGY).values[0]
        assert counted[0] < 1000
        made = edit(store, NET, [-4, 4])
        assert made.before == tuple(counted)
        drawn = draft_edit(store, LOCAL_OWNER, EditWish("UP-N", EDITED, "x", values=[1, 1], reading_type=NET), now=NOW)
        assert drawn.before == (-4000.0, 4000.0)
    with a_store(POWER, usual() * 3 + 1) as store:
        wish = EditWish("UP-N", EDITED, "x", values=[1, 1], reading_type=POWER)
        raw = store.readings.load(LOCAL_OWNER, "UP-N", EDITED, reading_type=POWER).values[0]
        assert draft_edit(store, LOCAL_OWNER, wish, now=NOW).before == tuple(raw)


@pytest.mark.parametrize(
    ("kind", "values", "state"),
    [
        (POWER, [4000, 4000], EditState.PROPOSED),
        (POWER, [20, 20], EditState.APPLIED),
        (POWER, [22, 22], EditState.PROPOSED),
        (NET, [-6, 6], EditState.PROPOSED),
        (NET, [-2, 6], EditState.APPLIED),
        (VOLTAGE, [230, 230], EditState.PROPOSED),
        (reading_type(Quantity.REACTIVE_ENERGY, Flow.DELIVERED), [0.5, 0.5], EditState.PROPOSED),
    ],
)
def test_one_person_moves_only_energy_and_only_so_much(kind: ReadingType, values: list[float], state: str) -> None:
    """20 kW instead of 0.5 for half an hour are 9.8 kWh; what is no energy no kWh can measure."""
    with a_store(kind, usual()) as store:
        wish = EditWish("UP-N", EDITED, "agreed", values=values, reading_type=kind)
        policy, ann = EditPolicy(10.0), Access("ann", Role.OPERATOR)
        made = propose_edit(store, ann, wish, policy=policy, now=NOW)
        assert made.state is state
        told = made.note or policy.why_not_alone(made)
        assert ("which no limit in kWh" in told) == (made.count_wh is None)
        if made.count_wh is not None:
            assert "the 10 kWh" in told or "where the connection carries 30 kW" in told


def test_power_and_energy_that_one_person_moved_add_up() -> None:
    with a_store(POWER, usual()) as store:
        ann = Access("ann", Role.OPERATOR)
        states = []
        for at in (0, 2):
            period = Interval(EDITED.start + at * QUARTER, EDITED.end + at * QUARTER)
            wish = EditWish("UP-N", period, "agreed", values=[15, 15], reading_type=POWER)
            states.append(propose_edit(store, ann, wish, policy=EditPolicy(10.0), now=NOW).state)
        assert states == [EditState.APPLIED, EditState.PROPOSED]


@pytest.mark.parametrize(("kind", "told"), [(NET, 1), (POWER, 0)])
def test_what_an_edit_hides_is_told_in_energy(kind: ReadingType, told: int) -> None:
    """10.2 more than before in each of two quarter-hours: 20.4 kWh, or, as power, 5.1."""
    with a_store(kind, usual()) as store:
        edit(store, kind, [1, 1])
        later = Panel(("UP-N",), AT, QUARTER, np.array([[11_200.0, 11_200.0]]), reading_type=kind)
        store.readings.save(LOCAL_OWNER, later, known_at=NOW + QUARTER)
        correct(store, LOCAL_OWNER, SITE, now=NOW + QUARTER)
        assert len([each for each in store.findings.load(LOCAL_OWNER) if each.code == "V00_hidden"]) == told


def test_an_edit_that_could_not_count_is_refused() -> None:
    with a_store(NET, usual()) as store:
        with pytest.raises(NotFound) as caught:
            edit(store, DELIVERED_ENERGY, [4, 4])
        assert NET.code in (caught.value.remedy or "")
        first, second = (ReadingType(flow=Flow.NET, channel=name) for name in ("E1", "E2"))
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-2")])
        for kind in (first, second):
            panel = Panel(("UP-2",), START, QUARTER, usual()[None], reading_type=kind)
            store.readings.save(LOCAL_OWNER, panel, known_at=START)
        wish = EditWish("UP-2", EDITED, "agreed", total=Decimal(1), reading_type=first)
        with pytest.raises(Conflict, match=r"E1 and .*E2 together"):
            propose_edit(store, LOCAL_OWNER, wish, policy=FREE, now=NOW)
        assert store.edits.find(LOCAL_OWNER) == []


def test_an_edit_follows_the_interval_of_its_time() -> None:
    """Hours for ten days, then quarter-hours: each edit is of the intervals that were read then."""
    with open_store("sqlite://", clock=lambda: NOW) as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-N", capacity_kw=30.0)])
        turn, hour = START + timedelta(days=10), timedelta(hours=1)
        store.readings.save(LOCAL_OWNER, Panel(("UP-N",), START, hour, usual()[None, :240] * 2), known_at=START)
        store.readings.save(LOCAL_OWNER, Panel(("UP-N",), turn, QUARTER, usual()[None, : 96 * 10]), known_at=START)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        for start, step in ((START + timedelta(days=3), hour), (turn + timedelta(days=3), QUARTER)):
            made = edit(store, DELIVERED_ENERGY, [1, 2], Interval(start, start + 2 * step))
            period = made.period
            there = store.readings.load(LOCAL_OWNER, "UP-N", period, interval=step, image=Image.FINAL)
            assert there.values.tolist() == [[1000.0, 2000.0]]
        with pytest.raises(InputError) as caught:
            edit(store, DELIVERED_ENERGY, [1, 2], Interval(turn - hour, turn + hour))
        assert turn.isoformat() in (caught.value.remedy or "")

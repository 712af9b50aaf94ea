"""The network's balance and events on a real store: intervals that differ, meters that change, who may ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, VOLTAGE, Flow, ReadingType
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.grid import Excursion, Plausibility
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid, grid_events
from gridwright.store import DirtyRange, Store, open_store

ME = LOCAL_OWNER
START = datetime(2025, 3, 3, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
PERIOD = Interval(START, START + 2 * DAY)
EVER = Interval(START - 900 * DAY, START + 900 * DAY)
NAMES = ("A", "B", "C", "M1", "X")


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store("sqlite://")
    opened.registry.save_points(ME, [UsagePoint(name) for name in NAMES])
    opened.network.save_nodes(ME, [Node("F1", NodeKind.FEEDER), Node("T1", NodeKind.TRANSFORMER, "F1", meter="M1")])
    opened.network.connect(ME, [Connection(name, "T1", EVER) for name in "ABC"])
    yield opened
    opened.close()


def save(store: Store, name: str, value: float, *, interval: timedelta = QUARTER, **other: object) -> None:
    facts = {"start": START, "days": 2, "kind": DELIVERED_ENERGY, **other}
    slots = int(facts["days"] * DAY / interval)  # type: ignore[operator]
    panel = Panel((name,), facts["start"], interval, np.full((1, slots), value), reading_type=facts["kind"])  # type: ignore[arg-type]
    store.readings.save(ME, panel, known_at=panel.end)


def test_meters_of_different_intervals_resolutions_and_directions_meet(store: Store) -> None:
    save(store, "A", 100)
    save(store, "B", 200, interval=2 * QUARTER)
    save(store, "C", 0)
    save(store, "C", 500, kind=RECEIVED_ENERGY.finer(-1))
    save(store, "M1", 160)
    save(store, "X", 1)
    found = balance_grid(store, ME, PERIOD, now=PERIOD.end)
    each = found.node("T1")
    assert each is not None
    # A 100 and B 100 a quarter-hour, C feeds in 50; the master delivers 160: 10 of the 210 put in are lost.
    assert (each.metered_kwh, each.loss_kwh, each.put_in_kwh) == (150 * 192 / 1000, 1.92, 210 * 192 / 1000)
    assert found.interval == 2 * QUARTER
    assert found.notes == ("intervals of 15, 30 min are compared by 0:30:00",)
    assert found.unconnected == ("X",)
    assert found.computed == PERIOD.end
    assert found.to_dict()["nodes"][1]["plausibility"] == Plausibility.PLAUSIBLE


def test_energy_under_a_channel_and_without_one_leaves_the_network_once(store: Store) -> None:
    for name in "ABC":
        save(store, name, 100, kind=replace(DELIVERED_ENERGY, channel="E1"))
        save(store, name, 100)
    save(store, "C", 50, kind=replace(DELIVERED_ENERGY, channel="E2"))
    save(store, "M1", 360)
    each = balance_grid(store, ME, PERIOD, now=PERIOD.end).node("T1")
    assert each is not None
    assert (each.metered_kwh, each.loss_kwh) == (350 * 192 / 1000, 1.92)


def test_a_meter_that_changed_its_interval_within_the_period_counts_all_the_time(store: Store) -> None:
    save(store, "A", 100, days=1)
    save(store, "A", 200, interval=2 * QUARTER, start=START + DAY, days=1)
    save(store, "B", 0)
    save(store, "C", 0)
    save(store, "M1", 102)
    each = balance_grid(store, ME, PERIOD, now=PERIOD.end).node("T1")
    assert each is not None
    assert each.metered_kwh == 100 * 192 / 1000
    assert each.inputs.missing == 0


def test_net_energy_is_both_directions(store: Store) -> None:
    save(store, "A", -50, kind=ReadingType(flow=Flow.NET))
    save(store, "B", 100)
    save(store, "C", 100)
    save(store, "M1", 152)
    each = balance_grid(store, ME, PERIOD, now=PERIOD.end).node("T1")
    assert each is not None
    assert (each.metered_kwh, each.put_in_kwh) == (150 * 192 / 1000, 202 * 192 / 1000)


@pytest.mark.parametrize("kind", [DELIVERED_ENERGY, ReadingType(flow=Flow.NET)])
def test_days_that_changed_since_they_were_judged_count_as_they_were_read(store: Store, kind: ReadingType) -> None:
    save(store, "A", 100, kind=kind)
    for name, value in {"B": 100, "C": 100, "M1": 306}.items():
        save(store, name, value)
    correct(store, ME, SiteDefaults(), now=PERIOD.end)
    save(store, "A", 60, start=START + DAY, days=1, kind=kind)
    each = balance_grid(store, ME, PERIOD, now=PERIOD.end).node("T1")
    assert each is not None
    assert each.metered_kwh == (260 + 300) * 96 / 1000
    correct(store, ME, SiteDefaults(), now=PERIOD.end)
    again = balance_grid(store, ME, PERIOD, now=PERIOD.end).node("T1")
    assert again is not None
    assert again.metered_kwh == each.metered_kwh


def test_what_waits_to_be_judged_is_read_once_for_all_series(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, interval in {"A": QUARTER, "B": 2 * QUARTER, "C": 4 * QUARTER, "M1": QUARTER}.items():
        save(store, name, 100, interval=interval)
    save(store, "C", 10, kind=RECEIVED_ENERGY)
    real, asked = store.dirty.ranges, 0

    def ranges(access: Access, limit: int, *, points: Sequence[str] | None = None, after: int = 0) -> list[DirtyRange]:
        nonlocal asked
        asked += 1
        return real(access, limit, points=points, after=after)

    monkeypatch.setattr(store.dirty, "ranges", ranges)
    balance_grid(store, ME, PERIOD, now=PERIOD.end)
    assert asked == 1


def test_only_whole_intervals_up_to_now_are_compared(store: Store) -> None:
    for name in "ABC":
        save(store, name, 100)
    save(store, "M1", 306)
    asked = Interval(START + timedelta(minutes=7), START + 900 * DAY)
    found = balance_grid(store, ME, asked, now=START + DAY + timedelta(minutes=20))
    assert found.period == Interval(START + QUARTER, START + DAY + QUARTER)
    each = found.node("T1")
    assert each is not None
    assert each.inputs.compared == 1


def test_who_sees_a_part_only_gets_no_balance(store: Store) -> None:
    with pytest.raises(AccessDenied, match="a part of the network only"):
        balance_grid(store, Access("eve", Role.CUSTOMER, frozenset({"A"})), PERIOD, now=PERIOD.end)


def test_without_network_or_readings_there_is_nothing_to_balance(store: Store) -> None:
    with pytest.raises(NotFound, match="no energy readings"):
        balance_grid(store, ME, PERIOD, now=PERIOD.end)
    bare = open_store("sqlite://")
    with pytest.raises(NotFound, match="the network has no node"):
        balance_grid(bare, ME, PERIOD, now=PERIOD.end)
    bare.close()


def test_outages_and_voltages_are_listed(store: Store) -> None:
    save(store, "B", 1900, kind=VOLTAGE, interval=timedelta(minutes=10))
    at = START + timedelta(hours=5)
    store.devices.save_events(
        ME,
        [
            EndDeviceEvent(f"M-{name}", kind, at + late, at + late, name)
            for name in "AB"
            for kind, late in ((POWER_OFF, timedelta(0)), (POWER_ON, timedelta(minutes=30)))
        ],
    )
    found = grid_events(store, ME, PERIOD)
    (outage,) = found.told.outages
    assert (outage.node, outage.customers, outage.connected) == ("T1", 2, 3)
    assert found.told.reliability.saidi_min == pytest.approx(2 * 30 / 3)
    (event,) = found.voltage.events
    assert (event.usage_point, event.kind, event.worst_v) == ("B", Excursion.DEEP_DIP, 190.0)
    body = found.to_dict()
    assert body["outages"][0]["minutes"] == 30
    assert body["voltage"]["weeks_outside"] == 1
    mine = grid_events(store, Access("eve", Role.CUSTOMER, frozenset({"C"})), PERIOD)
    assert mine.told.outages == ()
    assert mine.voltage.events == ()

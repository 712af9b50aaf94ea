"""What was estimated or edited is what bills, forecasts, plans, settlements and the network's balance go by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.billing import example_card
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, ReadingType
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.forecast import serve
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.load import load_trusted as loading
from gridwright.jobs.load.load_final import FinalGroup, load_final
from gridwright.jobs.load.load_trusted import Reader, load_trusted
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.jobs.outlook.refresh_outlooks import refresh_outlooks
from gridwright.store import Store, open_store

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS = 31
NOW = START + DAY * DAYS
MARCH = Interval(START, NOW)
SITE = SiteDefaults()
POINTS = ("UP-1", "UP-2")
# UP-1: a gap that is estimated, and a day on which an edit stands in place of what was read.
GAP, EDITED = slice(240, 260), slice(480, 492)


def usual(days: int = DAYS, points: tuple[str, ...] = POINTS) -> Panel:
    hours = np.arange(24 * days)
    wave = np.rint(400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7))
    return Panel(points, START, HOUR, np.vstack([wave + row for row, _ in enumerate(points)]))


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in POINTS])
        read = usual()
        read.values[0, GAP] = np.nan
        opened.readings.save(LOCAL_OWNER, read, known_at=NOW)
        wish = EditWish("UP-1", usual().slice(EDITED.start, EDITED.stop).period, "a photograph", total=Decimal("6.5"))
        propose_edit(opened, LOCAL_OWNER, wish, policy=EditPolicy(), now=NOW)
        correct(opened, LOCAL_OWNER, SITE, now=NOW)
        yield opened


def final(store: Store, point: str = "UP-1", period: Interval = MARCH) -> Panel:
    return store.readings.load(LOCAL_OWNER, point, period, image=Image.FINAL)


def row(store: Store, point: str, period: Interval = MARCH, now: datetime = NOW) -> Panel:
    groups = load_trusted(store, LOCAL_OWNER, POINTS, period, SITE, now=now)
    return next(group.trusted.row(point) for group in groups if point in group.trusted.points)


def test_every_number_is_that_of_the_final_image(store: Store) -> None:
    """Bill, day totals (the pages), forecasts, plans and settlements: one energy to the watt-hour."""
    made = final(store)
    assert q.has_status(made.quality[:, GAP], q.ESTIMATES).all()
    assert made.values[0, EDITED].sum() == 6_500
    seen = row(store, "UP-1")
    np.testing.assert_array_equal(seen.values, made.values)
    np.testing.assert_array_equal(seen.quality, made.quality)
    (bill,) = run_billing(
        store, LOCAL_OWNER, BillOrder(["UP-1"], "2025-03"), lambda _: example_card("EUR"), SITE, now=NOW
    ).bills
    first = day_number(START.date())
    totals = store.day_totals.load(LOCAL_OWNER, ["UP-1"], range(first, first + DAYS))
    wh = int(made.values.sum())
    assert (int(seen.values.sum()), int(totals.total.sum()), int(bill.energy_kwh * 1000)) == (wh, wh, wh)


def test_a_forecast_is_made_of_the_final_image(store: Store) -> None:
    refresh_outlooks(store, LOCAL_OWNER, lambda _: example_card("EUR"), SITE, now=NOW, points=POINTS)
    issued = store.outlooks.latest(LOCAL_OWNER, "forecast", "UP-1")
    assert issued is not None
    (expected,) = (serve(group.trusted, timedelta(hours=48), zone="UTC") for group in _finals(store))
    np.testing.assert_allclose(issued.body["mean_kw"], expected.kw(expected.mean[0]), atol=1e-4)


def _finals(store: Store) -> list[FinalGroup]:
    known = {point.id: point for point in store.registry.points(LOCAL_OWNER)}
    return load_final(store, LOCAL_OWNER, known, Interval(NOW - DAY * 70, NOW), SITE)[0]


def test_what_is_judged_is_not_judged_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "trust_readings", lambda *_, **__: pytest.fail("validated again"))
    assert row(store, "UP-2").slots == DAYS * 24


def test_only_what_is_not_judged_yet_is_trusted_for_the_moment(store: Store) -> None:
    """A day that the cascade has not come to is there; the days before are final, their gap as it was filled."""
    newest = usual(DAYS + 1).slice(DAYS * 24, (DAYS + 1) * 24).row("UP-1")
    newest.values[0, 5:7] = np.nan
    store.readings.save(LOCAL_OWNER, newest, known_at=NOW + DAY)
    period = Interval(START, NOW + DAY)
    seen, other = (row(store, name, period, NOW + DAY) for name in POINTS)
    np.testing.assert_array_equal(seen.values[:, : DAYS * 24], final(store).values)
    np.testing.assert_array_equal(seen.quality[:, : DAYS * 24], final(store).quality)
    assert not seen.missing.any()
    assert q.has_status(seen.quality[:, DAYS * 24 + 5 : DAYS * 24 + 7], q.ESTIMATES).all()
    assert other.between(MARCH).values.tolist() == final(store, "UP-2").values.tolist()
    correct(store, LOCAL_OWNER, SITE, now=NOW + DAY)
    np.testing.assert_array_equal(row(store, "UP-1", period, NOW + DAY).values, final(store, "UP-1", period).values)


def test_a_changed_reading_counts_before_it_is_judged_but_no_edit_is_forgotten(store: Store) -> None:
    first, edited = (usual().slice(at, at + 1).row("UP-1") for at in (30, EDITED.start))
    for one in (first, edited):
        one.values[0, 0] = 77.0
        store.readings.save(LOCAL_OWNER, one, known_at=NOW)
    before, seen = final(store), row(store, "UP-1")
    assert (before.values[0, 30], seen.values[0, 30]) == (usual().values[0, 30], 77.0)
    assert seen.values[0, EDITED].sum() == 6_500
    assert not seen.missing.any()


def test_a_store_that_was_never_judged_is_trusted_for_the_moment(store: Store) -> None:
    with open_store("sqlite://") as bare:
        bare.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in POINTS])
        read = usual()
        read.values[0, GAP] = np.nan
        bare.readings.save(LOCAL_OWNER, read, known_at=NOW, settled=True)
        (group,) = load_trusted(bare, LOCAL_OWNER, POINTS, MARCH, SITE, now=NOW)
        assert q.has_status(group.trusted.quality[0, GAP], q.ESTIMATES).all()


def test_it_answers_as_known_at_an_instant(store: Store) -> None:
    before = final(store)
    store.readings.save(LOCAL_OWNER, usual().row("UP-1"), known_at=NOW + DAY)
    correct(store, LOCAL_OWNER, SITE, now=NOW + DAY)
    then, now = (
        Reader(store, LOCAL_OWNER, SITE, NOW + DAY, as_of).trusted(["UP-1"], MARCH)[0][0] for as_of in (NOW, None)
    )
    np.testing.assert_array_equal(then.trusted.values, before.values)
    assert q.has_status(now.trusted.quality[:, GAP], q.MEASURED).all()


def test_what_is_fed_in_is_final_too() -> None:
    """Net readings have final images of either direction; of the newest day both come from the moment."""
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        hours = np.arange(24 * 30)
        net = Panel(
            ("UP-1",), START, HOUR, np.rint(300 * np.sin(hours / 4))[None], reading_type=ReadingType(flow=Flow.NET)
        )
        store.readings.save(LOCAL_OWNER, net.slice(0, 29 * 24), known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        store.readings.save(LOCAL_OWNER, net.slice(29 * 24, 30 * 24), known_at=NOW)
        (group,) = load_trusted(store, LOCAL_OWNER, ["UP-1"], net.period, SITE, now=NOW)
        received = group.received_of(0)
        assert received is not None
        np.testing.assert_array_equal(group.trusted.values, np.maximum(net.values, 0))
        np.testing.assert_array_equal(received.values, np.maximum(-net.values, 0))


def test_the_networks_balance_counts_the_estimated_and_the_edited(store: Store) -> None:
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("M")])
    node = Node("T1", NodeKind.TRANSFORMER, "", meter="M")
    store.network.save_nodes(LOCAL_OWNER, [node])
    store.network.connect(LOCAL_OWNER, [Connection(name, "T1", MARCH) for name in POINTS])
    meter = usual().rows([0]).with_values(np.full((1, DAYS * 24), 900.0))
    store.readings.save(LOCAL_OWNER, Panel(("M",), START, HOUR, meter.values), known_at=NOW)
    each = balance_grid(store, LOCAL_OWNER, MARCH, now=NOW).node("T1")
    assert each is not None
    assert each.metered_kwh is not None
    assert each.metered_kwh * 1000 == pytest.approx(sum(final(store, name).values.sum() for name in POINTS))
    assert each.inputs.missing == 0

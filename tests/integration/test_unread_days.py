"""Days of which nothing is read any more leave the final image, the totals and the bills; what people agreed stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.billing import parse_rate_card
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.source import ReadOptions
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import Corrected, correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, propose_edit
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 10, 1, tzinfo=UTC)
OCTOBER = Interval(START, START + 31 * DAY)
LAST = Interval(START + 30 * DAY, START + 31 * DAY)
NOW = START + 33 * DAY
SITE = SiteDefaults()
CARD = parse_rate_card(
    """
[tariff]
id = "flat"
version = 1
currency = "EUR"

[[charges]]
id = "energy"
price = { rate = 0.30 }
""",
    where="flat.toml",
)


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """October of one home by hourly reads of its register, half a kWh each hour: 372 kWh."""
    server = request.param != "sqlite"
    address = emptied(str(request.getfixturevalue(f"{request.param}_url"))) if server else f"sqlite:///{tmp_path}/s.db"
    with open_store(address) as opened:
        opened.registry.save_points(ME, [UsagePoint("H", capacity_kw=30.0)])
        bring(opened, tmp_path, {hour: 1000 + hour / 2 for hour in range(31 * 24 + 1)}, NOW)
        correct(opened, ME, SITE, now=NOW)
        yield opened


def bring(store: Store, folder: Path, shown: dict[int, float], now: datetime) -> None:
    """Import what the register shows after so many hours, in kWh."""
    rows = [f"H,{START + hour * HOUR:%Y-%m-%dT%H:%M}Z,{kwh:.1f}" for hour, kwh in shown.items()]
    path = folder / f"{now:%d%H%M}.csv"
    path.write_text("\n".join(["meter,time,register_kwh", *rows, ""]))
    ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=now)


def spoil(store: Store, folder: Path, hours: range, now: datetime) -> Corrected:
    """Correct reads so that 500 kWh lie between any two of them, which no connection of 30 kW carries; cascade."""
    bring(store, folder, {hour: 1000 + hour * 500 for hour in hours}, now)
    return correct(store, ME, SITE, now=now)


def days(store: Store, as_of: datetime | None = None) -> list[int]:
    """Return the totals of the last days of October in Wh, those of which nothing is known as -1."""
    first = day_number(START.date())
    totals = store.day_totals.load(ME, ["H"], range(first, first + 31), reading_type=DELIVERED_ENERGY, as_of=as_of)
    return [int(each) for each in np.where(totals.known, totals.total, -1)[0, -3:]]


def issued(store: Store) -> str:
    run = run_billing(store, ME, BillOrder(["H"], "2026-10"), lambda _: CARD, SITE, now=NOW)
    (bill,) = run.bills
    assert (bill.energy_kwh, bill.total) == (Decimal(372), Decimal("111.60"))
    store.ledger.issue(ME, bill.id)
    return bill.id


def notes(store: Store, now: datetime) -> list[tuple[Decimal, Decimal]]:
    """Rate again; return kWh and money of each note."""
    done = rerate(store, ME, Pricing(lambda _, __: CARD, SITE), now=now)
    assert done.notes == []
    return [(each.energy_kwh, each.total) for each in done.corrections]


def test_a_day_that_is_taken_back_leaves_the_final_image_the_totals_and_the_bill(store: Store, tmp_path: Path) -> None:
    """12 kWh of the last day go: at 0.30 EUR a credit note of 3.60 EUR."""
    issued(store)
    assert days(store) == [12_000] * 3
    later = NOW + HOUR
    done = spoil(store, tmp_path, range(30 * 24 + 1, 31 * 24 + 1), later)
    assert (done.readings, done.days, days(store)) == (24, 1, [12_000, 12_000, -1])
    final = store.readings.load(ME, "H", OCTOBER, image=Image.FINAL)
    assert (int(final.missing.sum()), float(final.total_kwh()[0])) == (24, 360.0)
    assert notes(store, later) == [(Decimal(-12), Decimal("-3.60"))]
    then = store.readings.load(ME, "H", OCTOBER, image=Image.FINAL, as_of=NOW)
    assert (float(then.total_kwh()[0]), days(store, NOW)) == (372.0, [12_000] * 3)
    second = correct(store, ME, SITE, now=later + HOUR)
    assert (second.readings, second.days, second.new, second.rerates) == (0, 0, 0, 0)
    assert rerate(store, ME, Pricing(lambda _, __: CARD, SITE), now=later + HOUR).bills == 0


def test_the_right_reads_bring_it_back(store: Store, tmp_path: Path) -> None:
    issued(store)
    spoil(store, tmp_path, range(30 * 24 + 1, 31 * 24 + 1), NOW + HOUR)
    assert len(notes(store, NOW + HOUR)) == 1
    bring(store, tmp_path, {hour: 1000 + hour / 2 for hour in range(30 * 24 + 1, 31 * 24 + 1)}, NOW + 2 * HOUR)
    correct(store, ME, SITE, now=NOW + 2 * HOUR)
    assert (days(store), notes(store, NOW + 2 * HOUR)) == ([12_000] * 3, [])
    assert store.corrections.page(ME) == []


def test_everything_can_be_taken_back(store: Store, tmp_path: Path) -> None:
    spoil(store, tmp_path, range(31 * 24 + 1), NOW + HOUR)
    assert store.readings.load(ME, "H", OCTOBER).missing.all()
    assert store.readings.load(ME, "H", OCTOBER, image=Image.FINAL).missing.all()
    assert days(store) == [-1] * 3


def test_what_people_agreed_on_stays_on_such_a_day(store: Store, tmp_path: Path) -> None:
    """Twelve hours of the last day were edited to 3 kWh; the others go."""
    half = Interval(LAST.start, LAST.start + 12 * HOUR)
    propose_edit(store, ME, EditWish("H", half, "read on site", total=Decimal(3)), policy=EditPolicy(), now=NOW)
    correct(store, ME, SITE, now=NOW)
    assert days(store) == [12_000, 12_000, 9_000]
    spoil(store, tmp_path, range(30 * 24 + 1, 31 * 24 + 1), NOW + HOUR)
    final = store.readings.load(ME, "H", LAST, image=Image.FINAL)
    assert days(store) == [12_000, 12_000, 3_000]
    assert final.missing[0].tolist() == [False] * 12 + [True] * 12
    assert correct(store, ME, SITE, now=NOW + 2 * HOUR).readings == 0


def test_what_bridges_a_long_silence_stays_while_readings_lie_on_both_sides() -> None:
    """Read on days 0 to 2 and 60 to 62, fifty-seven days estimated between; day 2 goes, then all behind the silence."""
    values = np.full((1, 63 * 24), np.nan)
    values[:, : 3 * 24] = values[:, 60 * 24 :] = 500.0
    whole = Panel(("H",), START, HOUR, values)

    def known(*gone: slice) -> list[int]:
        with open_store("sqlite://") as store:
            store.registry.save_points(ME, [UsagePoint("H", capacity_kw=30.0)])
            store.readings.save(ME, whole, known_at=NOW)
            correct(store, ME, SITE, now=NOW)
            for days in gone:
                part = whole.slice(days.start * 24, days.stop * 24)
                lost = np.full(part.values.shape, q.TAKEN_BACK, np.uint8)
                store.readings.save(ME, part.with_values(part.values, lost), known_at=NOW + HOUR)
                correct(store, ME, SITE, now=NOW + HOUR)
            final = store.readings.load(ME, "H", whole.period, image=Image.FINAL)
            return [int(each) for each in (~final.missing).reshape(63, 24).sum(axis=1)]

    assert known() == [24] * 63
    assert known(slice(2, 3))[3:] == [24] * 60
    assert known(slice(2, 3), slice(60, 63)) == [24, 24, *[0] * 61]


PARTS = 10 * 4  # ten days, four parts each


def made_of(values: np.ndarray, gone: list[slice]) -> list[np.ndarray]:
    """Return final image and totals of hourly readings of which parts are taken back, one after the other."""
    whole = Panel(("H",), START, HOUR, values)
    with open_store("sqlite://") as store:
        store.registry.save_points(ME, [UsagePoint("H", "Europe/Berlin", capacity_kw=30.0)])
        store.readings.save(ME, whole, known_at=NOW)
        correct(store, ME, SITE, now=NOW)
        for number, hours in enumerate(gone, start=1):
            part = whole.slice(hours.start, hours.stop)
            lost = np.where(part.missing, np.uint8(q.MISSING), np.uint8(q.TAKEN_BACK))
            store.readings.save(ME, part.with_values(part.values, lost), known_at=NOW + number * HOUR)
            correct(store, ME, SITE, now=NOW + number * HOUR)
        assert correct(store, ME, SITE, now=NOW + DAY).readings == 0
        final = store.readings.load(ME, "H", whole.period, image=Image.FINAL, interval=HOUR)
        first = day_number(START.date())
        totals = store.day_totals.load(ME, ["H"], range(first - 2, first + 12), reading_type=DELIVERED_ENERGY)
        counted = np.where(totals.known, [totals.total, totals.measured, totals.estimated], -1)
        return [final.values, final.quality, counted]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.booleans(), min_size=PARTS, max_size=PARTS),
    st.lists(st.tuples(st.integers(0, PARTS - 1), st.integers(1, 12)), min_size=1, max_size=3),
)
def test_what_is_taken_back_leaves_what_there_is_without_it(read: list[bool], gone: list[tuple[int, int]]) -> None:
    hours = np.arange(PARTS * 6)
    values = np.rint(400 + 150 * np.sin(hours / 4) + 20 * np.sin(hours * 1.7))[None, :]
    values[:, ~np.repeat(read, 6)] = np.nan
    left = values.copy()
    parts = [slice(first * 6, min(first + length, PARTS) * 6) for first, length in gone]
    for part in parts:
        left[:, part] = np.nan
    for one, other in zip(made_of(values, parts), made_of(left, []), strict=True):
        np.testing.assert_array_equal(one, other)

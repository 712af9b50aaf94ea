"""Corrections beyond energy on one grid: sensors, changed interval lengths, and one bad usage point among good ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.billing import parse_rate_card
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER, Access
from gridwright.domain.bill import BillState
from gridwright.domain.calendar import day_number
from gridwright.domain.errors import GridMismatch
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    RECEIVED_ENERGY,
    STATE,
    TEMPERATURE,
    VOLTAGE,
    Flow,
    Quantity,
    ReadingType,
    reading_type,
)
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.registry import writer_named
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.jobs.cascade.correct import Corrected, correct
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.make_final import Final, make_final
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.export_readings import Wanted, plan_export
from gridwright.jobs.files.import_trusted import import_trusted
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.load.load_totals import load_totals
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied

HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
START = datetime(2025, 2, 28, 23, tzinfo=UTC)  # midnight in Berlin
APRIL = datetime(2025, 4, 2, tzinfo=UTC)
# The new meter begins at midnight UTC, one o'clock in Berlin: within a civil day.
SEAM = datetime(2025, 3, 12, tzinfo=UTC)
END = datetime(2025, 3, 31, 22, tzinfo=UTC)
SITE = SiteDefaults()
LINE = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
REACTIVE = reading_type(Quantity.REACTIVE_ENERGY, Flow.DELIVERED)
TWO_TARIFFS = """
[tariff]
id = "two"
version = 1
currency = "EUR"
tz = "Europe/Berlin"

[calendars.hours]
labels = ["night", "day"]
weekday = [{row}]
weekend = [{row}]

[[charges]]
id = "energy"
label = "Energy"
quantity = {{ when = {{ calendar = "hours" }} }}
price = {{ by_label = {{ night = 0.20, day = 0.40 }} }}
"""


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store that knows three homes."""
    lite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/store.db" if lite else emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(url) as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint(f"UP-{n}", "Europe/Berlin") for n in (1, 2, 3)])
        yield opened


def series(
    values: list[float], interval: timedelta = HOUR, kind: ReadingType = DELIVERED_ENERGY, *, point: str = "UP-1"
) -> Panel:
    return Panel((point,), START, interval, np.array([values]), reading_type=kind)


def final(store: Store, panel: Panel) -> Panel:
    return store.readings.load(
        LOCAL_OWNER,
        panel.points[0],
        panel.period,
        reading_type=panel.reading_type,
        interval=panel.interval,
        image=Image.FINAL,
    )


def finals(store: Store, as_of: datetime | None) -> dict[datetime, float]:
    """Return the final values of UP-1 as they were known."""
    period = Interval(datetime(2025, 2, 20, tzinfo=UTC), APRIL)
    panels = load_stretches(store, LOCAL_OWNER, ["UP-1"], period, DELIVERED_ENERGY, image=Image.FINAL, as_of=as_of)
    return {
        panel.start + slot * panel.interval: value
        for panel in panels
        for slot, value in enumerate(panel.values[0].tolist())
        if not np.isnan(value)
    }


def codes(store: Store, point: str = "UP-1") -> set[tuple[str, Quantity]]:
    return {(each.code, each.reading_type.quantity) for each in store.findings.load(LOCAL_OWNER, [point])}


def wave(hours: int, base: float, swing: float) -> list[float]:
    return [round(base + swing * np.sin(hour / 3.7) + hour % 5) for hour in range(hours)]


def again_changes_nothing(store: Store) -> None:
    """Judge everything once more: nothing may be written."""
    for each in store.readings.extents(LOCAL_OWNER, ["UP-1", "UP-2", "UP-3"]):
        days = range(each.first_day, each.last_day)
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days.start)
        period = Panel((each.usage_point,), start, timedelta(days=1), np.zeros((1, len(days)))).period
        store.dirty.touch(LOCAL_OWNER, [each.usage_point], each.reading_type, period)
    done = correct(store, LOCAL_OWNER, SITE, now=APRIL + HOUR)
    assert (done.new, done.readings, done.days, done.rerates, done.waiting) == (0, 0, 0, 0, 0)


def test_sensors_get_final_images_findings_and_totals(store: Store) -> None:
    cold = wave(96, -300, 400)
    cold[10] = np.nan
    cold[40:50] = [np.nan] * 10
    volts = wave(96, 2300, 30)
    volts[20] = 9_999_999.0
    panels = [
        series(cold, kind=TEMPERATURE),
        series(volts, kind=VOLTAGE),
        series([1.0] * 30 + [np.nan] + [0.0] * 65, kind=STATE),
        series([*wave(60, 100, 30), np.nan, *wave(35, 100, 30)], kind=REACTIVE),
    ]
    for panel in panels:
        store.readings.save(LOCAL_OWNER, panel, known_at=APRIL)
    done = correct(store, LOCAL_OWNER, SITE, now=APRIL)
    assert (done.points, done.failed, done.notes, store.dirty.ranges(LOCAL_OWNER)) == (1, 0, (), [])
    temperature, voltage, state, reactive = (final(store, panel) for panel in panels)
    # Three degrees below zero are a temperature; an hour is bridged by a straight line, ten hours are not.
    assert (temperature.values[0] < 0).any()
    assert temperature.values[0, 10] == round((cold[9] + cold[11]) / 2)
    assert temperature.quality[0, 10] == LINE
    assert np.isnan(temperature.values[0, 40:50]).all()
    # What the rules of voltage refuse is bridged too.
    assert (voltage.values[0, 20], voltage.quality[0, 20]) == (round((volts[19] + volts[21]) / 2), LINE)
    assert np.isnan(state.values[0, 30])
    assert set(q.status_of(state.quality[0]).tolist()) == {q.Status.ACTUAL, q.Status.MISSING}
    assert q.status_of(reactive.quality[0, 60:61])[0] == q.Status.ESTIMATED
    found = codes(store)
    assert ("V11_negative", Quantity.TEMPERATURE) not in found
    assert found >= {("V10_missing", Quantity.TEMPERATURE), ("V13_limit", Quantity.VOLTAGE)}
    days = range(day_number(START.date()) + 1, day_number(START.date()) + 5)
    heat = store.day_totals.load(LOCAL_OWNER, ["UP-1"], days, reading_type=TEMPERATURE)
    assert heat.peak[0, 0] == np.nanmax(temperature.values[0, :24])
    assert heat.total[0, 0] == temperature.values[0, :24].sum()
    sums = store.day_totals.load(LOCAL_OWNER, ["UP-1"], days, reading_type=REACTIVE)
    assert sums.total[0].tolist() == reactive.values[0].reshape(4, 24).sum(axis=1).tolist()
    # Nobody is told of degrees as energy: what does not add up has a mean, in its own unit.
    mild = load_totals(store, LOCAL_OWNER, "UP-1", reading_type=TEMPERATURE)[1]
    assert (mild.unit, mild.total, mild.kwh, mild.peak_kw) == ("°C", None, None, None)
    assert mild.mean == pytest.approx(np.nanmean(temperature.values[0, 24:48]) / 100)
    assert mild.peak == np.nanmax(temperature.values[0, 24:48]) / 100
    (first, *_) = load_totals(store, LOCAL_OWNER, "UP-1", reading_type=REACTIVE)
    assert (first.unit, first.total, first.mean, first.kwh) == ("kvarh", sums.total[0, 0] / 1000, None, None)
    again_changes_nothing(store)


def exchanged(store: Store, *, gap: int = 0) -> tuple[Panel, Panel]:
    """March: hours until the new meter, quarter-hours after it; the old one's last `gap` hours were lost."""
    hours, quarters = int((SEAM - START) / HOUR), int((END - SEAM) / QUARTER)
    old = series(wave(hours - gap, 400, 90))
    new = replace(series(wave(quarters, 100, 20), QUARTER), start=SEAM)
    store.readings.save(LOCAL_OWNER, old, known_at=APRIL)
    store.readings.save(LOCAL_OWNER, new, known_at=APRIL)
    return old, new


def bill(store: Store, hours: list[int]) -> BillRun:
    card = parse_rate_card(TWO_TARIFFS.format(row=hours), where="a test")
    return run_billing(store, LOCAL_OWNER, BillOrder(["UP-1"], "2025-03"), lambda _: card, SITE, now=APRIL)


def test_an_exchange_to_shorter_intervals_is_judged_added_up_and_billed(store: Store) -> None:
    old, new = exchanged(store)
    store.registry.save_meter(LOCAL_OWNER, Meter("M-1"))
    store.registry.save_installation(LOCAL_OWNER, install("UP-1", "M-1", START - 24 * HOUR))
    exchange_meter(store, LOCAL_OWNER, MeterExchange("UP-1", Meter("M-2"), SEAM), now=APRIL)
    done = correct(store, LOCAL_OWNER, SITE, now=APRIL)
    assert (done.failed, done.notes, store.dirty.ranges(LOCAL_OWNER)) == (0, (), [])
    for raw in (old, new):
        assert np.array_equal(final(store, raw).values, raw.values)
    # The civil day of the exchange has an hour of the old meter, 23 of the new one.
    day = day_number(SEAM.date())
    totals = store.day_totals.load(LOCAL_OWNER, ["UP-1"], range(day, day + 1))
    assert totals.total[0, 0] == old.values[0, -1] + new.values[0, :92].sum()
    assert (totals.intervals[0, 0], totals.measured[0, 0]) == (96, 96)
    (made,) = bill(store, [0] * 7 + [1] * 17).bills
    local = [int(((START + HOUR * slot).astimezone(UTC) + HOUR).hour) for slot in range(old.slots)]
    night = old.values[0][np.array(local) < 7].sum()
    zone = np.array([(SEAM + QUARTER * slot) for slot in range(new.slots)])
    berlin = np.array([at.astimezone(UsagePoint("x", "Europe/Berlin").tz).hour for at in zone])
    night += new.values[0][berlin < 7].sum()
    whole = old.values.sum() + new.values.sum()
    by_label = {line.label: line.quantity for line in made.lines}
    assert by_label == {"night": Decimal(int(night)) / 1000, "day": Decimal(int(whole - night)) / 1000}
    assert sum(line.amount for line in made.lines) == sum(
        (by_label[label] * price).quantize(Decimal("0.01"), ROUND_HALF_UP)
        for label, price in (("night", Decimal("0.20")), ("day", Decimal("0.40")))
    )
    assert "The meter was exchanged on 12 March 2025, 01:00: M-1 ended" in made.notes[-1]
    assert (made.energy_kwh, made.missing, made.estimated) == (Decimal(int(whole)) / 1000, 0, 0)
    # A late reading of the old meter, an hour of it other than before: the bill is made anew, on both lengths again.
    late = replace(old, values=old.values[:, 100:101] + 40, quality=old.quality[:, 100:101], start=START + 100 * HOUR)
    store.readings.save(LOCAL_OWNER, late, known_at=APRIL + QUARTER)
    correct(store, LOCAL_OWNER, SITE, now=APRIL + QUARTER)
    card = parse_rate_card(TWO_TARIFFS.format(row=[0] * 7 + [1] * 17), where="a test")
    done_again = rerate(store, LOCAL_OWNER, Pricing(lambda *_: card, SITE), now=APRIL + QUARTER)
    assert (done_again.drafts, done_again.notes) == (1, [])
    (kept,) = [each.bill for each in store.ledger.bills(LOCAL_OWNER) if each.bill.state is BillState.DRAFT]
    assert kept.energy_kwh == made.energy_kwh + Decimal("0.040")
    assert kept.notes == made.notes
    again_changes_nothing(store)


def test_what_hours_cannot_tell_is_not_billed(store: Store) -> None:
    exchanged(store)
    done = bill(store, [0] * 26 + [1] * 70)  # the day begins at half past six
    assert not done.bills
    assert "straddle" in done.notes[0]


def test_what_was_lost_at_the_exchange_is_estimated(store: Store) -> None:
    old, _ = exchanged(store, gap=5)
    correct(store, LOCAL_OWNER, SITE, now=APRIL)
    whole = final(
        store, replace(old, values=np.zeros((1, old.slots + 5)), quality=np.zeros((1, old.slots + 5), np.uint8))
    )
    assert (q.status_of(whole.quality[0, -5:]) == q.Status.ESTIMATED).all()
    (made,) = bill(store, [0] * 7 + [1] * 17).bills
    assert (made.missing, made.estimated) == (0, 20)
    again_changes_nothing(store)


@pytest.mark.few_on_servers(3)
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("minutes", [(15, 30, 15), (60, 15, 30), (30, 60, 30)])
def test_an_interval_length_that_comes_back_is_judged_in_each_of_its_turns(
    store: Store, minutes: tuple[int, ...], order: tuple[int, ...]
) -> None:
    """A meter of 15 minutes, one of 30 for ten days, and one of 15 again: whatever comes in first."""
    days = [datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 11, tzinfo=UTC), datetime(2025, 3, 21, tzinfo=UTC)]
    parts = []
    for length, begin, count in zip(minutes, days, (10, 10, 11), strict=True):
        slots = count * 24 * 60 // length
        values = [round((400 + 100 * np.sin(at / 3.7)) * length / 60 + at % 5) for at in range(slots)]
        parts.append(Panel(("UP-1",), begin, timedelta(minutes=length), np.array([values], float)))
    known: list[dict[datetime, float]] = []
    for turn, at in enumerate(order):
        now = APRIL + turn * HOUR
        store.readings.save(LOCAL_OWNER, parts[at], known_at=now)
        assert correct(store, LOCAL_OWNER, SITE, now=now).waiting == 0
        known.append(finals(store, None))
    for turn, then in enumerate(known):
        assert finals(store, APRIL + turn * HOUR) == then
    assert verify_store(store, LOCAL_OWNER, deep=True).ok
    for part in parts:
        kept = final(store, part)
        assert np.array_equal(kept.values, part.values)
        assert set(q.status_of(kept.quality).ravel().tolist()) == {q.Status.ACTUAL}
    assert not {code for code, _ in codes(store)} & {"V00_unjudged", "V01_missing", "V05_count", "V10_missing"}
    totals = store.day_totals.load(LOCAL_OWNER, ["UP-1"], range(day_number(days[0].date()), day_number(END.date())))
    assert totals.missing[0, 1:].sum() == 0
    assert totals.total[0, 1:].sum() <= sum(part.values.sum() for part in parts)
    again_changes_nothing(store)
    plan = plan_export(store, LOCAL_OWNER, writer_named("csv"), Wanted())
    assert b"".join(plan.pieces()).count(b"\n") == 1 + sum(part.values.size for part in parts)
    assert not plan.left_out


def test_two_meters_of_net_energy_at_a_point_are_added_up(store: Store) -> None:
    """One saves what it takes in and feeds in beside the other; neither takes the other's place."""
    days, count = START.astimezone(UTC), 5 * 24
    one = np.array([[400.0 + hour % 7 for hour in range(count)]])
    two = np.array([[300.0 - 50 * (hour % 12) for hour in range(count)]])
    for channel, values in (("E1", one), ("E2", two)):
        kind = replace(reading_type(Quantity.ENERGY, Flow.NET), channel=channel)
        store.readings.save(LOCAL_OWNER, Panel(("UP-1",), days, HOUR, values, reading_type=kind), known_at=APRIL)
    assert correct(store, LOCAL_OWNER, SITE, now=APRIL).waiting == 0
    delivered = final(store, series([0.0] * count))
    assert np.array_equal(delivered.values, one + np.maximum(two, 0))
    received = final(store, series([0.0] * count, kind=RECEIVED_ENERGY))
    assert np.array_equal(received.values, np.maximum(-two, 0))
    again_changes_nothing(store)


def test_a_usage_point_that_cannot_be_judged_stops_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for point in ("UP-1", "UP-2", "UP-3"):
        store.readings.save(LOCAL_OWNER, series(wave(96, 400, 90), point=point), known_at=APRIL)

    def fails(of: Store, access: Access, site: SiteDefaults, scope: Scope, *, now: datetime) -> list[Final]:
        if "UP-2" in scope.points:
            raise GridMismatch("these readings fit nowhere")
        return make_final(of, access, site, scope, now=now)

    monkeypatch.setattr("gridwright.jobs.cascade.correct.make_final", fails)
    for _ in range(2):  # as long as it lasts
        done: Corrected = correct(store, LOCAL_OWNER, SITE, now=APRIL)
        assert (done.failed, done.waiting) == (1, 1)
        assert done.notes == ("UP-2: these readings fit nowhere",)
        assert {each.usage_point for each in store.dirty.ranges(LOCAL_OWNER)} == {"UP-2"}
        assert [each.code for each in store.findings.load(LOCAL_OWNER, ["UP-2"])] == ["V00_unjudged"]
    assert final(store, series(wave(96, 400, 90), point="UP-3")).values.sum() > 0
    monkeypatch.undo()
    assert correct(store, LOCAL_OWNER, SITE, now=APRIL).failed == 0
    assert "V00_unjudged" not in {code for code, _ in codes(store, "UP-2")}


def exchange_file(folder: Path) -> Path:
    """Two days: hours until noon (UTC) of the first, quarter-hours from then on; one of them is lost."""
    hours = [f"UP-1,2025-03-11T{hour:02d}:00:00Z,1.0,60" for hour in range(12)]
    begin = datetime(2025, 3, 11, 12, tzinfo=UTC)
    quarters = [f"UP-1,{begin + QUARTER * slot:%Y-%m-%dT%H:%M:%SZ},0.3,15" for slot in range(4 * 36) if slot != 5]
    (folder / "hours.csv").write_text("\n".join(["usage_point,start,kwh,minutes", *hours]) + "\n", encoding="utf-8")
    path = folder / "exchange.csv"
    path.write_text("\n".join(["usage_point,start,kwh,minutes", *quarters]) + "\n", encoding="utf-8")
    return path


def test_a_file_of_a_meter_exchanged_at_noon_is_taken(store: Store, tmp_path: Path) -> None:
    path = exchange_file(tmp_path)
    import_trusted(store, LOCAL_OWNER, tmp_path / "hours.csv", site=SITE, known_at=APRIL)
    done = import_trusted(store, LOCAL_OWNER, path, site=SITE, known_at=APRIL).imported
    day = datetime(2025, 3, 11, tzinfo=UTC)
    raw = store.readings.load(LOCAL_OWNER, "UP-1", Interval(day, day + 24 * HOUR))
    assert raw.interval == HOUR
    assert raw.values[0].tolist()[:13] == [1000.0] * 12 + [1200.0]
    # The hour that lacks a quarter is not known; its other quarters are refused, with a word on what to do.
    assert np.flatnonzero(raw.missing[0]).tolist() == [13]
    (refused,) = done.intake.rejects
    assert (done.intake.rejected, "midnight in UTC" in refused.remedy) == (3, True)
    assert any("added up to the 60 min" in note for note in done.intake.notes)
    following = store.readings.load(LOCAL_OWNER, "UP-1", Interval(day + 24 * HOUR, day + 48 * HOUR))
    assert (following.interval, following.missing.sum()) == (QUARTER, 0)
    # The same readings in another file are as before, and refused alike.
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    twice = import_trusted(store, LOCAL_OWNER, path, site=SITE, known_at=APRIL).imported
    assert (twice.new, twice.changed, twice.intake.rejected) == (0, 0, 3)
    # Corrected: the lost hour is estimated.
    whole = store.readings.load(LOCAL_OWNER, "UP-1", raw.period, image=Image.FINAL)
    assert whole.missing.sum() == 0
    assert (store.dirty.ranges(LOCAL_OWNER), codes(store) & {("V00_unjudged", Quantity.ENERGY)}) == ([], set())

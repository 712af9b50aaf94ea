"""Edits where nothing was read, before, behind or within a series: they count, and taken back they never did."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.correction import NoteKind
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
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
from gridwright.formats.registry import writer_named
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.files.export_readings import Wanted, plan_export
from gridwright.jobs.load.load_final import final_panel
from gridwright.jobs.load.load_totals import load_totals
from gridwright.jobs.load.load_trusted import Reader
from gridwright.jobs.meters.edit_readings import EditWish, propose_edit
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests import edited
from tests.edited import FREE, SITE, take_back
from tests.integration.test_cascade import FLAT_CARD

POINT = "UP-B"
START, DAYS = datetime(2025, 2, 1, tzinfo=UTC), 12
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)
BEGIN, END = START + 4 * DAY, START + 10 * DAY + timedelta(hours=7)  # of what was read
NOW = START + timedelta(days=60)
WHOLE = Interval(START - 20 * DAY, NOW)
HOLE = range(3 * 96, 4 * 96)  # slots of the readings in which nothing was read
NET = ReadingType(flow=Flow.NET)
REACTIVE = reading_type(Quantity.REACTIVE_ENERGY, Flow.DELIVERED)


def a_store(kind: ReadingType, zone: str = "UTC", *, hole: bool = True) -> Store:
    opened = open_store("sqlite://", clock=lambda: NOW)
    opened.registry.save_points(LOCAL_OWNER, [UsagePoint(POINT, zone, capacity_kw=30.0)])
    slots = (END - BEGIN) // QUARTER
    values = np.rint(400 + 150 * np.sin(2 * np.pi * np.arange(slots) / 96) + 20 * np.sin(np.arange(slots) * 1.7))
    if hole:
        values[HOLE] = np.nan
    panel = Panel((POINT,), BEGIN, QUARTER, values[None], reading_type=kind)
    opened.readings.save(LOCAL_OWNER, panel, known_at=BEGIN)
    correct(opened, LOCAL_OWNER, SITE, now=NOW)
    return opened


class Known(NamedTuple):
    """All that is known of a usage point as it counts: values and qualities, and day totals."""

    values: dict[str, list[object]]
    totals: dict[str, list[object]]


def known(store: Store, as_of: datetime | None = None) -> Known:
    values, totals = {}, {}
    days = range(day_number(WHOLE.start.date()), day_number(WHOLE.end.date()))
    for kind in store.readings.image_types(LOCAL_OWNER):
        panel = store.readings.load(
            LOCAL_OWNER, POINT, WHOLE, reading_type=kind, interval=QUARTER, image=Image.FINAL, as_of=as_of
        )
        at = np.flatnonzero(~panel.missing[0])
        if at.size:
            values[kind.code] = [at.tolist(), panel.values[0, at].tolist(), panel.quality[0, at].tolist()]
        total = store.day_totals.load(LOCAL_OWNER, [POINT], days, reading_type=kind, as_of=as_of)
        if total.known.any():
            totals[kind.code] = [total.total.tolist(), total.edited.tolist(), total.intervals.tolist()]
    return Known(values, totals)


def at(slot: int, slots: int = 2) -> Interval:
    """Return a period by quarter-hours after the first reading."""
    return Interval(BEGIN + slot * QUARTER, BEGIN + (slot + slots) * QUARTER)


PLACES = st.integers(-15 * 96, 20 * 96)
EDITS = st.lists(st.tuples(PLACES, st.integers(1, 100), st.integers(-6, 6)), min_size=1, max_size=3)
KINDS = st.sampled_from([DELIVERED_ENERGY, NET, POWER, VOLTAGE, REACTIVE])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Sydney"])


@given(KINDS, ZONES, EDITS, st.booleans(), st.data())
@settings(
    max_examples=200 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_what_was_edited_and_taken_back_was_never_edited(
    kind: ReadingType, zone: str, edits: list[tuple[int, int, int]], hole: bool, data: st.DataObject
) -> None:
    with a_store(kind, zone, hole=hole) as store:
        states, made, now = [known(store)], [], NOW
        for slot, slots, value in edits:
            now += timedelta(minutes=1)
            size = value if kind in {NET, POWER} else abs(value)
            period = at(slot, slots)
            made.append(edited.edit(store, POINT, period, [size] * slots, now=now, kind=kind))
            states.append(known(store))
            assert correct(store, LOCAL_OWNER, SITE, now=now).ranges == 0
            store.dirty.touch(LOCAL_OWNER, [POINT], kind, period)
            assert correct(store, LOCAL_OWNER, SITE, now=now).readings == 0
        assert verify_store(store, LOCAL_OWNER).ok
        for each in reversed(made) if data.draw(st.booleans()) else made:
            now += timedelta(minutes=1)
            take_back(store, each, now=now)
        assert known(store) == states[0]
        assert [known(store, NOW + n * timedelta(minutes=1)) for n in range(len(states))] == states
        assert verify_store(store, LOCAL_OWNER).ok


@pytest.mark.parametrize("slot", [-500, 40 * 96, 3 * 96 + 10], ids=["before", "months behind", "in a hole"])
@pytest.mark.parametrize(
    ("kind", "value", "delivered", "received"),
    [(DELIVERED_ENERGY, 1, 1000, None), (NET, 1, 1000, None), (NET, -1, 0, 1000), (POWER, 4, 1000, None)],
)
def test_an_edit_counts_wherever_it_lies(
    slot: int, kind: ReadingType, value: int, delivered: int, received: int | None
) -> None:
    period = at(slot, 4)
    with a_store(kind) as store:
        before = {each.day: each.kwh for each in load_totals(store, LOCAL_OWNER, POINT)}
        made = edited.edit(store, POINT, period, [value] * 4, now=NOW, kind=kind)
        panel = final_panel(store, LOCAL_OWNER, POINT, None, SITE).between(period)
        assert panel.values.tolist() == [[delivered] * 4]
        assert has_status(panel.quality, (Status.EDITED,)).all()
        (row,) = [each for each in load_totals(store, LOCAL_OWNER, POINT) if each.day == period.start.date()]
        assert row.edited == 4
        for asked in (None, Interval(period.start - DAY, period.end + DAY)):
            groups, _ = Reader(store, LOCAL_OWNER, SITE, NOW).trusted([POINT], asked)
            assert sum(float(np.nansum(group.trusted.between(period).values)) for group in groups) == 4 * delivered
            fed = [group.received_of(0) for group in groups]
            assert sum(float(np.nansum(each.between(period).values)) for each in fed if each) == 4 * (received or 0)
        take_back(store, made, now=NOW)
        assert {each.day: each.kwh for each in load_totals(store, LOCAL_OWNER, POINT)} == before


def test_nothing_is_guessed_between_the_last_reading_and_an_edit_until_something_was_read_there() -> None:
    with a_store(DELIVERED_ENERGY, hole=False) as store:
        period = Interval(END + 30 * DAY, END + 30 * DAY + 4 * QUARTER)
        edited.edit(store, POINT, period, [1] * 4, now=NOW)
        between = Interval(END, period.start)
        load = store.readings.load
        assert load(LOCAL_OWNER, POINT, between, interval=QUARTER, image=Image.FINAL).missing.all()
        later = Panel((POINT,), period.end + 18 * DAY, QUARTER, np.full((1, 8), 400.0))
        store.readings.save(LOCAL_OWNER, later, known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        assert not load(LOCAL_OWNER, POINT, between, interval=QUARTER, image=Image.FINAL).missing.any()
        assert load(LOCAL_OWNER, POINT, period, image=Image.FINAL).values.tolist() == [[1000.0] * 4]


def test_an_edit_of_a_series_beside_the_main_one_is_of_its_own_image() -> None:
    """Net energy beside delivered energy, both long silent: it is not billed, and so is no edit of it."""
    with a_store(DELIVERED_ENERGY) as store:
        beside = Panel((POINT,), BEGIN, QUARTER, np.full((1, 96), 300.0), reading_type=NET)
        store.readings.save(LOCAL_OWNER, beside, known_at=BEGIN)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        before = known(store).totals[DELIVERED_ENERGY.code]
        edited.edit(store, POINT, at(45 * 96), [-1, 1], now=NOW, kind=NET)
        after = known(store)
        assert after.totals[DELIVERED_ENERGY.code] == before
        assert after.values[NET.code][1][-2:] == [-1000.0, 1000.0]  # type: ignore[index]


def test_the_only_edit_that_fed_in_takes_its_zeros_with_it() -> None:
    with a_store(NET, hole=False) as store:
        before = known(store)
        assert RECEIVED_ENERGY.code not in before.values
        made = edited.edit(store, POINT, at(96), [-1, 1], now=NOW, kind=NET)
        # Readings that come later are zero too, and go too.
        later = Panel((POINT,), END, QUARTER, np.full((1, 96 * 45), 400.0), reading_type=NET)
        store.readings.save(LOCAL_OWNER, later, known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        assert known(store).totals[RECEIVED_ENERGY.code]
        take_back(store, made, now=NOW)
        assert RECEIVED_ENERGY.code not in known(store).values
        assert RECEIVED_ENERGY.code not in known(store).totals


def test_a_total_behind_the_series_is_laid_over_its_days() -> None:
    with a_store(DELIVERED_ENERGY) as store:
        wish = EditWish(POINT, Interval(END, END + DAY), "the display", total=Decimal("12.5"))
        propose_edit(store, LOCAL_OWNER, wish, policy=FREE, now=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        panel = final_panel(store, LOCAL_OWNER, POINT, Interval(END, END + DAY), SITE)
        assert panel.values.sum() == 12_500


def test_an_export_of_final_images_reaches_as_far_as_edits_do() -> None:
    with a_store(NET) as store:
        made = [edited.edit(store, POINT, at(slot), [1, -2], now=NOW, kind=NET) for slot in (-960, 30 * 96)]
        plan = plan_export(store, LOCAL_OWNER, writer_named("csv"), Wanted(image=Image.FINAL))
        lines = b"".join(plan.pieces()).decode().splitlines()
        edits = [line for line in lines if "edited:agreed" in line]
        for period in (each.period for each in made):
            assert len([line for line in edits if f"{period.start:%Y-%m-%d}" in line]) == 4  # two of each direction
        for each in made:
            take_back(store, each, now=NOW)
        plan = plan_export(store, LOCAL_OWNER, writer_named("csv"), Wanted(image=Image.FINAL))
        assert "agreed" not in b"".join(plan.pieces()).decode()


def test_a_month_that_people_entered_alone_is_billed_and_credited_when_that_is_taken_back() -> None:
    """The meter fell silent in February; what people agreed on for March is a bill, and a note when it was wrong."""
    march = Interval(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
    with a_store(DELIVERED_ENERGY) as store:
        made = edited.edit(store, POINT, march, [0.25] * (31 * 96), now=NOW)

        order = BillOrder([POINT], "2025-03")
        (draft,) = run_billing(store, LOCAL_OWNER, order, lambda _: FLAT_CARD, SITE, now=NOW).bills
        assert (draft.energy_kwh, draft.missing) == (Decimal(31 * 24), 0)
        store.ledger.issue(LOCAL_OWNER, draft.id)
        pricing = Pricing(lambda _, __: FLAT_CARD, SITE)
        assert rerate(store, LOCAL_OWNER, pricing, now=NOW).corrections == []
        take_back(store, made, now=NOW)
        edited.edit(store, POINT, march, [0.125] * (31 * 96), now=NOW)
        (note,) = rerate(store, LOCAL_OWNER, pricing, now=NOW).corrections
        assert (note.kind, note.now.energy_kwh) == (NoteKind.CREDIT, Decimal(31 * 12))


def test_what_was_taken_back_is_unknown_in_the_archive_too(tmp_path: Path) -> None:
    period = Interval(END + 6 * DAY, END + 6 * DAY + 4 * QUARTER)
    with a_store(NET) as store:
        before = known(store)
        take_back(store, edited.edit(store, POINT, period, [-1, 1, 2, 3], now=NOW, kind=NET), now=NOW)
        march = parse_month("2025-03")
        archive_months(store, LOCAL_OWNER, str(tmp_path / "away"), before=march, drop_before=march)
        assert known(store) == before
        restore_month(store, LOCAL_OWNER, march - 1)
        assert known(store) == before
        assert verify_store(store, LOCAL_OWNER).ok

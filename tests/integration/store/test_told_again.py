"""Stored energy between register reads is what the stored reads tell now, whatever came first."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store
from tests.integration.store.test_misreads import QUARTER, a_meter, quarters, quarters_of, send
from tests.integration.store.test_rollovers import HOUR, NOW, START, Place, Read

# What the reads tell is computed: how it is kept is the same for each case.
pytestmark = [pytest.mark.few_on_servers(2), pytest.mark.servers_in_turn]
DAY = Interval(START, START + timedelta(days=1))


@pytest.fixture
def place(store: Store) -> Place:
    """A usage point whose day is one of quarter-hours, and whose meter reads in Wh."""
    a_meter(store, "A")
    evening = Panel(("A",), START + 20 * HOUR, QUARTER, np.full((1, 1), 100.0))
    store.readings.save(ME, evening, known_at=NOW)
    return Place(store)


def send_each(place: Place, *values: float) -> None:
    for read in quarters(*values):
        send(place, "A", read)


def test_a_correction_follows_what_was_derived_under_another_limit(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1020.2, 1020.3, 1020.4)
    assert quarters_of(place.store, "A") == [100, 20_100, 100, 100]
    place.store.registry.save_points(ME, [UsagePoint("A", capacity_kw=30.0)])
    for read in quarters(1000.0, 1000.1, 1000.2, 1000.3, 1000.4)[2:]:
        send(place, "A", read)
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]


def test_what_the_reads_tell_no_more_is_not_known_until_they_tell_it_again(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
    send(place, "A", (START, 900.0))  # 100.1 kWh in a quarter of an hour are no connection's
    assert quarters_of(place.store, "A") == [None, 100, 100, 100]
    (before, *_) = place.store.readings.versions(ME, "A", START.date())
    assert before.block.panel.values[0, 0] == 100
    gaps = place.store.readings.load(ME, "A", DAY, interval=QUARTER)
    assert gaps.quality[0, 0] == gaps.quality[0, 5]  # as where nothing ever was
    send(place, "A", (START, 1000.0))
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]


def test_a_read_within_an_interval_hides_it_from_no_correction(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
    send(place, "A", (START + timedelta(minutes=7), 1000.05))
    send(place, "A", (START + QUARTER, 1000.15))
    assert quarters_of(place.store, "A") == [150, 50, 100, 100]


def test_what_was_measured_is_never_taken_back(place: Place) -> None:
    measured = Panel(("A",), START, QUARTER, np.array([[101.0]]))
    place.store.readings.save(ME, measured, known_at=NOW)
    send_each(place, 1000.0, 1000.1, 1000.2)
    send(place, "A", (START, 900.0))
    assert quarters_of(place.store, "A") == [101, 100, None, None]


def final(place: Place) -> tuple[list[float], bool]:
    """Return the first values of the final image, and whether the first of them was measured."""
    correct(place.store, ME, SiteDefaults(), now=NOW)
    panel = place.store.readings.load(ME, "A", DAY, interval=QUARTER, image=Image.FINAL)
    measured = bool(q.has_status(panel.quality, q.MEASURED)[0, 0])
    return [float(value) for value in panel.values[0, :4]], measured


def test_what_is_known_no_more_leaves_the_final_image_too(place: Place) -> None:
    send_each(place, 1000.0, 1000.1, 1000.2, 1000.3, 1000.4)
    assert final(place) == ([100, 100, 100, 100], True)
    send(place, "A", (START, 900.0))
    assert not final(place)[1]
    send(place, "A", (START, 1000.05))
    assert final(place) == ([50, 100, 100, 100], True)


def exchange(place: Place, factor: int, at: datetime = START - QUARTER) -> None:
    order = MeterExchange("A", Meter("M-A", dials=9, lsb_wh=1), at, multiplier=Decimal(factor))
    exchange_meter(place.store, ME, order, now=NOW)


@pytest.mark.parametrize("right", [True, False])
def test_a_guess_beside_a_wrong_read_follows_a_factor_that_is_booked_late(place: Place, *, right: bool) -> None:
    place.store.registry.save_points(ME, [UsagePoint("A", capacity_kw=1000.0)])
    send_each(place, 1000.0, 1000.1, 1012.0, 1000.3, 1000.4)
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]
    exchange(place, 10)
    assert quarters_of(place.store, "A") == [1000, 1000, 1000, 1000]
    if right:
        send(place, "A", (START + 2 * QUARTER, 1000.25))
        assert quarters_of(place.store, "A") == [1000, 1500, 500, 1000]


def test_a_factor_that_no_connection_carries_derives_nothing(place: Place) -> None:
    place.store.registry.save_points(ME, [UsagePoint("A", capacity_kw=30.0)])
    send_each(place, 100.0, 105.0, 110.0, 115.0, 120.0)
    assert quarters_of(place.store, "A") == [5000] * 4
    exchange(place, 40)
    assert quarters_of(place.store, "A") == [None] * 4
    exchange(place, 1, START)
    assert quarters_of(place.store, "A") == [5000] * 4


def test_what_a_wrong_factor_left_out_is_derived_once_it_is_right(place: Place) -> None:
    place.store.registry.save_points(ME, [UsagePoint("A", capacity_kw=30.0)])
    exchange(place, 40)
    send_each(place, 100.0, 105.0, 110.0, 115.0, 120.0)
    assert quarters_of(place.store, "A") == [None] * 4
    exchange(place, 1, START)
    assert quarters_of(place.store, "A") == [5000] * 4


def bring(place: Place, folder: Path, *reads: Read) -> None:
    path = folder / f"{reads[0][1]}.csv"
    rows = "".join(f"A,{at:%Y-%m-%dT%H:%M:%SZ},{kwh}\n" for at, kwh in reads)
    path.write_text(f"meter_id,time,meter_reading_kwh\n{rows}")
    ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)


def test_files_one_after_the_other_keep_no_energy_beside_a_wrong_read(place: Place, tmp_path: Path) -> None:
    for read in quarters(1000.0, 1000.1, 995.0, 1000.3, 1000.4):
        bring(place, tmp_path, read)
    first, before, after, last = quarters_of(place.store, "A")
    assert (first, last) == (100, 100)
    assert (before, after) == (100, 100)  # a guess
    bring(place, tmp_path, (START + 2 * QUARTER, 1000.2))
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]


def test_a_right_read_that_comes_by_file_replaces_a_guess(place: Place, tmp_path: Path) -> None:
    send_each(place, 1000.0, 1000.1, 1012.0, 1000.3, 1000.4)
    assert quarters_of(place.store, "A")[:2] == [100, 100]
    bring(place, tmp_path, *quarters(1000.0, 1000.1, 1000.25, 1000.3, 1000.4))
    assert quarters_of(place.store, "A") == [100, 150, 50, 100]


@pytest.mark.parametrize("minute", [30, 22])
def test_the_interval_that_an_exchange_closes_or_lies_in_is_derived(place: Place, minute: int) -> None:
    send_each(place, 1000.0, 1000.1)
    at, final = START + timedelta(minutes=minute), Decimal("1000.2") if minute == 30 else Decimal("1000.15")
    new = Meter("M-2", dials=9, lsb_wh=1)
    exchange_meter(place.store, ME, MeterExchange("A", new, at, final_kwh=final, opening_kwh=Decimal(0)), now=NOW)
    begun = 0.0 if minute == 30 else 0.05
    for quarter in range(2 if minute == 22 else 3, 5):
        read = {"meter": "M-2", "at": (START + quarter * QUARTER).isoformat()}
        record = read | {"register_kwh": round(begun + (quarter - 2) / 10, 2)}
        place.post(decode_json(msgspec.json.encode([record]), Said(), NOW))
    assert quarters_of(place.store, "A") == [100, 100, 100, 100]

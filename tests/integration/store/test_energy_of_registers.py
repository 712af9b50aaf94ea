"""Energy between register reads is marked as such: it follows its reads, and a profile that says the same does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.usage_point import Meter
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store
from tests.integration.store.test_rollovers import DAY, HOUR, NOW, SINGLE, START, Place, Read, a_place, hourly

# What reads tell is computed: how it is kept is the same for each case.
pytestmark = [pytest.mark.few_on_servers(1), pytest.mark.servers_in_turn]
KWH = (100, 110, 120, 130, 140)
OF_REGISTER, RAW = q.OF_REGISTER, q.RAW


@pytest.fixture
def place(store: Store) -> Place:
    return a_place(store)


@dataclass(frozen=True)
class Bring:
    """Brings reads by one entrance: files all at once, the others one by one."""

    place: Place
    folder: Path
    entrance: str

    def __call__(self, reads: Sequence[Read]) -> None:
        if self.entrance == "file":
            self.place.import_file(self.folder, reads)
        else:
            self.place.post_each(reads, SINGLE[self.entrance])


@pytest.fixture(params=[*SINGLE, "file"])
def bring(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Bring:
    return Bring(place, tmp_path, request.param)


def hours(store: Store, count: int = 4) -> tuple[list[float | None], list[int]]:
    """Return energy in kWh and quality of the first hours."""
    panel = store.readings.load(ME, "UP-1", Interval(START, START + count * HOUR), interval=HOUR)
    return [None if np.isnan(each) else each / 1000 for each in panel.values[0].tolist()], panel.quality[0].tolist()


def profile(store: Store, *kwh: float) -> None:
    """Save intervals as a meter measured them."""
    store.readings.save(ME, Panel(("UP-1",), START, HOUR, np.array([kwh]) * 1000), known_at=NOW)


def doubts(store: Store) -> list[tuple[str, str]]:
    """Return the contradictions that are told, of intervals and of registers."""
    correct(store, ME, SiteDefaults(), now=NOW)
    found = store.findings.load(ME, ["UP-1"])
    return [(each.code, each.reading_type.accumulation) for each in found if each.code == "V03_duplicate"]


def test_a_corrected_read_is_one_contradiction_and_its_intervals_none(bring: Bring) -> None:
    store = bring.place.store
    bring(hourly(*KWH))
    assert hours(store) == ([20.0] * 4, [OF_REGISTER] * 4)
    bring([(START + 2 * HOUR, 125.0), (START + 3 * HOUR, 130.0)])
    assert hours(store) == ([20.0, 30.0, 10.0, 20.0], [OF_REGISTER] * 4)
    assert doubts(store) == [("V03_duplicate", Accumulation.CUMULATIVE)]


@pytest.mark.parametrize("first", [True, False])
def test_a_profile_that_says_the_same_stays_when_a_read_is_corrected(bring: Bring, *, first: bool) -> None:
    store = bring.place.store
    if first:
        profile(store, 20.0, 20.0, 20.0, 20.0)
    bring(hourly(*KWH))
    if not first:
        profile(store, 20.0, 20.0, 20.0, 20.0)
    assert hours(store) == ([20.0] * 4, [RAW] * 4)
    bring([(START + 2 * HOUR, 125.0), (START + 3 * HOUR, 130.0)])
    assert hours(store) == ([20.0] * 4, [RAW] * 4)


def test_measured_beside_derived_energy_is_told_apart_by_interval(place: Place) -> None:
    """Two hours were measured, of the two others registers alone tell: these follow, those stay."""
    place.post_each(hourly(*KWH))
    profile(place.store, 20.0, 20.0)
    place.post_each([(START + 2 * HOUR, 125.0)])
    assert hours(place.store) == ([20.0, 20.0, 10.0, 20.0], [RAW, RAW, OF_REGISTER, OF_REGISTER])


def test_a_profile_that_says_the_same_outlives_its_exchange(place: Place) -> None:
    """It belongs to the usage point: neither an exchange that is booked late takes it back, nor its cancelling."""
    place.post_each(hourly(*KWH))
    profile(place.store, 20.0, 20.0, 20.0, 20.0)
    change = MeterExchange("UP-1", Meter("M-2", dials=5), START + HOUR, Decimal(110), Decimal(0), Decimal(2))
    exchange_meter(place.store, ME, change, now=NOW)
    assert hours(place.store) == ([20.0] * 4, [RAW] * 4)
    order = ExchangeCancelling("UP-1", START + HOUR, "never was", with_reads=True)
    cancel(place.store, ME, order, now=NOW)
    assert hours(place.store) == ([20.0] * 4, [RAW] * 4)


def test_what_takes_the_place_of_derived_energy_contradicts_nothing(place: Place) -> None:
    """Nobody sent it; that the profile and the register differ is told of their sum."""
    place.post_each(hourly(*KWH))
    profile(place.store, 20.0, 25.0, 20.0, 20.0)
    assert doubts(place.store) == []
    assert "V30_sum" in {each.code for each in place.store.findings.load(ME, ["UP-1"])}


@pytest.mark.parametrize("posted", [True, False])
def test_energy_is_as_sure_as_the_less_sure_of_its_reads(place: Place, tmp_path: Path, *, posted: bool) -> None:
    guessed = q.pack(q.Status.ESTIMATED, q.Method.REGISTER)
    reads = hourly(*KWH)
    if posted:
        records = [{"meter": "M-1", "at": at.isoformat(), "register_kwh": kwh} for at, kwh in reads]
        records[2]["quality"] = "estimated"
        place.post(decode_json(msgspec.json.encode(records), Said(), NOW))
    else:
        path = tmp_path / "reads.csv"
        rows = [f"UP-1,{at:%Y-%m-%dT%H:%M:%SZ},{kwh},{'estimated' if kwh == 120 else 'raw'}" for at, kwh in reads]
        path.write_text("\n".join(["meter_id,time,meter_reading_kwh,quality", *rows, ""]))
        ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    assert hours(place.store) == ([20.0] * 4, [OF_REGISTER, guessed, guessed, OF_REGISTER])


def test_the_final_image_judges_it_as_what_a_meter_measured(place: Place) -> None:
    place.post_each(hourly(*KWH))
    correct(place.store, ME, SiteDefaults(), now=NOW)
    final = place.store.readings.load(ME, "UP-1", Interval(START, START + DAY), interval=HOUR, image=Image.FINAL)
    assert set(final.quality[0, :4].tolist()) == {q.ACTUAL}

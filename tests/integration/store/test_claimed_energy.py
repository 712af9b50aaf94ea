"""Energy between register reads that waited: after a claim it is what a post of a known meter derives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.claim_meter import ClaimedMeter, claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.store import Store
from tests.integration.store.test_rollovers import ALL_TIME, NOW, START, Place

pytestmark = pytest.mark.servers_in_turn

QUARTER = (ALL_TIME.end - ALL_TIME.start) / (800 * 96)


@dataclass(frozen=True)
class Case:
    """What a new meter read each quarter of an hour in kWh; `hung`: what another one had read before.

    `since`: the quarter since which it hangs, where not since its first read; `energy`: what is derived, in Wh.
    """

    kwh: tuple[float, ...]
    energy: tuple[float | None, ...]
    factor: int = 1
    hung: tuple[float, ...] = ()
    since: int | None = None
    dials: int = 7

    def begin(self, store: Store, name: str) -> None:
        """Record a usage point, and the meter that hung there before."""
        store.registry.save_points(ME, [UsagePoint(name, capacity_kw=100.0)])
        store.registry.save_meter(ME, Meter(f"M-{name}", dials=self.dials, lsb_wh=1))
        if self.hung:
            store.registry.save_meter(ME, Meter(f"OLD-{name}", dials=7, lsb_wh=1))
            store.registry.exchange_meter(ME, install(name, f"OLD-{name}", ALL_TIME.start))
            first = 1 - len(self.hung)
            for place, kwh in enumerate(self.hung):
                post(store, f"OLD-{name}", first + place, kwh)

    @property
    def begins(self) -> datetime:
        return START + QUARTER * (self.since or 0)


def post(store: Store, meter: str, quarter: int, kwh: float) -> None:
    record = {"meter": meter, "at": (START + QUARTER * quarter).isoformat(), "register_kwh": kwh}
    Place(store).post(decode_json(msgspec.json.encode([record]), Said(), NOW))


def wait(store: Store, meter: str, kwh: Sequence[float]) -> None:
    reads = [
        QuarantinedReading(meter, START + QUARTER * at, float(round(value * 1000)), 0, DELIVERED_REGISTER)
        for at, value in enumerate(kwh)
    ]
    store.quarantine.save(ME, reads, received=NOW)


def claim(store: Store, name: str, case: Case) -> ClaimedMeter:
    return claim_meter(store, ME, wish(name, case), now=NOW)


def wish(name: str, case: Case) -> MeterClaim:
    return MeterClaim(f"M-{name}", name, None if case.since is None else case.begins, Decimal(case.factor))


def energy(store: Store, name: str, count: int, first: int = 0) -> tuple[float | None, ...]:
    period = Interval(START + QUARTER * first, START + QUARTER * (first + count))
    values = store.readings.load(ME, name, period, interval=QUARTER).values[0].tolist()
    return tuple(None if np.isnan(value) else value for value in values)


def chain(store: Store, name: str) -> list[tuple[str, datetime, float, int]]:
    reads = store.registers.load(ME, name, ALL_TIME)
    return [(each.end_device.split("-")[0], each.at, each.value, each.epoch - reads[0].epoch) for each in reads]


CASES = {
    "counts on": Case((1.0, 1.1, 1.3, 1.6), (100, 200, 300)),
    "a wrong read": Case((900.0, 900.1, 500.0, 900.3, 900.4), (100, 100, 100, 100)),
    "what no connection carries": Case((1.0, 1.1, 99.0, 99.1), (100, None, 100)),
    "turns over": Case((99.7, 99.8, 99.9, 0.1, 0.2), (100, 100, 200, 100), dials=5),
    "is reset": Case((5.0, 5.1, 0.0, 0.1), (100, None, 100)),
    "a factor": Case((1.0, 1.1, 1.3), (4_000, 8_000), factor=40),
    "another meter before": Case((1.0, 1.1, 1.3), (100, 200), hung=(70.0, 70.5, 71.0)),
    "is reset behind another meter": Case((5.0, 0.0, 0.1), (None, 100), hung=(70.0, 70.5, 71.0)),
    "hangs since before": Case((1.0, 1.1, 1.3), (100, 200), since=-5),
    "hangs since a later read": Case((1.0, 1.1, 1.3, 1.6), (None, 200, 300), since=1),
    "an hour without a read": Case((1.0, 1.1, *(1.1,) * 4, 1.5), (100, 0, 0, 0, 0, 400)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_claim_derives_what_posts_to_the_meter_had(store: Store, case: Case) -> None:
    """Installed, then posted, or waited, then claimed: the reads, their epochs and the intervals are the same."""
    case.begin(store, "A")
    store.registry.exchange_meter(ME, install("A", "M-A", case.begins, Decimal(case.factor)))
    for quarter, kwh in enumerate(case.kwh):
        if quarter >= (case.since or 0):
            post(store, "M-A", quarter, kwh)
    case.begin(store, "B")
    wait(store, "M-B", case.kwh)
    claim(store, "B", case)
    count = len(case.kwh) - 1
    assert energy(store, "B", count) == energy(store, "A", count) == case.energy
    assert energy(store, "B", 3, -3) == energy(store, "A", 3, -3)
    assert chain(store, "B") == chain(store, "A")


def test_the_look_before_tells_it_and_records_nothing(store: Store) -> None:
    case = CASES["a factor"]
    case.begin(store, "A")
    wait(store, "M-A", case.kwh)
    seen = preview_claim(store, ME, wish("A", case), now=NOW)
    assert list(store.readings.series(ME, "A")) == []
    told = "2 intervals of delivered energy since 2026-11-20T00:00:00+00:00 are derived from the register: 12.000 kWh"
    assert claim(store, "A", case).notes == seen.notes == (told,)


def test_what_was_measured_stays(store: Store) -> None:
    case = CASES["counts on"]
    case.begin(store, "A")
    store.readings.save(ME, Panel(("A",), START + QUARTER, QUARTER, np.full((1, 1), 777.0)), known_at=NOW)
    wait(store, "M-A", case.kwh)
    waits = QuarantinedReading("M-A", START, 666.0, 900, DELIVERED_ENERGY)
    store.quarantine.save(ME, [waits], received=NOW)
    done = claim(store, "A", case)
    assert (done.intervals, done.registers, energy(store, "A", 3)) == (1, 4, (666, 777, 300))


def test_reads_of_before_and_after_are_joined(store: Store) -> None:
    """The second half came in when the meter was known; the first one is claimed with an earlier instant."""
    case = Case((1.0, 1.1, 1.3, 1.6), ())
    case.begin(store, "A")
    wait(store, "M-A", case.kwh[:2])
    store.registry.exchange_meter(ME, install("A", "M-A", START + 2 * QUARTER))
    for quarter in (2, 3):
        post(store, "M-A", quarter, case.kwh[quarter])
    claim_meter(store, ME, MeterClaim("M-A", "A", since=START), now=NOW)
    assert energy(store, "A", 3) == (100, 200, 300)
    assert {epoch for *_, epoch in chain(store, "A")} == {0}


def test_what_counted_without_a_factor_follows_it(store: Store) -> None:
    """Reads under the id of the usage point came before anybody knew which meter hangs there."""
    store.registry.save_points(ME, [UsagePoint("A", capacity_kw=100.0)])
    for quarter, kwh in enumerate((1.0, 1.1, 1.3)):
        post(store, "A", quarter, kwh)
    assert energy(store, "A", 2) == (100, 200)
    wait(store, "M-A", (1.0,))
    claim_meter(store, ME, MeterClaim("M-A", "A", multiplier=Decimal(40)), now=NOW)
    assert energy(store, "A", 2) == (4_000, 8_000)


def test_the_cascade_judges_it(store: Store) -> None:
    case = CASES["counts on"]
    case.begin(store, "A")
    correct(store, ME, SiteDefaults(), now=NOW)
    wait(store, "M-A", case.kwh)
    claim(store, "A", case)
    assert DELIVERED_ENERGY in {each.reading_type for each in store.dirty.ranges(ME)}
    correct(store, ME, SiteDefaults(), now=NOW)
    assert store.dirty.ranges(ME) == []
    assert energy(store, "A", 3) == (100, 200, 300)


@pytest.mark.parametrize("label", ["is reset", "a wrong read", "is reset behind another meter"])
def test_a_register_that_fell_is_told_at_once_as_when_it_is_posted(store: Store, label: str) -> None:
    """Not only when the cascade judges its days."""
    case = CASES[label]
    case.begin(store, "A")
    store.registry.exchange_meter(ME, install("A", "M-A", case.begins))
    for quarter, kwh in enumerate(case.kwh):
        post(store, "M-A", quarter, kwh)
    case.begin(store, "B")
    wait(store, "M-B", case.kwh)
    claim(store, "B", case)
    told = {name: [(each.code, each.period) for each in store.findings.load(ME, [name])] for name in "AB"}
    assert told["A"] == told["B"]
    assert [code for code, _ in told["B"]] == ["V32_register"]


def test_the_days_that_the_meter_which_goes_had_to_close_are_judged_again(store: Store) -> None:
    """It was read three days before, and will not be any more: their balance is closed by nothing now."""
    store.registry.save_points(ME, [UsagePoint("A", capacity_kw=100.0)])
    store.registry.save_meter(ME, Meter("OLD-A", dials=7, lsb_wh=1))
    store.registry.exchange_meter(ME, install("A", "OLD-A", ALL_TIME.start))
    store.readings.save(ME, Panel(("A",), START - 288 * QUARTER, QUARTER, np.full((1, 576), 100.0)), known_at=NOW)
    post(store, "OLD-A", -288, 50.0)
    correct(store, ME, SiteDefaults(), now=NOW)
    wait(store, "M-A", (1.0,))
    claim_meter(store, ME, MeterClaim("M-A", "A"), now=NOW)
    dirty = [each.period for each in store.dirty.ranges(ME) if each.reading_type == DELIVERED_ENERGY]
    assert min(each.start for each in dirty) == START - 288 * QUARTER

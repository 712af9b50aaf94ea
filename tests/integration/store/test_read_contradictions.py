"""Register reads that contradict (V03): another value for the same instant is told, by whatever entrance it came."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store
from tests.integration.store.test_rollovers import (
    ALL_TIME,
    HOUR,
    NOW,
    SEVERAL,
    SINGLE,
    START,
    Place,
    a_place,
    hourly,
)

SECOND = timedelta(seconds=1)
FIRST, OTHER = [(START, 100.0), (START + HOUR, 110)], [(START + HOUR, 111.0)]
# What counts on over a rollover, or contradicts, is computed: how it is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)


@pytest.fixture
def place(store: Store) -> Place:
    return a_place(store)


def doubts(place: Place) -> list[tuple[Interval, Severity, str]]:
    """What is told of the registers; a file replaces the intervals that were derived of them too, and tells that."""
    correct(place.store, ME, SiteDefaults(), now=NOW)
    told = [one for one in place.store.findings.load(ME, ["UP-1"]) if one.code == "V03_duplicate"]
    found = [one for one in told if one.reading_type.accumulation is Accumulation.CUMULATIVE]
    return [(one.period, one.severity, one.message) for one in found]


TOLD = [
    (
        Interval(START + HOUR, START + HOUR + SECOND),
        Severity.WARN,
        "register read came again with another value, 111 kWh after 110 kWh; the later counts",
    )
]


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("entrance", [*SINGLE, "file"])
def test_another_read_of_the_same_instant_is_told_once(
    place: Place, tmp_path: Path, entrance: str, *, beside: bool
) -> None:
    """Of a meter that tells registers alone (beside intervals derived of them, too), and of one with a profile."""
    if beside:
        profile = Panel(("UP-1",), START, HOUR / 4, np.full((1, 96), 500.0))
        place.store.readings.save(ME, profile, known_at=NOW)
    if entrance == "file":
        place.import_file(tmp_path, FIRST)
        place.import_file(tmp_path, [*OTHER, (START + 2 * HOUR, 120)])
    else:
        place.post_each([*FIRST, *OTHER], SINGLE[entrance])
    assert doubts(place) == doubts(place) == TOLD
    assert [read.value for read in place.reads][:2] == [100_000, 111_000]


@pytest.mark.parametrize("entrance", [*SEVERAL, "file"])
def test_two_reads_of_one_instant_in_one_request_are_told(place: Place, tmp_path: Path, entrance: str) -> None:
    reads = [*FIRST, *OTHER, (START + 2 * HOUR, 120.0)]
    if entrance == "file":
        path = tmp_path / "one.csv"
        rows = "".join(f"UP-1,{at:%Y-%m-%dT%H:%M:%SZ},{value}\n" for at, value in reads)
        path.write_text(f"meter_id,time,meter_reading_kwh\n{rows}")
        ingest_file(place.store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    else:
        place.post(SEVERAL[entrance](reads))
    ((period, severity, message),) = doubts(place)
    assert (period, severity) == (TOLD[0][0], Severity.WARN)
    assert "with other values" in message or "with another value" in message
    assert [read.value for read in place.reads] == [100_000, 111_000, 120_000]


def test_the_same_read_again_is_no_contradiction(place: Place) -> None:
    place.post_each([*FIRST, *FIRST])
    assert doubts(place) == []


def test_what_gives_way_to_a_better_read_is_none_either(place: Place) -> None:
    guess = RegisterReading("UP-1", START, 90_000.0, "M-1", quality=q.pack(q.Status.ESTIMATED, q.Method.SCALAR))
    for read in (guess, RegisterReading("UP-1", START, 100_000.0, "M-1")):
        place.store.registers.save(ME, [read], known_at=NOW)
    assert doubts(place) == []


def test_what_an_exchange_wrote_or_moved_is_a_decision(place: Place) -> None:
    place.post_each(hourly(100, 110, 120))
    at = START + HOUR
    for final in (Decimal(110), Decimal(112)):
        order = MeterExchange("UP-1", Meter("M-2"), at, final, Decimal(0), Decimal(2))
        exchange_meter(place.store, ME, order, now=NOW)
    assert doubts(place) == []


def test_of_many_reads_the_whole_is_one_doubt_and_an_acceptance_holds(place: Place) -> None:
    place.post_each(hourly(*range(100, 112)))
    place.post_each(hourly(*(value + 0.5 for value in range(100, 112))))
    ((period, _, message),) = doubts(place)
    assert period == Interval(START, START + 11 * HOUR + SECOND)
    assert message.startswith("12 register reads came again with another value, the first 100.5 kWh after 100 kWh")
    ids = [one.id for one in place.store.findings.page(ME) if one.finding.code == "V03_duplicate"]
    place.store.findings.resolve(ME, ids, reason="the head-end had rounded", now=NOW)
    place.store.dirty.touch(ME, ["UP-1"], place.store.findings.load(ME, resolved=True)[0].reading_type, ALL_TIME)
    assert doubts(place) == []

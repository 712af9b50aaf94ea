"""A claim takes what fits the grid of its day; what does not goes on waiting, and is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, GridMismatch, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.meters.claim_fitting import REMEDY, TOLD
from gridwright.jobs.meters.claim_meter import ClaimedMeter, claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.store import Store, open_store
from gridwright.store.quarantine import Quarantine

DAY0 = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = DAY0 + 30 * DAY
CLAIM = MeterClaim("QG", "UP-4")


def at(hour: float, minutes: int, value: float = 1000.0) -> QuarantinedReading:
    return QuarantinedReading("QG", DAY0 + hour * HOUR, value, 60 * minutes, DELIVERED_ENERGY)


HOURS = [at(hour, 60) for hour in range(4)]
QUARTERS = [at(4, 15), at(5, 15, 7000.0)]


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(ME, [UsagePoint("UP-4", capacity_kw=99.0)])
        yield opened


def claimed(store: Store, claim: MeterClaim = CLAIM) -> ClaimedMeter:
    """Return what a claim did, after a look at it that said the same and left nothing."""
    before = (store.quarantine.readings(ME, "QG"), store.registry.installations(ME, "UP-4"))
    seen = preview_claim(store, ME, claim, now=NOW)
    assert (store.quarantine.readings(ME, "QG"), store.registry.installations(ME, "UP-4")) == before
    done = claim_meter(store, ME, claim, now=NOW)
    assert (seen.moving, seen.notes, seen.place) == (done.moved, done.notes, done.installation)
    return done


def test_the_interval_length_with_most_readings_has_the_day_and_the_others_wait(store: Store) -> None:
    store.quarantine.save(ME, [*HOURS, *QUARTERS, at(6, 60), at(24, 15)], received=NOW)
    done = claimed(store)
    assert (done.intervals, done.moved) == (6, 6)
    assert store.quarantine.readings(ME, "QG") == QUARTERS
    (first, remedy) = done.notes
    assert first == (
        "1000 Wh at 2026-11-20T04:00:00+00:00 and 1 more of that day: intervals of 0:15:00 do not fit the stored ones "
        "of 1:00:00 (usage point UP-4, delivered energy (delta, Wh), 2026-11-20), and goes on waiting"
    )
    assert remedy == REMEDY


def test_what_went_on_waiting_is_claimed_with_a_channel_of_its_own_or_let_go(store: Store) -> None:
    store.quarantine.save(ME, [*HOURS, *QUARTERS], received=NOW)
    claimed(store)
    again = claimed(store)
    (before, _, remedy) = again.notes
    assert (again.intervals, remedy) == (0, REMEDY)
    assert before.startswith("4 readings had moved in before, the last of them at ")
    done = claimed(store, MeterClaim("QG", "UP-4", channel="E9"))
    assert (done.intervals, done.notes) == (2, (before,))
    for act in (preview_claim, claim_meter):
        with pytest.raises(NotFound, match="no readings of meter 'QG' wait: 6 readings had moved in before"):
            act(store, ME, CLAIM, now=NOW)
    assert store.quarantine.readings(ME, "QG") == []
    kinds = {(series.reading_type.channel, series.readings) for series in store.readings.series(ME, "UP-4")}
    assert kinds == {("", 4), ("E9", 2)}


def test_stored_days_come_first_and_those_that_fit_them_move_in(store: Store) -> None:
    stored = Panel(("UP-4",), DAY0 + 12 * HOUR, 15 * MINUTE, np.full((1, 4), 5.0))
    store.readings.save(ME, stored, known_at=NOW)
    store.quarantine.save(ME, [*HOURS, *QUARTERS], received=NOW)
    done = claimed(store)
    assert done.intervals == 2
    assert [each.at for each in store.quarantine.readings(ME, "QG")] == [each.at for each in HOURS]


def test_a_meter_does_not_hang_since_a_reading_that_stays_out(store: Store) -> None:
    first = at(0, 15)
    store.quarantine.save(ME, [first, *HOURS[1:]], received=NOW)
    done = claimed(store)
    assert done.installation is not None
    assert done.installation.period.start == HOURS[1].at


def test_one_that_fits_nowhere_installs_no_meter(store: Store) -> None:
    store.readings.save(ME, Panel(("UP-4",), DAY0, HOUR, np.full((1, 4), 5.0)), known_at=NOW)
    store.quarantine.save(ME, QUARTERS, received=NOW)
    for act in (preview_claim, claim_meter):
        with pytest.raises(GridMismatch, match="nothing moves in"):
            act(store, ME, CLAIM, now=NOW)
    assert store.registry.installations(ME, "UP-4") == ()
    assert store.quarantine.readings(ME, "QG") == QUARTERS


def test_many_days_of_misfits_are_told_in_few_words(store: Store) -> None:
    days = range(TOLD + 2)
    store.quarantine.save(
        ME, [at(24 * day + hour, length) for day in days for hour, length in ((0, 60), (1, 60), (2, 15))], received=NOW
    )
    notes = claimed(store).notes
    assert len(notes) == TOLD + 2
    assert notes[-2] == "2 more days have readings that do not fit, and go on waiting"


def test_registers_and_two_values_of_an_interval_move_in_beside_misfits(store: Store) -> None:
    register = QuarantinedReading("QG", DAY0 + HOUR, 9000.0, 0, DELIVERED_REGISTER)
    store.quarantine.save(ME, [*HOURS, at(3, 60, 2000.0), *QUARTERS, register], received=NOW)
    done = claimed(store)
    assert (done.intervals, done.registers, done.moved) == (4, 1, 6)
    assert store.readings.load(ME, "UP-4", Interval(DAY0, DAY0 + 4 * HOUR)).values[0, 3] == 2000.0


def test_an_occupied_place_tells_that_a_later_beginning_helps(store: Store) -> None:
    store.quarantine.save(ME, [*HOURS, QuarantinedReading("QH", DAY0, 1.0, 3600, DELIVERED_ENERGY)], received=NOW)
    claimed(store)
    with pytest.raises(Conflict) as refused:
        claim_meter(store, ME, MeterClaim("QH", "UP-4"), now=NOW)
    assert refused.value.remedy == (
        "if QH came after QG, claim it since that instant, which is after 2026-11-20T00:00:00+00:00; "
        "if QG never hung there, cancel its installation first"
    )


@pytest.mark.parametrize("channel", ["x" * 41, "a\x00"])
def test_a_channel_has_a_short_plain_name(channel: str) -> None:
    with pytest.raises(InputError, match="channel"):
        MeterClaim("QG", "UP-4", channel=channel)


def test_a_look_at_more_than_are_read_at_once_counts_them_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a review found: of 100,384 it told 100,000, the wrong last instant, and that none would move in."""
    usual = Quarantine.readings.__kwdefaults__ or {}
    monkeypatch.setattr(Quarantine.readings, "__kwdefaults__", {**usual, "limit": 3})
    store.quarantine.save(ME, HOURS, received=NOW)
    claim = replace(CLAIM, since=HOURS[3].at)
    seen = preview_claim(store, ME, claim, now=NOW)
    assert (seen.waiting, seen.first, seen.last, seen.moving) == (4, HOURS[0].at, HOURS[3].at, 1)
    assert claim_meter(store, ME, claim, now=NOW).moved == 1

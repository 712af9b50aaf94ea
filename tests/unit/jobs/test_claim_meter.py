"""Claims of meters nobody knew: what moves in, and what goes on waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import Conflict, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint, install
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.store import open_store

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = START + timedelta(days=9)


def test_what_is_from_before_the_meter_hung_there_waits_for_its_own_place() -> None:
    """A meter that hung at UP-1 and now hangs at UP-2: each gets its intervals and its register reads, none is lost."""
    at = [START + HOUR * n for n in range(48)]
    sent = [QuarantinedReading("M-9", when, 100.0 + n, 3600, DELIVERED_ENERGY) for n, when in enumerate(at)]
    sent += [QuarantinedReading("M-9", START + HOUR * n, 1000.0 * n, 0, DELIVERED_REGISTER) for n in (6, 30)]
    moved = START + HOUR * 24
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1"), UsagePoint("UP-2")])
        store.quarantine.save(LOCAL_OWNER, sent, received=NOW)
        done = claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-2", since=moved), now=NOW)
        assert (done.intervals, done.registers) == (24, 1)
        assert done.notes == ("25 readings from outside the installation go on waiting",)
        assert [each.at for each in store.quarantine.readings(LOCAL_OWNER, "M-9") if each.interval_s] == at[:24]
        assert [each.at for each in store.quarantine.readings(LOCAL_OWNER, "M-9") if not each.interval_s] == [at[6]]
        with pytest.raises(NotFound, match="wait from"):
            claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-2"), now=NOW)
        assert len(store.quarantine.readings(LOCAL_OWNER, "M-9")) == 25


DAY, ONE, TEN, MORE = HOUR * 24, Decimal(1), Decimal(10), Decimal(40)
OPEN = (FOREVER - START) // DAY


def hanging(point: str, begin: int, end: int, factor: Decimal) -> Installation:
    return Installation(
        point, "M-9", Interval(START + DAY * begin, START + DAY * end if end < OPEN else FOREVER), factor
    )


@pytest.mark.parametrize(
    ("second", "hung", "left"),
    [
        (MeterClaim("M-9", "UP-1", START + DAY), [hanging("UP-1", 1, OPEN, TEN)], 24),
        (
            MeterClaim("M-9", "UP-1", START + DAY, MORE),
            [hanging("UP-1", 1, 2, MORE), hanging("UP-1", 2, OPEN, TEN)],
            24,
        ),
        (MeterClaim("M-9", "UP-2", START + DAY), [hanging("UP-2", 1, 2, ONE), hanging("UP-1", 2, OPEN, TEN)], 24),
        (MeterClaim("M-9", "UP-2"), [hanging("UP-2", 0, 2, ONE), hanging("UP-1", 2, OPEN, TEN)], 0),
    ],
)
def test_what_waits_from_before_a_meter_hung_somewhere_can_be_claimed_too(
    second: MeterClaim, hung: list[Installation], left: int
) -> None:
    """At the same place it hung from then on, at another until it came to the first; what waited is there then."""
    sent = [QuarantinedReading("M-9", START + HOUR * n, 100.0, 3600, DELIVERED_ENERGY) for n in range(72)]
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1"), UsagePoint("UP-2")])
        store.quarantine.save(LOCAL_OWNER, sent, received=NOW)
        first = MeterClaim("M-9", "UP-1", since=START + 2 * DAY, multiplier=TEN)
        assert claim_meter(store, LOCAL_OWNER, first, now=NOW).intervals == 24
        seen = preview_claim(store, LOCAL_OWNER, second, now=NOW)
        done = claim_meter(store, LOCAL_OWNER, second, now=NOW)
        assert (seen.moving, done.intervals, seen.ends) == (48 - left, 48 - left, "")
        assert sorted(store.registry.installed(LOCAL_OWNER), key=lambda one: one.period.start) == hung
        assert len(store.quarantine.readings(LOCAL_OWNER, "M-9")) == left
        stored = sum(one.readings for one in store.readings.freshness(LOCAL_OWNER))
        assert stored == 72 - left


def test_where_another_meter_hung_then_it_cannot_be_claimed_for() -> None:
    sent = [QuarantinedReading("M-9", START + HOUR * n, 100.0, 3600, DELIVERED_ENERGY) for n in range(72)]
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        store.registry.save_meter(LOCAL_OWNER, Meter("M-1"))
        store.registry.exchange_meter(LOCAL_OWNER, install("UP-1", "M-1", START))
        store.quarantine.save(LOCAL_OWNER, sent, received=NOW)
        claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-1", since=START + 2 * DAY), now=NOW)
        with pytest.raises(Conflict, match="overlaps meter M-1"):
            claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-1", since=START + DAY), now=NOW)
        assert len(store.quarantine.readings(LOCAL_OWNER, "M-9")) == 48


FIVE = Meter("M-9", dials=5, lsb_wh=1000)
PERIOD = Interval(START - timedelta(days=99), START + timedelta(days=99))


def waiting(*values: float) -> list[QuarantinedReading]:
    return [QuarantinedReading("M-9", START + HOUR * n, 1000 * v, 0, DELIVERED_REGISTER) for n, v in enumerate(values)]


@pytest.mark.parametrize(
    ("meter", "values", "epochs"),
    [
        (FIVE, (99_800, 99_990, 554, 600), [1, 1, 1, 1]),  # turns over
        (FIVE, (50_120, 50_400, 3, 10), [1, 1, 2, 2]),  # is reset
        (Meter("M-9"), (99_800, 99_990, 554, 600), [1, 1, 2, 2]),  # nobody has said how many dials there are
    ],
)
def test_claimed_registers_begin_anew_where_a_post_would(
    meter: Meter, values: tuple[float, ...], epochs: list[int]
) -> None:
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=2000)])
        for one in (Meter("M-1"), meter):
            store.registry.save_meter(LOCAL_OWNER, one)
        store.registry.exchange_meter(LOCAL_OWNER, install("UP-1", "M-1", PERIOD.start))
        store.registers.save(LOCAL_OWNER, [RegisterReading("UP-1", START - HOUR, 7_000.0, "M-1")], known_at=NOW)
        store.quarantine.save(LOCAL_OWNER, waiting(*values), received=NOW)
        claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-1"), now=NOW)
        kept = [each for each in store.registers.load(LOCAL_OWNER, "UP-1", PERIOD) if each.end_device == "M-9"]
        assert [each.epoch for each in kept] == epochs
        # Read again, as a collector does, they stay where they are; so does what is read next.
        again = [*kept, RegisterReading("UP-1", START + HOUR * 9, 1000.0 * values[-1], "M-9")]
        assert [each.epoch for each in in_epochs(store, LOCAL_OWNER, again)] == [*epochs, epochs[-1]]


def test_how_fast_it_counted_while_it_waited_tells_a_rollover_from_a_reset() -> None:
    days = timedelta(days=1)
    for pace, epochs in ((10.0, [0, 0, 1]), (100.0, [0, 0, 0])):
        with open_store("sqlite://") as store:
            store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=2000)])
            store.registry.save_meter(LOCAL_OWNER, FIVE)
            at = ((0, 97_100 - 40 * pace), (40, 97_100), (70, 100))
            store.quarantine.save(
                LOCAL_OWNER,
                [QuarantinedReading("M-9", START + days * n, 1000 * v, 0, DELIVERED_REGISTER) for n, v in at],
                received=NOW,
            )
            claim_meter(store, LOCAL_OWNER, MeterClaim("M-9", "UP-1"), now=NOW)
            kept = store.registers.load(LOCAL_OWNER, "UP-1", PERIOD)
            assert [each.epoch for each in kept] == epochs, pace

"""Readings that came under a usage point's id before it was registered are its own: no meter is made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store, open_store

START = datetime(2026, 9, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = START + 60 * DAY
SENT = [QuarantinedReading("UP-C", START + 30 * DAY + n * HOUR, 250.0, 3600, DELIVERED_ENERGY) for n in range(4)]
SENT += [QuarantinedReading("UP-C", START + 31 * DAY, 9_000.0, 0, DELIVERED_REGISTER)]
WHOLE = Interval(START, NOW)


def waiting(store: Store) -> None:
    store.quarantine.save(ME, SENT, received=NOW)
    store.registry.save_points(ME, [UsagePoint("UP-C", capacity_kw=17.0), UsagePoint("UP-Z", capacity_kw=17.0)])


def come(store: Store, serial: str, day: int, final: int | None = None) -> MeterExchange:
    kwh = None if final is None else Decimal(final)
    order = MeterExchange("UP-C", Meter(serial), START + day * DAY, kwh, Decimal(0), Decimal(20))
    preview_exchange(store, ME, order, now=NOW)
    exchange_meter(store, ME, order, now=NOW)
    return order


@pytest.mark.parametrize("meter", ["", "M-C1"])
@pytest.mark.parametrize("since", [None, START])
def test_they_move_in_whether_or_not_a_meter_hangs_there(meter: str, since: datetime | None) -> None:
    with open_store("sqlite://") as store:
        waiting(store)
        if meter:
            come(store, meter, 40)
            come(store, "M-C2", 45, 1)
        claim = MeterClaim("UP-C", "UP-C", since)
        seen = preview_claim(store, ME, claim, now=NOW)
        assert (seen.moving, seen.own, seen.new, seen.ends) == (5, True, False, "")
        before = store.registry.installations(ME, "UP-C")
        done = claim_meter(store, ME, claim, now=NOW)
        assert (done.installation, done.intervals, done.registers) == (None, 4, 1)
        assert done.notes == ("UP-C is a usage point by now: its readings moved in, and no meter was installed",)
        assert store.registry.installations(ME, "UP-C") == before
        assert store.quarantine.readings(ME, "UP-C") == []
        panel = store.readings.load(ME, "UP-C", Interval(SENT[0].at, SENT[0].at + 4 * HOUR))
        assert panel.values.tolist() == [[250.0] * 4]
        (read,) = store.registers.load(ME, "UP-C", Interval(START, START + 35 * DAY))
        assert (read.value, read.end_device) == (9_000.0, "")
        if not meter:  # the true meter may come, earlier too
            come(store, "M-C1", 1)


def test_a_register_read_is_of_the_meter_that_hung_there_then() -> None:
    with open_store("sqlite://") as store:
        waiting(store)
        come(store, "M-C1", 1)
        claim_meter(store, ME, MeterClaim("UP-C", "UP-C"), now=NOW)
        last = store.registers.load(ME, "UP-C", WHOLE)[-1]
        assert (last.value, last.end_device) == (9_000.0, "M-C1")


def test_what_is_from_before_goes_on_waiting() -> None:
    with open_store("sqlite://") as store:
        waiting(store)
        done = claim_meter(store, ME, MeterClaim("UP-C", "UP-C", SENT[2].at), now=NOW)
        assert done.notes[-1] == "2 readings from outside the installation go on waiting"


@pytest.mark.parametrize(
    ("claim", "error", "says"),
    [
        (MeterClaim("UP-C", "UP-Z"), Conflict, "UP-C is a usage point by now"),
        (MeterClaim("UP-C", "UP-C", multiplier=Decimal(20)), InputError, "transformer factor 20 cannot be"),
    ],
)
def test_they_are_of_no_other_place_and_have_no_factor(claim: MeterClaim, error: type[Exception], says: str) -> None:
    with open_store("sqlite://") as store:
        waiting(store)
        with pytest.raises(error, match=says):
            preview_claim(store, ME, claim, now=NOW)
        with pytest.raises(error, match=says):
            claim_meter(store, ME, claim, now=NOW)
        assert len(store.quarantine.readings(ME, "UP-C")) == 5
        assert store.registry.installations(ME, "UP-C") == ()

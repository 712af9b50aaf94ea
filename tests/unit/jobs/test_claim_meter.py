"""Claims of meters nobody knew: what moves in, and what goes on waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import NotFound
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.meters.claim_meter import MeterClaim, claim_meter
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

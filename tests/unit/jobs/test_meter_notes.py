"""A bill tells of meters that were exchanged within its period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.meter_notes import with_meters
from gridwright.store import open_store

START = datetime(2026, 3, 1, tzinfo=UTC)
AT = START + timedelta(days=2, hours=9)
NOW = START + timedelta(days=40)
MARCH = Interval(START, datetime(2026, 4, 1, tzinfo=UTC))


def a_bill(period: Interval) -> Bill:
    return Bill("B-1", "k", "UP-1", period, "Europe/Berlin", "flat", "EUR", (), "h", NOW, notes=("estimated in part",))


def test_both_registers_stand_on_the_bill_of_the_month() -> None:
    with open_store("sqlite://", clock=lambda: NOW) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
        store.registry.save_meter(ME, Meter("M-1"))
        store.registry.save_installation(ME, install("UP-1", "M-1", START - timedelta(days=99)))
        order = MeterExchange("UP-1", Meter("M-2"), AT, Decimal("1112.4"), Decimal("0.2"), Decimal(40))
        exchange_meter(store, ME, order, now=NOW)
        told = with_meters(store, ME, a_bill(MARCH)).notes
        assert told[0] == "estimated in part"
        assert len(told) == 2
        assert told[1].startswith(
            "The meter was exchanged on 3 March 2026, 10:00: M-1 ended at 1,112.400 kWh, M-2 (×40)"
        )
        april = Interval(MARCH.end, NOW)
        assert with_meters(store, ME, a_bill(april)).notes == ("estimated in part",)


def test_a_read_that_nobody_took_is_told_and_new_transformers_are_no_new_meter() -> None:
    with open_store("sqlite://", clock=lambda: NOW) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
        store.registry.save_meter(ME, Meter("M-1"))
        store.registry.save_installation(ME, install("UP-1", "M-1", START - timedelta(days=99)))
        exchange_meter(store, ME, MeterExchange("UP-1", Meter("M-1"), AT, multiplier=Decimal(2)), now=NOW)
        (_, told) = with_meters(store, ME, a_bill(MARCH)).notes
        assert told.startswith(
            "The transformers were exchanged on 3 March 2026, 10:00: M-1 ended at a read that nobody"
        )

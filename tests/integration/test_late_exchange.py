"""An exchange booked late, while the old serial is still reported: its reads change no measured interval, no money."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.integration.test_cascade import again
from tests.integration.test_exchange_cancelled import (
    APRIL,
    GAP,
    HOUR,
    HOURS,
    MAY,
    START,
    billed,
    home,
    read,
    shown,
    told,
    used,
)

OPENING = 7_000
NUMBERS = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        address = f"sqlite:///{Path(tmp_path_factory.mktemp('late'))}/store.db"
    else:
        address = emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(address) as opened:
        yield opened


@dataclass(frozen=True)
class Late:
    """The true exchange, booked at the end; `before` and `after` it came in, reads that name the old meter still."""

    hour: int
    factor: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    closed: bool

    def order(self, name: str) -> MeterExchange:
        kwh, opening = (Decimal(round(each)) / 1000 for each in (shown(self.hour), OPENING))
        at = START + self.hour * HOUR
        return MeterExchange(name, Meter(f"{name}-NEW"), at, kwh, opening, Decimal(self.factor))

    def of_new(self, name: str, hour: int) -> RegisterReading:
        """Return what the new meter shows behind its transformers."""
        counted = used()[0, self.hour : hour].sum() // self.factor
        return RegisterReading(name, START + hour * HOUR, float(OPENING + counted), f"{name}-NEW")


HOURS_AFTER = st.lists(st.integers(1, HOURS - 1), max_size=6, unique=True).map(tuple)
LATES = st.builds(Late, st.integers(2, 600), st.sampled_from((1, 2, 20, 40)), HOURS_AFTER, HOURS_AFTER, st.booleans())


@settings(
    max_examples=40 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(late=LATES)
def test_reads_of_the_old_serial_change_no_measured_interval(store: Store, late: Late) -> None:
    """The day that is missing is closed by the true registers where they were read, and by nothing else."""
    name = home(store)
    for hour in late.before:
        read(store, name, hour)
    again(store, APRIL)
    exchange_meter(store, ME, late.order(name), now=MAY)
    again(store, MAY)
    if late.closed:
        store.registers.save(ME, in_epochs(store, ME, [late.of_new(name, hour) for hour in (698, 726)]), known_at=MAY)
    for hour in late.after:
        read(store, name, hour)
    again(store, MAY)
    final = store.readings.load(ME, name, Interval(START, START + HOURS * HOUR), image=Image.FINAL)
    measured = np.ones(HOURS, np.bool_)
    measured[GAP] = False
    assert np.array_equal(final.values[0, measured], used()[0, measured])
    assert q.has_status(final.quality[0, measured], q.TRUSTED).all()
    gap, true = float(final.values[0, GAP].sum()), float(used()[0, GAP].sum())
    stray = {hour for hour in (690, *late.before, *late.after) if hour > late.hour}
    assert gap <= 1.5 * true
    if late.closed:
        assert abs(gap - true) <= 2 * late.factor
    assert _days(idents(store, name)) == {(START + hour * HOUR).date() for hour in stray}


def idents(store: Store, name: str) -> list[Finding]:
    return [each for each in store.findings.load(ME, [name]) if each.code == "V02_ident"]


def _days(findings: list[Finding]) -> set[object]:
    return {each.period.start.date() for each in findings}


@pytest.mark.parametrize("factor", [20, 1])
def test_an_issued_bill_is_not_billed_again_and_each_day_of_such_reads_is_told(store: Store, factor: int) -> None:
    name = home(store)
    whole = Panel((name,), START, HOUR, used())
    store.readings.save(ME, whole, known_at=APRIL)
    for hour in range(24, HOURS, 24):
        read(store, name, hour)
    again(store, APRIL)
    march, before = billed(store, name), told(store, name)
    order = Late(240, factor, (), (), closed=False).order(name)
    doubts = preview_exchange(store, ME, order, now=MAY).doubts
    assert any(f"{name}-OLD was read 21 times after the exchange" in each for each in doubts)
    exchange_meter(store, ME, order, now=MAY)
    again(store, MAY)
    after = told(store, name)
    assert after[1:4] == before[1:4]
    assert store.corrections.of_bill(ME, march) == []
    found = idents(store, name)
    assert len(_days(found)) == len(found)
    for each in found:
        assert f"end device {name}-OLD, installed is {name}-NEW" in each.message
        assert f"cancel-exchange {name} --at {START + 240 * HOUR:%Y-%m-%dT%H:%M:%S}Z" in each.message
    # Taken back, they count again, and nothing is told any more.
    cancel(store, ME, ExchangeCancelling(name, order.at, "a trial"), now=MAY)
    again(store, MAY)
    assert idents(store, name) == []


def test_a_preview_doubts_reads_outside_any_installation_of_the_point(store: Store) -> None:
    """Those of an exchange before, and of a meter that never hung there, too."""
    name = f"L-{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin", capacity_kw=17.0)])
    for serial in ("A", "B", "C"):
        store.registry.save_meter(ME, Meter(f"{name}-{serial}"))
    store.registry.save_installation(ME, install(name, f"{name}-A", START))
    store.registry.exchange_meter(ME, install(name, f"{name}-B", START + 24 * HOUR))
    for serial, hour in (("A", 30), ("A", 31), ("D", 40), ("B", 47), ("B", 49)):
        one = RegisterReading(name, START + hour * HOUR, 1_000.0 * hour, f"{name}-{serial}")
        store.registers.save(ME, in_epochs(store, ME, [one]), known_at=APRIL)
    order = MeterExchange(name, Meter(f"{name}-C"), START + 48 * HOUR, Decimal(50), Decimal(0))
    doubts = preview_exchange(store, ME, order, now=MAY).doubts
    assert [each.partition(f"{name}-")[2].partition(", last")[0] for each in doubts if "counts nothing" in each] == [
        "A was read 2 times while it did not hang there",
        "D was read once while it did not hang there",
        "B was read once after the exchange",
    ]


def test_a_register_that_is_never_read_beside_intervals_is_judged_too(store: Store) -> None:
    name = f"L-{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin", capacity_kw=17.0)])
    store.registry.save_meter(ME, Meter(f"{name}-A"))
    store.registry.save_installation(ME, install(name, f"{name}-A", START))
    reads = [
        RegisterReading(name, START + hour * HOUR, 9e3, f"{name}-{serial}") for serial, hour in (("A", 1), ("B", 30))
    ]
    store.registers.save(ME, in_epochs(store, ME, reads), known_at=APRIL)
    store.dirty.touch(ME, [name], reads[0].reading_type, Interval(START, START + timedelta(days=3)))
    again(store, APRIL)
    (finding,) = idents(store, name)
    assert f"end device {name}-B, installed is {name}-A" in finding.message

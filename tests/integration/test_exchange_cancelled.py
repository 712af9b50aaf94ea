"""A meter exchange that is cancelled was never made: registers, intervals, totals and bills are those without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.correction import CorrectionState, NoteKind
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, default_quality
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel, preview_cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.integration.test_cascade import FLAT_CARD, SITE, again

START = datetime(2025, 2, 28, 23, tzinfo=UTC)  # midnight in Berlin; the clock goes forward on 30 March
HOURS = 31 * 24 - 1
APRIL, MAY = datetime(2025, 4, 2, tzinfo=UTC), datetime(2025, 5, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
GAP = slice(700, 724)  # a day from the 30th to the 31st: nobody knows it but the registers
NUMBERS = count(1)
STANDING = (CorrectionState.DRAFT, CorrectionState.HELD, CorrectionState.ISSUED)
WRONG = "another usage point was meant"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all: each home in it has a name of its own."""
    if request.param == "sqlite":
        address = f"sqlite:///{Path(tmp_path_factory.mktemp('cancelled'))}/store.db"
    else:
        address = emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(address) as opened:
        yield opened


def home(store: Store) -> str:
    """March of a home with a day's hole, whose meter was read before and after it."""
    name = f"H-{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin", capacity_kw=17.0)])
    for serial in ("OLD", "NEW"):
        store.registry.save_meter(ME, Meter(f"{name}-{serial}"))
    store.registry.save_installation(ME, install(name, f"{name}-OLD", START - HOUR))
    values = used()
    values[:, GAP] = np.nan
    panel = Panel((name,), START, HOUR, values, default_quality(values))
    store.readings.save(ME, panel, known_at=APRIL)
    for hour in (0, 690):
        read(store, name, hour)
    return name


def used() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """True energy of each hour in watt-hours."""
    hours = np.arange(HOURS)
    return np.rint(400 + 150 * np.sin(hours / 24 * 2 * np.pi) + hours % 7 * 10)[None, :]


def shown(hour: int) -> float:
    return float(10_000 + used()[0, :hour].sum())


def read(store: Store, name: str, hour: int, serial: str = "OLD", more: float = 0.0) -> None:
    """Save what a meter shows, as it is collected."""
    one = RegisterReading(name, START + hour * HOUR, shown(hour) + more, f"{name}-{serial}")
    store.registers.save(ME, in_epochs(store, ME, [one]), known_at=APRIL)


def billed(store: Store, name: str) -> str:
    (made,) = run_billing(store, ME, BillOrder([name], "2025-03"), lambda _: FLAT_CARD, SITE, now=APRIL).bills
    store.ledger.issue(ME, made.id)
    return made.id


def told(store: Store, name: str) -> tuple[object, ...]:
    """Everything that stands at a home, without its name."""
    reads = store.registers.load(ME, name, Interval(START - HOUR, MAY))
    final = store.readings.load(ME, name, Interval(START, START + HOURS * HOUR), image=Image.FINAL)
    days = store.day_totals.load(ME, [name], range(day_number(START.date()), day_number(MAY.date())))
    owed = Decimal(0)
    for each in store.ledger.bills(ME, name):
        notes = [note for note in store.corrections.of_bill(ME, each.bill.id) if note.state in STANDING]
        owed += each.bill.total + sum(note.total for note in notes)
    history = store.registry.installations(ME, name)
    return (
        [(one.at, one.value, one.end_device.removeprefix(name), one.epoch, one.quality) for one in reads],
        (final.values.tolist(), final.quality.tolist()),
        (days.total.tolist(), days.estimated.tolist()),
        owed,
        [(one.end_device.removeprefix(name), one.period, one.multiplier) for one in history],
    )


@dataclass(frozen=True)
class Wrong:
    """A wrong exchange in an hour: another meter or other transformers, read or not, and reads of the old since."""

    hour: int
    other: bool
    factor: int
    final: int | None
    opening: int | None
    since: tuple[int, ...]

    def order(self, name: str) -> MeterExchange:
        def kwh(off: int | None) -> Decimal | None:
            return None if off is None else Decimal(round(shown(self.hour)) + off) / 1000

        meter, at = Meter(f"{name}-{'NEW' if self.other else 'OLD'}"), START + self.hour * HOUR
        return MeterExchange(name, meter, at, kwh(self.final), kwh(self.opening), Decimal(self.factor))


OFF = st.one_of(st.none(), st.integers(-500, 3_000))
WRONGS = st.builds(
    Wrong,
    st.integers(1, HOURS - 5),
    st.booleans(),
    st.sampled_from((2, 40)),
    OFF,
    OFF,
    st.lists(st.integers(725, HOURS), max_size=2, unique=True).map(lambda hours: tuple(sorted(hours))),
)


@settings(
    max_examples=60 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 3,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(wrong=WRONGS)
def test_an_exchange_that_is_cancelled_was_never_made(store: Store, wrong: Wrong) -> None:
    """To the watt-hour and the cent, whatever was read in between and whether or not the cascade ran."""
    never, once = home(store), home(store)
    for name in (never, once):
        billed(store, name)
    exchange_meter(store, ME, wrong.order(once), now=APRIL)
    again(store, APRIL)
    for name in (never, once):
        for hour in wrong.since:
            read(store, name, hour)
    cancel(store, ME, ExchangeCancelling(once, START + wrong.hour * HOUR, WRONG), now=MAY)
    again(store, MAY)
    assert told(store, once) == told(store, never)
    assert again(store, MAY).new == 0


def test_an_exchange_of_a_billed_month_becomes_a_note_once_and_cancelled_it_goes(store: Store) -> None:
    """Its final read tells of more than was estimated for the hole before it; on the day the clocks change."""
    name = home(store)
    made = billed(store, name)
    at = START + 724 * HOUR
    final = Decimal(round(shown(724)) + 3_000) / 1000
    exchange_meter(store, ME, MeterExchange(name, Meter(f"{name}-NEW"), at, final, Decimal(0)), now=MAY)
    assert again(store, MAY).new == 1
    (note,) = store.corrections.of_bill(ME, made)
    assert (note.kind, note.reason.days[0].day.isoformat()) == (NoteKind.DEBIT, "2025-03-30")
    exchange_meter(store, ME, MeterExchange(name, Meter(f"{name}-NEW"), at, final, Decimal(0)), now=MAY)
    assert again(store, MAY).new == 0
    undo = ExchangeCancelling(name, at, WRONG)
    assert preview_cancel(store, ME, undo).bills == (made,)
    cancel(store, ME, undo, now=MAY)
    again(store, MAY)
    assert store.corrections.of_bill(ME, made) == []
    assert store.corrections.correction(ME, note.id).state is CorrectionState.REPLACED

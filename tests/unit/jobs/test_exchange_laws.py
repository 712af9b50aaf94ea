"""Whatever happens to a meter, its registers tell of no energy that was not used; read at each change, of all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.store import Store, open_store
from gridwright.vee.registers import Registers
from gridwright.vee.steps import steps_of

START = datetime(2026, 3, 28, tzinfo=UTC)  # the clock changes the night after
HOURS = 24 * 6
NOW = START + timedelta(hours=HOURS)
NUMBERS = count(1)  # usage points that the store does not know yet
DIALS, LSB = 5, 10  # turns over after 1000 kWh, at most once in these days


@dataclass(frozen=True)
class Change:
    """What happens `minute` minutes after the start: another meter, factor, or both; whether somebody reads then."""

    minute: int
    meter: int
    factor: int
    read: bool


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Change], list[int], list[int], int]:
    """Draw changes, the minutes of other reads, watts of each hour, and where the first register stands."""
    minutes = st.integers(1, HOURS * 60 - 1)
    changes = [
        Change(minute, draw(st.integers(1, 3)), draw(st.sampled_from((1, 1, 20))), draw(st.booleans()))
        for minute in sorted(draw(st.lists(minutes, max_size=4, unique=True)))
    ]
    watts = draw(st.lists(st.sampled_from((0, 400, 1_000, 3_000)), min_size=HOURS, max_size=HOURS))
    return changes, draw(st.lists(minutes, max_size=8)), watts, draw(st.integers(60_000, 99_999))


class Place:
    """A usage point whose true energy is known, with the meters that came and went, in a store."""

    def __init__(self, store: Store, watts: list[int], first: int, kind: ReadingType = DELIVERED_REGISTER) -> None:
        self.store, self.kind, self.name = store, kind, f"P{next(NUMBERS)}"
        # Energy at each minute in tenths of a watt-hour and a half: whole counts need whole numbers.
        self.used = np.r_[0, np.cumsum(np.repeat(np.array(watts) / 60, 60))]
        self.meters = {number: first * number % 10**DIALS * 1.0 for number in (1, 2, 3)}
        self.meter, self.factor, self.since, self.epoch = 1, 1, 0, 0
        store.registry.save_points(ME, [UsagePoint(self.name, capacity_kw=100.0)])
        for number in self.meters:
            store.registry.save_meter(ME, Meter(self.serial(number), dials=DIALS, lsb_wh=LSB))
        store.registry.save_installation(ME, install(self.name, self.serial(1), START))
        self.read(0)

    def serial(self, number: int) -> str:
        return f"{self.name}-M{number}"

    def shown(self, minute: int) -> float:
        """Return what the register of the meter shows, in kWh, as its few digits tell it."""
        wh = (self.used[minute] - self.used[self.since]) / self.factor
        return float((self.meters[self.meter] + wh // LSB) % 10**DIALS * LSB / 1000)

    def read(self, minute: int) -> None:
        at = START + timedelta(minutes=minute)
        value = float(round(self.shown(minute) * 1000))
        one = RegisterReading(self.name, at, value, self.serial(self.meter), self.epoch, reading_type=self.kind)
        self.store.registers.save(ME, [one], known_at=NOW)

    def change(self, change: Change) -> None:
        """Exchange meter or transformers; with reads, as the wizard records them, or without."""
        if (change.meter, change.factor) == (self.meter, self.factor):
            return
        final = Decimal(str(self.shown(change.minute)))
        here = self.meters[self.meter] + (self.used[change.minute] - self.used[self.since]) / self.factor // LSB
        self.meters[self.meter] = here % 10**DIALS
        self.meter, self.factor, self.since = change.meter, change.factor, change.minute
        opening = Decimal(str(self.shown(change.minute)))
        reads = (final, opening) if change.read else (None, None)
        fed = self.kind == RECEIVED_REGISTER
        meter = Meter(self.serial(change.meter), dials=DIALS, lsb_wh=LSB)
        at = START + timedelta(minutes=change.minute)
        kwh, back = ((None, None), reads) if fed else (reads, (None, None))
        order = MeterExchange(self.name, meter, at, kwh[0], kwh[1], Decimal(change.factor), back[0], back[1])
        exchange_meter(self.store, ME, order, now=NOW)
        self.epoch += change.read

    def told(self) -> tuple[float, float]:
        """Return the energy that the registers tell, and the true energy of the same time."""
        reads = self.store.registers.load(ME, self.name, Interval(START, NOW + timedelta(seconds=1)), self.kind)
        known = {one: Meter(one, dials=DIALS, lsb_wh=LSB) for one in map(self.serial, self.meters)}
        registers = Registers({self.name: reads}, known, self.store.registry.installations(ME, self.name))
        delta = ReadingType(self.kind.quantity, self.kind.flow)
        panel = Panel((self.name,), START, timedelta(hours=1), np.zeros((1, HOURS)), reading_type=delta)
        steps = [step for *_, step in steps_of(panel, registers, {self.name: 100.0})]
        total = sum(step.energy for step in steps if step.energy is not None)
        minutes = [
            (int((step.since - START).total_seconds()) // 60, int((step.until - START).total_seconds()) // 60)
            for step in steps
            if step.energy is not None
        ]
        return total, float(sum(self.used[until] - self.used[since] for since, until in minutes))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with open_store("sqlite://", clock=lambda: NOW) as opened:
        yield opened


@pytest.mark.parametrize("kind", [DELIVERED_REGISTER, RECEIVED_REGISTER], ids=["delivered", "received"])
@settings(max_examples=200 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 12)
@given(life=lives())
def test_registers_tell_of_no_energy_that_was_not_used(
    store: Store, kind: ReadingType, life: tuple[list[Change], list[int], list[int], int]
) -> None:
    """Through rollovers, exchanges in mid-interval, two in a day, new transformers, and changes that nobody read."""
    changes, others, watts, first = life
    place = Place(store, watts, first, kind)
    events = [(one.minute, one) for one in changes] + [(minute, None) for minute in others]
    for minute, change in sorted(events, key=lambda event: event[0]):
        if change is not None:
            place.change(change)
        elif all(minute != one.minute for one in changes):
            place.read(minute)
    place.read(HOURS * 60)
    told, true = place.told()
    steps = 1 + len(changes) + len(others)
    assert abs(told - true) <= 2 * steps * LSB * 20
    if all(change.read for change in changes):
        assert true == pytest.approx(float(place.used[-1]), abs=1.0)


def test_a_change_of_transformers_that_nobody_read_has_no_energy_for_either_factor(store: Store) -> None:
    """Forty times the difference would be energy that nobody used."""
    place = Place(store, [1_000] * HOURS, 5)
    place.change(Change(60 * 24, 1, 20, read=False))
    place.read(HOURS * 60)
    assert place.told() == (0, 0)

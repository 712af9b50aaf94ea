"""Whatever happened to readings and registers: judged once, everything judged again comes out as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import FIELDS
from gridwright.domain.errors import GridwrightError, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.store import Store, open_store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 120
WHOLE = Interval(START - DAY, START + (DAYS + 1) * DAY)
SITE = SiteDefaults()
HOURS = np.arange(DAYS * 24)
TRUE = np.rint(450 + 200 * np.sin(HOURS / 4) + 20 * np.sin(HOURS * 1.7) + 100 * np.sin(HOURS / 200))
# What is told of how readings came, and not of what they are.
ARRIVALS = {"V03_duplicate", "V06_late"}


class Step(NamedTuple):
    """What happens to days first..last-1, or at the begin of the first; `then`: the cascade runs behind it."""

    what: str
    first: int
    last: int
    then: bool


def save(store: Store, step: Step, values: Values, now: datetime) -> None:
    part = slice(step.first * 24, step.last * 24)
    panel = Panel(("H",), START + step.first * DAY, HOUR, values[None, part])
    store.readings.save(ME, panel, known_at=now)


def take_back(store: Store, step: Step, now: datetime) -> None:
    zeros = np.zeros((1, (step.last - step.first) * 24))
    gone = np.full(zeros.shape, q.TAKEN_BACK, np.uint8)
    store.readings.save(ME, Panel(("H",), START + step.first * DAY, HOUR, zeros, gone), known_at=now)


def read(store: Store, step: Step, off: int, now: datetime) -> None:
    shown = float(500_000 + TRUE[: step.first * 24].sum() + off)
    one = RegisterReading("H", START + step.first * DAY, shown, "A")
    store.registers.save(ME, in_epochs(store, ME, [one]), known_at=now)


def exchange(store: Store, step: Step, now: datetime) -> None:
    shown = Decimal(int(500_000 + TRUE[: step.first * 24].sum())) / 1000
    at = START + step.first * DAY
    exchange_meter(store, ME, MeterExchange("H", Meter(f"B{step.first}"), at, shown, Decimal(1)), now=now)


ACTS: Mapping[str, Callable[[Store, Step, datetime], None]] = {
    "right": lambda store, step, now: save(store, step, TRUE, now),
    "tenfold": lambda store, step, now: save(store, step, TRUE * 10, now),
    "stuck": lambda store, step, now: save(store, step, TRUE * 0 + 312, now),
    "back": take_back,
    "read": lambda store, step, now: read(store, step, 0, now),
    "misread": lambda store, step, now: read(store, step, -20_000, now),
    "exchange": exchange,
}


def outcome(store: Store) -> list[Any]:
    try:
        final = store.readings.load(ME, "H", WHOLE, image=Image.FINAL, interval=HOUR)
        image = [final.values.tolist(), final.quality.tolist()]
    except NotFound:
        image = []
    first = day_number(START.date())
    totals = store.day_totals.load(ME, ["H"], range(first - 1, first + DAYS + 1))
    known = [np.where(totals.known, getattr(totals, name), -1).tolist() for name in FIELDS]
    told = [each for each in store.findings.load(ME, ["H"]) if each.code not in ARRIVALS]
    return [*image, *known, sorted((each.code, str(each.period), str(each.severity), each.message) for each in told)]


STEPS = st.builds(
    lambda what, first, length, then: Step(what, first, min(first + length, DAYS), then),
    st.sampled_from([*ACTS, "right", "read"]),
    st.integers(0, DAYS - 1),
    st.sampled_from([1, 1, 2, 5, 20, 60, DAYS]),
    st.booleans(),
)


@settings(max_examples=8, deadline=None)
@given(st.booleans(), st.lists(STEPS, max_size=6))
def test_judged_again_everything_is_as_it_was(begun: bool, steps: list[Step]) -> None:
    with open_store("sqlite://") as store:
        store.registry.save_points(ME, [UsagePoint("H", "Europe/Berlin", capacity_kw=17.0)])
        store.registry.save_meter(ME, Meter("A"))
        store.registry.save_installation(ME, install("H", "A", START - DAY))
        for number, step in enumerate([Step("right", 0, DAYS, then=True)] * begun + steps):
            now = NOW + number * HOUR
            try:
                ACTS[step.what](store, step, now)
            except GridwrightError:
                continue  # such as an exchange before another one
            if step.then:
                correct(store, ME, SITE, now=now)
        correct(store, ME, SITE, now=NOW + DAY)
        made = outcome(store)
        store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, WHOLE)
        correct(store, ME, SITE, now=NOW + 2 * DAY)
        assert str(outcome(store)) == str(made)

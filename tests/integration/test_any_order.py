"""Silences and gaps come out the same in whatever order readings arrive, in whatever parts, and judged again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import FIELDS
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store, open_store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 300
WHOLE = Interval(START, START + DAYS * DAY)
SITE = SiteDefaults()
# What is told of how readings came, and not of what they are.
ARRIVALS = {"V03_duplicate"}


class Step(NamedTuple):
    """Days first..last-1 are saved, taken back or judged again; `then`: the cascade runs behind it."""

    what: str
    first: int
    last: int
    then: bool


def usual() -> Values:
    hours = np.arange(DAYS * 24)
    days = np.random.default_rng(1).integers(300, 600, DAYS).repeat(24)
    return np.asarray(np.rint(days + 150 * np.sin(hours / 4) + 20 * np.sin(hours * 1.7))[None, :], np.float64)


def played(values: Values, steps: Sequence[Step]) -> list[Any]:
    """Return what comes of some steps: final image, day totals, findings."""
    whole = Panel(("H",), START, HOUR, values)
    with open_store("sqlite://") as store:
        store.registry.save_points(ME, [UsagePoint("H", "Europe/Berlin", capacity_kw=30.0)])
        for number, step in enumerate(steps):
            take(store, whole.slice(step.first * 24, step.last * 24), step.what, NOW + number * HOUR)
            if step.then:
                correct(store, ME, SITE, now=NOW + number * HOUR)
        correct(store, ME, SITE, now=NOW + DAY)
        made = outcome(store)
        store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, WHOLE)
        again = correct(store, ME, SITE, now=NOW + 2 * DAY)
        assert (again.readings, again.days, again.new) == (0, 0, 0)
        assert str(outcome(store)) == str(made)
        return made


def take(store: Store, part: Panel, what: str, now: datetime) -> None:
    if what == "again":
        store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, part.period)
    elif what == "back":
        lost = np.full(part.values.shape, q.TAKEN_BACK, np.uint8)
        store.readings.save(ME, part.with_values(np.zeros(part.values.shape), lost), known_at=now)
    elif not part.missing.all():
        store.readings.save(ME, part, known_at=now)


def outcome(store: Store) -> list[Any]:
    final = store.readings.load(ME, "H", WHOLE, image=Image.FINAL, interval=HOUR)
    first = day_number(START.date())
    totals = store.day_totals.load(ME, ["H"], range(first - 1, first + DAYS + 1))
    known = [np.where(totals.known, getattr(totals, name), -1) for name in FIELDS]
    told = [each for each in store.findings.load(ME, ["H"]) if each.code not in ARRIVALS]
    findings = sorted((each.code, str(each.period), str(each.severity), each.message) for each in told)
    return [final.values, final.quality, *known, findings]


def same(one: list[Any], other: list[Any]) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_equal(left, right)


def silent(*days: tuple[int, int]) -> Values:
    values = usual()
    for first, last in days:
        values[:, first * 24 : last * 24] = np.nan
    return values


ALL = Step("save", 0, DAYS, then=True)


@cache
def at_once(*gaps: tuple[int, int]) -> list[Any]:
    """Return what comes of one batch with all but these days."""
    return played(silent(*gaps), [ALL])


def silences(made: list[Any]) -> list[tuple[str, str]]:
    return [(period, words) for code, period, _, words in made[-1] if code == "V10_silence"]


ORDERS: list[Callable[[int, int], list[tuple[int, int]]]] = [
    lambda begin, end: [(0, begin), (end, DAYS)],
    lambda begin, end: [(end, DAYS), (0, begin)],
    lambda begin, end: [(end + 40, DAYS), (0, begin), (end, end + 40)],
    lambda begin, end: [(begin - 1, begin), (end, end + 1), (end + 1, DAYS), (0, begin - 1)],
]


@pytest.mark.parametrize("order", range(len(ORDERS)))
@pytest.mark.parametrize(("begin", "end"), [(100, 145), (100, 192), (100, 193)])
def test_up_to_92_days_are_estimated_and_longer_silences_are_one_finding(order: int, begin: int, end: int) -> None:
    """92 days are estimated, 93 are not, whatever comes first."""
    values = silent((begin, end))
    made = played(values, [Step("save", *part, then=True) for part in ORDERS[order](begin, end)])
    same(made, at_once((begin, end)))
    lacking = int(np.isnan(made[0]).sum())
    if end - begin <= 92:
        assert (lacking, silences(made)) == (0, [])
    else:
        period = Interval(START + begin * DAY, START + end * DAY)
        words = f"nothing was read for {end - begin} days: a silence of more than 92 days is not estimated"
        assert (lacking, silences(made)) == ((end - begin) * 24, [(str(period), words)])


def test_a_reading_that_parts_a_silence_has_both_halves_estimated() -> None:
    values = silent((60, 130), (131, 200))
    parts = [Step("save", 0, 60, then=True), Step("save", 200, DAYS, then=True)]
    assert len(silences(played(values, parts))) == 1
    made = played(values, [*parts, Step("save", 130, 131, then=True)])
    same(made, at_once((60, 130), (131, 200)))
    assert silences(made) == []
    assert not np.isnan(made[0]).any()


def test_what_was_bridged_goes_when_the_reading_that_ended_the_silence_does() -> None:
    """Ninety days are estimated until the five behind them are taken back: ninety-five are a silence."""
    values = silent((60, 150))
    made = played(values, [ALL, Step("back", 150, 155, then=True)])
    same(made, at_once((60, 155)))
    assert len(silences(made)) == 1
    back = played(values, [ALL, Step("back", 150, 155, then=True), Step("save", 150, 155, then=True)])
    same(back, at_once((60, 150)))


def test_a_day_that_is_taken_back_beside_a_silence_of_eight_weeks_is_estimated_with_it() -> None:
    values = silent((60, 116))
    made = played(values, [ALL, Step("back", 116, 117, then=True)])
    same(made, at_once((60, 117)))
    assert not np.isnan(made[0]).any()


def test_twenty_years_between_two_months_are_no_gap() -> None:
    """Readings of 2006 and of 2026: nothing lies between them, whichever come first."""
    months = [Panel(("H",), datetime(year, 1, 1, tzinfo=UTC), HOUR, usual()[:, : 31 * 24]) for year in (2006, 2026)]
    told = []
    for order in (months, months[::-1]):
        with open_store("sqlite://") as store:
            store.registry.save_points(ME, [UsagePoint("H", "Europe/Berlin", capacity_kw=30.0)])
            for month in order:
                store.readings.save(ME, month, known_at=NOW)
                assert correct(store, ME, SITE, now=NOW).readings == 31 * 24
            found = [(each.code, each.period) for each in store.findings.load(ME, ["H"]) if each.code[:3] == "V10"]
            told.append(found)
            assert store.readings.load(ME, "H", Interval(*(each.end for each in months)), image=Image.FINAL).count(
                (q.Status.ESTIMATED,)
            ) == [0]
    assert told[0] == told[1] == [("V10_silence", Interval(months[0].end, months[1].start))]


DAY_OF = st.integers(0, DAYS)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.tuples(DAY_OF, st.sampled_from([1, 3, 20, 43, 80, 92, 93, 120])), max_size=4),
    st.lists(DAY_OF, max_size=5, unique=True),
    st.randoms(use_true_random=False),
    st.lists(st.tuples(st.sampled_from(["back", "again"]), DAY_OF, st.sampled_from([1, 5, 60])), max_size=2),
)
def test_any_order_in_any_parts_ends_in_the_same(
    gaps: list[tuple[int, int]],
    cuts: list[int],
    random: Random,
    more: list[tuple[str, int, int]],
) -> None:
    """Parts come in any order, some are taken back and brought again, some judged again: as all of it at once."""
    values = silent(*((first, first + length) for first, length in gaps))
    edges = sorted({0, DAYS, *cuts})
    steps = [Step("save", first, last, then=random.random() < 0.7) for first, last in pairwise(edges)]
    random.shuffle(steps)
    for what, first, length in more:
        last = min(first + length, DAYS)
        if first < last:
            steps.append(Step(what, first, last, then=True))
            steps += [Step("save", first, last, then=True)] if what == "back" else []
    same(played(values, steps), played(values, [ALL]))

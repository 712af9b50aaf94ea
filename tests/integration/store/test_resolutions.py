"""A sender that changes the resolution of its values has one series, whatever comes first and in which resolution."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import FIELDS
from gridwright.domain.errors import GridMismatch
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, LARGEST_EXACT, Flow, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import final_panel
from gridwright.jobs.load.load_totals import load_totals
from gridwright.jobs.load.load_trusted import load_trusted
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.jobs.upkeep.forget_readings import forget_readings
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import SaveSummary, Single, Store, open_store, readings, resolutions

pytestmark = pytest.mark.few_on_servers(0)
ON_SERVERS = pytest.mark.few_on_servers(1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START, NOW = datetime(2025, 1, 6, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 40
SEEDS = range(60 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 2)
WHOLE = Interval(START, START + DAYS * DAY)
SITE = SiteDefaults()
COARSE, FINE = DELIVERED_ENERGY, DELIVERED_ENERGY.finer(-3)


class Sent(NamedTuple):
    """Hours from `first` on as they are sent: in mWh, and in which resolution; `then`: the cascade runs behind it."""

    first: int
    values: Values
    kind: ReadingType
    then: bool = False

    @property
    def panel(self) -> Panel:
        return panel(self.first, self.values, self.kind)


def panel(first: int, mwh: Values, kind: ReadingType) -> Panel:
    values = mwh[None, :] / 10.0 ** (kind.exponent + 3)
    return Panel(("H",), START + first * HOUR, HOUR, values, reading_type=kind)


def used(seed: int) -> Values:
    """Return hours of whole Wh, on some days of 0.1 Wh, in mWh."""
    rng = np.random.default_rng(seed)
    hours = np.arange(DAYS * 24)
    wh = np.rint(400 + 150 * np.sin(hours / 4) + rng.normal(0, 20, hours.size))
    tenths = np.repeat(rng.random(DAYS) < 0.3, 24) * rng.integers(0, 10, hours.size)
    return np.asarray(wh * 1000 + tenths * 100, np.float64)


def whole_wh(seed: int = 1) -> Values:
    return np.asarray(used(seed) // 1000 * 1000)


def fitting(values: Values, random: Random) -> ReadingType:
    return random.choice([COARSE, FINE]) if not np.fmod(values, 1000).any() else FINE


def told(seed: int) -> list[Sent]:
    """Return a story: parts with lost days and hours between them in any order, then some of them corrected."""
    values, random = used(seed), Random(seed)  # noqa: S311 - a story, no secret
    cuts = [0, *sorted(random.sample(range(1, DAYS * 24), 9)), DAYS * 24]
    parts = list(pairwise(cuts))
    for lost in random.sample(range(1, len(parts) - 1), 2):
        parts[lost] = (0, 0)
    kept = [part for part in parts if part[1]]
    random.shuffle(kept)
    story = [Sent(first, values[first:last], fitting(values[first:last], random)) for first, last in kept]
    for first, last in random.sample(kept, 3):
        again = values[first:last] + random.choice([0, 1000, 2000])
        story.append(Sent(first, again, fitting(again, random)))
    return [one._replace(then=random.random() < 0.3) for one in story]


def played(store: Store, story: Sequence[Sent]) -> list[Any]:
    """Return what comes of it: verdicts, and what is known, in mWh."""
    begin(store)
    verdicts = []
    for number, one in enumerate(story):
        verdicts.append(store.readings.save(ME, one.panel, known_at=NOW + number * HOUR))
        if one.then:
            correct(store, ME, SITE, now=NOW + number * HOUR)
    correct(store, ME, SITE, now=NOW + DAY)
    made = outcome(store, len(story))
    store.dirty.touch(ME, ["H"], COARSE, WHOLE)
    again = correct(store, ME, SITE, now=NOW + 2 * DAY)
    assert (again.readings, again.days, again.new) == (0, 0, 0)
    sound(store)
    return [verdicts, *made]


@cache
def in_the_finest(seed: int) -> list[Any]:
    with open_store("sqlite://") as store:
        return played(store, [one._replace(kind=FINE) for one in told(seed)])


def begin(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("H", "UTC", capacity_kw=30.0)])


def sound(store: Store) -> None:
    assert [str(check) for check in verify_store(store, ME).checks if not check.ok] == []


def kinds(store: Store) -> list[str]:
    return [each.reading_type.code for each in store.readings.extents(ME, ["H"])]


def outcome(store: Store, steps: int) -> list[Any]:
    (extent,) = store.readings.extents(ME, ["H"])
    kind = extent.reading_type
    factor = 10.0 ** (kind.exponent + 3)
    made: list[Any] = [extent[2:]]
    for image, then in ((Image.RAW, None), (Image.FINAL, None), (Image.RAW, NOW + steps // 2 * HOUR)):
        found = store.readings.load(ME, "H", WHOLE, reading_type=kind, image=image, as_of=then, interval=HOUR)
        made += [found.values * factor, found.quality]
    first = day_number(START.date())
    totals = store.day_totals.load(ME, ["H"], range(first - 1, first + DAYS + 1), reading_type=kind)
    for name in FIELDS:
        counts = getattr(totals, name) * (factor if name in {"total", "peak"} else 1)
        made.append(np.where(totals.known, counts, -1))
    return [*made, sorted((one.code, str(one.period), str(one.severity)) for one in store.findings.load(ME, ["H"]))]


def kwh(store: Store) -> tuple[float, float]:
    """Return what days and intervals add up to."""
    final = final_panel(store, ME, "H", WHOLE, SITE)
    days = sum(day.kwh or 0 for day in load_totals(store, ME, "H"))
    return round(days, 6), round(float(np.nansum(final.values)) * final.reading_type.resolution / 1000, 6)


@ON_SERVERS
@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_in_any_resolutions_ends_as_in_the_finest(store: Store, seed: int) -> None:
    for one, other in zip(played(store, told(seed)), in_the_finest(seed), strict=True):
        np.testing.assert_equal(one, other)


def test_what_is_lost_between_two_resolutions_is_told_and_estimated(store: Store) -> None:
    """Two days and five hours lack between the last reading in Wh and the first in 0.1 Wh."""
    begin(store)
    values = whole_wh()
    for first, last, kind in ((0, 20 * 24, COARSE), (22 * 24 + 5, DAYS * 24, FINE)):
        store.readings.save(ME, panel(first, values[first:last] + (100 if kind is FINE else 0), kind), known_at=NOW)
        correct(store, ME, SITE, now=NOW)
    days = load_totals(store, ME, "H")
    assert (len(days), sum(day.missing for day in days), sum(day.estimated for day in days)) == (DAYS, 0, 53)
    gap = Interval(START + 20 * DAY, START + 22 * DAY + 5 * HOUR)
    assert gap in [one.period for one in store.findings.load(ME, ["H"]) if one.code == "V10_missing"]
    assert kinds(store) == [FINE.code]


@pytest.mark.parametrize(("before", "after"), [(COARSE, FINE), (FINE, COARSE)])
def test_the_same_hours_in_another_resolution_are_a_repeat_or_a_revision(
    store: Store, before: ReadingType, after: ReadingType
) -> None:
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, before), known_at=NOW)
    again = store.readings.save(ME, panel(240, values[240:288], after), known_at=NOW + HOUR)
    assert again == SaveSummary(0, 0, 48, 48)
    other = store.readings.save(ME, panel(240, values[240:288] + 1000, after), known_at=NOW + HOUR)
    assert other == SaveSummary(0, 48, 0, 48)
    correct(store, ME, SITE, now=NOW + HOUR)
    assert kinds(store) == [before.code]
    assert kwh(store) == ((values.sum() + 48_000) / 1e6,) * 2
    sound(store)


def test_a_correction_that_needs_more_digits_takes_the_series_with_it(store: Store) -> None:
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    corrected = store.readings.save(ME, panel(240, values[240:288] + 100, FINE), known_at=NOW + HOUR)
    assert corrected == SaveSummary(0, 48, 0, 48)
    # Until the rest follows, no day is there twice, and what came last counts at once.
    assert sum(each.readings for each in store.readings.extents(ME, ["H"])) == DAYS * 24
    (usable,) = load_trusted(store, ME, ["H"], WHOLE, SITE, now=NOW + HOUR)
    assert float(np.nansum(usable.trusted.values)) == values.sum() + 4_800
    correct(store, ME, SITE, now=NOW + HOUR)
    assert kinds(store) == [FINE.code]
    assert kwh(store) == ((values.sum() + 4_800) / 1e6,) * 2
    before = store.readings.load(ME, "H", WHOLE, reading_type=FINE, as_of=NOW)
    assert before.values[0].tolist() == values.tolist()
    sound(store)


@contextmanager
def as_before(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a context
    """Within, each resolution is a series of its own, as it was before."""
    with monkeypatch.context() as patch:
        patch.setattr(readings, "in_one_resolution", lambda *given: [(*given[2:4], {})])
        patch.setattr(resolutions.Resolutions, "settle", lambda *_, **__: 0)
        yield


@ON_SERVERS
def test_what_was_stored_in_two_resolutions_before_counts_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two values the later counts; days that are there in one alone only change their resolution."""
    begin(store)
    values = whole_wh()
    with as_before(monkeypatch):
        store.readings.save(ME, panel(0, values[: 30 * 24], COARSE), known_at=NOW)
        store.readings.save(ME, panel(240, values[240:] + 100, FINE), known_at=NOW + HOUR)
        store.readings.save(ME, panel(480, values[480:490] + 2000, COARSE), known_at=NOW + 2 * HOUR)
        correct(store, ME, SITE, now=NOW + 2 * HOUR)
        assert sum(each.readings for each in store.readings.extents(ME, ["H"])) == (30 + 30) * 24
    store.dirty.touch(ME, ["H"], COARSE, Interval(START, START + DAY))
    correct(store, ME, SITE, now=NOW + DAY)
    expected = values.copy()
    expected[240:] += 100
    expected[480:490] = values[480:490] + 2000
    assert kwh(store) == (expected.sum() / 1e6,) * 2
    (live,) = [each for each in store.readings.known_series(ME, "H") if each.readings]
    assert (live.reading_type, live.readings) == (FINE, DAYS * 24)
    assert correct(store, ME, SITE, now=NOW + 2 * DAY).ranges == 0
    sound(store)


def columns(hour: int, count: float, kind: ReadingType) -> Readings:
    at = np.array([epoch_s(START + hour * HOUR)])
    return Readings(
        ("H",), np.zeros(1, np.int32), at, np.array([count]), np.zeros(1, np.uint8), np.ones(1, np.int64), 3600, kind
    )


@ON_SERVERS
def test_posts_in_changing_resolutions_count_in_the_order_in_which_they_came(store: Store) -> None:
    begin(store)
    for count, kind in ((500.0, COARSE), (501_500.0, FINE), (502.0, COARSE), (503_000.0, FINE), (504.0, COARSE)):
        came, at = columns(0, count, kind), Panel(("H",), START, HOUR, np.array([[count]]), reading_type=kind)
        accepted = store.journal.accept(ME, came)
        if accepted is None:  # the first with more digits than what is stored does not wait
            store.readings.save(ME, at, known_at=NOW)
        else:
            store.journal.put([accepted], received=NOW)
    assert sum(each.readings for each in store.readings.extents(ME, ["H"])) == 1
    found = store.readings.load(ME, "H", Interval(START, START + DAY), reading_type=FINE)
    assert found.values[0, 0] == 504_000


def test_single_readings_join_the_series_in_its_resolution(store: Store) -> None:
    begin(store)
    store.readings.save(ME, panel(0, whole_wh()[:24] + 100, FINE), known_at=NOW)
    store.readings.save(ME, panel(0, whole_wh()[:24], COARSE), known_at=NOW)
    single = [Single("H", epoch_s(START + 24 * HOUR), 7.0)]
    left = store.readings.save_singles(ME, COARSE, 3600, single, known_at=NOW)
    assert left in ([], [0])  # servers leave all of them
    store.readings.save(ME, panel(24, np.array([7000.0]), COARSE), known_at=NOW)
    assert kinds(store) == [FINE.code]
    day = Interval(START + DAY, START + 2 * DAY)
    assert store.readings.load(ME, "H", day, reading_type=FINE).values[0, 0] == 7000


def test_single_readings_with_more_digits_take_their_days_with_them(store: Store) -> None:
    """Also the first one, when no type of that resolution is known yet."""
    begin(store)
    store.readings.save(ME, panel(0, whole_wh()[:48], COARSE), known_at=NOW)
    for hour in (30, 31):
        single = [Single("H", epoch_s(START + hour * HOUR), 1500.0)]
        assert store.readings.save_singles(ME, FINE, 3600, single, known_at=NOW) == [0]
        store.readings.save(ME, panel(hour, np.array([1500.0]), FINE), known_at=NOW)
    assert sum(each.readings for each in store.readings.extents(ME, ["H"])) == 48
    correct(store, ME, SITE, now=NOW)
    assert kinds(store) == [FINE.code]


HUGE = np.array([LARGEST_EXACT * 1000])  # in mWh


@ON_SERVERS
@pytest.mark.parametrize("corrected", [False, True])
def test_more_digits_than_can_be_counted_beside_what_is_stored_are_refused(store: Store, *, corrected: bool) -> None:
    """Also on another day, and where the value was superseded: as of then it counts still."""
    begin(store)
    store.readings.save(ME, panel(0, HUGE, COARSE), known_at=NOW)
    if corrected:
        store.readings.save(ME, panel(0, np.array([5000.0]), COARSE), known_at=NOW + HOUR)
    for hour in (0, 1, 24, 30 * 24):
        with pytest.raises(
            GridMismatch, match=r"1500 times 0\.001 Wh at .* 9007199254740992 Wh is stored \(2025-01-06\)"
        ):
            store.readings.save(ME, panel(hour, np.array([1500.0]), FINE), known_at=NOW + DAY)
    whole = store.readings.save(ME, panel(1, np.array([3000.0]), FINE), known_at=NOW + DAY)
    assert whole == SaveSummary(1, 0, 0, 1)
    assert kinds(store) == [COARSE.code]
    found = store.readings.load(ME, "H", Interval(START, START + 2 * HOUR), as_of=NOW + 2 * DAY)
    assert found.values[0].tolist() == [5.0 if corrected else LARGEST_EXACT, 3.0]
    before = store.readings.load(ME, "H", Interval(START, START + HOUR), as_of=NOW)
    assert before.values[0, 0] == LARGEST_EXACT
    correct(store, ME, SITE, now=NOW + DAY)
    sound(store)


@ON_SERVERS
def test_a_value_too_large_for_the_stored_digits_is_refused(store: Store) -> None:
    begin(store)
    store.readings.save(ME, panel(0, np.array([1500.0]), FINE), known_at=NOW)
    for hour in (0, 1, 24):
        with pytest.raises(GridMismatch, match=r"9007199254740992 Wh at .* cannot be counted in 0\.001 Wh") as refused:
            store.readings.save(ME, panel(hour, HUGE, COARSE), known_at=NOW + DAY)
        assert "check the value" in str(refused.value)
    assert kinds(store) == [FINE.code]
    sound(store)


@ON_SERVERS
@pytest.mark.parametrize("order", [(COARSE, FINE), (FINE, COARSE)])
def test_what_waits_and_cannot_be_counted_alike_is_put_aside(store: Store, order: tuple[ReadingType, ...]) -> None:
    """Nothing is stored yet when both are accepted; the others of the same rows are kept."""
    begin(store)
    store.registry.save_points(ME, [UsagePoint("OTHER", "UTC")])
    for kind in order:
        one = columns(0, LARGEST_EXACT if kind is COARSE else 1500.0, kind)
        beside = columns(0, 7.0, kind)
        accepted = [store.journal.accept(ME, each) for each in (one, replace(beside, points=("OTHER",)))]
        if None in accepted:  # by now the first is folded
            with pytest.raises(GridMismatch):
                store.readings.save(ME, panel(0, HUGE if kind is COARSE else np.array([1500.0]), kind), known_at=NOW)
        store.journal.put([each for each in accepted if each is not None], received=NOW)
    assert kinds(store) == [order[0].code]
    assert sum(each.readings for each in store.readings.extents(ME, ["OTHER"])) == 1
    for row in store.journal.put_aside(ME):
        assert (row.readings, "2^53 counts" in row.reason) == (1, True)
    assert {check.name for check in verify_store(store, ME).checks if not check.ok} <= {"journal"}


def test_of_days_that_cannot_follow_none_is_stored_in_two_resolutions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before there may be series in both."""
    begin(store)
    with as_before(monkeypatch):
        store.readings.save(ME, panel(0, HUGE, COARSE), known_at=NOW)
        store.readings.save(ME, panel(24, np.array([1500.0]), FINE), known_at=NOW)
    with pytest.raises(GridMismatch, match="cannot join a series"):
        store.readings.save(ME, panel(1, np.array([1500.0]), FINE), known_at=NOW)
    assert store.readings.save(ME, panel(25, np.array([1500.0]), FINE), known_at=NOW).new == 1


@pytest.mark.parametrize(("flow", "less"), [(Flow.NET, 400_000), (Flow.NONE, 0)])
def test_what_delivered_energy_is_made_of_takes_it_with_it(store: Store, flow: Flow, less: int) -> None:
    begin(store)
    net = ReadingType(flow=flow)
    values = whole_wh() - less
    store.readings.save(ME, panel(0, values, net), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    store.readings.save(ME, panel(240, values[240:288] + 100, net.finer(-3)), known_at=NOW + HOUR)
    correct(store, ME, SITE, now=NOW + HOUR)
    values[240:288] += 100
    assert kwh(store) == (round(values.clip(0).sum() / 1e6, 6),) * 2
    sound(store)


@ON_SERVERS
@pytest.mark.parametrize("finer", [0, 100])
def test_a_late_correction_of_an_archived_day_counts_once(store: Store, tmp_path: Path, finer: int) -> None:
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-02"), drop_before=parse_month("2025-02"))
    store.readings.save(ME, panel(30 * 24, values[30 * 24 :] + 100, FINE), known_at=NOW + HOUR)
    correct(store, ME, SITE, now=NOW + HOUR)
    values[30 * 24 :] += 100
    assert kwh(store) == (values.sum() / 1e6,) * 2
    late = panel(48, values[48:72] + 1000 + finer, FINE)
    assert store.readings.save(ME, late, known_at=NOW + 2 * HOUR) == SaveSummary(0, 24, 0, 24)
    assert store.readings.save(ME, late, known_at=NOW + 2 * HOUR) == SaveSummary(0, 0, 24, 24)
    assert store.readings.save(ME, panel(72, values[72:96], FINE), known_at=NOW + 2 * HOUR).same == 24
    counts_once(store)
    values[48:72] += 1000 + finer
    while correct(store, ME, SITE, now=NOW + 2 * HOUR).ranges:
        pass
    assert kwh(store) == (round(values.sum() / 1e6, 6),) * 2
    counts_once(store)
    before = store.readings.load(ME, "H", Interval(START, START + 20 * DAY), reading_type=COARSE, as_of=NOW)
    assert before.values[0].tolist() == (whole_wh()[: 20 * 24] / 1000).tolist()


def counts_once(store: Store) -> None:
    """Whatever counts readings tells each hour once, and the books agree."""
    assert sum(each.readings for each in store.readings.extents(ME, ["H"])) == DAYS * 24
    assert sum(each.readings for each in store.readings.known_series(ME, "H")) == DAYS * 24
    assert [each.readings for each in store.readings.freshness(ME)] == [DAYS * 24]
    sound(store)


@ON_SERVERS
def test_of_two_archived_months_the_one_that_stays_away_counts_once_too(store: Store, tmp_path: Path) -> None:
    """The first correction with more digits comes when all is in the archive, hours lost before among it."""
    begin(store)
    values = whole_wh()
    known = values.copy()
    known[50:53] = np.nan
    store.readings.save(ME, panel(0, known, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-03"), drop_before=parse_month("2025-03"))
    told = store.readings.save(ME, panel(48, values[48:72] + 1100, FINE), known_at=NOW + HOUR)
    assert told == SaveSummary(3, 21, 0, 24)
    counts_once(store)
    values[48:72] += 1100
    while correct(store, ME, SITE, now=NOW + HOUR).ranges:
        pass
    counts_once(store)
    assert kwh(store)[1] == round(values.sum() / 1e6, 6)


@ON_SERVERS
def test_forgotten_months_are_counted_no_more_in_either_resolution(store: Store, tmp_path: Path) -> None:
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-02"), drop_before=parse_month("2025-02"))
    store.readings.save(ME, panel(48, values[48:72] + 1100, FINE), known_at=NOW + HOUR)
    while correct(store, ME, SITE, now=NOW + HOUR).ranges:
        pass
    forget_readings(store, ME, before=parse_month("2025-02"))
    left = [each.readings for each in store.readings.extents(ME, ["H"])]
    assert (min(left) >= 0, sum(left)) == (True, 14 * 24)


@ON_SERVERS
def test_a_guess_with_more_digits_does_not_supersede_an_archived_reading(store: Store, tmp_path: Path) -> None:
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    archive_months(store, ME, str(tmp_path), before=parse_month("2025-02"), drop_before=parse_month("2025-02"))
    guess = panel(48, values[48:72] + 100, FINE)
    guess = guess.with_values(guess.values, np.full(guess.values.shape, q.GUESSED, np.uint8))
    assert store.readings.save(ME, guess, known_at=NOW + HOUR).aside == 24
    counts_once(store)


def test_a_series_that_comes_again_as_a_whole_leaves_nothing_behind(store: Store) -> None:
    """What was made of it in Wh goes with it, though no reading in Wh is left."""
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    store.readings.save(ME, panel(0, values + 100, FINE), known_at=NOW + HOUR)
    assert kinds(store) == [FINE.code]
    correct(store, ME, SITE, now=NOW + HOUR)
    assert kwh(store) == (round((values + 100).sum() / 1e6, 6),) * 2
    sound(store)


@pytest.mark.parametrize("order", [(COARSE, FINE), (FINE, COARSE)])
@pytest.mark.parametrize("again", [False, True])
def test_what_another_sender_rounds_is_no_other_value(
    store: Store, order: tuple[ReadingType, ReadingType], *, again: bool
) -> None:
    """Two senders of which one rounds to Wh end with the digits that the other told, whoever comes last."""
    begin(store)
    values = whole_wh()[: 20 * 24] + 300
    for number, kind in enumerate(order * (1 + again)):
        sent = np.rint(values / 1000) * 1000 if kind is COARSE else values
        store.readings.save(ME, panel(0, sent, kind), known_at=NOW + number * HOUR)
    found = store.readings.load(ME, "H", WHOLE, reading_type=FINE)
    assert found.values[0, : values.size].tolist() == values.tolist()
    other = store.readings.save(ME, panel(0, np.rint(values[:1] / 1000) * 1000 + 1000, COARSE), known_at=NOW + DAY)
    assert other.changed == 1


@pytest.mark.parametrize("register", [DELIVERED_REGISTER, DELIVERED_REGISTER.finer(-3)])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 2, 0), (2, 0, 3, 1)])
def test_registers_close_a_gap_between_two_resolutions(
    store: Store, register: ReadingType, order: tuple[int, ...]
) -> None:
    """Their own resolution is a Wh, or finer."""
    begin(store)
    store.registry.save_meter(ME, Meter("A", dials=8, lsb_wh=1))
    store.registry.save_installation(ME, install("H", "A", START - DAY))
    values = used(3)
    values[: 20 * 24] = whole_wh(3)[: 20 * 24]
    counted = np.r_[0, np.cumsum(values)]

    def read(*hours: int) -> None:
        for hour in hours:
            shown = np.rint(counted[hour] / 10.0 ** (register.exponent + 3))
            one = RegisterReading("H", START + hour * HOUR, float(shown), "A", reading_type=register)
            keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)

    steps: list[Callable[[], object]] = [
        lambda: store.readings.save(ME, panel(0, values[: 20 * 24], COARSE), known_at=NOW),
        lambda: store.readings.save(ME, panel(22 * 24 + 5, values[22 * 24 + 5 :], FINE), known_at=NOW),
        lambda: read(0, 20 * 24),
        lambda: read(22 * 24 + 5, DAYS * 24),
    ]
    for at in order:
        steps[at]()
    correct(store, ME, SITE, now=NOW)
    assert kinds(store) == [FINE.code]
    assert kwh(store) == pytest.approx((counted[-1] / 1e6,) * 2, abs=0.001)
    sound(store)


@pytest.mark.parametrize("again", [0, 6])
def test_a_register_whose_reads_get_more_digits_counts_on(store: Store, again: int) -> None:
    """Also where the last reads come again with them: nothing fell, and nothing rose too far."""
    begin(store)
    store.registry.save_meter(ME, Meter("A", dials=8, lsb_wh=1))
    store.registry.save_installation(ME, install("H", "A", START - DAY))
    for first, last, kind in ((0, 49, DELIVERED_REGISTER), (49 - again, 97, DELIVERED_REGISTER.finer(-3))):
        for hour in range(first, last):
            value = (10_000 + 400.0 * hour) * 10.0**-kind.exponent
            one = RegisterReading("H", START + hour * HOUR, value, "A", reading_type=kind)
            keep_reads(store, ME, in_epochs(store, ME, [one]), known_at=NOW, derive=True)
    correct(store, ME, SITE, now=NOW)
    assert [day.kwh for day in load_totals(store, ME, "H")] == pytest.approx([9.6] * 4)
    assert "V32_register" not in {one.code for one in store.findings.load(ME, ["H"])}
    sound(store)


@ON_SERVERS
def test_days_that_were_corrected_before_are_brought_with_what_they_were(store: Store) -> None:
    """By a write that needs more digits, and by the cascade; what was known before still can be asked."""
    begin(store)
    values = whole_wh()
    store.readings.save(ME, panel(0, values, COARSE), known_at=NOW)
    correct(store, ME, SITE, now=NOW)
    store.readings.save(ME, panel(240, values[240:264] + 1000, COARSE), known_at=NOW + HOUR)
    store.readings.save(ME, panel(480, values[480:504] + 1000, COARSE), known_at=NOW + HOUR)
    correct(store, ME, SITE, now=NOW + HOUR)
    store.readings.save(ME, panel(240, values[240:264] + 100, FINE), known_at=NOW + 2 * HOUR)
    correct(store, ME, SITE, now=NOW + 2 * HOUR)
    assert kinds(store) == [FINE.code]
    assert kwh(store) == (round((values.sum() + 24 * 1100) / 1e6, 6),) * 2
    before = store.readings.load(ME, "H", WHOLE, reading_type=FINE, as_of=NOW)
    assert before.values[0].tolist() == values.tolist()
    sound(store)

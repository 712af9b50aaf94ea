"""What register reads tell of a day hangs on all that is stored of it: on no order, no batch and no entrance."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.day_again import days_again
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.store_port import StorePort
from gridwright.store import Store, near_reads, open_store
from gridwright.store.session import Unit
from tests.integration.store.test_rollovers import DAY, NOW, START, Place, a_place, json_of

METER, FACTOR = Meter("M-1", dials=8, lsb_wh=1), 2
MINUTE, DAY_MIN = timedelta(minutes=1), 1440
Stored = dict[tuple[int, int], tuple[float, int]]


@dataclass(frozen=True)
class Measured:
    """An interval that a meter recorded: a kWh, from a minute on."""

    minute: int
    length: int


Item = float | Measured  # a read after so many minutes, or an interval


def instant(minute: float) -> datetime:
    return START + timedelta(seconds=round(60 * minute))


def shown(minute: float) -> float:
    """Return what the register shows in kWh: a Wh a second, and a little more as it goes."""
    second = round(60 * minute)
    return (second + second * second // 230_400) / 1000


def measure(place: Place, items: Sequence[Item]) -> None:
    sent = [each for each in items if isinstance(each, Measured)]
    records = [
        {"meter": "M-1", "start": (START + one.minute * MINUTE).isoformat(), "interval_s": one.length * 60, "kwh": 1.0}
        for one in sent
    ]
    if records:
        place.post(decode_json(msgspec.json.encode(records), Said(), NOW))


def reads_of(items: Sequence[Item]) -> list[float]:
    return [each for each in items if not isinstance(each, Measured)]


def post(place: Place, reads: Sequence[float], _: Path) -> None:
    place.post(json_of([(instant(minute), shown(minute)) for minute in reads]))


def post_each(place: Place, reads: Sequence[float], _: Path) -> None:
    for minute in reads:
        place.post(json_of([(instant(minute), shown(minute))]), journal=True)


def bring_file(place: Place, reads: Sequence[float], folder: Path) -> None:
    place.import_file(folder, [(instant(minute), shown(minute)) for minute in reads])


def claim(place: Place, reads: Sequence[float], _: Path) -> None:
    waiting = [
        QuarantinedReading("M-1", instant(minute), round(1000 * shown(minute)), 0, DELIVERED_REGISTER)
        for minute in reads
    ]
    place.store.quarantine.save(ME, waiting, received=NOW)
    claim_meter(place.store, ME, MeterClaim("M-1", "UP-1", multiplier=Decimal(FACTOR)), now=NOW)


def collect(place: Place, reads: Sequence[float], _: Path) -> None:
    some = [RegisterReading("UP-1", instant(minute), round(1000 * shown(minute)), "M-1") for minute in reads]
    keep_reads(place.store, ME, in_epochs(place.store, ME, some), known_at=NOW, derive=True)


ENTRANCES: dict[str, Callable[[Place, Sequence[float], Path], None]] = {
    "posted": post,
    "posted one by one": post_each,
    "filed": bring_file,
    "claimed": claim,
    "collected": collect,
}


def stored(store: Store, image: Image = Image.RAW) -> Stored:
    """Return energy in Wh and quality of three days, by the minutes in which each interval begins and ends."""
    found: Stored = {}
    for day in range(3):
        try:
            panel = store.readings.load(ME, "UP-1", Interval(START + day * DAY, START + (day + 1) * DAY), image=image)
        except NotFound:
            continue
        length = int(panel.interval / MINUTE)
        for slot in np.flatnonzero(~panel.missing[0]).tolist():
            begin = int((panel.start - START) / MINUTE) + slot * length
            found[begin, begin + length] = float(panel.values[0, slot]), int(panel.quality[0, slot])
    return found


def brought(batches: Sequence[tuple[str, Sequence[Item]]], *, judged: bool = False) -> tuple[Stored, Stored]:
    """Bring what is in each batch by its entrance into a new store; returns the raw and the `judged` final image."""
    with tempfile.TemporaryDirectory() as folder, open_store("sqlite://") as store:
        place = a_place(store, METER)
        for entrance, items in batches:
            measure(place, items)
            if reads := reads_of(items):
                ENTRANCES[entrance](place, reads, Path(folder))
        raw = stored(store)
        assert not judged or correct(store, ME, SiteDefaults(), now=NOW).failed == 0
        return raw, stored(store, Image.FINAL) if judged else {}


RUNS = st.tuples(st.sampled_from([5, 7, 15, 15, 30, 60, 60, 240]), st.integers(1, 6), st.sampled_from([0, 15, 60, 300]))
NEAR_S = st.tuples(st.integers(0, 180), st.sampled_from([1, 7, 10, 20, 30, 45, 55]), st.integers(2, 20))
NEAR = st.lists(NEAR_S.map(lambda run: {run[0] + run[1] * place / 60 for place in range(run[2])}), max_size=2).map(
    lambda runs: set[float]().union(*runs)
)
MEASURED = st.tuples(st.sampled_from([15, 30, 60]), st.integers(0, 23), st.integers(1, 3))


@st.composite
def stories(draw: st.DrawFn) -> list[Item]:
    """Draw reads at several distances on up to two days, and perhaps some intervals of one length."""
    minute, reads = 15 * draw(st.integers(0, 4)), set[float]()
    for step, count, gap in draw(st.lists(RUNS, min_size=2, max_size=6)):
        reads |= {each for each in range(minute, minute + step * count + 1, step) if each < 2 * DAY_MIN}
        minute += step * count + gap + -(step * count) % 15
    items: list[Item] = [*sorted(reads | draw(NEAR))]
    for length, first, count in draw(st.lists(MEASURED, max_size=1)):
        items += [Measured(60 * first + slot * length, length) for slot in range(count)]
    return items


LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))


@settings(max_examples=300 if LONG else 3, deadline=None, phases=[one for one in Phase if LONG or one != Phase.shrink])
@given(items=stories(), data=st.data())
def test_any_order_split_and_entrance_ends_in_the_same(items: list[Item], data: st.DataObject) -> None:
    sent = [each for each in items if isinstance(each, Measured)]
    expected = brought([("posted", sent), ("posted", reads_of(items))], judged=True)
    left, batches = data.draw(st.permutations(items)), []
    while left:
        size = data.draw(st.integers(1, len(left)))
        batches.append((data.draw(st.sampled_from(list(ENTRANCES))), left[:size]))
        left = left[size:]
    assert brought(batches, judged=True) == expected
    whole = all(minute == round(minute) for minute in reads_of(items))
    for (begin, end), (energy, quality) in expected[0].items():
        if whole and quality == q.OF_REGISTER:
            assert energy == round(1000 * (shown(end) - shown(begin))) * FACTOR


def told(raw: Stored) -> set[tuple[int, int]]:
    return {ends for ends, (_, quality) in raw.items() if quality == q.OF_REGISTER}


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_each_entrance_derives_the_same(entrance: str) -> None:
    raw, _ = brought([(entrance, [0, 15, 30, 60, 120, 180])])
    assert told(raw) == {(0, 60), (60, 120), (120, 180)}


EACH = {step: [60 + 7 / 60 + step * place / 60 for place in range(1500 // step)] for step in (5, 10, 30, 45)}


@pytest.mark.parametrize("entrance", ["posted", "posted one by one", "filed", "collected"])
@pytest.mark.parametrize("step", EACH)
def test_of_reads_within_a_minute_each_full_minute_tells(step: int, entrance: str) -> None:
    """Whatever the seconds of a display that is read each few seconds: nothing counted between two marks is lost."""
    raw, _ = brought([(entrance, EACH[step])])
    last = int(EACH[step][-1])
    assert told(raw) == {(minute, minute + 1) for minute in range(61, last)}
    counted = sum(energy for energy, _ in raw.values())
    assert counted == pytest.approx(1000 * (shown(last) - shown(61)) * FACTOR, abs=2 * FACTOR)


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_near_reads_that_come_each_by_itself_tell_the_full_minutes(entrance: str) -> None:
    raw, _ = brought([(entrance, [60 + second / 60]) for second in (20, 50, 79, 109, 138)])
    assert told(raw) == {(61, 62)}


LATE = {"each ten seconds": [1320 + place / 6 for place in range(1081)], "quarters": [*range(1365, 1800, 15)]}


@pytest.mark.parametrize("entrance", ENTRANCES)
@pytest.mark.parametrize("reads", LATE.values(), ids=list(LATE))
def test_what_a_first_evening_counted_ends_at_midnight(reads: list[float], entrance: str) -> None:
    """A longer interval over midnight, which holds what the next day holds too, makes no evening one of its grid."""
    raw, _ = brought([(entrance, reads)])
    counted = round(1000 * (shown(reads[-1]) - shown(reads[0]))) * FACTOR
    assert sum(energy for energy, _ in raw.values()) == counted
    assert {end - begin for begin, end in raw} == {max(1, round(reads[1] - reads[0]))}


def test_a_read_near_the_one_before_it_looks_at_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a display that is read each second, one read a minute looks at the hour before it, once and then closer."""
    asked = list[int]()

    def counted(look: Callable[..., object]) -> Callable[..., object]:
        def looks(unit: Unit, kind: int, spans: Sequence[near_reads.Asked]) -> object:
            asked.append(len(spans))
            return look(unit, kind, spans)

        return looks

    for look in (near_reads.between, near_reads.instants):
        monkeypatch.setattr(f"gridwright.store.registers.{look.__name__}", counted(look))
    brought([("posted one by one", [60 + second / 60 for second in range(181)])])
    assert sum(asked) == 2 * 3


@pytest.mark.parametrize("each_s", [10, 300])
def test_a_batch_that_goes_on_evenly_derives_no_day_anew(monkeypatch: pytest.MonkeyPatch, each_s: int) -> None:
    """Each batch of a display, or of a meter that sends several reads at once, would else load all reads of its day."""
    anew = list[int]()

    def counted(
        store: StorePort, who: tuple[Access, Access], days: Collection[Day], kind: ReadingType, known_at: datetime
    ) -> None:
        anew.append(len(days))
        days_again(store, who, days, kind, known_at)

    monkeypatch.setattr("gridwright.jobs.meters.follow_changes.days_again", counted)
    reads = [60 + each_s * place / 60 for place in range(10_800 // each_s)]
    parts = [("posted", reads[first : first + 1800 // each_s]) for first in range(0, len(reads), 1800 // each_s)]
    raw, _ = brought(parts)
    assert not sum(anew[3:]), "the first hour has no hour before it"
    assert raw == brought([("posted", reads)])[0]


CASES: dict[str, tuple[list[Sequence[Item]], set[tuple[int, int]]]] = {
    "hours from another minute": ([[30], [90], [195], [255], [315], [375]], {(195, 255), (255, 315), (315, 375)}),
    "a profile on another grid": ([[0, 15, 30, 45, 60], [Measured(600, 30)]], {(0, 30), (30, 60)}),
    "a profile that came first": ([[Measured(600, 30)], [0, 15, 30, 45, 60]], {(0, 30), (30, 60)}),
    "quarters behind a hole": ([[0], [60], [67], [90], [105], [120], [135]], {(0, 60), (60, 120)}),
}


@pytest.mark.parametrize("entrance", ["posted one by one", "filed"])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_came_first_leaves_no_mark(case: tuple[list[Sequence[Item]], set[tuple[int, int]]], entrance: str) -> None:
    batches, ends = case
    for order in (batches, batches[::-1]):
        assert told(brought([(entrance, items) for items in order])[0]) == ends

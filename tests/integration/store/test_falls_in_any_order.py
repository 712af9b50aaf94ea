"""Whether a register that fell turned over or was reset is told by all that is stored, whichever read came last."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.claim_meter import claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import Store, open_store
from tests.integration.store.test_rollovers import ALL_TIME, DAY, FIVE, HOUR, NOW, START, Place, Read, a_place, json_of

UNTOLD = Meter("M-1")  # nobody has told its dials: only how fast it counts tells a rollover
LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
# What is stored is the same on every database: which reads fell is computed.
pytestmark = pytest.mark.few_on_servers(1)


def post(place: Place, reads: Sequence[Read], _: Path) -> None:
    place.post(json_of(reads))


def post_each(place: Place, reads: Sequence[Read], _: Path) -> None:
    for read in reads:
        place.post(json_of([read]), journal=True)


def bring_file(place: Place, reads: Sequence[Read], folder: Path) -> None:
    place.import_file(folder, reads)


def collect(place: Place, reads: Sequence[Read], _: Path) -> None:
    some = [RegisterReading("UP-1", at, 1000 * value, "M-1") for at, value in reads]
    keep_reads(place.store, ME, in_epochs(place.store, ME, some), known_at=NOW, derive=True)


def claim(place: Place, reads: Sequence[Read], _: Path) -> None:
    waiting = [QuarantinedReading("M-1", at, 1000 * value, 0, DELIVERED_REGISTER) for at, value in reads]
    place.store.quarantine.save(ME, waiting, received=NOW)
    claim_meter(place.store, ME, MeterClaim("M-1", "UP-1", multiplier=Decimal(2)), now=NOW)


Entrance = Callable[[Place, Sequence[Read], Path], None]
ENTRANCES: dict[str, Entrance] = {
    "posted": post,
    "posted one by one": post_each,
    "filed": bring_file,
    "collected": collect,
    "claimed": claim,
}
FALL = [(START, 99_990.0), (START + HOUR, 400.0), (START + 2 * HOUR, 410.0)]
TEN_DAYS = [(START - back * DAY, 99_990.0 - 240 * back) for back in range(10, 0, -1)]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_reads_that_come_later_tell_that_a_register_had_turned_over(
    store: Store, tmp_path: Path, entrance: str
) -> None:
    place = a_place(store, UNTOLD)
    post(place, FALL, tmp_path)
    assert (place.epochs, place.codes) == ([0, 1, 1], ["V32_register"])
    ENTRANCES[entrance](place, TEN_DAYS[:1], tmp_path)
    assert place.epochs == [0] * 4
    correct(store, ME, SiteDefaults(), now=NOW)
    assert place.hours(2) == [820_000, 20_000]
    (finding,) = place.store.findings.load(ME, ["UP-1"])
    assert finding.message.startswith("register rolled over after 5 digits; 820 kWh counted")


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_reads_that_come_later_tell_that_a_register_counts_too_slowly_to_have_turned_over(
    store: Store, tmp_path: Path, entrance: str
) -> None:
    """The read of 25 days before is farther from the fall than the reads that are looked at around it."""
    place = a_place(store, FIVE)
    post(place, [*TEN_DAYS, *FALL], tmp_path)
    assert (place.epochs, place.hours(2)) == ([0] * 13, [820_000, 20_000])
    ENTRANCES[entrance](place, [(START - 25 * DAY, 97_400.0)], tmp_path)
    assert place.epochs == [0] * 12 + [1] * 2
    np.testing.assert_array_equal(place.hours(2), [np.nan, 20_000])
    assert place.codes == ["V32_register"]


def test_a_fall_that_was_settled_bears_on_those_of_the_month_after_it(store: Store, tmp_path: Path) -> None:
    """The second one is a rollover only by what was counted since the first, if that was a reset."""
    place = a_place(store, FIVE)
    later = [(START + 2 * DAY, 99_000.0), (START + 2 * DAY + HOUR, 350.0), (START + 2 * DAY + 2 * HOUR, 351.0)]
    post(place, [*TEN_DAYS, *FALL, *later], tmp_path)
    whole = place.epochs
    place = a_place(again := open_store("sqlite://"), FIVE)
    with again:
        post(place, [*FALL, *later], tmp_path)
        post(place, TEN_DAYS[5:], tmp_path)
        post(place, TEN_DAYS[:5], tmp_path)
        assert place.epochs == whole


def drawn(rng: random.Random) -> tuple[int | None, list[Read]]:
    """Draw the reads of a register that turns over as they end, or is reset among them."""
    step, dials = rng.choice([HOUR, 6 * HOUR, DAY, DAY, 7 * DAY, 30 * DAY]), rng.choice([5, 5, 6, None])
    count = min(rng.randint(4, 40 if step < 7 * DAY else 10), 115 * DAY // step)
    room, a_day = 10 ** (dials or 5), rng.choice([5, 20, 200, 1500])
    each = a_day * (step / DAY)
    value, at = max(room - rng.uniform(0, count) * each, 0) % room, START + (rng.randint(0, 5) - 120) * DAY
    falls, reads = rng.randrange(1, count) if rng.random() < 0.6 else count, list[Read]()
    for place in range(count):
        value = rng.uniform(0, 3) * a_day if place == falls else value
        reads.append((at, float(round(value))))
        value = (value + each * rng.uniform(0.3, 1.7)) % room
        at += step * (1 if rng.random() < 0.9 else rng.randint(2, 4))
    return dials, [read for read in reads if read[0] < START + 5 * DAY]


def brought(dials: int | None, batches: Sequence[tuple[str, Sequence[Read]]]) -> tuple[Any, ...]:
    """Return the reads by their distances in epochs, the raw energy and the findings of batches in a new store."""
    with tempfile.TemporaryDirectory() as folder, open_store("sqlite://") as store:
        place = a_place(store, Meter("M-1", dials=dials, lsb_wh=1000 if dials else 1), 300.0)
        for entrance, reads in batches:
            ENTRANCES[entrance](place, reads, Path(folder))
        correct(store, ME, SiteDefaults(), now=NOW)
        chain = sorted(place.reads, key=lambda read: (read.at, read.epoch))
        energy = [
            store.readings.load(ME, "UP-1", ALL_TIME, interval=timedelta(seconds=each.interval_s)).values.tobytes()
            for each in store.readings.extents(ME, ["UP-1"])
        ]
        findings = sorted((each.code, str(each.period), each.message) for each in store.findings.load(ME, ["UP-1"]))
        return [(read.at, read.value, read.epoch - chain[0].epoch) for read in chain], energy, findings


@pytest.mark.parametrize("seed", range(300) if LONG else [8, 9])
def test_any_order_and_entrance_ends_in_the_same(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a story, no secret
    dials, reads = drawn(rng)
    left, batches = rng.sample(reads, len(reads)), list[tuple[str, list[Read]]]()
    while left:
        size = rng.randint(1, len(left))
        batches.append((rng.choice(list(ENTRANCES)), left[:size]))
        left = left[size:]
    assert brought(dials, batches) == brought(dials, [("posted", reads)])


def test_a_read_that_comes_before_a_wrong_one_leaves_it_to_be_told_by_the_next(store: Store, tmp_path: Path) -> None:
    """The head-end reads it first, then what lies before it, which puts it into an epoch that it begins."""
    place = a_place(store, UNTOLD)
    for read in [(START - 5 * DAY, 40_196.0), (START - 9 * DAY, 73_431.0)]:
        collect(place, [read], tmp_path)
    post(place, [(START, 98_638.0)], tmp_path)
    first, wrong, last = place.epochs
    assert (first, wrong) == (last, last + 1)


@pytest.mark.few_on_servers(0)
def test_a_late_read_of_a_display_that_falls_often_costs_few_look_ups(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter-hourly one that begins anew each hour has 168 falls in a week: they are looked for by some hours."""
    place = a_place(store, FIVE)
    first = START - 10 * DAY
    post(place, [(first + step * HOUR / 4, 100.0 + step % 4) for step in range(7 * 96) if step != 1], tmp_path)
    asked, neighbours = list[object](), store.registers.neighbours

    def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the store's
        asked.append(given)
        return neighbours(*given, **named)

    monkeypatch.setattr(store.registers, "neighbours", counted)
    collect(place, [(first + HOUR / 4, 101.0)], tmp_path)
    assert place.epochs == [step // 4 for step in range(7 * 96)]
    assert len(asked) < 250  # 1,980 where each fall is looked for by itself

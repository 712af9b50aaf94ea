"""Many reads of one meter that are cut by days end as they would whole: verdicts, reads, energy, and doubts at once."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.api.write.ahead import write_some
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import Meter
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import open_store
from tests.integration.store.test_rollovers import ALL_TIME, DAY, HOUR, NOW, START, Place, Read, a_place, json_of

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
UNTOLD = Meter("M-1")


def drawn(rng: random.Random) -> tuple[list[Read], list[Read]]:
    """Draw reads of some days that are stored, and those that come: resets, wrong ones and corrections among them."""
    step, days = rng.choice([HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR]), rng.randint(4, 12)
    count, each, value = days * DAY // step, rng.choice([2.0, 20.0, 150.0]), rng.choice([100.0, 99_000.0, 60_000.0])
    resets, shown = {rng.randrange(1, count) for _ in range(rng.choice([0, 1, 1, 2]))}, list[float]()
    for place in range(count):
        value = rng.uniform(0, each) if place in resets else value
        shown.append(float(round(value % 100_000)))
        value += each * (step / HOUR) * rng.uniform(0.4, 1.6)
    for _ in range(rng.choice([0, 1, 2, 3])):
        place = rng.randrange(count)
        shown[place] = max(0.0, shown[place] + rng.choice([-9000.0, -50.0, -5.0, 40.0, 9000.0]))
    reads = [(START - 10 * DAY + place * step, one) for place, one in enumerate(shown)]
    likely, behind = rng.choice([0.1, 0.3, 0.5]), rng.choice([count, count * 2 // 3, count - 2])
    stored = [read for place, read in enumerate(reads) if place > behind or rng.random() < likely]
    return stored, [read for read in reads if read not in stored]


def posted(place: Place, reads: Sequence[Read], most: int) -> tuple[Any, ...]:
    """Post reads, at most so many a transaction; returns the verdicts and in how many parts they were written."""
    decoded = json_of(reads)
    directory = directory_of(place.store.registry.keys(ME), place.store.registry.installed(ME), 0.0)
    batch = Batch(ME, NOW, decoded, resolve(decoded, directory, ME), directory, tell_readings)
    parts = 1
    while batch.reads > most and write_some(place.store, batch, most, NOW):
        parts += 1
    (told,) = write(place.store, [batch], NOW)
    assert isinstance(told, Answer), told
    found = decoded.verdicts
    listed = sorted((one.index, str(one.status)) for one in found.listed)
    return (found.accepted, found.rejected, found.doubted, listed), parts


def doubts(place: Place) -> list[tuple[str, str, str]]:
    found = place.store.findings.load(ME, ["UP-1"])
    return sorted((each.code, str(each.period), each.message) for each in found)


def ended(stored: Sequence[Read], sent: Sequence[Read], most: int, meter: Meter) -> tuple[dict[str, Any], int]:
    with open_store("sqlite://") as store:
        place = a_place(store, meter)
        if stored:
            posted(place, stored, len(stored))
        verdicts, parts = posted(place, sent, most)
        chain = sorted(place.reads, key=lambda read: (read.at, read.epoch))
        reads: list[tuple[datetime, float, int]] = [
            (read.at, read.value, read.epoch - chain[0].epoch) for read in chain
        ]
        energy = [
            store.readings.load(ME, "UP-1", ALL_TIME, interval=one.interval).values.tobytes()
            for one in store.readings.series(ME, "UP-1")
        ]
        at_once = doubts(place)
        assert correct(store, ME, SiteDefaults(), now=NOW).failed == 0
        told = {"verdicts": verdicts, "reads": reads, "energy": energy, "at once": at_once, "in the end": doubts(place)}
        return told, parts


@pytest.mark.parametrize("seed", range(150) if LONG else [16, 18])
def test_what_is_cut_ends_as_the_whole(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a story, no secret
    stored, sent = drawn(rng)
    meter = rng.choice([UNTOLD, Meter("M-1", dials=5, lsb_wh=1000)])
    most = max(2, len(sent) // rng.choice([5, 6, 8, 12]))
    whole, _ = ended(stored, sent, len(sent), meter)
    cut, parts = ended(stored, sent, most, meter)
    assert LONG or parts > 1
    assert cut == whole


def test_a_read_between_two_that_fell_takes_their_doubt_with_it() -> None:
    """The doubt was open until the cascade ran, over days of which it was known by then that nothing fell in them."""
    with open_store("sqlite://") as store:
        place = a_place(store, UNTOLD)
        posted(place, [(START, 100.0), (START + 4 * DAY, 3.0)], 9)
        for days in (1, 3, 2):
            posted(place, [(START + days * DAY, 100.0 + days)], 9)
        assert [period for _, period, _ in doubts(place)] == [
            f"{(START + 3 * DAY).isoformat()}/{(START + 4 * DAY).isoformat()}"
        ]

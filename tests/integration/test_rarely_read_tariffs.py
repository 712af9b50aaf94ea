"""Registers by time of use that are read less often than the total one: parts and total agree, in any order."""

from __future__ import annotations

import os
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from tests.integration.register_stories import BY_TIME, DAY, DAY_MIN, END, START, Act, Site, Story
from tests.integration.test_reads_beside_grid import minutes_of, outcome, site_of

SEEDS = range(60) if os.environ.get("GRIDWRIGHT_TEST_LONG") else range(2)


def drawn(seed: int, *, changing: bool) -> tuple[Story, dict[str, list[int]]]:
    """Draw a gap, with an exchange for a meter of other intervals in it or not, and when each register was read."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(6 * 24, 8 * 24)) * 60
    last = first + 60 * int(rng.integers(6, 60))
    moments = (int(rng.integers(first // 60 + 1, last // 60)) * 60,) if changing else ()
    lengths = tuple(int(each) for each in rng.choice([15, 30, 60], 1 + changing, replace=False))
    reads = {"": sorted({0, END - DAY_MIN, *(60 * rng.integers(first // 60, last // 60, 4)).tolist()})}
    for name in BY_TIME:
        some = (60 * rng.integers(first // 60, last // 60, int(rng.integers(0, 2)))).tolist()
        reads[name] = sorted({0, END - DAY_MIN, *some})
    reads = {name: [each for each in some if each not in moments] for name, some in reads.items()}
    serials = ("A", "B")[: 1 + changing]
    ones = (1,) * len(serials)
    return Story(seed, moments, serials, ones, lengths, ((first, last),), tuple(reads[""]), by_time=True), reads


def play(site: Site, reads: dict[str, list[int]], order: int) -> None:
    story = site.story
    acts: list[Act] = [partial(_measure, part) for part in story.measured()]
    acts += [partial(_exchange, number) for number in range(len(story.moments))]
    acts += [partial(_read, name, minute) for name, some in reads.items() for minute in some]
    rng = np.random.default_rng(order)
    for at in rng.permutation(len(acts)).tolist():
        acts[at](site)
        if rng.random() < 0.15:
            site.judge()
    site.judge()


def _measure(part: tuple[int, int, int], site: Site) -> None:
    site.measure("", *part)


def _exchange(number: int, site: Site) -> None:
    site.exchange(number)


def _read(name: str, minute: int, site: Site) -> None:
    site.read(name, minute, site.story.hung(minute))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("changing", [False, True], ids=["one grid", "changing"])
def test_parts_and_total_agree(seed: int, changing: bool) -> None:
    story, reads = drawn(seed, changing=changing)
    with site_of(story) as site, site_of(story) as other:
        play(site, reads, 0)
        for name, minutes in reads.items():
            each = minutes_of(site, name)
            for since, until in pairwise(sorted({*minutes, *story.moments})):
                off = each[since:until].sum() - site.between(name, since, until)
                assert abs(off) < 1e-6, (name, since, until)
        assert [each for each in site.doubts() if each[0] == "V30_sum"] == []
        site.store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START + 4 * DAY, START + 9 * DAY))
        again = site.judge()
        assert (again.readings, again.days, again.new) == (0, 0, 0)
        play(other, reads, seed + 1)
        assert outcome(other) == outcome(site)

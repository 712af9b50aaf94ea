"""Whatever lies off the grid, for however long, a gap is what the registers around it tell, or a finding tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.store import open_store
from tests.integration.register_stories import BY_TIME, DAY, DAY_MIN, END, MINUTE, START, Act, Site, Story

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
THEMES = ("plain", "drifting", "fed in", "exchanged", "by time")
SEEDS = range(60) if LONG else range(1)
NEAR = 0.1


def drawn(theme: str, seed: int) -> Story:
    """Draw a gap of up to three days, with a display that is read beside the grid all the time."""
    rng = np.random.default_rng(seed)
    length = int(rng.choice([15, 30, 60]))
    first = int(rng.integers(5 * DAY_MIN, 8 * DAY_MIN)) // length * length
    last = first + length * int(rng.integers(1, 4320 // length))
    every = int(rng.choice([15, 60, 60, 240, DAY_MIN]))
    late = int(rng.integers(2, length - 1))
    drift = np.cumsum(rng.integers(0, 2, END)) if theme == "drifting" else np.zeros(END, np.int64)
    reads = {minute + int(drift[number]) for number, minute in enumerate(range(late, END, every))}
    kept = tuple(sorted(each for each in reads if each < END and not _on_grid(each, length)))
    moments = (int(rng.integers(first - 60, last + 60)),) if theme == "exchanged" else ()
    both = ("A", "B")[: 1 + len(moments)]
    kept = tuple(sorted(set(kept) - set(moments)))
    alike = (1,) * len(both), (length,) * len(both)
    return Story(seed, moments, both, *alike, ((first, last),), kept, 5000, theme == "fed in", theme == "by time")


def _on_grid(minute: int, length: int) -> bool:
    off = minute % length / length
    return min(off, 1 - off) <= NEAR


@contextmanager
def site_of(story: Story) -> Iterator[Site]:
    with open_store("sqlite://") as store:
        yield Site(store, story)


def acts(site: Site) -> list[Act]:
    """Return what brings readings, the reads of each register day by day, and the exchange."""
    flows = [name for name in site.kinds if name not in BY_TIME]
    brings = [partial(_measure, name, part) for name in flows for part in site.story.measured()]
    days = sorted({each // DAY_MIN for each in site.story.reads})
    reads = [partial(_read, name, day) for name in site.kinds for day in days]
    return [*brings, *reads, *(partial(_exchange, number) for number in range(len(site.story.moments)))]


def _measure(name: str, part: tuple[int, int, int], site: Site) -> None:
    site.measure(name, *part)


def _exchange(number: int, site: Site) -> None:
    site.exchange(number)


def _read(name: str, day: int, site: Site) -> None:
    story, found = site.story, []
    for minute in story.reads:
        if minute // DAY_MIN == day:
            number = story.hung(minute)
            shown = float(site.shown(name, minute, number))
            at = START + minute * MINUTE
            found.append(RegisterReading("H", at, shown, story.serials[number], reading_type=site.kinds[name][1]))
    keep_reads(site.store, ME, in_epochs(site.store, ME, found), known_at=site.now, derive=True)


def play(site: Site, order: int) -> None:
    rng, every = np.random.default_rng(order), acts(site)
    for act in [every[at] for at in rng.permutation(len(every)).tolist()] if order else every:
        act(site)
        if rng.random() < 0.1:
            site.judge()
    site.judge()


def minutes_of(site: Site, name: str) -> np.ndarray:
    """Return what the final image has for each minute, evenly within an interval."""
    each = np.full(END, np.nan)
    for panel in site.finals("" if name in BY_TIME else name):
        first, length = (panel.start - START) // MINUTE, panel.interval // MINUTE
        spread = np.repeat(panel.values[0] / length, length)
        each[first : first + spread.size] = spread
    return np.where(BY_TIME[name], each, 0.0) if name in BY_TIME else each


def outcome(site: Site) -> list[object]:
    finals = [panel for name in site.kinds for panel in site.finals(name) if not panel.missing.all()]
    images = [(panel.start, panel.interval, panel.values.tolist(), panel.quality.tolist()) for panel in finals]
    return [images, site.doubts()]


def silent(site: Site) -> list[tuple[str, int, int, float, float]]:
    """Return between which reads, around the gap or within it, more is off than the parts beside them, untold."""
    story, found = site.story, []
    (first, last) = story.gaps[0]
    reads = np.array(sorted({*story.reads, *story.moments}))
    length = story.lengths[0]
    told = [each for each in site.doubts() if each[0] == "V30_sum"]
    for name in site.kinds:
        each = minutes_of(site, name)
        before, after = reads[reads <= first][-1:], reads[reads >= last][:1]
        for since, until in ((one, other) for one in before.tolist() for other in after.tolist()):
            off = each[since:until].sum() - site.between(name, since, until)
            used = np.diff(site.counted[name])
            beside = [used[at // length * length : (at // length + 1) * length].sum() for at in (since, until)]
            if abs(off) > sum(beside) + 1 and not told:
                found.append((name, since, until, off, sum(beside)))
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("theme", THEMES)
def test_a_gap_is_what_the_reads_beside_the_grid_around_it_tell(theme: str, seed: int) -> None:
    story = drawn(theme, 3000 + seed)
    with site_of(story) as site, site_of(story) as other:
        play(site, 0)
        assert silent(site) == []
        assert [each for each in site.doubts() if each[0] == "V30_sum"] == []
        site.store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START + 4 * DAY, START + 9 * DAY))
        again = site.judge()
        assert (again.readings, again.days, again.new) == (0, 0, 0)
        play(other, seed + 1)
        assert outcome(other) == outcome(site)

"""Whatever is exchanged and lost, and in whatever order it comes, intervals are what the registers tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.store import open_store
from tests.integration.register_stories import DAY, START, Site, Story, disagreements, drawn, play

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
THEMES = {"one grid": {}, "changing": {"changing": True}, "fed in": {"fed_in": True}, "by time": {"by_time": True}}
SEEDS = range(100) if LONG else range(1)


@contextmanager
def site_of(story: Story) -> Iterator[Site]:
    with open_store("sqlite://") as store:
        yield Site(store, story)


def told(site: Site) -> list[object]:
    finals = [panel for name in site.kinds for panel in site.finals(name) if not panel.missing.all()]
    return [(panel.start, panel.interval, panel.values.tolist(), panel.quality.tolist()) for panel in finals]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("theme", THEMES)
def test_all_is_what_the_registers_tell_in_whatever_order_it_comes(theme: str, seed: int) -> None:
    story = drawn(1000 + seed, **THEMES[theme])
    with site_of(story) as site, site_of(story) as other:
        play(site)
        assert disagreements(site) == []
        assert [each for each in site.doubts() if each[0] == "V30_sum"] == []
        site.store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START + 5 * DAY, START + 9 * DAY))
        again = site.judge()
        assert (again.readings, again.days, again.new) == (0, 0, 0)
        play(other, order=seed + 1)
        assert told(other) == told(site)
        assert other.doubts() == site.doubts()


@pytest.mark.parametrize("order", range(1, 4))
def test_a_register_that_turned_over_before_its_exchange_was_booked_was_not_reset(order: int) -> None:
    """While nobody knew that the meter hung there nobody could tell, and it was never asked again."""
    moment = 8 * 1440 + 453
    gaps, reads = ((moment - 60, moment + 120),), (0, moment + 300, 15 * 1440)
    story = Story(0, (moment,), ("A", "B"), (1, 1), (15, 15), gaps, reads, 10**8 - 4000)
    with site_of(story) as site:
        play(site, order)
        assert disagreements(site) == []
        assert [each for each in site.doubts() if "began anew" in each[-1]] == []


@pytest.mark.parametrize("late", [False, True])
def test_as_of_a_day_all_is_as_it_was_then_though_the_grid_changed_since(late: bool) -> None:
    """An exchange for a meter of other intervals, and what it read, come a year later."""
    story = drawn(2, changing=True)
    with site_of(story) as site:
        acts = site.acts()
        for act in acts[::2]:
            act(site)
        site.judge()
        then, before = site.now, minutes(site.finals(""))
        site.now = then + timedelta(days=365)
        for number in range(len(story.moments)):
            site.exchange(number)
        for act in acts[1::2] if late else acts:
            act(site)
        site.judge()
        assert disagreements(site) == []
        assert minutes(site.finals("", as_of=then)) == before


def minutes(panels: Sequence[Panel]) -> dict[tuple[datetime, timedelta], float]:
    """Return what is known of each interval."""
    return {
        (panel.start + slot * panel.interval, panel.interval): value
        for panel in panels
        for slot, value in enumerate(panel.values[0].tolist())
        if not np.isnan(value)
    }


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("begin", [300, 1320], ids=["within a day", "over midnight"])
def test_a_display_that_falls_beside_the_grid_for_hours_leaves_the_gap_to_the_reads_on_the_grid_around_it(
    begin: int, order: int
) -> None:
    """Every quarter of an hour, seven minutes late: none of them cuts, and of a dozen in a row nothing was closed."""
    first, last = 6 * 1440 + begin, 6 * 1440 + begin + 360
    beside = range(first - 53, last + 67, 15)
    reads = (0, first - 120, *beside, last + 120, 15 * 1440)
    story = Story(3, (), ("A",), (1,), (15,), ((first, last),), reads)
    with site_of(story) as site:
        play(site, order)
        assert [each for each in disagreements(site) if first - 120 <= each[1] < last + 120] == []
        site.store.dirty.touch(ME, ["H"], DELIVERED_ENERGY, Interval(START + 6 * DAY, START + 7 * DAY))
        again = site.judge()
        assert (again.readings, again.days, again.new) == (0, 0, 0)

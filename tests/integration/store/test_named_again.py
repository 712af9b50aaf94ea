"""Reads by usage point alone follow an exchange that is booked late, and its cancelling, on every database."""

from __future__ import annotations

from pathlib import Path

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.store import Store
from tests.integration.store.test_rollovers import ALL_TIME
from tests.integration.test_named_again import NEW, OLD, Site, Story, ended

MINUTES = tuple(range(0, 300, 30))
STORY = Story(150, MINUTES, frozenset({30, 60}))


def test_late_cancelled_and_booked_again_ends_as_in_time(store: Store, tmp_path: Path) -> None:
    site = Site(store, STORY, tmp_path)
    site.post(MINUTES[:4])
    site.each(MINUTES[4:])
    site.exchange()
    meters = [read.end_device for read in store.registers.load(ME, "UP-1", ALL_TIME)]
    assert meters == [OLD] * 6 + [NEW] * 5  # both of the instant
    site.cancel()
    assert {read.end_device for read in store.registers.load(ME, "UP-1", ALL_TIME)} == {OLD}
    site.exchange()
    site.post(MINUTES)  # sent again, it changes nothing
    in_time = ended(STORY, [("exchange", ()), ("each", MINUTES)])
    assert site.end() == in_time

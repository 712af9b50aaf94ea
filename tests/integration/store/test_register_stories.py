"""Exchanges within gaps, over changes of the interval length and by time of use, end in the same on every database."""

from __future__ import annotations

from gridwright.store import Store
from tests.integration.register_stories import Site, disagreements, drawn, play

STORY = drawn(7, changing=True, by_time=True)


def test_all_is_what_the_registers_tell_though_exchanges_are_booked_late(store: Store) -> None:
    assert len(set(STORY.lengths)) > 1
    assert len(STORY.moments) > 1
    site = Site(store, STORY)
    play(site, order=3, judged=0)
    assert disagreements(site) == []

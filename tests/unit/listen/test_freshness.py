"""What may have waited at the broker: a mark that comes back tells since when messages were published."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from gridwright.listen.freshness import EVERY_S, LATE_S, PLACE, SILENT_S, Freshness


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Word:
    topic: str
    payload: bytes = b""


@dataclass
class Site:
    clock: Clock = field(default_factory=Clock)
    fresh: Freshness = field(init=False)

    def __post_init__(self) -> None:
        self.fresh = Freshness("a/b+c", self.clock)

    def mark(self) -> bytes:
        mark = self.fresh.due()
        assert mark is not None
        return mark

    def back(self, mark: bytes) -> None:
        assert self.fresh.heard(Word(self.fresh.topic, mark))


@pytest.fixture
def site() -> Site:
    return Site()


def test_what_a_kept_session_holds_is_late_until_the_mark_behind_it_is_back(site: Site) -> None:
    site.fresh.met(kept=True)
    assert site.fresh.is_late()
    mark = site.mark()
    assert site.fresh.is_late()
    site.back(mark)
    assert not site.fresh.is_late()


def test_in_a_new_session_nothing_has_waited(site: Site) -> None:
    site.fresh.met(kept=False)
    assert not site.fresh.is_late()


def test_a_mark_that_is_long_under_way_tells_that_messages_wait(site: Site) -> None:
    """The database is away, the broker holds what it may not send: what comes then is as old as the mark."""
    site.fresh.met(kept=False)
    mark = site.mark()
    site.clock.now += LATE_S + 1
    assert site.fresh.is_late()
    site.back(mark)
    assert site.fresh.is_late()  # what comes now may have been published just behind that mark
    site.back(site.mark())
    assert not site.fresh.is_late()


def test_marks_are_sent_now_and_then_and_at_once_on_a_new_connection(site: Site) -> None:
    site.mark()
    assert site.fresh.due() is None
    site.fresh.met(kept=True)
    site.mark()
    site.clock.now += EVERY_S
    site.mark()


def test_marks_of_others_and_of_a_run_before_tell_nothing(site: Site) -> None:
    site.fresh.met(kept=True)
    old = Freshness("a/b+c", site.clock).due()
    assert old is not None
    assert site.fresh.heard(Word(site.fresh.topic, old))
    assert site.fresh.heard(Word(f"{PLACE}/marks/other/now", site.mark()))
    assert site.fresh.is_late()
    assert not site.fresh.heard(Word("gridwright/UP-1/kwh"))
    assert site.fresh.topic == f"{PLACE}/marks/a%2Fb%2Bc/now"


def test_a_broker_that_forbids_marks_makes_nothing_late(site: Site) -> None:
    site.fresh.met(kept=True)
    site.fresh.refused()
    assert (site.fresh.is_late(), site.fresh.due()) == (False, None)


def test_a_broker_that_swallows_marks_is_found_out(site: Site) -> None:
    site.fresh.met(kept=True)
    site.mark()
    site.clock.now += SILENT_S + 1
    assert (site.fresh.due(), site.fresh.is_late()) == (None, False)


@pytest.mark.parametrize("came_once", [True, False])
def test_a_mark_behind_a_long_queue_is_waited_for(site: Site, came_once: bool) -> None:
    site.fresh.met(kept=True)
    if came_once:
        site.back(site.mark())
        site.fresh.met(kept=True)
    for _ in range(3):
        site.mark()
        site.clock.now += SILENT_S
        if not came_once:
            assert not site.fresh.heard(Word("gridwright/UP-1/kwh"))
        assert site.fresh.is_late()

"""Deliver as time goes by: what has just been measured, in real time or faster, and never what is still to come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.interval import Interval
from gridwright.simulate.delivery.batches import TOGETHER, Batch, history, late_batches, register_batches
from gridwright.simulate.delivery.entrance import Entrance
from gridwright.simulate.living.town import LivingTown

LONGEST_NAP_S = 1.0
LATE_BY = timedelta(days=2)
Tell = Callable[[datetime, int], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """`speed` seconds of the town's time pass in one of ours, until it has caught up with `clock`; 0: at once.

    `whole_story`: tell also the register reads, and late and corrected values when they come, `LATE_BY` later.
    """

    clock: Callable[[], datetime]
    speed: float = 1.0
    whole_story: bool = False

    def town_time(self, begun: datetime, since: datetime) -> datetime:
        """Return how late it is in the town, which began to be told at `begun`, when it was `since` there."""
        now = self.clock()
        told_s = (now - begun).total_seconds() * self.speed
        if not self.speed or told_s >= (now - since).total_seconds():
            return now
        return since + timedelta(seconds=told_s)


def follow(
    town: LivingTown,
    entrance: Entrance,
    since: datetime,
    pace: Pace,
    stop: threading.Event,
    *,
    points: frozenset[str] | None = None,
    until: datetime | None = None,
    tell: Tell | None = None,
) -> datetime:
    """Send each interval once it is over, from `since` on, until `stop`, `until` or the end of the town's life.

    Returns the end of the last interval that was acknowledged: go on there after an interruption; what is sent twice
    changes nothing.
    """
    end = min(town.period.end, until or town.period.end)
    batches = told if pace.whole_story else history
    begun, done, step = pace.clock(), since, town.town.interval
    while done < end and not stop.is_set():
        due = min(_whole(pace.town_time(begun, since), town.period.start, step), end, done + TOGETHER)
        if due <= done:
            stop.wait(min(LONGEST_NAP_S, step.total_seconds() / max(pace.speed, 1.0)))
            continue
        sent = 0
        for batch in batches(town, Interval(done, due), points):
            entrance.post_batch(batch.body, batch.media_type)
            sent += batch.readings
        done = due
        if tell:
            tell(done, sent)
    return done


def told(town: LivingTown, period: Interval, points: frozenset[str] | None = None) -> Iterator[Batch]:
    """Yield all that arrives in `period`: profiles, register reads, and what was held up before."""
    yield from history(town, period, points)
    yield from register_batches(town, period, points)
    yield from late_batches(town, Interval(period.start - LATE_BY, period.end - LATE_BY), points)


def _whole(moment: datetime, start: datetime, step: timedelta) -> datetime:
    return start + (moment - start) // step * step

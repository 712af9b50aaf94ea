"""Contradictions of many usage points: each is looked at among its own, so that twice as many are twice the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER, Access
from gridwright.domain.finding import Doubted, Finding, Severity, fingerprint
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.note_contradictions import CODE, note_contradictions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import DirtyRange
from gridwright.store.days.superseded import Superseded

DAY, QUARTER = datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=15)
GUESSED = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
FIRST = [((DAY + slot * QUARTER).timestamp(), 1.0, 2.0) for slot in range(4)]
SEEN = fingerprint(np.array(FIRST, "<f8").tobytes())


class Name(str):
    """A name that counts how often it is compared with another one."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def slots(first: int, last: int) -> Interval:
    return Interval(DAY + first * QUARTER, DAY + last * QUARTER)


def finding(name: str, period: Interval, seen: str = "") -> Finding:
    return Finding(CODE, name, period, Severity.WARN, "seen", DELIVERED_ENERGY, 1, seen)


@dataclass(slots=True)
class Town:
    """A store of usage points of which a day came again: of each some was accepted, and some rejected, since."""

    names: Sequence[str]
    saved: list[Finding] = field(default_factory=list)

    def superseded(
        self, _: Access, names: Sequence[str], _kind: ReadingType, _days: Sequence[date], image: Image = Image.RAW
    ) -> list[Superseded]:
        first, last, quality = (0, 24, q.ACTUAL) if image is Image.RAW else (8, 12, GUESSED)
        starts = [DAY + slot * QUARTER for slot in range(first, last)]
        return [Superseded(name, at, QUARTER, 1.0, 2.0, quality, q.ACTUAL) for name in names for at in starts]

    def accepted(self, *_: object) -> frozenset[Doubted]:
        return frozenset(finding(name, slots(0, 4), SEEN).doubted for name in self.names)

    def load(self, _: Access, names: Sequence[str], _period: Interval) -> list[Finding]:
        periods = [slots(9, 10), slots(13, 14), slots(40, 41)]
        return [finding(name, period) for name in names for period in periods]

    def save(self, _: Access, findings: Sequence[Finding], **_named: object) -> int:
        self.saved = list(findings)
        return len(self.saved)

    def note(self) -> int:
        """Note what contradicts, and return how many names were compared for it."""
        points = SimpleNamespace(points=lambda _, names: [UsagePoint(name) for name in names])
        store = SimpleNamespace(arrivals=self, findings=self, registry=points)
        whole = [
            DirtyRange(name, DELIVERED_ENERGY, DAY.date(), DAY.date() + timedelta(days=1), number)
            for number, name in enumerate(self.names)
        ]
        Name.compared = 0
        note_contradictions(store, LOCAL_OWNER, SimpleNamespace(ranges=whole), SiteDefaults(), now=DAY)  # type: ignore[arg-type]
        return Name.compared


def town(points: int) -> Town:
    return Town([Name(f"UP-{number}") for number in range(points)])


def test_what_is_accepted_rejected_or_told_anew_is_told_no_more() -> None:
    made = town(3)
    made.note()
    told = [each.period for each in made.saved if each.usage_point == "UP-1"]
    assert told == [slots(40, 41), slots(4, 8), slots(12, 24)]
    assert len(made.saved) == 9


def test_twice_as_many_usage_points_are_twice_the_work() -> None:
    few, many = (town(points).note() for points in (20, 40))
    assert many < 3 * few

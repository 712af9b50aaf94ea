"""Baseline rules as data: which like days are averaged, and how the hours before an event move their mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from gridwright.domain.errors import NotFound


class Adjustment(StrEnum):
    """How the hours before the event move the mean of the like days."""

    NONE = "none"
    RATIO = "ratio"
    ADDITIVE = "additive"


@dataclass(frozen=True, slots=True)
class DayChoice:
    """Of the `days` most recent like days, those ranked by energy in the event's hours: `keep` of them, highest first.

    `skip_highest` and `skip_lowest` fall out before; fewer than `minimum` like days make no baseline.
    """

    days: int
    keep: int
    minimum: int
    skip_highest: int = 0
    skip_lowest: int = 0


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """A method by name and version; `workdays` and `free_days` (weekends, holidays) choose their own like days.

    `lower` and `upper` bound the ratio; `max_estimated`: share of estimated intervals in the hours compared that a like
    day may have. The window of the adjustment is `window` long and ends `buffer` before the event.
    """

    id: str
    version: int
    text: str
    workdays: DayChoice
    free_days: DayChoice
    adjustment: Adjustment = Adjustment.NONE
    lower: float = 1.0
    upper: float = 1.0
    window: timedelta = timedelta(hours=3)
    buffer: timedelta = timedelta(hours=1)
    look_back_days: int = 45
    max_estimated: float = 0.1

    @property
    def label(self) -> str:
        """Name and version, as statements cite it."""
        return f"{self.id} v{self.version}"

    def choice(self, *, free: bool) -> DayChoice:
        """Return the choice for a free day or a working day."""
        return self.free_days if free else self.workdays


TEN = (DayChoice(10, 10, 5), DayChoice(4, 4, 4))
FIVE = (DayChoice(10, 5, 5), DayChoice(5, 3, 4))
MIDDLE = (DayChoice(10, 8, 5, 1, 1), DayChoice(10, 8, 4, 1, 1))

BASELINES: dict[str, BaselineRule] = {
    rule.id: rule
    for rule in (
        BaselineRule(
            "10-of-10",
            1,
            "mean of 10 like days, moved by the ratio of the hours before the event, 0.8 to 1.2",
            *TEN,
            Adjustment.RATIO,
            0.8,
            1.2,
        ),
        BaselineRule("10-of-10-unadjusted", 1, "mean of 10 like days", *TEN),
        BaselineRule(
            "10-of-10-additive",
            1,
            "mean of 10 like days, moved by the difference of the hours before the event",
            *TEN,
            Adjustment.ADDITIVE,
        ),
        BaselineRule(
            "5-of-10",
            1,
            "mean of the 5 highest of 10 like days, moved by the ratio of the hours before, 1/1.4 to 1.4",
            *FIVE,
            Adjustment.RATIO,
            1 / 1.4,
            1.4,
        ),
        BaselineRule("5-of-10-unadjusted", 1, "mean of the 5 highest of 10 like days", *FIVE),
        BaselineRule(
            "middle-8-of-10-additive",
            1,
            "mean of 10 like days without the highest and the lowest, moved by the difference of the hours before",
            *MIDDLE,
            Adjustment.ADDITIVE,
        ),
    )
}


def baseline_rule(name: str) -> BaselineRule:
    """Return the rule that a program names; an unknown one is NotFound."""
    try:
        return BASELINES[name]
    except KeyError:
        raise NotFound(f"there is no baseline {name!r}", remedy=f"known: {', '.join(BASELINES)}") from None

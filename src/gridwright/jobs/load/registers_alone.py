"""What is told of a usage point of which there are register reads, and no intervals."""

from __future__ import annotations

from collections.abc import Iterable

from gridwright.domain.interval import clock_time
from gridwright.domain.usage_point import UsagePoint
from gridwright.store.registers import RegisterExtent

WHY = "energy by intervals is derived of register reads at most an hour apart"
REMEDY = (
    "read its register that often, or bring the intervals that its meter recorded (gridwright reading import); the "
    "reads there are stay, and check their sum"
)


def registers_alone(point: UsagePoint, extents: Iterable[RegisterExtent]) -> str:
    """Say how many reads there are of each register, and from when to when; nothing where there are none."""
    told = [
        f"{each.reads:,} {'read' if each.reads == 1 else 'reads'} of its {_named(each)} register, "
        f"from {clock_time(each.first, point.tz)} to {clock_time(each.last, point.tz)}"
        for each in extents
    ]
    return f"{point.id} has no intervals, but {' and '.join(told)}: {WHY}" if told else ""


def _named(each: RegisterExtent) -> str:
    return f"{each.reading_type.flow} {each.reading_type.channel}".strip()

"""How notes and errors speak: names of usage points, lengths of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gridwright.forecast.origins import Index

DAYS_FROM = timedelta(hours=72)


def named(points: Sequence[str], which: Index, most: int = 5) -> str:
    """Name some usage points, and count the rest."""
    names = ", ".join(points[at] for at in which[:most])
    return names if which.size <= most else f"{names} and {which.size - most} more"


def spelled(length: timedelta) -> str:
    """Write a length of time for people: `48 h`, `90 min`, `400 days`."""
    hours = length / timedelta(hours=1)
    if length > DAYS_FROM:
        return f"{hours / 24:.3g} days"
    return f"{hours:g} h" if hours >= 1 else f"{hours * 60:g} min"

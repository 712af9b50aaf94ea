"""Names that a usage point and a meter elsewhere both bear: at every entrance the usage point is meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable


def twins_in(hung: Iterable[tuple[str, str]], points: Collection[str]) -> dict[str, str]:
    """Return the names of usage points that are also those of meters, each with the other place where one hung.

    `hung`: meter and usage point of each installation.
    """
    found: dict[str, str] = {}
    for meter, point in hung:
        if meter != point and meter in points:
            found.setdefault(meter, point)
    return found


def twin_note(name: str, elsewhere: str) -> str:
    """Return what is said of readings under such a name."""
    return (
        f"{name} is a usage point, and a meter of that name hung at {elsewhere}: the readings are those of usage point "
        f"{name}; those of the meter are sent as {elsewhere}"
    )

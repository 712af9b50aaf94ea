"""Saving what fits: a panel of which some blocks have another grid is halved until only these are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gridwright.domain.errors import GridMismatch, GridwrightError, InputError
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel


def save_fitting(save: Callable[[Panel], object], panel: Panel) -> Iterator[tuple[Panel, GridwrightError]]:
    """Save a panel; where it does not fit, its halves, down to a day of one usage point, which is yielded.

    `save` leaves nothing behind when it raises GridMismatch or InputError.
    """
    try:
        save(panel)
    except (GridMismatch, InputError) as error:
        halves = halves_of(panel)
        if not halves:
            yield panel, error
        for half in halves:
            yield from save_fitting(save, half)


def halves_of(panel: Panel) -> list[Panel]:
    """Cut a panel by points, then at a UTC midnight; nothing where it is one day of one point."""
    count = len(panel.points)
    if count > 1:
        return [panel.rows(range(count // 2)), panel.rows(range(count // 2, count))]
    # An interval belongs to the day in which it starts.
    first, last = epoch_s(panel.start) // DAY_S, (epoch_s(panel.end) - panel.interval_s) // DAY_S
    if first == last:
        return []
    midnight = from_epoch_s((first + last + 1) // 2 * DAY_S)
    cut = -((panel.start - midnight) // panel.interval)
    return [panel.slice(0, cut), panel.slice(cut, panel.slots)]

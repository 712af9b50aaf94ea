"""What a decision about findings does to readings, as the command line tells it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from gridwright.cli.output import say

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.jobs.meters.weigh_acceptance import Effect

SHOWN, DAYS_SHOWN = 10, 5


def plain_effect(each: Effect) -> dict[str, Any]:
    """Return what happens at a usage point as a JSON object; `moved_kwh` is null where no kWh can measure it."""
    return {
        "usage_point": each.usage_point,
        "intervals": each.intervals,
        "days": [day.isoformat() for day in each.days],
        "added_kwh": each.added_wh / 1000,
        "moved_kwh": each.moved_wh / 1000 if isfinite(each.moved_wh) else None,
    }


def say_effects(effects: Sequence[Effect], *, back: bool) -> None:
    """Say at which usage points how much counts again, or no longer does."""
    for each in effects[:SHOWN]:
        say(f"{each.usage_point}: {_said(each, back=back)}")
    if len(effects) > SHOWN:
        say(f"… and {len(effects) - SHOWN} more usage points")


def _said(each: Effect, *, back: bool) -> str:
    if not each.days and isfinite(each.moved_wh):
        return "what counts is an edit that lies over it, and stays."
    if not each.intervals and not isfinite(each.moved_wh):
        return "the readings changed since it was found; the next cascade finds what is there now."
    days = ", ".join(map(str, each.days[:DAYS_SHOWN])) + (", …" if len(each.days) > DAYS_SHOWN else "")
    counts = "no longer count" if back else "count again"
    energy = f"{each.added_wh / 1000:+g} kWh" if isfinite(each.moved_wh) else "of what is no energy"
    return f"{each.intervals} intervals {counts} as measured, {energy} ({days})."


def say_carried() -> None:
    """Say who makes it so."""
    say("A server carries it through by itself; without one: gridwright bill correct")


def say_waiting(wired: Platform, waiting: int) -> None:
    """Say that a second person is needed, and how they agree."""
    limit = wired.settings.edits.alone_kwh
    say(
        f"{waiting} let more count than the {limit:g} kWh (edits.alone_kwh) that one person may: a second one agrees by"
    )
    say("  gridwright finding resolve --proposed --reason WHY --key KEY")

"""What changes which meter hangs somewhere: it is shown first, confirmed on a terminal, done, and told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import typer

from gridwright.cli.output import print_json, say
from gridwright.domain.interval import clock_time
from gridwright.domain.usage_point import Installation

History = Sequence[Installation]


@dataclass(frozen=True, slots=True)
class Previewed:
    """A change that was looked at: how it is told, in words and as JSON; what is asked before it is done, and how.

    `zone`: of the usage point, in which a person reads instants.
    """

    tell: Callable[[], None]
    plain: Mapping[str, Any]
    question: str
    act: Callable[[], History]
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person asked for it: only to see it, without being asked again, as JSON."""

    dry_run: bool
    yes: bool
    as_json: bool

    @property
    def asks(self) -> bool:
        """Whether somebody sits there who can be asked."""
        return sys.stdin.isatty() and not self.as_json


def go_through(change: Previewed, manner: Manner) -> None:
    """Show, confirm, do and tell a change; a dry run ends with what was shown."""
    if not manner.as_json:
        change.tell()
    if not manner.dry_run and manner.asks and not manner.yes:
        typer.confirm(change.question, abort=True, err=True)
    history = () if manner.dry_run else change.act()
    if manner.as_json:
        print_json({**change.plain, "installations": [plain_installation(each) for each in history]})
    elif manner.dry_run:
        say("Dry run: nothing was recorded.")
    else:
        tell_history(history, change.zone)


def tell_history(history: History, zone: ZoneInfo) -> None:
    """Say what hung there, and when by the clock there."""
    for each in history:
        until = "now" if each.is_open else clock_time(each.period.end, zone)
        say(f"  {each.end_device} (x{each.multiplier}) from {clock_time(each.period.start, zone)} until {until}")


def plain_installation(each: Installation) -> dict[str, Any]:
    """Return an installation as a JSON object."""
    return {
        "meter": each.end_device,
        "from": each.period.start,
        "to": None if each.is_open else each.period.end,
        "multiplier": each.multiplier,
    }

"""What withholds bills and notes, as the command line tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.output import print_table, say
from gridwright.domain.interval import zone_of

if TYPE_CHECKING:
    from gridwright.domain.obstacle import Obstacle, Withheld

Despite = Annotated[
    str,
    typer.Option("--despite", metavar="REASON", help="Let it go with the doubt, and why; it stays in the audit chain."),
]

WITHHELD = "Withheld, because what they would rest on is in doubt"


def plain_obstacles(found: Iterable[Obstacle]) -> list[dict[str, Any]]:
    """Return what withholds a document as JSON objects."""
    return [each.to_dict() for each in found]


def tell_withheld(withheld: Sequence[Withheld], *, of_file: bool = False) -> None:
    """Print which bills were not made (of a file: would not be, of the store), why, and what takes the reason away."""
    if not withheld:
        return
    would = "In doubt: of the store they would be withheld" if of_file else WITHHELD
    say(f"{would}: {len(withheld)}.")
    print_table(
        ("withheld", "from", "rule", "finding", "severity", "what", "to resolve it"),
        [
            (
                each.usage_point,
                f"{each.period.start.astimezone(zone_of(each.zone)):%Y-%m-%d}",
                *_cells(obstacle),
            )
            for each in withheld
            for obstacle in each.obstacles
        ],
    )


def say_obstacles(found: Sequence[Obstacle]) -> None:
    """Say below a document what withholds it, and what takes the reason away."""
    for each in found:
        say(f"Withheld by {each}")
        say(f"  {each.resolve}")


def short(found: Sequence[Obstacle]) -> str:
    """Return the rules that withhold a document, each once, for a cell of a table."""
    return ", ".join(dict.fromkeys(each.code for each in found))


def _cells(obstacle: Obstacle) -> tuple[str, ...]:
    number = "" if obstacle.finding is None else str(obstacle.finding)
    return obstacle.code, number, str(obstacle.severity), obstacle.message, obstacle.resolve

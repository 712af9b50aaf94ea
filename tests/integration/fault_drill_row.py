"""What came of a fault that was played, and the table of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

PAUSE = random.Random(7)  # noqa: S311 - seeded choice of moments


def some() -> int:
    """Return after how many more acknowledgements the next fault comes."""
    return PAUSE.randint(5, 60)


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one fault: readings acknowledged to devices, found, lost, doubled, wrong, and sent twice.

    `caught`: rounds in which the fault met what it is about: rows that waited in the journal, messages under way, a
    buffer that was full. `dropped`: acknowledged by an edge that may drop the oldest, and told to the centre as lost.
    """

    fault: str
    rounds: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    wrong: int
    resent: int
    seconds: float
    note: str = ""
    lines: int = 0  # of those acknowledged
    caught: int = 0
    dropped: int = 0

    @property
    def is_well(self) -> bool:
        return bool(self.note) or (self.acknowledged > 0 and not self.lost + self.doubled + self.wrong)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    head = (
        "fault",
        "rounds",
        "acknowledged",
        "stored",
        "lost",
        "doubled",
        "wrong",
        "sent again",
        "lines",
        "caught",
        "dropped",
        "s",
    )
    lines: list[tuple[str, ...]] = [head]
    for row in rows:
        found = (row.stored, row.lost, row.doubled, row.wrong)
        numbers = (row.rounds, row.acknowledged, *found, row.resent, row.lines, row.caught, row.dropped)
        lines.append((row.fault, *map(str, numbers), f"{row.seconds:.0f} {row.note}".strip()))
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)

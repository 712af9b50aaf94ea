"""What of a chunk is saved, panel by panel, what of it was sent, and what does not fit what is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest import Gridded
from gridwright.store import SaveSummary
from gridwright.store.days.fitting import halves_of

TOGETHER = 100
LONGEST_BLOCK = timedelta(hours=1)
NOT_STORED = "not stored"
TOO_LONG = "intervals longer than an hour are not kept; register reads are, and --kind cumulative says so"
LEFT_OUT = "energy of {} min between register reads is left out of days with other intervals; the reads are stored"
DERIVED = "derived_"  # before the names of the counts of what nobody sent


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A panel that is saved, or a part of one; `derived`: nobody sent it, its energy lies between register reads."""

    panel: Panel
    derived: bool = False

    def counted(self, summary: SaveSummary) -> Counter[str]:
        """Return what became of its readings as counts of what was sent, or of what was derived."""
        return counted(summary, DERIVED if self.derived else "")

    def cut(self, at_s: int) -> tuple[list[Part], list[Part]]:
        """Return what starts before an instant by usage points that have a value, and what follows, if anything.

        Of more than a hundred usage points they stay together: each is looked up in the file by its line.
        """
        slots = min(-((epoch_s(self.panel.start) - at_s) // self.panel.interval_s), self.panel.slots)
        old, rest = self.panel.slice(0, slots), self.panel.slots - slots
        known = np.flatnonzero(~old.missing.all(axis=1)).tolist()
        rows = [known] if len(known) > TOGETHER else [[row] for row in known]
        kept = [replace(self, panel=self.panel.slice(slots, self.panel.slots))] if rest else []
        return [replace(self, panel=old.rows(some)) for some in rows], kept

    def halves(self) -> list[Part]:
        """Cut it by points, then at a UTC midnight; nothing where it is one day of one point."""
        return [replace(self, panel=half) for half in halves_of(self.panel)]


Misfit = tuple[Part, GridMismatch]


def counted(summary: SaveSummary, prefix: str = "") -> Counter[str]:
    """Return what became of readings as the counts of an import."""
    return Counter({prefix + name: getattr(summary, name) for name in ("new", "changed", "same", "aside")})


def parts_of(gridded: Gridded) -> list[Part]:
    """Return the panels whose intervals are kept, what was sent first: what is derived fills the rest."""
    made = {id(panel) for panel in gridded.derived}
    parts = [Part(panel, id(panel) in made) for panel in gridded.panels if panel.interval <= LONGEST_BLOCK]
    return sorted(parts, key=lambda part: part.derived)


def unkept(gridded: Gridded) -> list[Panel]:
    """Return the panels whose intervals are not kept, without the energy between register reads: those are stored."""
    told = {registers.readings.reading_type.finer(0) for registers in gridded.registers}
    long = [panel for panel in gridded.panels if panel.interval > LONGEST_BLOCK]
    return [panel for panel in long if panel.reading_type.register().finer(0) not in told]


def sent_of(misfits: Sequence[Misfit]) -> tuple[list[Misfit], list[str]]:
    """Return what was sent of the misfits, and notes on what nobody sent: the energy between register reads."""
    minutes = {part.panel.interval_s // 60 for part, _ in misfits if part.derived}
    sent = [(part, error) for part, error in misfits if not part.derived]
    return sent, [LEFT_OUT.format(length) for length in sorted(minutes)]


def derived_days(misfits: Sequence[Misfit]) -> dict[ReadingType, set[tuple[str, int]]]:
    """Return the days of energy between register reads that do not fit what is stored, by the type of the energy."""
    found: dict[ReadingType, set[tuple[str, int]]] = defaultdict(set)
    for part, _ in misfits:
        if part.derived:
            day = epoch_s(part.panel.start) // DAY_S
            found[part.panel.reading_type] |= {(point, day) for point in part.panel.points}
    return found


def line_of(panel: Panel, series: Iterable[Readings]) -> int:
    """Return the first line of a file that the readings of a panel stand in, 0 where none says."""
    first, last = epoch_s(panel.start), epoch_s(panel.end)
    lines = [
        int(each.line[rows].min())
        for each in series
        if (rows := _of_points(each, panel.points) & (each.at >= first) & (each.at < last)).any()
    ]
    return min(lines, default=0)


def _of_points(readings: Readings, points: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.isin(readings.points, points)[readings.point]


def shown(panel: Panel) -> str:
    """Say whose readings a panel holds, of which length, and when."""
    more = f" and {len(panel.points) - 1:,} more" if len(panel.points) > 1 else ""
    first, last = (moment.isoformat(timespec="minutes").removesuffix("+00:00") for moment in (panel.start, panel.end))
    return f"{panel.points[0]}{more}, readings of {panel.interval_s // 60:,} min from {first}Z to {last}Z"

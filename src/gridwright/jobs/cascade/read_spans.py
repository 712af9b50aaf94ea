"""How far register reads reach around some days: what lies between two of them is known, and doubted, as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.interval import DAY_S, MICRO
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.load.load_stored import READS_BESIDE, register_types
from gridwright.store import Store
from gridwright.vee import Registers, RuleBook, packaged
from gridwright.vee.steps import Steps, steps_of
from gridwright.vee.validate import capacities

Days = tuple[int, int]  # UTC days [first, last)
HOUR = timedelta(hours=1)
DAY_US = DAY_S * MICRO


@dataclass(frozen=True, slots=True)
class ReadSpans:
    """Looks for the steps between register reads that reach over the edges of some days.

    `rules`: they tell what a connection carries of which nobody has told it (None: the packaged).
    """

    store: Store
    access: Access
    rules: RuleBook | None = None

    def each(self, asked: Sequence[tuple[str, Days]]) -> list[Days]:
        """Return the days asked of usage points with all of the steps that they have a part of.

        A read of another meter, or one that is set aside, ends no step.
        """
        found = [days for _, days in asked]
        turns: dict[str, int] = defaultdict(int)
        rounds: dict[int, dict[str, int]] = defaultdict(dict)
        for place, (point, _) in enumerate(asked):
            rounds[turns[point]][point] = place
            turns[point] += 1
        for places in rounds.values():
            for point, days in self._around({point: asked[place][1] for point, place in places.items()}).items():
                found[places[point]] = days
        return found

    def _around(self, asked: Mapping[str, Days]) -> dict[str, Days]:
        found = dict(asked)
        for kind in register_types(self.store, self.access):
            for edge in (0, 1):
                reads = self._beside(kind, {point: days[edge] for point, days in asked.items()})
                for point, (first, last) in self._crossing(kind, reads, asked, edge).items():
                    since, until = found[point]
                    found[point] = min(since, first), max(until, last)
        return found

    def _beside(self, kind: ReadingType, edges: Mapping[str, int]) -> dict[str, list[RegisterReading]]:
        """Return the reads beside midnights; nothing where none lies on the one side or on the other."""
        spans = {point: (midnight(day), midnight(day)) for point, day in edges.items()}
        pairs = self.store.registers.neighbours(self.access, spans, kind)
        both = {point: spans[point] for point, (before, after) in pairs.items() if before and after}
        if not both:
            return {}
        reads = self.store.registers.load_around(self.access, both, kind, (READS_BESIDE, READS_BESIDE))
        return {point: several for point, (several, _) in reads.items()}

    def _crossing(
        self, kind: ReadingType, reads: Mapping[str, Sequence[RegisterReading]], asked: Mapping[str, Days], edge: int
    ) -> dict[str, Days]:
        """Return the days of the steps over an edge of the days asked of each usage point."""
        names = tuple(reads)
        if not names:
            return {}
        steps = self._steps(kind, names, reads)
        at = np.array([asked[name][edge] for name in names], np.int64)[steps.row] * DAY_US
        over = np.flatnonzero((steps.since < at) & (at < steps.until)).tolist()
        found = {}
        for place in over:
            first, last = _across_exchanges(steps, place)
            days = int(steps.since[first] // DAY_US), -int(-steps.until[last] // DAY_US)
            found[names[int(steps.row[place])]] = days
        return found

    def _steps(
        self, kind: ReadingType, names: tuple[str, ...], reads: Mapping[str, Sequence[RegisterReading]]
    ) -> Steps:
        known: dict[str, UsagePoint] = {each.id: each for each in self.store.registry.points(self.access, list(names))}
        field = self.store.field
        registers = Registers(reads, field.meters(self.access, names), field.installations(self.access, names))
        counted = ReadingType(flow=kind.flow, accumulation=Accumulation.DELTA, channel=kind.channel)
        # A panel without a value: how it is counted is asked of the registers alone.
        panel = Panel(names, midnight(0), HOUR, np.full((len(names), 1), np.nan), reading_type=counted)
        return steps_of(panel, registers, capacities(panel, known, self.rules or packaged()))


def _across_exchanges(steps: Steps, place: int) -> Days:
    """Return the first and the last of the steps that are laid together: an exchange off the grid joins both sides."""
    first = last = place
    moment = steps.since == steps.until
    while first >= 2 and steps.row[first - 2] == steps.row[place] and moment[first - 1]:  # noqa: PLR2004
        first -= 2
    while last + 2 < len(steps) and steps.row[last + 2] == steps.row[place] and moment[last + 1]:
        last += 2
    return first, last


def midnight(day: int) -> datetime:
    """Return when a UTC day begins."""
    return datetime.combine(date_of(day), time.min, UTC)

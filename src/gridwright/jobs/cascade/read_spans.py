"""How far register reads reach around some days: what lies between two of them is known, and doubted, as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from gridwright.vee.cuts import FAR, MOST, Cuts, cuts_of
from gridwright.vee.grids import Grid
from gridwright.vee.steps import Steps, steps_of, unread
from gridwright.vee.validate import capacities

Days = tuple[int, int]  # UTC days [first, last)
DAY_US = DAY_S * MICRO
HERE = timedelta(0)


@dataclass(frozen=True, slots=True)
class ReadSpans:
    """Looks for the steps between register reads that reach over the edges of some days.

    `rules`: they tell what a connection carries of which nobody has told it (None: the packaged). `lengths`: of the
    intervals of usage points, in seconds; a read that closes none of them ends no step between others that do.
    """

    store: Store
    access: Access
    rules: RuleBook | None = None
    lengths: Mapping[str, Collection[int]] = field(default_factory=dict)

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
                for point, (first, last) in self._crossing(kind, {each: asked[each][edge] for each in asked}):
                    since, until = found[point]
                    found[point] = min(since, first), max(until, last)
        return found

    def _beside(
        self, kind: ReadingType, edges: Mapping[str, int], most: int = READS_BESIDE, far: timedelta = HERE
    ) -> dict[str, list[RegisterReading]]:
        """Return the reads beside midnights, and all as `far`; nothing where none lies on the one side or the other."""
        spans = {point: (midnight(day), midnight(day)) for point, day in edges.items()}
        pairs = self.store.registers.neighbours(self.access, spans, kind)
        both = {point: spans[point] for point, (before, after) in pairs.items() if before and after}
        if not both:
            return {}
        both = {point: (since - far, until + far) for point, (since, until) in both.items()}
        reads = self.store.registers.load_around(self.access, both, kind, (most, most))
        return {point: several for point, (several, _) in reads.items()}

    def _crossing(self, kind: ReadingType, edges: Mapping[str, int]) -> Iterator[tuple[str, Days]]:
        """Yield the days of the steps over a midnight of each usage point, `edges`."""
        reads = self._beside(kind, edges)
        names = tuple(reads)
        if not names:
            return
        steps = self._steps(kind, names, reads)
        beside: dict[int, dict[str, int]] = defaultdict(dict)
        for place in _over(steps, names, edges):
            point = names[int(steps.row[place])]
            first, last = _across_exchanges(steps, place)
            yield point, _days(steps, first, last)
            ends = np.array([steps.since[first], steps.until[last]])
            for length in self.lengths.get(point, ()):
                if np.diff(ends) < length * MICRO or (ends % (length * MICRO)).any():
                    beside[length][point] = edges[point]
        for length, several in beside.items():
            yield from self._closed_together(kind, several, length)

    def _closed_together(
        self, kind: ReadingType, edges: Mapping[str, int], length_s: int
    ) -> Iterator[tuple[str, Days]]:
        """Yield the same where reads beside the grid, or off it, lie beside a midnight: from the grid to the grid."""
        left = dict(edges)
        # Mostly a few reads say it; where none of them lies on the grid those of two days are looked at.
        for most, far in ((MOST + 1, HERE), (READS_BESIDE, FAR)):
            reads = self._beside(kind, left, most, far) if left else {}
            names = tuple(reads)
            cuts = cuts_of(self._steps(kind, names, reads), Grid.endless(length_s), 1.0)
            # What stray cuts bound lies between two reads, and a gap is made anew as a whole anyway.
            cuts = cuts.where(~cuts.stray)
            for row, name in enumerate(names):
                for first, last in _around_edge(cuts, row, edges[name] * DAY_S // length_s):
                    left.pop(name, None)
                    yield name, (first * length_s // DAY_S, -(-last * length_s // DAY_S))

    def _steps(
        self, kind: ReadingType, names: tuple[str, ...], reads: Mapping[str, Sequence[RegisterReading]]
    ) -> Steps:
        known: dict[str, UsagePoint] = {each.id: each for each in self.store.registry.points(self.access, list(names))}
        field = self.store.field
        registers = Registers(reads, field.meters(self.access, names), field.installations(self.access, names))
        panel = _empty(kind, names)
        return steps_of(panel, registers, capacities(panel, known, self.rules or packaged()))


def _empty(kind: ReadingType, names: tuple[str, ...]) -> Panel:
    return unread(names, ReadingType(flow=kind.flow, accumulation=Accumulation.DELTA, channel=kind.channel))


def _over(steps: Steps, names: Sequence[str], edges: Mapping[str, int]) -> list[int]:
    """Return the places of the steps that reach over a midnight of their usage point."""
    at = np.array([edges[name] for name in names], np.int64)[steps.row] * DAY_US
    found: list[int] = np.flatnonzero((steps.since < at) & (at < steps.until)).tolist()
    return found


def _around_edge(cuts: Cuts, row: int, edge: int) -> Iterator[tuple[int, int]]:
    """Yield the edges between which what lies on both sides of an edge may be closed as one: others may be passed."""
    mine = np.flatnonzero(cuts.row == row)
    for chain in np.unique(cuts.chain[mine]).tolist():
        some = mine[cuts.chain[mine] == chain]
        at, on_grid = cuts.edge[some], cuts.off[some] == 0
        before, after = np.flatnonzero(at <= edge), np.flatnonzero(at >= edge)
        if before.size and after.size and not on_grid[at == edge].any():
            first = before[on_grid[before]][-1:] if on_grid[before].any() else before[:1]
            last = after[on_grid[after]][:1] if on_grid[after].any() else after[-1:]
            yield int(at[first[0]]), int(at[last[0]])


def _days(steps: Steps, first: int, last: int) -> Days:
    return int(steps.since[first] // DAY_US), -int(-steps.until[last] // DAY_US)


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

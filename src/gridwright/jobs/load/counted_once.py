"""The same energy under two names of its channel counts once; channels that are different energy add up.

A channel is a measuring component of its own, whichever entrance brought it; which of them counts is decided here,
where they are added up, by names and values alone, so that the order in which readings came does not matter.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values, slot_time
from gridwright.domain.reading_type import Accumulation, ReadingType

Mask = npt.NDArray[np.bool_]
# The first channel of a direction, as NMI suffixes name it (11: of a basic meter); a meter of one channel has no other.
FIRST = re.compile(r"[A-Z1]1")
# So many different values that agree to the last digit are no chance.
DIFFERENT = 4
STRONG, WEAK, MISSING, ABSENT = 0, 1, 2, 3
_STATE = np.full(16, STRONG, np.uint8)
_STATE[[q.Status.ESTIMATED, q.Status.REJECTED]] = WEAK


@dataclass(frozen=True, slots=True)
class Doubled:
    """Energy of a usage point under channel `own` at times at which `others` have it too, or may have it.

    `added`: nothing tells that it is the same, so that all count; else one of them counts. `period`: from the first to
    the last of these times.
    """

    point: str
    reading_type: ReadingType
    own: str
    others: tuple[str, ...]
    period: Interval
    added: bool

    def __str__(self) -> str:
        own = f"energy of channel {self.own}" if self.own else "energy without a channel"
        others = " and ".join(f"channel {each}" if each else "no channel" for each in self.others)
        if self.added:
            return f"{own} is added to that of {others}; where it is the same, send it under one of these names only"
        return (
            f"{own} is that of {others} a second time, and counts only where that is not measured; "
            "to have both count, send it under a channel of its own"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Once:
    """Panels of one energy, of which each interval's energy is in one channel only, and where it was in several."""

    panels: tuple[Panel, ...]
    doubled: tuple[Doubled, ...] = ()


def energy_of(kind: ReadingType) -> ReadingType:
    """Return what a series measures, without its channel, its resolution, and whether it counts up."""
    counted = Accumulation.DELTA if kind.accumulation is Accumulation.CUMULATIVE else kind.accumulation
    return replace(kind, channel="", exponent=0, accumulation=counted)


def counted_once(panels: Sequence[Panel]) -> Once:
    """Return panels of one flow on one grid such that their sum has no energy twice.

    What does not count is zero and of the best quality, so that it adds nothing. Readings without a channel are the
    same energy as a first channel (E1) with all beside it, at each time at which there is one; channels are the same
    energy where all that both measured is equal. Of two, what was measured counts before what was estimated.
    """
    if len({panel.reading_type.channel for panel in panels}) < 2:  # noqa: PLR2004 - two names
        return Once(tuple(panels))
    points = _suspected(panels)
    if not points:
        return Once(tuple(panels))
    copies = [_Copy(panel) for panel in panels]
    doubled = [each for sheet in _sheets(copies, points) for each in sheet.settle()]
    return Once(tuple(copy.panel for copy in copies), tuple(doubled))


@dataclass(slots=True, eq=False)
class _Copy:
    """A panel that is copied before the first change."""

    panel: Panel
    fresh: bool = True

    def drop(self, row: int, slots: Mask) -> None:
        if self.fresh:
            self.panel = replace(self.panel, values=self.panel.values.copy(), quality=self.panel.quality.copy())
            self.fresh = False
        self.panel.values[row, slots] = 0.0
        self.panel.quality[row, slots] = q.pack(q.Status.DERIVED)


@dataclass(slots=True, eq=False)
class _Row:
    """A channel of a usage point over the time of all of them: Wh, and how well each interval is known."""

    channel: str
    places: list[tuple[_Copy, int, int]]
    wh: Values
    state: npt.NDArray[np.uint8]
    resolution: float

    @property
    def known(self) -> Mask:
        """Which intervals have a value."""
        return np.asarray(self.state <= WEAK)

    def drop(self, slots: Mask) -> None:
        """Let intervals add nothing."""
        for copy, row, begin in self.places:
            mine = slots[begin : begin + copy.panel.slots]
            if mine.any():
                copy.drop(row, mine)
        self.state[slots] = ABSENT


@dataclass(slots=True, eq=False)
class _Sheet:
    """The channels of one energy of one usage point."""

    point: str
    first: Panel
    rows: Mapping[str, _Row]

    def settle(self) -> Iterator[Doubled]:
        """Drop what is there twice, and tell it."""
        channels = sorted((name for name in self.rows if name), key=lambda name: (not FIRST.fullmatch(name), name))
        for at, name in enumerate(channels):
            one = next((self.rows[other] for other in channels[:at] if _twins(self.rows[other], self.rows[name])), None)
            if one is not None:
                yield from self._choose(self.rows[name], [one], [])
        if "" in self.rows and channels:
            yield from self._settle_nameless(self.rows[""], [self.rows[name] for name in channels])

    def _settle_nameless(self, plain: _Row, channels: Sequence[_Row]) -> Iterator[Doubled]:
        wholes = ([*channels], *([each] for each in channels))
        twin = next((some for some in wholes if _twins(_sum(some), plain)), None)
        firsts = [each for each in channels if FIRST.fullmatch(each.channel)]
        if twin is not None:
            yield from self._choose(plain, twin, [])
        elif firsts:
            yield from self._choose(plain, firsts, [each for each in channels if each not in firsts])
        known = plain.known & np.any([each.known for each in channels], axis=0)
        if known.any():
            beside = tuple(each.channel for each in channels if (each.known & known).any())
            yield self._told(plain, beside, known, added=True)

    def _choose(self, own: _Row, ones: Sequence[_Row], more: Sequence[_Row]) -> Iterator[Doubled]:
        """Let one of the same energy count: `ones` with `more` beside them, or `own`, where that is known better."""
        worst = np.max([np.where(each.state == ABSENT, 0, each.state) for each in ones], axis=0)
        there = np.any([each.state != ABSENT for each in ones], axis=0) & (own.state != ABSENT)
        firm = np.any([each.state == STRONG for each in more], axis=0) if more else np.zeros(there.shape, np.bool_)
        takes = there & (own.state < worst) & ~firm
        both = there & own.known & np.any([each.known for each in ones], axis=0)
        beside = tuple(each.channel for each in (*ones, *more) if (each.known & both).any())
        told = self._told(own, beside, both, added=False) if both.any() else None
        own.drop(there & ~takes)
        for each in (*ones, *more):
            each.drop(takes & (each.state != ABSENT))
        if told is not None:
            yield told

    def _told(self, own: _Row, beside: tuple[str, ...], slots: Mask, *, added: bool) -> Doubled:
        at = np.flatnonzero(slots)
        period = Interval(slot_time(self.first, int(at[0])), slot_time(self.first, int(at[-1]) + 1))
        kind = replace(self.first.reading_type, channel=own.channel)
        return Doubled(self.point, kind, own.channel, beside, period, added)


def _suspected(panels: Sequence[Panel]) -> set[str]:
    """Return who has energy without a channel beside a channel, or two channels that nothing tells apart."""
    channels: dict[str, set[str]] = defaultdict(set)
    for panel in panels:
        for point in panel.points:
            channels[point].add(panel.reading_type.channel)
    several = {point: names for point, names in channels.items() if len(names) > 1}
    apart: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one, other in combinations(panels, 2):
        mine, its = sorted((one.reading_type.channel, other.reading_type.channel))
        if mine and mine != its:
            apart[mine, its].update(_apart(one, other))
    return {
        point
        for point, names in several.items()
        if "" in names or any(point not in apart[pair] for pair in combinations(sorted(names), 2))
    }


def _apart(one: Panel, other: Panel) -> Iterator[str]:
    """Yield the usage points for which two panels measured different values."""
    period = one.period.intersection(other.period)
    there = set(other.points)
    points = tuple(point for point in one.points if point in there)
    if period is None or not points:
        return
    values, states = zip(*(_part(panel, points, period) for panel in (one, other)), strict=True)
    differs = np.abs(values[0] - values[1]) > _slack(*(panel.reading_type.resolution for panel in (one, other)))
    differs &= (states[0] == STRONG) & (states[1] == STRONG)
    yield from (points[row] for row in np.flatnonzero(differs.any(axis=1)).tolist())


def _part(panel: Panel, points: tuple[str, ...], period: Interval) -> tuple[Values, npt.NDArray[np.uint8]]:
    """Return Wh and state of some usage points within a period."""
    whole = panel if panel.points == points else panel.rows([panel.index(point) for point in points])
    part = whole.between(period)
    return part.values * part.reading_type.resolution, _STATE[q.status_of(part.quality)]


def _slack(*resolutions: float) -> float:
    """Return how far two values of one energy may be apart, by how finely each is counted."""
    coarse = max(resolutions)
    return coarse / 2 if min(resolutions) != coarse else coarse * 1e-6


def _sheets(copies: Sequence[_Copy], points: AbstractSet[str]) -> Iterator[_Sheet]:
    """Yield some usage points with all their channels."""
    places: dict[str, dict[str, list[tuple[_Copy, int]]]] = defaultdict(lambda: defaultdict(list))
    for copy in copies:
        for row, point in enumerate(copy.panel.points):
            if point in points:
                places[point][copy.panel.reading_type.channel].append((copy, row))
    for point, channels in places.items():
        panels = [copy.panel for several in channels.values() for copy, _ in several]
        first = min(panels, key=lambda panel: panel.start)
        slots = (max(panel.end for panel in panels) - first.start) // first.interval
        yield _Sheet(point, first, {name: _row(name, some, first, slots) for name, some in channels.items()})


def _row(channel: str, places: Sequence[tuple[_Copy, int]], first: Panel, slots: int) -> _Row:
    wh, state = np.full(slots, np.nan), np.full(slots, ABSENT, np.uint8)
    found = []
    for copy, row in places:
        panel = copy.panel
        begin = (panel.start - first.start) // panel.interval
        part = slice(begin, begin + panel.slots)
        values, missing = panel.values[row], panel.missing[row]
        wh[part] = np.where(missing, wh[part], values * panel.reading_type.resolution)
        known = np.where(missing, MISSING, _STATE[q.status_of(panel.quality[row])])
        state[part] = np.minimum(state[part], known)
        found.append((copy, row, begin))
    return _Row(channel, found, wh, state, max(copy.panel.reading_type.resolution for copy, _ in places))


def _sum(rows: Sequence[_Row]) -> _Row:
    """Return the sum of channels; each adds nothing where it is absent."""
    states = np.stack([row.state for row in rows])
    here = states != ABSENT
    wh = np.where(here, np.stack([row.wh for row in rows]), 0.0).sum(axis=0)
    state = np.where(here.any(axis=0), np.where(here, states, 0).max(axis=0), ABSENT).astype(np.uint8)
    return _Row("", [], wh, state, max(row.resolution for row in rows))


def _twins(one: _Row, other: _Row) -> bool:
    """Tell whether all that two channels measured at the same time is the same, and is more than a constant."""
    both = (one.state == STRONG) & (other.state == STRONG)
    mine, its = one.wh[both], other.wh[both]
    if not both.any() or (np.abs(mine - its) > _slack(one.resolution, other.resolution)).any():
        return False
    return np.unique(its[its != 0]).size >= DIFFERENT

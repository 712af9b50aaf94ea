"""What was fed in where both directions are one series: nothing until somebody did, then zero where nobody does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.edit import Edit
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.jobs.cascade.around import EVER
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.edits_made import as_final, feeding, is_split
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.load.main_series import fed_from
from gridwright.store import Store
from gridwright.vee import lay_agreed

AGREED = np.uint8(int(q.Method.AGREED) << 4)
# Of so many days at the beginning of what is loaded something is known, unless the series is silent there.
BEGINNING = 2
Seconds = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FedSince:
    """From which UTC day on, in seconds, usage points fed in: by final images that readings have left, and by edits."""

    read: Seconds
    edited: Seconds

    @property
    def since(self) -> Seconds:
        """From when on each of them fed in, as far as the readings at hand do not say that it was earlier."""
        return {**self.read, **{point: min(at, self.read.get(point, at)) for point, at in self.edited.items()}}


def fed_since(store: Store, access: Access, scope: Scope, panels: Sequence[Panel]) -> FedSince:
    """Return from when on usage points fed in whose readings have both directions in one series."""
    split = {point for panel in panels if is_split(panel.reading_type) for point in panel.points}
    split.difference_update(*(panel.points for panel in panels if panel.reading_type.flow is Flow.RECEIVED))
    if not split:
        return FedSince({}, {})
    names = sorted(split)
    applied = store.edits.applied(access, names, EVER)
    unsure = feeding(applied) | feeding(store.edits.withdrawn(access, names, EVER))
    look = _Stored(store, access, scope, panels, frozenset(unsure))
    return FedSince(look.since(names), _by_edits(applied))


def _by_edits(edits: Sequence[Edit]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in as_final(edits, ()):
        if each.reading_type.flow is Flow.RECEIVED and any(each.values):
            day_s = (epoch_s(each.period.start) // DAY_S - 1) * DAY_S
            found[each.usage_point] = min(day_s, found.get(each.usage_point, day_s))
    return found


def touch_later(store: Store, access: Access, points: Collection[str], end: datetime) -> list[str]:
    """Mark readings with both directions in one series dirty behind those days; returns the usage points with some."""
    touched = []
    for each in store.readings.extents(access, sorted(points)) if points else ():
        last = from_epoch_s(each.last_day * DAY_S)
        if is_split(each.reading_type) and last > end:
            store.dirty.touch(access, [each.usage_point], each.reading_type, Interval(end, last))
            touched.append(each.usage_point)
    return touched


def by_readings(panel: Panel) -> npt.NDArray[np.bool_]:
    """Tell where a final image holds something that no edit made."""
    known: npt.NDArray[np.bool_] = ~panel.missing & (q.method_of(panel.quality) != q.Method.AGREED)
    return known


@dataclass(frozen=True, slots=True, eq=False)
class _Stored:
    """Looks in the final images of received energy from when on there is one that no edit made.

    `unsure`: usage points of which edits say, or said, that they feed in.
    """

    store: Store
    access: Access
    scope: Scope
    panels: Sequence[Panel]
    unsure: frozenset[str]

    def since(self, points: Sequence[str]) -> dict[str, int]:
        """Return it for those of the usage points that have one; no earlier than what is loaded."""
        found: dict[str, int] = {}
        for kind in self.store.readings.image_types(self.access):
            if kind.quantity is Quantity.ENERGY and kind.flow is Flow.RECEIVED and not kind.channel:
                for point, at in self._of(points, kind).items():
                    found[point] = min(at, found.get(point, at))
        return found

    def _of(self, points: Sequence[str], kind: ReadingType) -> dict[str, int]:
        context = self.scope.context
        begin = day_number(context.start.date())
        known = self._known(points, kind, range(begin, -(-epoch_s(context.end) // DAY_S)))
        first = {points[row]: begin + int(known[row].argmax()) for row in np.flatnonzero(known.any(axis=1)).tolist()}
        found, exact = {}, []
        for point in points:
            if point in self.unsure or first.get(point, begin) > begin + BEGINNING:
                exact.append(point)
            elif point in first:
                found[point] = epoch_s(context.start)
        found |= self._exactly(exact, kind, context)
        found |= dict.fromkeys(self._before([point for point in points if point not in found], kind), begin * DAY_S)
        return found

    def _known(self, points: Sequence[str], kind: ReadingType, days: range) -> npt.NDArray[np.bool_]:
        return self.store.day_totals.load(self.access, points, days, reading_type=kind).known

    def _exactly(self, points: Sequence[str], kind: ReadingType, period: Interval) -> dict[str, int]:
        """Return on which day each final image begins that no edit made."""
        found: dict[str, int] = {}
        parts = load_stretches(self.store, self.access, points, period, kind, image=Image.FINAL) if points else ()
        for panel in parts:
            known = by_readings(panel)
            for row in np.flatnonzero(known.any(axis=1)).tolist():
                at = epoch_s(panel.start) + int(known[row].argmax()) * panel.interval_s
                found.setdefault(panel.points[row], at // DAY_S * DAY_S)
        return found

    def _before(self, points: Sequence[str], kind: ReadingType) -> set[str]:
        """Return who has such an image before what is loaded, of those who were silent where it begins."""
        begin = epoch_s(self.scope.context.start) // DAY_S
        heard = {
            panel.points[row]
            for panel in self.panels
            if is_split(panel.reading_type)
            for row in np.flatnonzero((~panel.missing).any(axis=1)).tolist()
            if _first_s(panel, row) < (begin + BEGINNING) * DAY_S
        }
        silent = [point for point in points if point not in heard]
        extents = self.store.readings.extents(self.access, silent) if silent else ()
        since = min((each.first_day for each in extents if is_split(each.reading_type)), default=begin)
        if since >= begin:
            return set()
        known = self._known(silent, kind, range(since, begin))
        there = [silent[row] for row in np.flatnonzero(known.any(axis=1)).tolist()]
        earlier = Interval(from_epoch_s(since * DAY_S), self.scope.context.start)
        unsure = [point for point in there if point in self.unsure]
        return set(there).difference(unsure) | self._exactly(unsure, kind, earlier).keys()


def _first_s(panel: Panel, row: int) -> int:
    return epoch_s(panel.start) + int((~panel.missing[row]).argmax()) * panel.interval_s


@dataclass(frozen=True, slots=True, eq=False)
class Unfed:
    """Usage points with both directions in one series, since when they `fed` in, and the `edits` of a scope.

    What was fed in is zero since then wherever what was delivered is known, and not unknown. As long as edits alone
    say that they fed in it is so with the method AGREED, and goes with the last such edit.
    """

    fed: FedSince
    edits: Sequence[Edit]

    def beside(self, delivered: Sequence[Channel], received: Sequence[Channel]) -> list[Channel]:
        """Return the received channels, with those that are lacking as no reading says that anything was fed in."""
        told = {point for channel in received for point in channel.trusted.points}
        lacking = self.fed.since.keys() - told
        beside = [each for channel in delivered for each in self._beside(channel, lacking)] if lacking else []
        return [*(self._agreed(channel) for channel in received), *beside]

    def _beside(self, channel: Channel, lacking: Collection[str]) -> Iterator[Channel]:
        panel, since = channel.trusted, self.fed.since
        if panel.reading_type.channel:
            return
        for begin in sorted({since[point] for point in panel.points if point in lacking}):
            some = panel.rows([row for row, point in enumerate(panel.points) if since.get(point) == begin])
            some = some.rows([row for row, point in enumerate(some.points) if point in lacking])
            first = max(-(-(begin - epoch_s(some.start)) // some.interval_s), 0)
            if first < some.slots:
                yield self._zeros(some.slice(first, some.slots))

    def _zeros(self, some: Panel) -> Channel:
        values = np.where(some.missing, np.nan, 0.0)
        kind = replace(some.reading_type, flow=Flow.RECEIVED)
        zeros = self._by_edit(replace(some, values=values, reading_type=kind), {})
        return Channel(zeros, lay_agreed(zeros, self.edits), (), partial(replace, zeros))

    def _agreed(self, channel: Channel) -> Channel:
        """Return a channel with the method AGREED where edits alone say that anything was fed in."""
        if self.fed.edited.keys().isdisjoint(channel.trusted.points):
            return channel
        panel = channel.validated
        first = fed_from(panel.with_values(-panel.values))
        told = dict(zip(panel.points, first.tolist(), strict=True))
        return replace(channel, trusted=self._by_edit(channel.trusted, told))

    def _by_edit(self, panel: Panel, told: Seconds) -> Panel:
        """Return a panel with the method AGREED before readings say that anything was fed in."""
        at = epoch_s(panel.start) + np.arange(panel.slots) * panel.interval_s
        ends = [self._read(point, told) for point in panel.points]
        by_edit = ~panel.missing & (at[None] < np.array(ends)[:, None])
        if not by_edit.any():
            return panel
        quality = np.where(by_edit, q.status_of(panel.quality) | AGREED, panel.quality)
        return panel.with_values(panel.values, quality.astype(np.uint8))

    def _read(self, point: str, told: Seconds) -> int:
        """Return since when readings say that a usage point fed in."""
        never = epoch_s(EVER.end)
        if point not in self.fed.edited:
            return 0
        return min(self.fed.read.get(point, never), told.get(point, never))

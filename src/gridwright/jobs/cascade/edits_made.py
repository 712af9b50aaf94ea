"""Edits of series that have no final image of their own: what is made of such readings is made of their edits too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gridwright.analytics import energy_panel
from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.edit import Edit
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.jobs.cascade.around import EVER
from gridwright.jobs.cascade.channel import Channel
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.feeds import ONE_WAY
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import Store
from gridwright.vee import lay_agreed

AGREED = np.uint8(int(q.Method.AGREED) << 4)
NOBODY: tuple[set[str], set[str]] = (set(), set())
Own = Collection[tuple[str, ReadingType]]


def is_split(kind: ReadingType) -> bool:
    """Tell whether readings of a type become delivered and received energy by their sign, where nothing finer is."""
    if kind.quantity is Quantity.POWER:
        return kind.flow not in ONE_WAY
    return kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow is Flow.NET


def rank_of(kind: ReadingType) -> int | None:
    """Return the place of a series among those that delivered energy is made of, None for what it is not made of."""
    if kind.quantity is Quantity.ENERGY and kind.accumulation is not Accumulation.DELTA:
        return None
    if kind.quantity not in {Quantity.ENERGY, Quantity.POWER} or kind.flow is Flow.RECEIVED:
        return None
    if kind.flow is Flow.DELIVERED:
        return 0
    return 1 if is_split(kind) else 2


def own_images(
    store: Store, access: Access, edits: Sequence[Edit], panels: Sequence[Panel], others: Sequence[Panel]
) -> Own:
    """Return which usage points have a final image of a series itself, as `others` beside the main series have.

    Where an edit lies outside its series the readings there are (`panels`) say which series is the main one, and
    without any all that were ever read.
    """
    own = {(point, panel.reading_type.finer(0)) for panel in others for point in panel.points}
    asked = [each for each in edits if rank_of(each.reading_type)]
    ranks = _ranks(store, access, {each.usage_point for each in asked}, panels) if asked else {}
    beside = {
        (each.usage_point, each.reading_type.finer(0))
        for each in asked
        if min(ranks[each.usage_point], default=0) < (rank_of(each.reading_type) or 0)
    }
    return own | beside


def _ranks(store: Store, access: Access, points: Collection[str], panels: Sequence[Panel]) -> dict[str, set[int]]:
    """Return the places of the series of usage points: of those that were read here, else of all."""
    found: dict[str, set[int]] = {point: set() for point in points}
    for panel in panels:
        rank = rank_of(panel.reading_type)
        for point in points if rank is not None else ():
            if point in panel.points and not panel.row(point).missing.all():
                found[point].add(rank or 0)
    silent = sorted(point for point, ranks in found.items() if not ranks)
    for extent in store.readings.extents(access, silent) if silent else ():
        rank = rank_of(extent.reading_type)
        if rank is not None:
            found[extent.usage_point].add(rank)
    return found


def as_final(edits: Sequence[Edit], own: Own) -> list[Edit]:
    """Return edits in the types of the final images that their series are made into, in their order.

    An edit of net energy, or of power, is one of delivered and one of received energy, zero where the other is not; so
    main series are made from such readings. `own`: series that have a final image themselves.
    """
    return [made for edit in edits for made in _made(edit, own)]


def _made(edit: Edit, own: Own) -> Iterator[Edit]:
    kind = edit.reading_type
    energy = kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA
    if (edit.usage_point, kind.finer(0)) in own or not (energy or kind.quantity is Quantity.POWER):
        yield edit
        return
    values = np.array([edit.values], np.float64)
    panel = energy_panel(Panel((edit.usage_point,), edit.period.start, edit.interval, values, reading_type=kind))
    if is_split(kind):
        yield _of(edit, Flow.DELIVERED, panel, np.maximum(panel.values, 0))
        yield _of(edit, Flow.RECEIVED, panel, np.maximum(-panel.values, 0) + 0.0)
    elif kind.flow in ONE_WAY:
        yield replace(edit, reading_type=panel.reading_type, values=tuple(panel.values[0].tolist()))
    else:
        yield _of(edit, Flow.DELIVERED, panel, panel.values)


def _of(edit: Edit, flow: Flow, panel: Panel, values: Values) -> Edit:
    kind = replace(panel.reading_type, flow=flow, channel="")
    return replace(edit, reading_type=kind, values=tuple(values[0].tolist()))


def feeding(edits: Sequence[Edit]) -> set[str]:
    """Return the usage points at which edits say that something was fed in where both directions are one series."""
    return {each.usage_point for each in edits if is_split(each.reading_type) and min(each.values) < 0}


@dataclass(frozen=True, slots=True, eq=False)
class Unfed:
    """Usage points whose readings have both directions in one series, `panels` of a scope with its `edits`.

    Where no reading says that they fed in, an edit may, or the final image that readings have left: then what was fed
    in is zero wherever what was delivered is known, and not unknown. By an edit alone it is so with the method AGREED,
    and goes with the last such edit.
    """

    store: Store
    access: Access
    scope: Scope
    panels: Sequence[Panel]
    edits: Sequence[Edit]

    def beside(self, delivered: Sequence[Channel], received: Sequence[Channel]) -> list[Channel]:
        """Return the received channels that are lacking beside those that were made."""
        told = {point for channel in received for point in channel.trusted.points}
        split = {point for panel in self.panels if is_split(panel.reading_type) for point in panel.points} - told
        return [] if not split else [each for channel in delivered for each in self._beside(channel, split)]

    def _beside(self, channel: Channel, split: Collection[str]) -> Iterator[Channel]:
        panel = channel.trusted
        kind = replace(panel.reading_type, flow=Flow.RECEIVED)
        rows = [row for row, point in enumerate(panel.points) if point in split]
        read, edited = self._fed([panel.points[row] for row in rows], kind) if rows and not kind.channel else NOBODY
        if read or edited:
            some = panel.rows([row for row in rows if panel.points[row] in read | edited])
            by_edit = np.array([[point not in read] for point in some.points])
            quality = np.where(by_edit & ~some.missing, q.status_of(some.quality) | AGREED, some.quality)
            values = np.where(some.missing, np.nan, 0.0)
            zeros = replace(some, values=values, quality=quality.astype(np.uint8), reading_type=kind)
            yield Channel(zeros, lay_agreed(zeros, self.edits), (), partial(replace, zeros))

    def _fed(self, points: Sequence[str], kind: ReadingType) -> tuple[set[str], set[str]]:
        """Return who has a final image of what was fed in as readings left it, and who fed in by an edit in force."""
        edited = {
            each.usage_point
            for each in self.edits
            if each.usage_point in points and each.reading_type.finer(0) == kind.finer(0) and any(each.values)
        }
        read: set[str] = set()
        left: set[str] = set()
        for panel in load_stretches(self.store, self.access, points, self.scope.period, kind, image=Image.FINAL):
            agreed = q.method_of(panel.quality) == q.Method.AGREED
            for point, known, by_edit in zip(panel.points, ~panel.missing, agreed, strict=True):
                (read if (known & ~by_edit).any() else left if known.any() else set()).add(point)
        still = sorted(left - read - edited)
        return read, edited | (feeding(self.store.edits.applied(self.access, still, EVER)) if still else set())
